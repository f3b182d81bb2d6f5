//! Definitions: names of fields, types, what must be there, how patches merge.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::Comparison;
use crate::documents::Documents;
use crate::served::Served;

/// What a field's schema may say about patches.
const MERGING: [&str; 5] = [
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-patch-merge-key",
];

/// Our own kinds, the bundled ones of others, and those that metrics-server serves are in no official
/// document.
const NOT_KUBERNETES: [&str; 4] = ["dev.spur.", "io.istio.", "io.k8s.networking.gateway.", "io.k8s.metrics."];

pub(crate) fn compare(served: &Served, official: &Documents) -> Comparison {
    assert!(official.documents.len() > 40, "the folder holds every group version");
    let mut found = Comparison::default();
    for (name, ours) in &served.definitions {
        if NOT_KUBERNETES.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let Some(theirs) = official.definitions.get(name) else {
            found.entry(format!("{name} definition"), true, false);
            continue;
        };
        found.entry(format!("{name} required"), texts(ours.get("required")), texts(theirs.get("required")));
        entries(&mut found, name, ours, theirs);
        let (none, of) = (Map::new(), |schema: &Value| schema.get("properties").cloned());
        let (ours, theirs) = (of(ours), of(theirs));
        let fields = |properties: &Option<Value>| -> Map<String, Value> {
            properties.as_ref().and_then(Value::as_object).unwrap_or(&none).clone()
        };
        let (ours, theirs) = (fields(&ours), fields(&theirs));
        let both: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for field in both {
            let place = format!("{name}.{field}");
            found.entry(format!("{place} field"), ours.contains_key(field), theirs.contains_key(field));
            if let (Some(ours), Some(theirs)) = (ours.get(field), theirs.get(field)) {
                entries(&mut found, &place, ours, theirs);
            }
        }
    }
    found
}

/// Compares what two schemas say of their own value.
fn entries(found: &mut Comparison, place: &str, ours: &Value, theirs: &Value) {
    found.entry(format!("{place} type"), type_of(ours), type_of(theirs));
    found.entry(format!("{place} default"), default_of(ours), default_of(theirs));
    for keyword in MERGING {
        found.entry(format!("{place} {keyword}"), merging(ours, keyword), merging(theirs, keyword));
    }
}

/// The keyword's value; what it says where it is left out counts as left out.
fn merging(schema: &Value, keyword: &str) -> Option<Value> {
    let value = schema.get(keyword)?;
    let is_usual = keyword == "x-kubernetes-list-type" && value == "atomic";
    (!is_usual).then(|| value.clone())
}

/// The value that an absent field gets; Go's zero values are no news.
fn default_of(schema: &Value) -> Option<Value> {
    let value = schema.get("default")?;
    let is_zero = match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    (!is_zero).then(|| value.clone())
}

/// A type in words: `array of string`, `map of #Quantity`, `#PodSpec`.
fn type_of(schema: &Value) -> String {
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return type_of(only);
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return format!("#{}", reference.rsplit('/').next().unwrap_or_default());
    }
    let format = schema.get("format").and_then(Value::as_str).map(|format| format!(" {format}"));
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => format!("array of {}", type_of(schema.get("items").unwrap_or(&Value::Null))),
        Some("object") => match schema.get("additionalProperties") {
            Some(values) => format!("map of {}", type_of(values)),
            None => "object".to_owned(),
        },
        Some(type_) => format!("{type_}{}", format.unwrap_or_default()),
        None if schema.get("oneOf").is_some() => "one of several".to_owned(),
        None if schema.get("x-kubernetes-int-or-string").is_some() => "integer or string".to_owned(),
        None => "anything".to_owned(),
    }
}

fn texts(value: Option<&Value>) -> BTreeSet<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
