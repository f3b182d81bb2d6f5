//! A kind that a CustomResourceDefinition brings along, in one version.
//!
//! Objects are stored in the definition's storage version. Conversion changes their `apiVersion`
//! and nothing else; what a version's schema does not know is dropped where objects are read and
//! written, and what it has a default for is filled in.
//!
//! Source: `apiextensions-apiserver/pkg/apiserver/customresource_handler.go` and
//! `pkg/registry/customresource`.

mod columns;

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use spur_api::{Scope, Subresource, definitions, kinds::apiextensions, meta};
use spur_schema::{CompileError, Schema, Schemas};
use tokio_util::sync::CancellationToken;

pub(crate) use self::columns::PrinterColumn;

/// One version of a definition.
#[derive(Debug)]
pub(crate) struct CustomKind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) scope: Scope,
    pub(crate) subresources: Vec<Subresource>,
    pub(crate) is_served: bool,
    /// The name of the schema in the OpenAPI document: `com.example.v1.Widget`.
    pub(crate) definition: String,
    /// The schema in the OpenAPI document.
    pub(crate) document: Value,
    pub(crate) columns: Vec<PrinterColumn>,
    /// Paths that field selectors may name, such as `spec.color`.
    pub(crate) fields: Vec<String>,
    /// Where `/scale` finds what it shows.
    pub(crate) scale: ScalePaths,
    /// What clients are told that use a deprecated version.
    pub(crate) deprecation: Option<String>,
    /// Changes when anything above does.
    pub(crate) fingerprint: u64,
    /// Cancelled when something else is served in its place.
    pub(crate) retired: CancellationToken,
    storage_version: String,
    /// The storage version's schema, where that is another.
    storage: Option<Arc<Compiled>>,
    compiled: Arc<Compiled>,
}

/// Where `/scale` finds what it shows, as JSON pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) selector: Option<String>,
}

/// A version's schema, compiled when the first object needs it: at start there may be hundreds.
#[derive(Debug)]
struct Compiled {
    version: String,
    document: Value,
    schemas: OnceLock<Schemas>,
}

/// The name of a custom kind's schema among its [`Schemas`].
const ROOT: &str = "CustomResource";

// === impl CustomKind ===

impl CustomKind {
    /// The versions of a definition, served or not.
    pub(crate) fn all_of(definition: &Value) -> Vec<Arc<Self>> {
        let versions = meta::list(definition, "/spec/versions");
        let compiled: Vec<_> = versions.iter().map(Compiled::of).collect();
        let storage_version = apiextensions::storage_version(definition);
        let storage = compiled.iter().find(|compiled| compiled.version == storage_version);
        let kinds = versions.iter().zip(&compiled).map(|(version, compiled)| {
            let storage = storage.filter(|storage| storage.version != compiled.version);
            Arc::new(Self::new(definition, version, compiled.clone(), storage.cloned()))
        });
        kinds.collect()
    }

    fn new(
        definition: &Value,
        version: &Value,
        compiled: Arc<Compiled>,
        storage: Option<Arc<Compiled>>,
    ) -> Self {
        let names = &definition["status"]["acceptedNames"];
        let name = |field: &str| names[field].as_str().unwrap_or_default().to_owned();
        let list = |field: &str| texts(&names[field]);
        let group = meta::text(definition, "/spec/group").to_owned();
        let kind = name("kind");
        let is_namespaced = meta::text(definition, "/spec/scope") == "Namespaced";
        let scale = &version["subresources"]["scale"];
        let warning = meta::text(version, "/deprecationWarning");
        let api_version = format!("{group}/{}", compiled.version);
        let deprecation = (version["deprecated"] == true).then(|| match warning {
            "" => format!("{api_version} {kind} is deprecated"),
            warning => warning.to_owned(),
        });
        let identity = json!([names, definition["spec"]["scope"], version]);
        Self {
            definition: definition_name(&group, &compiled.version, &kind),
            document: openapi(&version["schema"]["openAPIV3Schema"], &group, &compiled.version, &kind),
            list_kind: name("listKind"),
            plural: name("plural"),
            singular: name("singular"),
            short_names: list("shortNames"),
            categories: list("categories"),
            scope: if is_namespaced { Scope::Namespaced } else { Scope::Cluster },
            subresources: subresources(version),
            is_served: version["served"] == true,
            columns: PrinterColumn::all_of(version),
            fields: meta::list(version, "/selectableFields")
                .iter()
                .map(|field| meta::text(field, "/jsonPath").trim_start_matches('.').to_owned())
                .collect(),
            scale: ScalePaths {
                spec_replicas: pointer(scale["specReplicasPath"].as_str().unwrap_or_default()),
                status_replicas: pointer(scale["statusReplicasPath"].as_str().unwrap_or_default()),
                selector: scale["labelSelectorPath"].as_str().filter(|path| !path.is_empty()).map(pointer),
            },
            deprecation,
            fingerprint: xxhash_rust::xxh3::xxh3_64(identity.to_string().as_bytes()),
            retired: CancellationToken::new(),
            storage_version: apiextensions::storage_version(definition).to_owned(),
            storage,
            version: compiled.version.clone(),
            compiled,
            group,
            kind,
        }
    }

    /// The schema of the whole object.
    pub(crate) fn schema(&self) -> Schema<'_> {
        self.compiled.schema()
    }

    /// An object as it is stored: in the storage version, without what that does not know.
    pub(crate) fn make_stored(&self, object: &mut Value) {
        set_api_version(object, &format!("{}/{}", self.group, self.storage_version));
        if let Some(storage) = &self.storage {
            spur_schema::unknown_fields(storage.schema(), object);
        }
    }

    /// A stored object as this version has it, whatever the schema was when it was written.
    pub(crate) fn make_served(&self, object: &mut Value) {
        set_api_version(object, &format!("{}/{}", self.group, self.version));
        spur_schema::unknown_fields(self.schema(), object);
        spur_schema::drop_nulls(self.schema(), object);
        spur_schema::apply_defaults(self.schema(), object);
    }

    /// Whether an object was stored in the version in which it would be stored now.
    pub(crate) fn is_stored_as(&self, api_version: &str) -> bool {
        api_version.rsplit('/').next() == Some(self.storage_version.as_str())
    }
}

// === impl Compiled ===

impl Compiled {
    fn of(version: &Value) -> Arc<Self> {
        let document = spur_schema::custom_resource(&version["schema"]["openAPIV3Schema"]);
        Arc::new(Self {
            version: meta::text(version, "/name").to_owned(),
            document,
            schemas: OnceLock::new(),
        })
    }

    fn schema(&self) -> Schema<'_> {
        let schemas = self.schemas.get_or_init(|| {
            compile(&self.document).unwrap_or_else(|error| {
                // Validation compiles every schema, so that this one was written by another build.
                // Objects keep all they have until somebody mends the definition.
                tracing::error!(%error, "a schema cannot be compiled and holds nobody to anything: {error}");
                let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
                compile(&spur_schema::custom_resource(&open)).expect("a schema of our own compiles")
            })
        });
        schemas.get(ROOT).expect("compiled under this name")
    }
}

fn compile(document: &Value) -> Result<Schemas, CompileError> {
    let mut all = Map::new();
    add_referred(document, &mut all);
    all.insert(ROOT.to_owned(), document.clone());
    Schemas::compile(&all)
}

/// The bundled definitions that a document refers to: that of `metadata`, and those below it.
fn add_referred(document: &Value, all: &mut Map<String, Value>) {
    match document {
        Value::Object(map) => {
            if let Some(name) =
                map.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
                && !all.contains_key(name)
                && let Some(definition) = definitions::document().get(name)
            {
                all.insert(name.to_owned(), definition.clone());
                add_referred(definition, all);
            }
            map.values().for_each(|value| add_referred(value, all));
        }
        Value::Array(items) => items.iter().for_each(|value| add_referred(value, all)),
        _ => {}
    }
}

/// `com.example.v1.Widget` (`apiextensions-apiserver/pkg/controller/openapi/builder`).
fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// The schema as OpenAPI has it, where a reference stands alone.
fn openapi(schema: &Value, group: &str, version: &str, kind: &str) -> Value {
    let mut document = spur_schema::custom_resource(schema);
    let metadata = json!({"allOf": [{"$ref": format!("#/components/schemas/{}", definitions::OBJECT_META)}]});
    document["properties"]["metadata"] = metadata;
    document["x-kubernetes-group-version-kind"] = json!([{"group": group, "version": version, "kind": kind}]);
    document
}

fn subresources(version: &Value) -> Vec<Subresource> {
    let all = [("status", Subresource::Status), ("scale", Subresource::Scale)];
    let has = |name: &str| version["subresources"].get(name).is_some_and(Value::is_object);
    all.into_iter().filter(|(name, _)| has(name)).map(|(_, subresource)| subresource).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `.spec.replicas` as `/spec/replicas`.
fn pointer(path: &str) -> String {
    path.replace('.', "/")
}

fn set_api_version(object: &mut Value, api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!(api_version));
    }
}
