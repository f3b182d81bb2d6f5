//! `/openapi/v2`: the schemas of every kind once more, for `kubectl` before 1.29, which
//! explains kinds and finds merge keys by it.
//!
//! Go clients ask for it in protobuf and read nothing else; others get JSON. It holds
//! definitions and no paths: nobody finds out by them what is served.
//!
//! Source of the messages and their numbers: `gnostic-models/openapiv2/OpenAPIv2.proto`;
//! of what is read: `kube-openapi/pkg/util/proto/document.go`.

use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::{Map, Value, json};

use super::compress;
use crate::answer::Answer;
use crate::kinds::Kinds;
use crate::served::Served;

/// What is answered; the name that clients ask by holds an `@`, which no media type may
/// (RFC 9110 8.3.1), and they refuse it in an answer (`kube-openapi/pkg/handler/handler.go`).
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The document, in the form that is asked for.
pub(crate) fn document(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    let wants_protobuf = headers.get_all(ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.contains("com.github.proto-openapi.spec.v2"))
    });
    let (media_type, form) = if wants_protobuf { (PROTOBUF, "p") } else { ("application/json", "j") };
    let tag = format!("\"{form}{}\"", super::documents::hash_of_all(kinds));
    compress::with_tag(headers, media_type, &tag, || {
        let definitions = definitions(kinds);
        if wants_protobuf {
            return encode(&definitions);
        }
        let info = json!({"title": "Kubernetes", "version": "spur"});
        let document = json!({"swagger": "2.0", "info": info, "paths": {}, "definitions": definitions});
        serde_json::to_vec(&document).expect("a JSON value can always be written")
    })
}

fn definitions(kinds: &Kinds) -> Map<String, Value> {
    let all: Vec<&Served> = kinds.iter().collect();
    super::schemas::of_kinds(&all).into_iter().map(|(name, schema)| (name, as_v2(&schema))).collect()
}

/// A schema without what version 2 does not know: a reference stands alone, alternatives
/// and nulls are not said.
fn as_v2(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let reference = map.get("$ref").or_else(|| match map.get("allOf").and_then(Value::as_array) {
        Some(all) if all.len() == 1 => all[0].get("$ref"),
        _ => None,
    });
    let mut v2 = Map::new();
    if let Some(reference) = reference.and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        v2.insert("$ref".to_owned(), json!(format!("#/definitions/{name}")));
    }
    for (field, value) in map {
        let value = match field.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, schema)| (name.clone(), as_v2(schema))).collect())
            }
            "items" | "additionalProperties" => as_v2(value),
            "type" | "format" | "description" | "required" | "default" => value.clone(),
            extension if extension.starts_with("x-kubernetes-") => value.clone(),
            _ => continue,
        };
        v2.insert(field.clone(), value);
    }
    Value::Object(v2)
}

/// `Document { swagger = 1, info = 2, paths = 8, definitions = 9 }`.
fn encode(definitions: &Map<String, Value>) -> Vec<u8> {
    let mut document = Vec::new();
    text(&mut document, 1, "2.0");
    let mut info = Vec::new();
    text(&mut info, 1, "Kubernetes");
    text(&mut info, 2, "spur");
    block(&mut document, 2, &info);
    block(&mut document, 8, &[]);
    block(&mut document, 9, &named(definitions));
    document
}

/// `Definitions` and `Properties`: `repeated NamedSchema { name = 1, value = 2 } = 1`.
fn named(schemas: &Map<String, Value>) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in schemas {
        let mut one = Vec::new();
        text(&mut one, 1, name);
        block(&mut one, 2, &schema(value));
        block(&mut all, 1, &one);
    }
    all
}

/// `Schema`, field by field.
fn schema(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, value) in value.as_object().into_iter().flatten() {
        match (field.as_str(), value) {
            ("$ref", Value::String(reference)) => text(&mut out, 1, reference),
            ("format", Value::String(format)) => text(&mut out, 2, format),
            ("description", Value::String(description)) => text(&mut out, 4, description),
            ("default", value) => block(&mut out, 5, &any(value)),
            ("required", Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).for_each(|name| text(&mut out, 19, name));
            }
            ("additionalProperties", Value::Bool(true)) => block(&mut out, 21, &[2 << 3, 1]),
            ("additionalProperties", value @ Value::Object(_)) => {
                let mut item = Vec::new();
                block(&mut item, 1, &schema(value));
                block(&mut out, 21, &item);
            }
            ("type", Value::String(name)) => {
                let mut item = Vec::new();
                text(&mut item, 1, name);
                block(&mut out, 22, &item);
            }
            ("items", value) => {
                let mut item = Vec::new();
                block(&mut item, 1, &schema(value));
                block(&mut out, 23, &item);
            }
            ("properties", Value::Object(fields)) => block(&mut out, 25, &named(fields)),
            (extension, value) if extension.starts_with("x-kubernetes-") => {
                let mut one = Vec::new();
                text(&mut one, 1, extension);
                block(&mut one, 2, &any(value));
                block(&mut out, 31, &one);
            }
            _ => {}
        }
    }
    out
}

/// `Any { yaml = 2 }`: JSON is YAML.
fn any(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, 2, &value.to_string());
    out
}

fn text(out: &mut Vec<u8>, field: u64, text: &str) {
    block(out, field, text.as_bytes());
}

/// A length-delimited field (<https://protobuf.dev/programming-guides/encoding/>).
fn block(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_stands_alone_and_alternatives_are_left_out() {
        let v3 = json!({
            "type": "object", "nullable": true,
            "properties": {
                "spec": {"description": "d", "allOf": [{"$ref": "#/components/schemas/a.Spec"}]},
                "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
            },
        });
        let v2 = json!({
            "type": "object",
            "properties": {
                "spec": {"$ref": "#/definitions/a.Spec", "description": "d"},
                "port": {"format": "int-or-string"},
            },
        });
        assert_eq!(as_v2(&v3), v2);
    }

    #[test]
    fn fields_are_written_under_gnostics_numbers() {
        let encoded = schema(&json!({"type": "string", "x-kubernetes-a": [1]}));
        // type: 22 << 3 | 2 = 178, of two bytes; vendor_extension: 31 << 3 | 2 = 250.
        let kind = [178, 1, 8, 10, 6, b's', b't', b'r', b'i', b'n', b'g'];
        let mut extension = vec![250, 1, 23, 10, 14];
        extension.extend(b"x-kubernetes-a");
        extension.extend([18, 5, 18, 3]);
        extension.extend(b"[1]");
        assert_eq!(encoded, [&kind[..], &extension].concat());
    }
}
