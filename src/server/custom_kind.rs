//! A kind that a CustomResourceDefinition brings along, in one version. Bundled definitions
//! ([`spur_api::bundled`]) become kinds in the same way, but that nothing is made of their schemas
//! until somebody asks.
//!
//! Objects are stored in the definition's storage version. Conversion changes their `apiVersion`
//! and nothing else; what a version's schema does not know is dropped where objects are read and
//! written, and what it has a default for is filled in.
//!
//! Source: `apiextensions-apiserver/pkg/apiserver/customresource_handler.go` and
//! `pkg/registry/customresource`.

mod bundled;
mod columns;
mod compiled;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use spur_api::{Scope, Subresource, definitions, kinds::apiextensions, meta};
use spur_schema::Schema;
use tokio_util::sync::CancellationToken;

pub(crate) use self::bundled::fingerprint as bundled_fingerprint;
pub(crate) use self::columns::PrinterColumn;
use self::compiled::Compiled;

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
    source: Source,
    columns: OnceLock<Vec<PrinterColumn>>,
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

/// Where a kind comes from.
#[derive(Debug)]
enum Source {
    /// A definition of the user, with the schema as it stands in the OpenAPI document.
    User { document: Value },
    /// A bundled definition.
    Bundled(&'static spur_api::bundled::Definition),
}

// === impl CustomKind ===

impl CustomKind {
    /// The versions of a definition, served or not.
    pub(crate) fn all_of(definition: &Value) -> Vec<Arc<Self>> {
        let versions = meta::list(definition, "/spec/versions");
        let compiled: Vec<_> =
            versions.iter().map(|version| Arc::new(Compiled::of_version(version))).collect();
        let storage_version = apiextensions::storage_version(definition);
        let is_stored = |version: &Value| meta::text(version, "/name") == storage_version;
        let storage = versions.iter().zip(&compiled).find(|(version, _)| is_stored(version));
        let kinds = versions.iter().zip(&compiled).map(|(version, compiled)| {
            let storage = storage.filter(|_| !is_stored(version)).map(|(_, compiled)| compiled.clone());
            Arc::new(Self::new(definition, version, compiled.clone(), storage))
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
        let version_name = meta::text(version, "/name").to_owned();
        let api_version = format!("{group}/{version_name}");
        let deprecation = (version["deprecated"] == true).then(|| match warning {
            "" => format!("{api_version} {kind} is deprecated"),
            warning => warning.to_owned(),
        });
        let identity = json!([names, definition["spec"]["scope"], version]);
        let document = openapi(&version["schema"]["openAPIV3Schema"], &group, &version_name, &kind);
        Self {
            definition: definition_name(&group, &version_name, &kind),
            source: Source::User { document },
            list_kind: name("listKind"),
            plural: name("plural"),
            singular: name("singular"),
            short_names: list("shortNames"),
            categories: list("categories"),
            scope: if is_namespaced { Scope::Namespaced } else { Scope::Cluster },
            subresources: subresources(version),
            is_served: version["served"] == true,
            columns: OnceLock::from(PrinterColumn::all_of(version)),
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
            version: version_name,
            compiled,
            group,
            kind,
        }
    }

    /// The schema in the OpenAPI document.
    pub(crate) fn document(&self) -> Cow<'_, Value> {
        match &self.source {
            Source::User { document } => Cow::Borrowed(document),
            Source::Bundled(bundled) => {
                Cow::Owned(openapi(&bundled.schema(), &self.group, &self.version, &self.kind))
            }
        }
    }

    /// The columns of the `Table` after the name.
    pub(crate) fn columns(&self) -> &[PrinterColumn] {
        self.columns.get_or_init(|| match &self.source {
            // Filled in when the kind was made.
            Source::User { .. } => Vec::new(),
            Source::Bundled(bundled) => bundled::columns(bundled),
        })
    }

    /// Whether it is one of ours, and no user's definition.
    pub(crate) fn is_bundled(&self) -> bool {
        matches!(self.source, Source::Bundled(_))
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
