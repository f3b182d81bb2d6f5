//! A kind as the server works with it, whoever has defined it.
//!
//! Bundled kinds are rows of `spur_api::REGISTRY`, custom kinds come with a
//! CustomResourceDefinition, which may be bundled as well. Nobody here asks which a kind is.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use spur_api::names::NameRule;
use spur_api::registry::{self, Deleted};
use spur_api::{Kind, Life, Scope, Subresource, column_descriptions, definitions, protobuf};
use spur_schema::{FieldError, Schema};

use crate::custom_kind::{CustomKind, ScalePaths};
use crate::structural::structural_faults;

/// A kind that is served; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Served {
    /// A row of the registry.
    Bundled(&'static Kind),
    /// A version of a definition.
    Custom(Arc<CustomKind>),
}

use Served::{Bundled, Custom};

/// What the data plane cannot make rules of; in a cluster Istio has a webhook for it. A spec that
/// has not changed was good enough before.
fn rule_faults(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if old.is_some_and(|old| old["spec"] == new["spec"]) {
        return Vec::new();
    }
    spur_istio::read(new).map_or_else(Vec::new, |reading| reading.faults)
}

// === impl Served ===

impl Served {
    /// A bundled kind that the server itself works with.
    ///
    /// # Panics
    /// When the registry has no such row.
    pub(crate) fn bundled(group: &str, version: &str, plural: &str) -> Self {
        Bundled(registry::by_path(group, version, plural).expect("the server names kinds that are bundled"))
    }

    /// API group; empty for the core group.
    pub(crate) fn group(&self) -> &str {
        match self {
            Bundled(kind) => kind.group,
            Custom(kind) => &kind.group,
        }
    }

    /// API version.
    pub(crate) fn version(&self) -> &str {
        match self {
            Bundled(kind) => kind.version,
            Custom(kind) => &kind.version,
        }
    }

    /// `Pod`.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Bundled(kind) => kind.kind,
            Custom(kind) => &kind.kind,
        }
    }

    /// `pods`, as it stands in paths.
    pub(crate) fn plural(&self) -> &str {
        match self {
            Bundled(kind) => kind.plural,
            Custom(kind) => &kind.plural,
        }
    }

    /// `pod`, as people type it.
    pub(crate) fn singular(&self) -> &str {
        match self {
            Bundled(kind) => kind.singular,
            Custom(kind) => &kind.singular,
        }
    }

    /// `po`.
    pub(crate) fn short_names(&self) -> Vec<&str> {
        match self {
            Bundled(kind) => kind.short_names.to_vec(),
            Custom(kind) => kind.short_names.iter().map(String::as_str).collect(),
        }
    }

    /// `all` for what `kubectl get all` shows.
    pub(crate) fn categories(&self) -> Vec<&str> {
        match self {
            Bundled(kind) => kind.categories.to_vec(),
            Custom(kind) => kind.categories.iter().map(String::as_str).collect(),
        }
    }

    /// `PodList`.
    pub(crate) fn list_kind(&self) -> String {
        match self {
            Bundled(kind) => kind.list_kind(),
            Custom(kind) => kind.list_kind.clone(),
        }
    }

    /// Whether objects live in a namespace.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Bundled(kind) => kind.scope,
            Custom(kind) => kind.scope,
        }
    }

    /// What stands behind `/<name>/…`.
    pub(crate) fn subresources(&self) -> &[Subresource] {
        match self {
            Bundled(kind) => kind.subresources,
            Custom(kind) => &kind.subresources,
        }
    }

    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// `pods` or `deployments.apps`: how the store and messages name the resource.
    pub(crate) fn resource(&self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    /// Whether there is such a subresource.
    pub(crate) fn has(&self, subresource: Subresource) -> bool {
        self.subresources().contains(&subresource)
    }

    /// The subresource that stands under `/<name>/<segment>`.
    pub(crate) fn subresource(&self, segment: &str) -> Option<Subresource> {
        self.subresources().iter().copied().find(|subresource| subresource.segment() == segment)
    }

    /// Whether the kind follows its schema to the letter, as custom resources
    /// do; other kinds have rules of their own.
    pub(crate) fn is_structural(&self) -> bool {
        match self {
            Bundled(kind) => kind.is_structural(),
            Custom(_) => true,
        }
    }

    /// The namespace that an object of this kind lies in, where objects of another lie in this one.
    pub(crate) fn within<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        (self.scope() == Scope::Namespaced).then_some(namespace)
    }

    /// Takes the empty values out of an object that mean the same as none.
    pub(crate) fn omit_empty(&self, object: &mut Value) {
        protobuf::omit_empty(&self.api_version(), self.kind(), object);
    }

    /// What becomes of objects, and with that what a client may do with them.
    pub(crate) fn life(&self) -> Life {
        match self {
            Bundled(kind) => kind.rules.life,
            Custom(_) => Life::Stored,
        }
    }

    /// The schema of the whole object.
    pub(crate) fn schema(&self) -> Schema<'_> {
        match self {
            Bundled(kind) => definitions::schemas()
                .get(kind.definition)
                .expect("a test holds that each kind has its definition"),
            Custom(kind) => kind.schema(),
        }
    }

    /// The name of the schema in the OpenAPI document.
    pub(crate) fn definition(&self) -> &str {
        match self {
            Bundled(kind) => kind.definition,
            Custom(kind) => &kind.definition,
        }
    }

    /// What may be an object's name.
    pub(crate) fn name_rule(&self) -> NameRule {
        match self {
            Bundled(kind) => kind.rules.name,
            Custom(_) => NameRule::Subdomain,
        }
    }

    /// Whether the server counts changes of intent in `metadata.generation`.
    pub(crate) fn has_generation(&self) -> bool {
        match self {
            Bundled(kind) => kind.rules.has_generation,
            Custom(_) => true,
        }
    }

    /// How the store names the resource, which two kinds may share.
    pub(crate) fn stored_resource(&self) -> String {
        match self {
            Bundled(kind) => kind.stored().resource(),
            Custom(_) => self.resource(),
        }
    }

    /// Fills in what the user left out.
    pub(crate) fn default(&self, object: &mut Value) {
        spur_schema::apply_defaults(self.schema(), object);
        match self {
            Bundled(kind) => (kind.rules.default)(object),
            Custom(_) => {}
        }
    }

    /// Sets what the server decides when an object is made.
    pub(crate) fn prepare_create(&self, object: &mut Value) {
        match self {
            Bundled(kind) => {
                if !kind.is_structural()
                    && self.has(Subresource::Status)
                    && let Some(status) = definitions::new_status(kind.definition)
                {
                    object["status"] = status;
                }
                (kind.rules.prepare_create)(object);
            }
            Custom(_) => {}
        }
    }

    /// Keeps what an update may not change.
    pub(crate) fn prepare_update(&self, new: &mut Value, old: &Value) {
        match self {
            Bundled(kind) => (kind.rules.prepare_update)(new, old),
            Custom(_) => {}
        }
    }

    /// Keeps what a write of `/status` may not change.
    pub(crate) fn prepare_status(&self, new: &mut Value, old: &Value) {
        match self {
            Bundled(kind) => (kind.rules.prepare_status)(new, old),
            Custom(_) => {}
        }
    }

    /// Everything wrong with an object beyond its metadata.
    pub(crate) fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match self {
            Bundled(kind) => {
                let faults = match kind.is_structural() {
                    true => structural_faults(self.schema(), new, old),
                    false => Vec::new(),
                };
                if faults.is_empty() { (kind.rules.validate)(new, old) } else { faults }
            }
            Custom(kind) => {
                let faults = structural_faults(kind.schema(), new, old);
                // The user's own definition of a kind has the user's own rules.
                if faults.is_empty() && kind.is_bundled() { rule_faults(new, old) } else { faults }
            }
        }
    }

    /// An object as it is stored.
    pub(crate) fn make_stored(&self, object: &mut Value) {
        match self {
            Bundled(kind) => kind.to_stored(object),
            Custom(kind) => kind.make_stored(object),
        }
    }

    /// A stored object as this kind has it.
    pub(crate) fn make_served(&self, object: &mut Value) {
        match self {
            Bundled(kind) => kind.from_stored(object),
            Custom(kind) => kind.make_served(object),
        }
    }

    /// Whether a stored object is sent as it is, but for its resourceVersion. Custom kinds are
    /// pruned and filled in anew when they are read.
    pub(crate) fn is_sent_as_stored(&self) -> bool {
        match self {
            Bundled(kind) => kind.rules.stored_as.is_none(),
            Custom(_) => false,
        }
    }

    /// Whether an object with this `apiVersion` was stored as it would be stored now.
    pub(crate) fn is_stored_as(&self, api_version: &str) -> bool {
        match self {
            Bundled(_) => true,
            Custom(kind) => kind.is_stored_as(api_version),
        }
    }

    /// The schema in the OpenAPI document, where the bundled definitions do not hold it.
    pub(crate) fn own_document(&self) -> Option<Cow<'_, Value>> {
        match self {
            Bundled(_) => None,
            Custom(kind) => Some(kind.document()),
        }
    }

    /// Changes when what is served changes; 0 for what changes only with the binary.
    pub(crate) fn fingerprint(&self) -> u64 {
        match self {
            Bundled(_) => 0,
            Custom(kind) => kind.fingerprint,
        }
    }

    /// Where `/scale` finds what it shows.
    pub(crate) fn scale_paths(&self) -> ScalePaths {
        match self {
            Bundled(_) => ScalePaths {
                spec_replicas: "/spec/replicas".to_owned(),
                status_replicas: "/status/replicas".to_owned(),
                selector: None,
            },
            Custom(kind) => kind.scale.clone(),
        }
    }

    /// What clients of a deprecated version are told.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        match self {
            Bundled(_) => None,
            Custom(kind) => kind.deprecation.as_deref(),
        }
    }

    /// Waits until something else is served in this kind's place.
    pub(crate) async fn retired(&self) {
        match self {
            Bundled(_) => std::future::pending().await,
            Custom(kind) => kind.retired.cancelled().await,
        }
    }

    /// Whether the `Table` has a column of this name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        match self {
            Bundled(kind) => kind.rules.columns.iter().any(|column| column.name == name),
            Custom(_) => false,
        }
    }

    /// The columns of the `Table`; the name stands before them unless it is among them.
    pub(crate) fn columns(&self) -> Vec<Value> {
        match self {
            Bundled(kind) => {
                let columns = kind.rules.columns.iter().map(|column| {
                    let format = if column.name == "Name" { "name" } else { "" };
                    json!({
                        "name": column.name, "type": column.type_, "format": format,
                        "priority": column.priority,
                        "description": column_descriptions::describe(kind.kind, column.name),
                    })
                });
                columns.collect()
            }
            Custom(kind) => kind.columns().iter().map(|column| column.description.clone()).collect(),
        }
    }

    /// The cells of the `Table`, in the order of the columns.
    pub(crate) fn cells(&self, object: &Value) -> Vec<Value> {
        match self {
            Bundled(kind) => (kind.rules.cells)(object),
            Custom(kind) => kind.columns().iter().map(|column| column.cell(object)).collect(),
        }
    }

    /// Whether `field` may stand in a field selector.
    pub(crate) fn is_selectable(&self, field: &str) -> bool {
        match self {
            Bundled(kind) => kind.is_selectable(field),
            Custom(kind) => {
                field == "metadata.name"
                    || (field == "metadata.namespace" && kind.scope == Scope::Namespaced)
                    || kind.fields.iter().any(|known| known == field)
            }
        }
    }

    /// What `field` of `object` reads as for a field selector.
    pub(crate) fn field_text(&self, object: &Value, field: &str) -> String {
        match self {
            Bundled(kind) => kind.field_text(object, field),
            Custom(_) => match object.pointer(&format!("/{}", field.replace('.', "/"))) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            },
        }
    }

    /// What a delete that is done answers with.
    pub(crate) fn deleted(&self) -> Deleted {
        match self {
            Bundled(kind) => kind.rules.deleted,
            Custom(_) => Deleted::Status,
        }
    }
}
