//! `/openapi/v3`: an index and one document per group version, enough for
//! `kubectl`'s validation, its choice of patch, and `kubectl explain`.
//!
//! Source: `kube-openapi/pkg/handler3/handler.go`; which operations `kubectl`
//! looks for: `cli-runtime/pkg/resource/query_param_verifier_v3.go` and
//! `kubectl/pkg/cmd/apply/patcher.go`.

pub(crate) mod swagger;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Map, Value, json};
use spur_api::{Life, Scope, Status, definitions};

use crate::answer::{Answer, Outcome};
use crate::discovery::{has_delete_collection, tagged};
use crate::kinds::Kinds;
use crate::served::Served;

/// The index: where each group version's document is.
pub(crate) fn index(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    let mut paths = Map::new();
    for (path, group, version) in group_versions(kinds) {
        let hash = document_hash(kinds, &group, &version);
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    tagged(headers, "application/json", &json!({"paths": paths}))
}

/// The document of one group version. Asked for by its hash it may be kept for ever.
pub(crate) fn document(kinds: &Kinds, headers: &HeaderMap, path: &str, query: &str) -> Outcome {
    let found = group_versions(kinds).into_iter().find(|(known, ..)| known == path);
    let Some((_, group, version)) = found else { return Err(Status::no_such_path()) };
    let mut answer = tagged(headers, "application/json", &build(kinds, &group, &version));
    let is_current =
        query.split('&').any(|part| part == format!("hash={}", document_hash(kinds, &group, &version)));
    if is_current {
        answer
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable, max-age=31536000"));
    }
    Ok(answer)
}

fn group_versions(kinds: &Kinds) -> Vec<(String, String, String)> {
    let mut all = BTreeSet::new();
    for kind in kinds.iter() {
        let path = if kind.group().is_empty() {
            format!("api/{}", kind.version())
        } else {
            format!("apis/{}/{}", kind.group(), kind.version())
        };
        all.insert((path, kind.group().to_owned(), kind.version().to_owned()));
    }
    all.into_iter().collect()
}

/// What tells one state of a document from another: a hash of the bundled documents, made once,
/// with the fingerprints of the kinds that come and go.
fn document_hash(kinds: &Kinds, group: &str, version: &str) -> String {
    static BUNDLED: OnceLock<u64> = OnceLock::new();
    let bundled = BUNDLED.get_or_init(|| {
        let bytes = serde_json::to_vec(definitions::document()).expect("a JSON value can always be written");
        xxhash_rust::xxh3::xxh3_64(&bytes)
    });
    let mut state = bundled.to_be_bytes().to_vec();
    for kind in kinds.of_version(group, version) {
        state.extend(kind.kind().as_bytes());
        state.extend(kind.fingerprint().to_be_bytes());
    }
    format!("{:016X}", xxhash_rust::xxh3::xxh3_64(&state))
}

/// What tells one state of all documents from another.
fn hash_of_all(kinds: &Kinds) -> String {
    let versions = group_versions(kinds).into_iter();
    let all: String =
        versions.map(|(path, group, version)| path + &document_hash(kinds, &group, &version)).collect();
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(all.as_bytes()))
}

fn build(kinds: &Kinds, group: &str, version: &str) -> Value {
    let kinds: Vec<&Served> = kinds.of_version(group, version).collect();
    let mut paths = Map::new();
    for kind in &kinds {
        add_paths(kind, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "spur"},
        "paths": paths,
        "components": {"schemas": schemas(&kinds)},
    })
}

fn add_paths(kind: &Served, paths: &mut Map<String, Value>) {
    let root = if kind.group().is_empty() {
        format!("/api/{}", kind.version())
    } else {
        format!("/apis/{}/{}", kind.group(), kind.version())
    };
    let collection = match kind.scope() {
        Scope::Namespaced => format!("{root}/namespaces/{{namespace}}/{}", kind.plural()),
        Scope::Cluster => format!("{root}/{}", kind.plural()),
    };
    let mut parameters = Vec::new();
    if kind.scope() == Scope::Namespaced {
        parameters.push(path_parameter("namespace"));
    }
    match kind.life() {
        Life::Stored => {}
        Life::Answered => {
            let post = operation(kind, "post", &["application/json"]);
            paths.insert(collection, json!({"post": post, "parameters": parameters}));
            return;
        }
        Life::Observed => {
            let list = json!({"get": operation(kind, "list", &[]), "parameters": parameters});
            parameters.push(path_parameter("name"));
            let get = json!({"get": operation(kind, "get", &[]), "parameters": parameters});
            paths.insert(format!("{collection}/{{name}}"), get);
            paths.insert(collection, list);
            return;
        }
    }
    let mut of_collection = json!({
        "get": operation(kind, "list", &[]),
        "post": operation(kind, "post", &["application/json"]),
    });
    if has_delete_collection(kind) {
        of_collection["delete"] = operation(kind, "deletecollection", &[]);
    }
    let mut of_object = json!({
        "get": operation(kind, "get", &[]),
        "put": operation(kind, "put", &["application/json"]),
        "patch": operation(kind, "patch", patches(kind)),
        "delete": operation(kind, "delete", &[]),
    });
    of_collection["parameters"] = json!(parameters);
    parameters.push(path_parameter("name"));
    of_object["parameters"] = json!(parameters);
    paths.insert(format!("{collection}/{{name}}"), of_object);
    paths.insert(collection, of_collection);
}

fn patches(kind: &Served) -> &'static [&'static str] {
    const ALL: [&str; 4] = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if kind.is_structural() { &ALL[..3] } else { &ALL }
}

fn operation(kind: &Served, action: &str, bodies: &[&str]) -> Value {
    let reference = json!({"$ref": format!("#/components/schemas/{}", kind.definition())});
    let mut operation = json!({
        "operationId": format!("{action}{}{}", kind.version(), kind.kind()),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group(), "version": kind.version(), "kind": kind.kind()},
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}},
    });
    if !bodies.is_empty() {
        let names = ["dryRun", "fieldManager", "fieldValidation"];
        let parameters: Vec<Value> = names.into_iter().map(query_parameter).collect();
        operation["parameters"] = json!(parameters);
        let schema = if action == "patch" { json!({"type": "object"}) } else { reference };
        let content: Map<String, Value> =
            bodies.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect();
        operation["requestBody"] = json!({"content": content, "required": true});
    }
    operation
}

fn query_parameter(name: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

/// The kinds' schemas and all that they refer to.
fn schemas(kinds: &[&Served]) -> Map<String, Value> {
    let all = definitions::document();
    let mut wanted: Vec<String> = kinds.iter().map(|kind| kind.definition().to_owned()).collect();
    let mut schemas = Map::new();
    for (kind, document) in kinds.iter().filter_map(|kind| Some((kind, kind.own_document()?))) {
        collect_references(&document, &mut wanted);
        schemas.insert(kind.definition().to_owned(), document.into_owned());
    }
    while let Some(name) = wanted.pop() {
        let Some(definition) = all.get(&name).filter(|_| !schemas.contains_key(&name)) else { continue };
        collect_references(definition, &mut wanted);
        schemas.insert(name, definition.clone());
    }
    for kind in kinds {
        if let Some(schema) = schemas.get_mut(kind.definition()) {
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": kind.group(), "version": kind.version(), "kind": kind.kind()}]);
        }
    }
    schemas.sort_keys();
    schemas
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
