//! The words behind a type: primitive types, and the limits of values.

use serde_json::{Map, Value, json};

/// What a name of the language itself stands for; `None` where it names a type.
pub(super) fn primitive(name: &str) -> Option<Map<String, Value>> {
    let schema = match name {
        "object" | "string" | "boolean" | "integer" => json!({"type": name}),
        "int32" | "int64" => json!({"type": "integer", "format": name}),
        // The sizes of protobuf's unsigned numbers, of which OpenAPI has no format.
        "uint32" => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        "uint64" => json!({"type": "integer", "minimum": 0}),
        "double" => json!({"type": "number", "format": "double"}),
        "time" => json!({"type": "string", "format": "date-time"}),
        "bytes" => json!({"type": "string", "format": "byte"}),
        "any" => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        "int-or-string" => {
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]})
        }
        _ => return None,
    };
    schema.as_object().cloned()
}

/// Adds what the words say. A default is the last of them and goes to the end of the line; `filled`
/// puts texts in the place of their names.
pub(super) fn apply(schema: &mut Map<String, Value>, words: &str, filled: &dyn Fn(&str) -> String) {
    let (words, default) = match words.find("default=") {
        Some(at) => (&words[..at], Some(&words[at + "default=".len()..])),
        None => (words, None),
    };
    let mut choices = Vec::new();
    for word in words.split_whitespace() {
        match word.split_once(['=', '(']) {
            Some(("len", range)) => limit(schema, range, ["minLength", "maxLength"]),
            Some(("range", range)) => limit(schema, range, ["minimum", "maximum"]),
            Some(("items", range)) => limit(schema, range, ["minItems", "maxItems"]),
            Some(("keys", range)) => limit(schema, range, ["minProperties", "maxProperties"]),
            Some(("enum", values)) => {
                let is_number = schema.get("type").is_some_and(|kind| kind == "integer");
                let value = |text: &str| if is_number { number(text) } else { json!(text) };
                set(schema, "enum", values.split('|').map(value).collect());
            }
            Some(("one", fields)) => choices.push(at_most_one(fields.trim_end_matches(')'))),
            Some(("map", keys)) => {
                set(schema, "x-kubernetes-list-type", json!("map"));
                let keys: Vec<&str> = keys.trim_end_matches(')').split('|').collect();
                set(schema, "x-kubernetes-list-map-keys", json!(keys));
            }
            _ => flag(schema, word, filled),
        }
    }
    match choices.as_slice() {
        [] => {}
        [one] => set(schema, "oneOf", one.clone()),
        several => {
            let all: Vec<Value> = several.iter().map(|one| json!({"oneOf": one})).collect();
            set(schema, "allOf", json!(all));
        }
    }
    if let Some(default) = default {
        let default = serde_json::from_str(&filled(default)).expect("a default is JSON");
        set(schema, "default", default);
    }
}

fn flag(schema: &mut Map<String, Value>, word: &str, filled: &dyn Fn(&str) -> String) {
    match word {
        "nullable" => set(schema, "nullable", json!(true)),
        "atomic" | "set" => set(schema, "x-kubernetes-list-type", json!(word)),
        "atomic-map" => set(schema, "x-kubernetes-map-type", json!("atomic")),
        _ => {
            let name = word.strip_prefix('~').unwrap_or_else(|| panic!("`{word}` limits nothing"));
            set(schema, "pattern", json!(filled(&format!("<{name}>"))));
        }
    }
}

/// `1..16`, `1..` or `..16`.
fn limit(schema: &mut Map<String, Value>, range: &str, keywords: [&str; 2]) {
    let (least, most) = range.split_once("..").expect("a range has two ends");
    for (keyword, end) in keywords.into_iter().zip([least, most]).filter(|(_, end)| !end.is_empty()) {
        set(schema, keyword, number(end));
    }
}

/// None of the fields, or one: what a `oneof` of protobuf becomes.
fn at_most_one(fields: &str) -> Value {
    let each: Vec<Value> = fields.split('|').map(|field| json!({"required": [field]})).collect();
    let none = json!({"not": {"anyOf": each}});
    std::iter::once(none).chain(each.iter().cloned()).collect()
}

fn number(text: &str) -> Value {
    json!(text.parse::<i64>().expect("limits are whole numbers"))
}

fn set(schema: &mut Map<String, Value>, keyword: &str, value: Value) {
    schema.insert(keyword.to_owned(), value);
}
