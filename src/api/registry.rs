//! One row per kind. Discovery, routing, tables, validation and OpenAPI are
//! derived from these rows; adding a kind is one row and its rules.

use serde_json::Value;
use spur_schema::FieldError;

use crate::kinds;
use crate::names::NameRule;

/// A kind of object and everything the generic handler needs to know of it.
#[derive(Debug)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`, as it stands in paths.
    pub plural: &'static str,
    /// `pod`, as people type it.
    pub singular: &'static str,
    /// `po`.
    pub short_names: &'static [&'static str],
    /// `all` for what `kubectl get all` shows.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub scope: Scope,
    /// The definition (schema) of the object.
    pub definition: &'static str,
    /// What stands behind `/<name>/…`.
    pub subresources: &'static [Subresource],
    /// The kind's own behaviour.
    pub rules: Rules,
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the cluster.
    Cluster,
    /// In a namespace.
    Namespaced,
}

/// A subresource of the generic handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    /// `/status`: the only way to write `status`.
    Status,
    /// `/scale`: `autoscaling/v1 Scale` over `spec.replicas`.
    Scale,
    /// `/log`: what the containers printed.
    Log,
    /// `/exec`: the streams of a command that is run in a container.
    Exec,
    /// `/attach`: the streams of a container.
    Attach,
    /// `/portforward`: connections to a pod's ports.
    PortForward,
    /// `/finalize`: the only way to write a namespace's `spec.finalizers`.
    Finalize,
    /// `/token`: makes tokens of a service account.
    Token,
    /// `/eviction`: a delete that a disruption budget may refuse.
    Eviction,
    /// `/binding`: gives a pod its node.
    Binding,
    /// `/ephemeralcontainers`: the only way to add containers to a pod that is there.
    EphemeralContainers,
    /// `/resize`: the only way to change the resources of a pod's containers.
    Resize,
    /// `/proxy`: requests that are passed on to a pod, a Service or a node.
    Proxy,
    /// `/approval`: the only way to approve or deny a certificate signing request.
    Approval,
}

/// A kind's behaviour as plain functions over values.
#[derive(Clone, Copy)]
pub struct Rules {
    /// What may be an object's name.
    pub name: NameRule,
    /// Fills in what the user left out.
    pub default: fn(&mut Value),
    /// Sets what the server decides when an object is made.
    pub prepare_create: fn(&mut Value),
    /// Keeps what an update may not change: (new, old).
    pub prepare_update: fn(&mut Value, &Value),
    /// Keeps what a write of `/status` may not change: (new, old).
    pub prepare_status: fn(&mut Value, &Value),
    /// Everything wrong with an object: (new, old where it is an update).
    pub validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
    /// Columns of the `Table` after `Name`, which stands first unless it is among them.
    pub columns: &'static [Column],
    /// Cells of the `Table`, in the order of the columns.
    pub cells: fn(&Value) -> Vec<Value>,
    /// Selectable fields beyond `metadata.name` and `metadata.namespace`.
    pub fields: &'static [SelectableField],
    /// What a delete that is done answers with; typed clients decode it.
    pub deleted: Deleted,
    /// What becomes of objects, and with that what a client may do with them.
    pub life: Life,
    /// Whether `metadata.generation` counts the changes of what is wanted.
    pub has_generation: bool,
    /// The row whose objects these are in another shape; `None` for most kinds.
    pub stored_as: Option<Conversion>,
    /// What acts on the objects, for the documentation; empty where they are stored and served only.
    pub acted_on_by: &'static str,
}

/// What becomes of objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// They are stored: every verb.
    Stored,
    /// Questions and orders, dealt with when they are made and never kept: `create` alone.
    Answered,
    /// Found out whenever they are read: `get` and `list` alone.
    Observed,
}

/// How objects of a row are kept: as those of another row.
#[derive(Clone, Copy)]
pub struct Conversion {
    /// The row that the store knows.
    pub row: &'static Kind,
    /// An object of this row as one of the stored row, without its defaults.
    pub to_stored: fn(&mut Value),
    /// An object of the stored row as one of this row.
    pub from_stored: fn(&mut Value),
}

/// What a delete that is done answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// A `Status`: most kinds.
    Status,
    /// The object as it was last (`ReturnDeletedObject` of the kind's storage).
    Object,
}

/// A column of a `Table`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Header.
    pub name: &'static str,
    /// OpenAPI type of the cells.
    pub type_: &'static str,
    /// 0 always shown, 1 only with `-o wide`.
    pub priority: u8,
}

/// A field that selectors may name.
#[derive(Clone, Copy, Debug)]
pub struct SelectableField {
    /// As the selector writes it.
    pub label: &'static str,
    /// Where it stands (RFC 6901).
    pub pointer: &'static str,
    /// What an absent field reads as.
    pub absent: &'static str,
}

/// Every kind that is served. A word that two kinds share means the first; of a group
/// with several versions the first is preferred.
pub static REGISTRY: &[Kind] = &[
    kinds::namespace::KIND,
    kinds::node::KIND,
    kinds::pod::KIND,
    kinds::pod::BINDING,
    kinds::replication_controller::KIND,
    kinds::replication_controller::POD_TEMPLATE,
    kinds::service::KIND,
    kinds::endpoints::KIND,
    kinds::component_status::KIND,
    kinds::config::CONFIG_MAP,
    kinds::config::SECRET,
    kinds::service_account::KIND,
    kinds::volumes::VOLUME,
    kinds::volumes::CLAIM,
    kinds::quota::LIMIT_RANGE,
    kinds::quota::RESOURCE_QUOTA,
    kinds::event::CORE,
    kinds::event::EVENTS,
    kinds::endpoint_slice::KIND,
    kinds::deployment::KIND,
    kinds::replica_set::KIND,
    kinds::stateful_set::KIND,
    kinds::daemon_set::KIND,
    kinds::controller_revision::KIND,
    kinds::autoscaling::V2,
    kinds::autoscaling::V1,
    kinds::cron_job::KIND,
    kinds::job::KIND,
    kinds::networking::INGRESS,
    kinds::networking::INGRESS_CLASS,
    kinds::network_policy::KIND,
    kinds::service_range::IP_ADDRESS,
    kinds::service_range::SERVICE_CIDR,
    kinds::policy::POD_DISRUPTION_BUDGET,
    kinds::coordination::LEASE,
    kinds::rbac::ROLE,
    kinds::rbac::ROLE_BINDING,
    kinds::rbac::CLUSTER_ROLE,
    kinds::rbac::CLUSTER_ROLE_BINDING,
    kinds::scheduling::PRIORITY_CLASS,
    kinds::scheduling::RUNTIME_CLASS,
    kinds::storage::STORAGE_CLASS,
    kinds::storage::CSI_DRIVER,
    kinds::storage::CSI_NODE,
    kinds::storage::CSI_STORAGE_CAPACITY,
    kinds::storage::VOLUME_ATTACHMENT,
    kinds::storage::VOLUME_ATTRIBUTES_CLASS,
    kinds::certificates::SIGNING_REQUEST,
    kinds::admission::VALIDATING,
    kinds::admission::MUTATING,
    kinds::admission::policies::VALIDATING,
    kinds::admission::policies::VALIDATING_BINDING,
    kinds::admission::policies::MUTATING,
    kinds::admission::policies::MUTATING_BINDING,
    kinds::apiextensions::KIND,
    kinds::aggregation::API_SERVICE,
    kinds::reviews::TOKEN_REVIEW,
    kinds::reviews::SELF_SUBJECT_REVIEW,
    kinds::reviews::SUBJECT_ACCESS_REVIEW,
    kinds::reviews::SELF_SUBJECT_ACCESS_REVIEW,
    kinds::reviews::LOCAL_SUBJECT_ACCESS_REVIEW,
    kinds::reviews::SELF_SUBJECT_RULES_REVIEW,
    kinds::metrics::POD,
    kinds::metrics::NODE,
    kinds::sandbox::KIND,
];

/// The rows whose objects the store knows: each object is in one of them, though two rows may
/// show it, and some are never kept.
pub fn stored() -> impl Iterator<Item = &'static Kind> {
    REGISTRY.iter().filter(|kind| kind.rules.stored_as.is_none() && kind.rules.life == Life::Stored)
}

/// The kind that stands under `/apis/<group>/<version>/<plural>`.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    REGISTRY.iter().find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
}

/// The kind with this `apiVersion` and `kind`.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    REGISTRY.iter().find(|row| row.kind == kind && row.api_version() == api_version)
}

/// The kind that a person means by `po`, `pod`, `pods` or `pods.v1.`…: plural,
/// singular, short name, any of them with `.group`.
pub fn by_word(word: &str) -> Option<&'static Kind> {
    let word = word.to_ascii_lowercase();
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (word.as_str(), None),
    };
    REGISTRY.iter().find(|kind| {
        // Some have no singular.
        let is_singular = kind.singular == name && !name.is_empty();
        let is_named = kind.plural == name || is_singular || kind.short_names.contains(&name);
        is_named && group.is_none_or(|group| kind.group == group)
    })
}

// === impl Kind ===

impl Kind {
    /// A row of namespaced objects without its names, for the rest of the row to be written over.
    pub(crate) const fn namespaced(group: &'static str, version: &'static str) -> Self {
        Self {
            group,
            version,
            kind: "",
            plural: "",
            singular: "",
            short_names: &[],
            categories: &[],
            scope: Scope::Namespaced,
            definition: "",
            subresources: &[],
            rules: Rules::PLAIN,
        }
    }

    /// The same for objects of the cluster.
    pub(crate) const fn cluster(group: &'static str, version: &'static str) -> Self {
        Self { scope: Scope::Cluster, ..Self::namespaced(group, version) }
    }

    /// The row under which the store keeps the objects: mostly this one.
    pub fn stored(&self) -> &Kind {
        self.rules.stored_as.map_or(self, |conversion| conversion.row)
    }

    /// Brings an object of this row into the shape that is stored, and fills in what that has by
    /// default.
    pub fn to_stored(&self, object: &mut Value) {
        if let Some(conversion) = self.rules.stored_as {
            self.reshape(object, conversion.row);
            (conversion.row.rules.default)(object);
        }
    }

    /// Brings an object of this row into the shape of another that shares its objects; nothing is
    /// filled in.
    pub fn reshape(&self, object: &mut Value, to: &Kind) {
        if let Some(conversion) = self.rules.stored_as {
            (conversion.to_stored)(object);
            set_kind(object, conversion.row);
        }
        to.from_stored(object);
    }

    /// Brings a stored object into the shape of this row.
    pub fn from_stored(&self, object: &mut Value) {
        if let Some(conversion) = self.rules.stored_as {
            (conversion.from_stored)(object);
            set_kind(object, self);
        }
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods` or `deployments.apps`: how the store and messages name the resource.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether there is such a subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Whether the kind follows its schema to the letter, as custom resources
    /// do; other kinds have rules of their own.
    pub fn is_structural(&self) -> bool {
        self.group == "spur.dev"
    }

    /// The subresource that stands under `/<name>/<segment>`.
    pub fn subresource(&self, segment: &str) -> Option<Subresource> {
        self.subresources.iter().copied().find(|subresource| subresource.segment() == segment)
    }

    /// `PodList`.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// Whether `field` may stand in a field selector.
    pub fn is_selectable(&self, field: &str) -> bool {
        let is_common =
            field == "metadata.name" || (field == "metadata.namespace" && self.scope == Scope::Namespaced);
        is_common || self.rules.fields.iter().any(|known| known.label == field)
    }

    /// What `field` of `object` reads as for a field selector.
    pub fn field_text(&self, object: &Value, field: &str) -> String {
        let (pointer, absent) = match field {
            "metadata.name" => ("/metadata/name", ""),
            "metadata.namespace" => ("/metadata/namespace", ""),
            _ => match self.rules.fields.iter().find(|known| known.label == field) {
                Some(known) => (known.pointer, known.absent),
                None => return String::new(),
            },
        };
        match object.pointer(pointer) {
            None | Some(Value::Null) => absent.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

fn set_kind(object: &mut Value, kind: &Kind) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), kind.api_version().into());
        map.insert("kind".to_owned(), kind.kind.into());
    }
}

// === impl Subresource ===

impl Subresource {
    /// As it stands in a path.
    pub fn segment(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Log => "log",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
            Self::Finalize => "finalize",
            Self::Token => "token",
            Self::Eviction => "eviction",
            Self::Binding => "binding",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Proxy => "proxy",
            Self::Approval => "approval",
        }
    }

    /// Whether it is a connection that becomes streams, not a document.
    pub fn is_streamed(self) -> bool {
        match self {
            Self::Exec | Self::Attach | Self::PortForward => true,
            Self::Status
            | Self::Token
            | Self::Eviction
            | Self::Binding
            | Self::EphemeralContainers
            | Self::Resize
            | Self::Proxy
            | Self::Approval
            | Self::Scale
            | Self::Log
            | Self::Finalize => false,
        }
    }
}

// === impl Rules ===

impl Rules {
    /// Nothing special: DNS names, no defaults, no validation, no columns but the name and age.
    pub const PLAIN: Self = Self {
        name: NameRule::Subdomain,
        default: |_| {},
        prepare_create: |_| {},
        prepare_update: |_, _| {},
        prepare_status: |_, _| {},
        validate: |_, _| Vec::new(),
        columns: &[Column::AGE],
        cells: |object| vec![kinds::age(object)],
        fields: &[],
        deleted: Deleted::Status,
        life: Life::Stored,
        has_generation: false,
        stored_as: None,
        acted_on_by: "",
    };
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl Conversion ===

impl std::fmt::Debug for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversion").field("row", &self.row.plural).finish_non_exhaustive()
    }
}

// === impl Column ===

impl Column {
    /// How old an object is.
    pub const AGE: Self = Self::text("Age");

    /// A column of text.
    pub const fn text(name: &'static str) -> Self {
        Self { name, type_: "string", priority: 0 }
    }

    /// A column of whole numbers.
    pub const fn integer(name: &'static str) -> Self {
        Self { name, type_: "integer", priority: 0 }
    }

    /// When an object was made, for kinds that are shown by nothing else.
    pub const CREATED_AT: Self = Self { name: "Created At", type_: "date", priority: 0 };

    /// The name, where it does not stand first or is shown with more.
    pub const NAME: Self = Self::text("Name");

    /// A column of yes or no.
    pub const fn boolean(name: &'static str) -> Self {
        Self { name, type_: "boolean", priority: 0 }
    }

    /// A column of text that only `-o wide` shows.
    pub const fn wide(name: &'static str) -> Self {
        Self { name, type_: "string", priority: 1 }
    }
}

// === impl SelectableField ===

impl SelectableField {
    /// A field that reads as `""` when absent.
    pub const fn new(label: &'static str, pointer: &'static str) -> Self {
        Self { label, pointer, absent: "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_kinds_share_a_path() {
        let mut seen = HashSet::new();
        for kind in REGISTRY {
            assert!(seen.insert((kind.group, kind.version, kind.plural)), "{} stands twice", kind.plural);
        }
    }

    #[test]
    fn each_kind_is_found_by_every_word_people_use() {
        for kind in REGISTRY {
            let words = [kind.plural, kind.singular].into_iter().chain(kind.short_names.iter().copied());
            for word in words.filter(|word| !word.is_empty()) {
                let found = by_word(&format!("{word}.{}", kind.group)).or_else(|| by_word(word));
                assert!(found.is_some_and(|found| found.kind == kind.kind), "{word}");
            }
        }
    }

    #[test]
    fn no_word_means_no_kind() {
        assert!(by_word("").is_none());
        assert!(by_word("pod").is_some_and(|kind| kind.kind == "Pod"));
    }

    #[test]
    fn cells_fill_the_columns_even_of_an_empty_object() {
        for kind in REGISTRY {
            let cells = (kind.rules.cells)(&serde_json::json!({}));
            assert_eq!(cells.len(), kind.rules.columns.len(), "{}", kind.kind);
        }
    }

    #[test]
    fn each_kind_has_its_definition() {
        for kind in REGISTRY {
            assert!(crate::definitions::schemas().get(kind.definition).is_some(), "{}", kind.definition);
        }
    }
}
