//! `metadata.managedFields`: entries read, written, capped.
//!
//! Follows `k8s.io/apimachinery/pkg/util/managedfields/internal` (managedfields.go,
//! buildmanagerinfo.go, capmanagers.go, stripmeta.go).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::element::PathElement;
use super::fields::FieldSet;
use super::fields_v1::{self, FieldsError};
use super::versions::Changes;
use super::{Manager, Operation};

/// Entries for writes that are no apply, beyond which the oldest run together
/// (`fieldmanager.go`, DefaultMaxUpdateManagers): hundreds of one-off writers would otherwise
/// outgrow the object.
pub(super) const UPDATE_MANAGERS_MAX: usize = 10;

/// Who owns what the oldest writers wrote.
pub(super) const ANCIENT_CHANGES: &str = "ancient-changes";

/// What tells managers apart. Appliers are the same in every version that they apply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) name: String,
    pub(super) operation: Operation,
    /// Empty for an applier.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

/// What one manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) fields: FieldSet,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All owners of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managed(pub(super) BTreeMap<ManagerId, Owned>);

/// Why `metadata.managedFields` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// It is no list of objects.
    #[error("managedFields is no list of entries")]
    NotEntries,
    /// `operation` is neither Apply nor Update.
    #[error("entry of manager `{manager}`: operation is `{found}`, want Apply or Update")]
    Operation {
        /// Whose entry.
        manager: String,
        /// What it says.
        found: String,
    },
    /// `fieldsV1` is no set of fields.
    #[error("entry of manager `{manager}`")]
    Fields {
        /// Whose entry.
        manager: String,
        /// Why.
        #[source]
        source: FieldsError,
    },
}

// === impl Managed ===

impl Managed {
    /// Reads the entries of an object; without any, nobody owns anything.
    pub(super) fn decode(object: &Value) -> Result<Managed, ManagedFieldsError> {
        let mut managed = Managed::default();
        let Some(entries) = entries(object).filter(|entries| !entries.is_null()) else {
            return Ok(managed);
        };
        for entry in entries.as_array().ok_or(ManagedFieldsError::NotEntries)? {
            let entry = entry.as_object().ok_or(ManagedFieldsError::NotEntries)?;
            let (id, owned) = decode_entry(entry)?;
            managed.0.insert(id, owned);
        }
        Ok(managed)
    }

    /// Writes the entries into `object` in the order of operation, time, manager.
    pub(super) fn encode_into(&self, object: &mut Value) {
        let mut entries: Vec<(&ManagerId, &Owned)> = self.0.iter().collect();
        entries.sort_by(|(a, of_a), (b, of_b)| {
            let (key_a, key_b) = ((a.operation, &of_a.time, &a.name), (b.operation, &of_b.time, &b.name));
            key_a
                .cmp(&key_b)
                .then_with(|| (&of_a.api_version, &a.subresource).cmp(&(&of_b.api_version, &b.subresource)))
        });
        let entries: Vec<Value> = entries.into_iter().map(|(id, owned)| encode_entry(id, owned)).collect();
        strip_entries(object);
        if entries.is_empty() {
            return;
        }
        let Value::Object(object) = object else { return };
        if let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| json!({})) {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    /// Takes what has changed or gone from everybody, and managers who own nothing more from the
    /// list.
    pub(super) fn disown(&mut self, changes: &Changes, except: Option<&ManagerId>) {
        for (id, owned) in &mut self.0 {
            if Some(id) != except {
                let changes = changes.at(&owned.api_version);
                let fields = std::mem::take(&mut owned.fields);
                owned.fields =
                    fields.without(&changes.added).without(&changes.modified).without(&changes.removed);
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }

    /// Lets the oldest entries of writers that do not apply run together, per version.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<ManagerId> =
            self.0.keys().filter(|id| id.operation == Operation::Update).cloned().collect();
        let mut n_updaters = updaters.len();
        updaters.sort_by(|a, b| self.0[a].time.cmp(&self.0[b].time).then_with(|| a.cmp(b)));
        let mut first_of_version: BTreeMap<String, ManagerId> = BTreeMap::new();
        for id in updaters {
            if n_updaters <= UPDATE_MANAGERS_MAX {
                return;
            }
            let version = self.0[&id].api_version.clone();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, id);
                continue;
            };
            let bucket = ManagerId {
                name: ANCIENT_CHANGES.to_owned(),
                operation: Operation::Update,
                api_version: version,
                subresource: String::new(),
            };
            if !self.0.contains_key(&bucket)
                && let Some(owned) = self.0.remove(first)
            {
                self.0.insert(bucket.clone(), owned);
            }
            if id != bucket
                && let Some(owned) = self.0.remove(&id)
                && let Some(ancient) = self.0.get_mut(&bucket)
            {
                ancient.fields = ancient.fields.union(&owned.fields);
                // The later of the two: entries come in the order of time.
                ancient.time = owned.time;
                n_updaters -= 1;
            }
        }
    }
}

// === impl ManagerId ===

impl ManagerId {
    pub(super) fn of(manager: &Manager) -> ManagerId {
        ManagerId {
            name: manager.name.clone(),
            operation: manager.operation,
            api_version: match manager.operation {
                Operation::Apply => String::new(),
                Operation::Update => manager.api_version.clone(),
            },
            subresource: manager.subresource.clone(),
        }
    }
}

/// Fields that nobody owns: they identify the object, or only the server writes them
/// (`stripmeta.go`).
pub(super) static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    let mut set = FieldSet::new();
    for name in ["apiVersion", "kind", "metadata"] {
        set.insert(&[PathElement::field(name)]);
    }
    let of_metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    for name in of_metadata {
        set.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
    }
    set
});

/// Whether an object asks for everybody's entries to be dropped: an empty list, or a list of one
/// empty entry.
pub(super) fn is_reset(object: &Value) -> bool {
    match entries(object) {
        Some(Value::Array(entries)) => match &entries[..] {
            [] => true,
            [entry] => entry.as_object().is_some_and(Map::is_empty),
            _ => false,
        },
        _ => false,
    }
}

/// `metadata.managedFields`, where there is one.
pub(super) fn entries(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// Removes `metadata.managedFields`.
pub(super) fn strip_entries(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.shift_remove("managedFields");
    }
}

fn decode_entry(entry: &Map<String, Value>) -> Result<(ManagerId, Owned), ManagedFieldsError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("manager");
    let operation = match text("operation").as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        other => return Err(ManagedFieldsError::Operation { manager: name, found: other.to_owned() }),
    };
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::new(),
        Some(value) => fields_v1::decode(value)
            .map_err(|source| ManagedFieldsError::Fields { manager: name.clone(), source })?,
    };
    let api_version = text("apiVersion");
    let id = ManagerId {
        name,
        operation,
        api_version: if operation == Operation::Apply { String::new() } else { api_version.clone() },
        subresource: text("subresource"),
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Ok((id, Owned { fields, api_version, time }))
}

/// In the order in which Kubernetes prints entries.
fn encode_entry(id: &ManagerId, owned: &Owned) -> Value {
    let mut entry = Map::new();
    entry.insert("manager".to_owned(), json!(id.name));
    entry.insert("operation".to_owned(), json!(id.operation.as_str()));
    entry.insert("apiVersion".to_owned(), json!(owned.api_version));
    if let Some(time) = &owned.time {
        entry.insert("time".to_owned(), json!(time));
    }
    entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
    entry.insert("fieldsV1".to_owned(), fields_v1::encode(&owned.fields));
    if !id.subresource.is_empty() {
        entry.insert("subresource".to_owned(), json!(id.subresource));
    }
    Value::Object(entry)
}
