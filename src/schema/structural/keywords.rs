//! Keywords that may not be used, and those whose values have to fit together.

use regex::Regex;
use serde_json::Value;

use crate::FieldError;

/// Keywords of JSON Schema that would make two answers possible.
const UNSUPPORTED: [&str; 6] =
    ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Checks a schema and all below it.
pub(super) fn check(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let Some(map) = schema.as_object() else {
        faults.push(FieldError::invalid(path, schema.clone(), "must be a schema object"));
        return;
    };
    let at = |keyword: &str| format!("{path}.{keyword}");
    for keyword in UNSUPPORTED {
        if map.get(keyword).is_some_and(|value| !is_empty(value)) {
            faults.push(FieldError::forbidden(at(keyword), format!("{keyword} is not supported")));
        }
    }
    match &schema["type"] {
        Value::Null => {}
        Value::String(name) if name.is_empty() || TYPES.contains(&name.as_str()) => {}
        Value::String(name) if name == "null" => {
            faults.push(FieldError::forbidden(
                at("type"),
                "type cannot be set to null, use nullable as an alternative",
            ));
        }
        found => faults.push(FieldError::not_supported(at("type"), found.clone(), TYPES)),
    }
    if schema["items"].is_array() {
        faults.push(FieldError::forbidden(at("items"), "items must be a schema object and not an array"));
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        faults.push(FieldError::forbidden(at("uniqueItems"), why));
    }
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !pattern.is_empty())
        && let Err(error) = Regex::new(pattern)
    {
        let why = format!("must be a valid regular expression, but isn't: {error}");
        faults.push(FieldError::invalid(at("pattern"), pattern, why));
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let why = "must be true or undefined";
        faults.push(FieldError::invalid(at("x-kubernetes-preserve-unknown-fields"), false, why));
    }
    check_additional(schema, path, faults);
    check_list_type(schema, path, faults);
    check_map_type(schema, path, faults);
    for (child, path) in children(schema, path) {
        check(child, &path, faults);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Properties are for structs, additional properties for maps: both would contradict the
/// convention that unknown fields are dropped.
fn check_additional(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let has_properties = schema["properties"].as_object().is_some_and(|map| !map.is_empty());
    let additional = &schema["additionalProperties"];
    let at = format!("{path}.additionalProperties");
    if has_properties && (additional.is_object() || *additional == false) {
        faults.push(FieldError::forbidden(&at, "additionalProperties and properties are mutual exclusive"));
    } else if *additional == false {
        faults.push(FieldError::forbidden(at, "additionalProperties cannot be set to false"));
    }
}

fn check_list_type(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let at = |keyword: &str| format!("{path}.{keyword}");
    let list_type = schema["x-kubernetes-list-type"].as_str();
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if list_type.is_some() && schema["type"] != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        faults.push(FieldError::invalid(at("type"), text(&schema["type"]), why));
    }
    let item_type = schema["items"]["type"].as_str().unwrap_or_default();
    match list_type {
        None | Some("atomic") => {}
        Some("set") => {
            let is_atomic_map = item_type == "object" && schema["items"]["x-kubernetes-map-type"] == "atomic";
            let is_atomic_list = item_type == "array"
                && matches!(schema["items"]["x-kubernetes-list-type"].as_str(), None | Some("atomic"));
            if item_type == "object" && !is_atomic_map {
                let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
                faults.push(FieldError::invalid(
                    at("items.x-kubernetes-map-type"),
                    text(&schema["items"]["x-kubernetes-map-type"]),
                    why,
                ));
            } else if item_type == "array" && !is_atomic_list {
                let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
                faults.push(FieldError::invalid(
                    at("items.x-kubernetes-list-type"),
                    text(&schema["items"]["x-kubernetes-list-type"]),
                    why,
                ));
            }
            if schema["items"]["nullable"] == true {
                let why = "cannot be nullable when x-kubernetes-list-type is set";
                faults.push(FieldError::forbidden(at("items.nullable"), why));
            }
        }
        Some("map") => {
            if keys.is_empty() {
                let why = "must not be empty if x-kubernetes-list-type is map";
                faults.push(FieldError::required(at("x-kubernetes-list-map-keys"), why));
            }
            if item_type != "object" {
                let why = "must be object if parent array's x-kubernetes-list-type is map";
                faults.push(FieldError::invalid(at("items.type"), item_type, why));
            }
            if schema["items"]["nullable"] == true {
                let why = "cannot be nullable when x-kubernetes-list-type is map";
                faults.push(FieldError::forbidden(at("items.nullable"), why));
            }
            check_keys(schema, &keys, path, faults);
        }
        Some(found) => faults.push(FieldError::not_supported(
            at("x-kubernetes-list-type"),
            found,
            ["atomic", "map", "set"],
        )),
    }
    if !keys.is_empty() && list_type != Some("map") {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        faults.push(FieldError::invalid(at("x-kubernetes-list-type"), list_type.unwrap_or_default(), why));
    }
}

/// The keys of a list of type `map` are scalar fields that every item has.
fn check_keys(schema: &Value, keys: &[&str], path: &str, faults: &mut Vec<FieldError>) {
    let items = &schema["items"];
    let required: Vec<&str> =
        items["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (index, key) in keys.iter().enumerate() {
        let at = format!("{path}.x-kubernetes-list-map-keys[{index}]");
        if keys[..index].contains(key) {
            faults.push(FieldError::duplicate(&at, *key));
            continue;
        }
        let Some(property) = items["properties"].get(key) else {
            faults.push(FieldError::invalid(at, *key, "entries must all be names of item properties"));
            continue;
        };
        let at = format!("{path}.items.properties[{key}]");
        match property["type"].as_str() {
            Some("array" | "object") => faults.push(FieldError::invalid(
                format!("{at}.type"),
                text(&property["type"]),
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            )),
            _ if property["nullable"] == true => {
                let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
                faults.push(FieldError::forbidden(format!("{at}.nullable"), why));
            }
            _ if !required.contains(key) && property["default"].is_null() => faults.push(FieldError::required(
                format!("{at}.default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            )),
            _ => {}
        }
    }
}

fn check_map_type(schema: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let Some(map_type) = schema["x-kubernetes-map-type"].as_str() else { return };
    if schema["type"] != "object" {
        let why = "must be object if x-kubernetes-map-type is specified";
        faults.push(FieldError::invalid(format!("{path}.type"), text(&schema["type"]), why));
    }
    if !matches!(map_type, "atomic" | "granular") {
        faults.push(FieldError::not_supported(
            format!("{path}.x-kubernetes-map-type"),
            map_type,
            ["atomic", "granular"],
        ));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The schemas right below one, each with its path.
pub(super) fn children<'a>(schema: &'a Value, path: &str) -> Vec<(&'a Value, String)> {
    let mut children = Vec::new();
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        children.push((child, format!("{path}.properties[{name}]")));
    }
    for keyword in ["additionalProperties", "items", "not"] {
        if let Some(child) = schema.get(keyword).filter(|child| child.is_object()) {
            children.push((child, format!("{path}.{keyword}")));
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for (index, child) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            children.push((child, format!("{path}.{keyword}[{index}]")));
        }
    }
    children
}
