//! The documents of OpenAPI: which there are, their paths, what can be done there, what that takes
//! and gives, and the definitions that each brings along.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::Comparison;
use crate::documents::Documents;
use crate::served::Served;

/// Group versions that are in no official document begin with these.
const NOT_KUBERNETES: [&str; 8] = [
    "apis/spur.dev",
    "apis/extensions.istio.io",
    "apis/networking.istio.io",
    "apis/security.istio.io",
    "apis/telemetry.istio.io",
    "apis/gateway.networking.k8s.io",
    "apis/networking.x-k8s.io",
    "apis/metrics.k8s.io",
];

pub(crate) fn compare(served: &Served, official: &Documents) -> Comparison {
    let mut found = Comparison::default();
    let is_compared = |path: &&String| !NOT_KUBERNETES.iter().any(|prefix| path.starts_with(prefix));
    let paths: BTreeSet<&String> = served.documents.keys().chain(official.documents.keys()).collect();
    for path in paths.into_iter().filter(is_compared) {
        let (ours, theirs) = (served.documents.get(path), official.documents.get(path));
        found.entry(format!("{path} document"), ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            compare_paths(&mut found, ours, theirs);
            compare_definitions(&mut found, path, ours, theirs);
        }
    }
    found
}

fn compare_paths(found: &mut Comparison, ours: &Value, theirs: &Value) {
    for (path, ours, theirs) in in_either(&ours["paths"], &theirs["paths"]) {
        found.entry(format!("path {path}"), ours.is_some(), theirs.is_some());
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        let methods = in_either(ours, theirs).into_iter().filter(|(method, ..)| *method != "parameters");
        for (method, our_operation, their_operation) in methods {
            let place = format!("{} {path}", method.to_ascii_uppercase());
            found.entry(format!("operation {place}"), our_operation.is_some(), their_operation.is_some());
            if let (Some(one), Some(other)) = (our_operation, their_operation) {
                compare_operations(found, &place, one, other);
                compare_parameters(found, &place, &parameters(one, ours), &parameters(other, theirs));
            }
        }
    }
}

fn compare_operations(found: &mut Comparison, place: &str, ours: &Value, theirs: &Value) {
    let fields =
        ["operationId", "tags", "description", "x-kubernetes-action", "x-kubernetes-group-version-kind"];
    for field in fields {
        found.entry(format!("{field} of {place}"), &ours[field], &theirs[field]);
    }
    let is_required = |operation: &Value| operation["requestBody"]["required"].clone();
    found.entry(format!("need of a body of {place}"), is_required(ours), is_required(theirs));
    let body = "/requestBody/content";
    compare_contents(found, &format!("request of {place}"), ours.pointer(body), theirs.pointer(body));
    for (code, ours, theirs) in in_either(&ours["responses"], &theirs["responses"]) {
        let place = format!("{code} of {place}");
        found.entry(format!("answer {place}"), ours.is_some(), theirs.is_some());
        let content = |answer: Option<&Value>| answer.and_then(|answer| answer.get("content")).cloned();
        compare_contents(found, &place, content(ours).as_ref(), content(theirs).as_ref());
    }
}

/// Which media types there are, and that they hold the same.
fn compare_contents(found: &mut Comparison, place: &str, ours: Option<&Value>, theirs: Option<&Value>) {
    let none = Value::Null;
    for (media, ours, theirs) in in_either(ours.unwrap_or(&none), theirs.unwrap_or(&none)) {
        found.entry(format!("media type {media} in {place}"), ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            found.entry(format!("schema of {media} in {place}"), &ours["schema"], &theirs["schema"]);
        }
    }
}

fn compare_parameters(
    found: &mut Comparison,
    place: &str,
    ours: &BTreeMap<String, Value>,
    theirs: &BTreeMap<String, Value>,
) {
    let both: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in both {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        found.entry(format!("parameter {name} of {place}"), ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            found.entry(format!("form of {name} of {place}"), ours, theirs);
        }
    }
}

/// Where each parameter stands and what it is, whether it is said once for the path or here.
fn parameters(operation: &Value, item: &Value) -> BTreeMap<String, Value> {
    let lists = [operation, item].map(|place| place["parameters"].as_array());
    let all = lists.into_iter().flatten().flatten();
    let described = all.map(|parameter| {
        let mut parameter = parameter.clone();
        parameter["description"] = Value::Null;
        (format!("{}:{}", parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap()), parameter)
    });
    described.collect()
}

fn compare_definitions(found: &mut Comparison, path: &str, ours: &Value, theirs: &Value) {
    let schemas = |document: &Value| document["components"]["schemas"].clone();
    for (name, ours, theirs) in in_either(&schemas(ours), &schemas(theirs)) {
        found.entry(format!("definition {name} in {path}"), ours.is_some(), theirs.is_some());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let kinds = |schema: &Value| schema.get("x-kubernetes-group-version-kind").cloned();
            found.entry(format!("kinds of {name} in {path}"), kinds(ours), kinds(theirs));
        }
    }
}

/// The entries of two maps by their keys.
fn in_either<'a>(ours: &'a Value, theirs: &'a Value) -> Vec<(&'a str, Option<&'a Value>, Option<&'a Value>)> {
    let keys = |map: &'a Value| map.as_object().into_iter().flat_map(Map::keys);
    let both: BTreeSet<&str> = keys(ours).chain(keys(theirs)).map(String::as_str).collect();
    both.into_iter().map(|key| (key, ours.get(key), theirs.get(key))).collect()
}
