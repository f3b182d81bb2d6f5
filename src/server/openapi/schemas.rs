//! The definitions of a document: what its paths refer to, and what that refers to.
//!
//! Those of lists are made here, since they differ in nothing but their items.

use serde_json::{Map, Value, json};
use spur_api::{REGISTRY, definitions};

use super::operations::reference;
use crate::served::Served;

pub(super) const BINDING: &str = "io.k8s.api.core.v1.Binding";
pub(super) const EVICTION: &str = "io.k8s.api.policy.v1.Eviction";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const TOKEN_REQUEST: &str = "io.k8s.api.authentication.v1.TokenRequest";
pub(super) const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// Kinds of the core group that are no objects, by the ends of their definitions' names.
const OF_META: [&str; 7] = [
    "v1.APIGroup",
    "v1.APIGroupList",
    "v1.APIResourceList",
    "v1.APIVersions",
    "v1.DeleteOptions",
    "v1.Status",
    "v1.WatchEvent",
];

/// Kinds that only subresources take, as (definition, group, version, kind).
const OF_SUBRESOURCES: [(&str, &str, &str, &str); 3] = [
    (definitions::SCALE, "autoscaling", "v1", "Scale"),
    (EVICTION, "policy", "v1", "Eviction"),
    (TOKEN_REQUEST, "authentication.k8s.io", "v1", "TokenRequest"),
];

/// `io.k8s.api.core.v1.PodList`.
pub(super) fn list_definition(kind: &Served) -> String {
    let package = kind.definition().rsplit_once('.').map_or("", |(package, _)| package);
    format!("{package}.{}", kind.list_kind())
}

/// All that `value` refers to, directly or not, of a document that has these kinds.
pub(super) fn referred_to(value: &Value, kinds: &[&Served]) -> Map<String, Value> {
    let mut wanted = Vec::new();
    collect_references(value, &mut wanted);
    collect(wanted, kinds)
}

/// The definitions of kinds, and all that those refer to.
pub(super) fn of_kinds(kinds: &[&Served]) -> Map<String, Value> {
    collect(kinds.iter().map(|kind| kind.definition().to_owned()).collect(), kinds)
}

fn collect(mut wanted: Vec<String>, kinds: &[&Served]) -> Map<String, Value> {
    let mut bundled = definitions::document();
    let mut found: Map<String, Value> = Map::new();
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let Some(definition) = own(&name, kinds).or_else(|| bundled.swap_remove(&name)) else { continue };
        collect_references(&definition, &mut wanted);
        found.insert(name, definition);
    }
    name_kinds(&mut found, kinds);
    found.sort_keys();
    found
}

/// A definition that is not among the bundled ones.
fn own(name: &str, kinds: &[&Served]) -> Option<Value> {
    if let Some(kind) = kinds.iter().find(|kind| kind.definition() == name)
        && let Some(document) = kind.own_document()
    {
        return Some(document.into_owned());
    }
    kinds.iter().find(|kind| list_definition(kind) == name).map(|kind| list_of(kind))
}

/// Source: the `List` types of `k8s.io/api`.
fn list_of(kind: &Served) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "description": format!("{} is a list of objects of kind {}.", kind.list_kind(), kind.kind()),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": text("APIVersion defines the versioned schema of this representation of an object."),
            "items": {
                "description": format!("The {} themselves.", kind.plural()),
                "type": "array",
                "items": reference(kind.definition()),
            },
            "kind": text("Kind is a string value representing the REST resource this object represents."),
            "metadata": {
                "allOf": [reference(LIST_META)],
                "description": "Of which state the list is, and how it goes on.",
            },
        },
    })
}

/// Says of each definition that is a kind by itself which kind it is.
fn name_kinds(found: &mut Map<String, Value>, kinds: &[&Served]) {
    let mut name = |definition: &str, of: &[(&str, &str, &str)]| {
        if let Some(schema) = found.get_mut(definition) {
            let of = of
                .iter()
                .map(|(group, version, kind)| json!({"group": group, "version": version, "kind": kind}));
            schema["x-kubernetes-group-version-kind"] = of.collect();
        }
    };
    for (definition, group, version, kind) in OF_SUBRESOURCES {
        name(definition, &[(group, version, kind)]);
    }
    for end in OF_META {
        let (_, kind) = end.split_once('.').expect("a version and a kind");
        let mut of = vec![("", "v1", kind)];
        // These two are registered with every group version (`metav1.AddToGroupVersion`).
        if matches!(kind, "DeleteOptions" | "WatchEvent")
            && let Some(first) = kinds.first().filter(|first| !first.group().is_empty())
        {
            of.push((first.group(), first.version(), kind));
        }
        name(&format!("io.k8s.apimachinery.pkg.apis.meta.{end}"), &of);
    }
    // Of other groups too: a StatefulSet holds claims.
    for kind in REGISTRY {
        name(kind.definition, &[(kind.group, kind.version, kind.kind)]);
    }
    for kind in kinds {
        name(kind.definition(), &[(kind.group(), kind.version(), kind.kind())]);
        name(&list_definition(kind), &[(kind.group(), kind.version(), &kind.list_kind())]);
    }
}

fn collect_references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(name) =
                map.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
            {
                found.push(name.to_owned());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
