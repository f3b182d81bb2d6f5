//! What every schema outside of value validation has to say: its type above all.

use serde_json::Value;

use super::nested;
use crate::FieldError;

/// Where a schema stands in its parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Item,
    Field,
}

/// Checks a schema and all below it.
pub(super) fn check(schema: &Value, level: Level, path: &str, faults: &mut Vec<FieldError>) {
    let at = |keyword: &str| format!("{path}.{keyword}");
    let kind = schema["type"].as_str().unwrap_or_default();
    let is = |extension: &str| schema[extension] == true;
    let is_embedded = is("x-kubernetes-embedded-resource");
    if kind == "array" && schema["items"].is_null() {
        faults.push(FieldError::required(at("items"), "must be specified"));
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        check(items, Level::Item, &at("items"), faults);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check(property, Level::Field, &format!("{path}.properties[{name}]"), faults);
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() && level == Level::Root {
        faults.push(FieldError::forbidden(at("additionalProperties"), "must not be used at the root"));
    }
    if additional.is_object() {
        check(additional, Level::Field, &at("additionalProperties"), faults);
    }
    if is("x-kubernetes-int-or-string") {
        for extension in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
            if is(extension) {
                let why = "must be false if x-kubernetes-int-or-string is true";
                faults.push(FieldError::invalid(at(extension), true, why));
            }
        }
    }
    nested::check_branches(schema, path, faults);
    check_type(schema, kind, level, path, faults);
    if is_embedded && !additional.is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        faults.push(FieldError::forbidden(at("additionalProperties"), why));
    }
    let has_properties = schema["properties"].as_object().is_some_and(|map| !map.is_empty());
    if is_embedded && !is("x-kubernetes-preserve-unknown-fields") && !has_properties {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        faults.push(FieldError::required(at("properties"), why));
    }
    if level == Level::Root || is_embedded {
        check_identity(schema, level, path, faults);
    }
}

fn check_type(schema: &Value, kind: &str, level: Level, path: &str, faults: &mut Vec<FieldError>) {
    let at = format!("{path}.type");
    let may_be_absent = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    if schema["x-kubernetes-embedded-resource"] == true && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        faults.push(match kind {
            "" => FieldError::required(at.clone(), why),
            found => FieldError::invalid(at.clone(), found, why),
        });
    } else if kind.is_empty() && !may_be_absent {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        faults.push(FieldError::required(at.clone(), why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        faults.push(FieldError::invalid(at, kind, "must be object at the root"));
    }
}

/// `apiVersion`, `kind` and `metadata` of a whole object are what they are everywhere.
fn check_identity(schema: &Value, level: Level, path: &str, faults: &mut Vec<FieldError>) {
    let properties = &schema["properties"];
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(property) = properties.get(name) else { continue };
        if property["type"] != wanted {
            let found = property["type"].as_str().unwrap_or_default();
            let at = format!("{path}.properties[{name}].type");
            faults.push(FieldError::invalid(at, found, format!("must be {wanted}")));
        }
    }
    let metadata = properties["metadata"].as_object();
    let says_more = metadata.into_iter().flatten().any(|(keyword, value)| match keyword.as_str() {
        "type" | "description" | "title" | "default" => false,
        "properties" => value.as_object().is_none_or(|fields| {
            fields.keys().any(|field| !matches!(field.as_str(), "name" | "generateName"))
        }),
        _ => true,
    });
    if level == Level::Root && says_more {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        faults.push(FieldError::forbidden(format!("{path}.properties[metadata]"), why));
    }
}
