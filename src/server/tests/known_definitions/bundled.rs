//! The bundled definitions beside the published ones, keyword by keyword at every path.
//!
//! Left out, since nobody sees a difference: descriptions, which are our own or absent; the order of
//! fields, of enums and of required fields; `apiVersion`, `kind` and `metadata` of the whole object,
//! which the server adds to every kind; and versions that are published but not served.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use spur_api::bundled::Definition;
use spur_api::{Scope, meta};

/// Each entry in which a bundled definition differs from the published one.
pub(crate) fn differences(published: &Value) -> Vec<String> {
    let name = meta::name(published);
    let Some(bundled) = spur_api::bundled::all().find(|bundled| bundled.name() == name) else {
        return vec![format!("{name} is not bundled")];
    };
    let (ours, theirs) = (entries_of(bundled), published_entries(published));
    let mut found = Vec::new();
    for (path, value) in &theirs {
        match ours.get(path) {
            Some(our) if our == value => {}
            Some(our) => found.push(format!("{name} {path}: {our}, published {value}")),
            None => found.push(format!("{name} {path}: absent, published {value}")),
        }
    }
    let more = ours.iter().filter(|(path, _)| !theirs.contains_key(*path));
    found.extend(more.map(|(path, value)| format!("{name} {path}: {value}, published none")));
    found
}

/// How many entries a published definition has.
pub(crate) fn count(published: &Value) -> usize {
    published_entries(published).len()
}

type Entries = BTreeMap<String, Value>;

fn entries_of(bundled: &Definition) -> Entries {
    let mut entries = Entries::new();
    let names = json!({
        "plural": bundled.plural, "singular": bundled.singular, "kind": bundled.kind,
        "listKind": format!("{}List", bundled.kind),
        "shortNames": bundled.short_names, "categories": bundled.categories,
    });
    add(&mut entries, "names", &names);
    let scope = if bundled.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
    entries.insert("scope".to_owned(), json!(scope));
    let columns = bundled.columns.iter().map(|column| {
        json!({"name": column.name, "type": column.type_, "jsonPath": column.path, "priority": column.priority})
    });
    let columns = shown(columns.collect());
    for version in bundled.versions {
        let subresources = if bundled.has_status { json!({"status": {}}) } else { json!({}) };
        let is_stored = bundled.storage_version == *version;
        add(&mut entries, &format!("{version} subresources"), &subresources);
        entries.insert(format!("{version} storage"), json!(is_stored));
        add(&mut entries, &format!("{version} columns"), &columns);
        add(&mut entries, &format!("{version} schema"), &bundled.schema());
    }
    entries
}

fn published_entries(published: &Value) -> Entries {
    let mut entries = Entries::new();
    let spec = &published["spec"];
    let mut names = spec["names"].clone();
    names["shortNames"] = json!(meta::list(&names, "/shortNames"));
    add(&mut entries, "names", &names);
    entries.insert("scope".to_owned(), spec["scope"].clone());
    for version in meta::list(spec, "/versions").iter().filter(|version| version["served"] == true) {
        let name = meta::text(version, "/name");
        add(&mut entries, &format!("{name} subresources"), &version["subresources"]);
        entries.insert(format!("{name} storage"), version["storage"].clone());
        let columns = meta::list(version, "/additionalPrinterColumns").iter().map(|column| {
            let mut column = column.as_object().cloned().unwrap_or_default();
            column.remove("description");
            column.entry("priority").or_insert_with(|| json!(0));
            Value::Object(column)
        });
        add(&mut entries, &format!("{name} columns"), &shown(columns.collect()));
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        if let Some(fields) = schema["properties"].as_object_mut() {
            fields.retain(|field, _| !["apiVersion", "kind", "metadata"].contains(&field.as_str()));
        }
        add(&mut entries, &format!("{name} schema"), &schema);
        for field in ["selectableFields", "deprecated"] {
            assert!(version.get(field).is_none(), "{name}: definitions cannot say `{field}` yet");
        }
    }
    entries
}

/// Without columns the age is shown.
fn shown(columns: Vec<Value>) -> Value {
    match columns.as_slice() {
        [] => {
            json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 0}])
        }
        _ => json!(columns),
    }
}

/// Every value that holds no others, by its path; what is empty is a value too.
fn add(entries: &mut Entries, path: &str, value: &Value) {
    match value {
        Value::Object(map) if !map.is_empty() => add_map(entries, path, map),
        Value::Array(items) if is_unordered(path) => {
            let mut items = items.clone();
            items.sort_by_key(Value::to_string);
            entries.insert(path.to_owned(), json!(items));
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                add(entries, &format!("{path}[{index}]"), item);
            }
        }
        _ => {
            entries.insert(path.to_owned(), value.clone());
        }
    }
}

fn add_map(entries: &mut Entries, path: &str, map: &Map<String, Value>) {
    for (key, value) in map {
        // A description that is no text is a field of this name.
        if key != "description" || !value.is_string() {
            add(entries, &format!("{path}.{key}"), value);
        }
    }
}

fn is_unordered(path: &str) -> bool {
    path.ends_with(".enum") || path.ends_with(".required")
}
