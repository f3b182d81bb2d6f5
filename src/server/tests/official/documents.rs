//! The official documents, as an API server of Kubernetes 1.36.2 serves them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

/// What is official.
pub(crate) struct Documents {
    /// Every definition of every group version.
    pub(crate) definitions: Map<String, Value>,
    /// The groups of the aggregated discovery document. That leaves the core group out,
    /// which is read from the paths of its OpenAPI document; these do not tell other names.
    pub(crate) groups: Vec<Value>,
    /// The OpenAPI documents, by their paths in the index.
    pub(crate) documents: BTreeMap<String, Value>,
}

/// Why there are no documents; `None` where there are.
pub(crate) fn absent() -> Option<String> {
    let folder = folder();
    let is_there = folder.join("openapi-v3").is_dir();
    (!is_there).then(|| "the official documents are not beside the repository".to_owned())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}

fn read(path: &Path) -> Value {
    let file = File::open(path).unwrap();
    serde_json::from_reader(BufReader::new(GzDecoder::new(file))).unwrap()
}

/// The core group as discovery would tell it, from the operations on its paths.
fn core_group(paths: &Map<String, Value>) -> Value {
    let mut resources: BTreeMap<String, Value> = BTreeMap::new();
    for (path, operations) in paths {
        let Some(rest) = path.strip_prefix("/api/v1/") else { continue };
        // `/watch/…` is the old way to watch what the rest of the path names.
        let rest = rest.strip_prefix("watch/").unwrap_or(rest);
        let is_namespaced = rest.starts_with("namespaces/{namespace}/");
        let parts: Vec<&str> =
            rest.strip_prefix("namespaces/{namespace}/").unwrap_or(rest).split('/').collect();
        for (method, operation) in operations.as_object().unwrap() {
            let Some(action) = operation["x-kubernetes-action"].as_str() else { continue };
            if matches!(method.as_str(), "head" | "options") {
                continue;
            }
            let kind = &operation["x-kubernetes-group-version-kind"]["kind"];
            let resource = resources.entry(parts[0].to_owned()).or_insert_with(
                || json!({"resource": parts[0], "scope": "Cluster", "verbs": [], "subresources": []}),
            );
            if is_namespaced {
                resource["scope"] = json!("Namespaced");
            }
            add_verb(resource, parts.get(2).copied(), verb(action, method), kind);
        }
    }
    let resources: Vec<Value> = resources.into_values().collect();
    json!({"metadata": {}, "versions": [{"version": "v1", "resources": resources}]})
}

fn add_verb(resource: &mut Value, subresource: Option<&str>, verb: &str, kind: &Value) {
    let of = match subresource {
        None => resource,
        Some(name) => {
            let all = resource["subresources"].as_array_mut().unwrap();
            let known = all.iter().position(|one| one["subresource"] == name);
            let index = known.unwrap_or_else(|| {
                all.push(json!({"subresource": name, "verbs": []}));
                all.len() - 1
            });
            &mut all[index]
        }
    };
    of["responseKind"] = json!({"kind": kind});
    of["verbs"].as_array_mut().unwrap().push(json!(verb));
}

/// What discovery calls an action of OpenAPI; what connects goes by its method.
fn verb<'a>(action: &'a str, method: &'a str) -> &'a str {
    match if action == "connect" { method } else { action } {
        "post" => "create",
        "put" => "update",
        "watchlist" => "watch",
        other => other,
    }
}

// === impl Documents ===

impl Documents {
    pub(crate) fn read() -> Self {
        let mut definitions = Map::new();
        let mut documents = BTreeMap::new();
        for entry in fs::read_dir(folder().join("openapi-v3")).unwrap() {
            let path = entry.unwrap().path();
            let document = read(&path);
            if let Some(Value::Object(found)) = document.pointer("/components/schemas") {
                definitions.extend(found.clone());
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let of = name.strip_suffix("_openapi.json.gz").unwrap().replace("__", "/");
            documents.insert(of, document);
        }
        let discovery = read(&folder().join("discovery-aggregated-v2.json.gz"));
        let mut groups = discovery["items"].as_array().unwrap().clone();
        groups.push(core_group(documents["api/v1"]["paths"].as_object().unwrap()));
        Self { definitions, groups, documents }
    }
}
