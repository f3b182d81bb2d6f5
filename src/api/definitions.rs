//! The schemas of all bundled kinds.
//!
//! Types and descriptions are k8s-openapi's; what it lacks (merge keys, list
//! types) is added from our own table, [`crate::merge_keys`]. Made at first
//! use, since start-up needs none of it.

use std::sync::OnceLock;

use k8s_openapi::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, certificates,
    coordination, core, discovery, events, networking, node, policy, rbac, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use serde_json::{Map, Value, json};
use spur_schema::{Schemas, Type};

use crate::merge_keys::{ATOMIC, DEFAULTS, LISTS, ListRule, MERGE_PATCHES, NAME_OPTIONAL};
use crate::sandbox::{SandboxSpec, SandboxStatus};

/// The definition of every object's `metadata`.
pub const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// The definition of what a delete may ask for.
pub const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
/// The definition of what `/scale` reads and writes.
pub const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";
/// The definition of any JSON value, such as a default in a custom resource's schema.
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";

/// Adds the definitions of these types and of all that they refer to.
macro_rules! add {
    ($generator:expr, $($type:ty),* $(,)?) => {
        $($generator.subschema_for::<$type>();)*
    };
}

/// The definitions by name, as an OpenAPI v3 document's `components.schemas`. Made anew for each who
/// asks: as values they take some 8 MB, and clients keep what they were given.
pub fn document() -> Map<String, Value> {
    let mut generator = generator();
    add_kubernetes(&mut generator);
    generator.subschema_for::<SandboxSpec>();
    generator.subschema_for::<SandboxStatus>();
    let mut definitions = finished(generator);
    definitions.insert("dev.spur.v1alpha1.Sandbox".to_owned(), sandbox());
    add_metrics(&mut definitions);
    definitions
}

/// The definitions, ready to validate and patch with.
pub fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        Schemas::compile(&document()).expect("the bundled definitions refer only to each other")
    })
}

/// The definition of every object's `metadata` with all that it refers to: what a custom resource
/// needs of the [`document`].
pub fn metadata() -> &'static Map<String, Value> {
    static METADATA: OnceLock<Map<String, Value>> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut generator = generator();
        add!(generator, meta::v1::ObjectMeta);
        finished(generator)
    })
}

/// Merges a strategic merge patch into an object of this definition.
///
/// # Errors
/// In words, when there is no such definition or it does not take the patch;
/// `target` is then as it was.
pub fn strategic_merge(definition: &str, target: &mut Value, patch: &Value) -> Result<(), String> {
    let schema = schemas().get(definition).ok_or_else(|| format!("no definition is named `{definition}`"))?;
    spur_schema::patch::strategic(schema, target, patch).map_err(|error| error.to_string())
}

/// Takes out of an object what this definition does not know, and says where it stood.
///
/// # Errors
/// In words, when there is no such definition.
pub fn drop_unknown_fields(definition: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let schema = schemas().get(definition).ok_or_else(|| format!("no definition is named `{definition}`"))?;
    Ok(spur_schema::unknown_fields(schema, object))
}

/// The status of a new object of this definition; `None` where it has none. In Go it is a struct,
/// which is written even when it is empty, with a zero in each field that its type cannot leave out.
pub fn new_status(definition: &str) -> Option<Value> {
    let status = schemas().get(definition)?.property("status")?;
    let zero = |field: &str| match status.property(field)?.kind()? {
        Type::Integer => Some((field.to_owned(), json!(0))),
        Type::Boolean => Some((field.to_owned(), json!(false))),
        Type::Object | Type::Array | Type::String | Type::Number | Type::IntOrString | Type::Quantity => None,
    };
    Some(Value::Object(status.required().filter_map(zero).collect()))
}

fn generator() -> schemars::SchemaGenerator {
    schemars::generate::SchemaSettings::openapi3().into_generator()
}

/// What a generator holds, with our names and what our tables add.
fn finished(mut generator: schemars::SchemaGenerator) -> Map<String, Value> {
    let mut definitions: Map<String, Value> = generator
        .take_definitions(true)
        .into_iter()
        .map(|(name, schema)| (qualified(&name), schema))
        .collect();
    for schema in definitions.values_mut() {
        rewrite_references(schema);
    }
    correct(&mut definitions);
    annotate(&mut definitions);
    definitions
}

/// Says what k8s-openapi's types cannot: which of their fields may be left out, and
/// that any JSON is no object.
fn correct(definitions: &mut Map<String, Value>) {
    for (name, schema) in definitions.iter_mut().filter(|(name, _)| name.starts_with("io.k8s.")) {
        let is_named = !NAME_OPTIONAL.contains(&name.as_str());
        let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) else { continue };
        let is_event = name == "io.k8s.api.core.v1.Event";
        required.retain(|field| (is_event || field != "metadata") && (is_named || field != "name"));
        if required.is_empty()
            && let Some(schema) = schema.as_object_mut()
        {
            schema.shift_remove("required");
        }
    }
    if let Some(event) = definitions.get_mut("io.k8s.api.events.v1.Event") {
        event["required"] = json!(["eventTime"]);
    }
    if let Some(any) = definitions.get_mut(JSON).and_then(Value::as_object_mut) {
        any.shift_remove("type");
    }
}

fn add_kubernetes(generator: &mut schemars::SchemaGenerator) {
    add_core_and_apps(generator);
    add!(
        generator,
        autoscaling::v1::HorizontalPodAutoscaler,
        authentication::v1::SelfSubjectReview,
        authentication::v1::TokenRequest,
        authentication::v1::TokenReview,
        authorization::v1::LocalSubjectAccessReview,
        authorization::v1::SelfSubjectAccessReview,
        authorization::v1::SelfSubjectRulesReview,
        authorization::v1::SubjectAccessReview,
        autoscaling::v1::Scale,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::CronJob,
        batch::v1::Job,
        coordination::v1::Lease,
        discovery::v1::EndpointSlice,
        events::v1::Event,
        networking::v1::IPAddress,
        networking::v1::Ingress,
        networking::v1::IngressClass,
        networking::v1::NetworkPolicy,
        networking::v1::ServiceCIDR,
        node::v1::RuntimeClass,
        policy::v1::Eviction,
        policy::v1::PodDisruptionBudget,
        rbac::v1::ClusterRole,
        rbac::v1::ClusterRoleBinding,
        rbac::v1::Role,
        rbac::v1::RoleBinding,
        scheduling::v1::PriorityClass,
        storage::v1::CSIDriver,
        storage::v1::CSINode,
        storage::v1::CSIStorageCapacity,
        storage::v1::StorageClass,
        storage::v1::VolumeAttachment,
        storage::v1::VolumeAttributesClass,
        certificates::v1::CertificateSigningRequest,
        admissionregistration::v1::MutatingAdmissionPolicy,
        admissionregistration::v1::MutatingAdmissionPolicyBinding,
        admissionregistration::v1::MutatingWebhookConfiguration,
        admissionregistration::v1::ValidatingAdmissionPolicy,
        admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        admissionregistration::v1::ValidatingWebhookConfiguration,
        apiextensions::v1::CustomResourceDefinition,
        apiregistration::v1::APIService,
    );
    add_of_no_kind(generator);
}

/// What is said about requests and what is served, and what lists have besides their items.
fn add_of_no_kind(generator: &mut schemars::SchemaGenerator) {
    add!(
        generator,
        meta::v1::APIGroup,
        meta::v1::APIGroupList,
        meta::v1::APIResourceList,
        meta::v1::APIVersions,
        meta::v1::DeleteOptions,
        meta::v1::ListMeta,
        meta::v1::Patch,
        meta::v1::Status,
        meta::v1::WatchEvent<k8s_openapi::apimachinery::pkg::runtime::RawExtension>,
        k8s_openapi::apimachinery::pkg::version::Info,
    );
}

fn add_core_and_apps(generator: &mut schemars::SchemaGenerator) {
    add!(
        generator,
        core::v1::Binding,
        core::v1::ComponentStatus,
        core::v1::ConfigMap,
        core::v1::Endpoints,
        core::v1::Event,
        core::v1::LimitRange,
        core::v1::Namespace,
        core::v1::Node,
        core::v1::PersistentVolume,
        core::v1::PersistentVolumeClaim,
        core::v1::Pod,
        core::v1::PodTemplate,
        core::v1::ReplicationController,
        core::v1::ResourceQuota,
        core::v1::Secret,
        core::v1::Service,
        core::v1::ServiceAccount,
        apps::v1::ControllerRevision,
        apps::v1::DaemonSet,
        apps::v1::Deployment,
        apps::v1::ReplicaSet,
        apps::v1::StatefulSet,
    );
}

/// Our own types have plain names; in the document they stand under ours.
fn qualified(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("dev.spur.v1alpha1.{name}") }
}

fn rewrite_references(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref") {
                let name = target.rsplit('/').next().unwrap_or_default();
                *target = format!("#/components/schemas/{}", qualified(name));
            }
            map.values_mut().for_each(rewrite_references);
        }
        Value::Array(items) => items.iter_mut().for_each(rewrite_references),
        _ => {}
    }
}

fn sandbox() -> Value {
    let reference = |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]});
    json!({
        "description": "A named change set: only requests with its routing key reach the copies it makes.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string", "description": "spur.dev/v1alpha1."},
            "kind": {"type": "string", "description": "Sandbox."},
            "metadata": reference(OBJECT_META),
            "spec": reference("dev.spur.v1alpha1.SandboxSpec"),
            "status": reference("dev.spur.v1alpha1.SandboxStatus"),
        },
        "required": ["spec"],
    })
}

/// k8s-openapi has none of the group that metrics-server serves.
///
/// Source: `metrics/pkg/apis/metrics/v1beta1/types.go`.
fn add_metrics(definitions: &mut Map<String, Value>) {
    const PREFIX: &str = "io.k8s.metrics.pkg.apis.metrics.v1beta1";
    const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let usage = json!({
        "type": "object", "additionalProperties": reference(QUANTITY),
        "description": "`cpu`, the mean over the window, and `memory`, the working set at the timestamp.",
    });
    let text = |description: &str| json!({"type": "string", "description": description});
    let metrics = |of: &str, field: &str, value: &Value| {
        json!({
            "description": format!("What a {of} uses."),
            "type": "object",
            "properties": {
                "apiVersion": text("metrics.k8s.io/v1beta1."),
                "kind": text(""),
                "metadata": {"allOf": [reference(OBJECT_META)]},
                "timestamp": {
                    "allOf": [reference("io.k8s.apimachinery.pkg.apis.meta.v1.Time")],
                    "description": "When it was read, the end of the window.",
                },
                "window": text("Over how long the use of CPU was counted, such as `15.2s`."),
                field: value,
            },
            "required": ["timestamp", "window", field],
        })
    };
    let containers = json!({
        "type": "array", "items": reference(&format!("{PREFIX}.ContainerMetrics")),
        "description": "What each container uses that runs.",
    });
    let container = json!({
        "description": "What a container uses.",
        "type": "object",
        "properties": {"name": text("The container's name in its pod."), "usage": usage},
        "required": ["name", "usage"],
    });
    definitions.insert(format!("{PREFIX}.ContainerMetrics"), container);
    definitions.insert(format!("{PREFIX}.PodMetrics"), metrics("pod", "containers", &containers));
    definitions.insert(format!("{PREFIX}.NodeMetrics"), metrics("node", "usage", &usage));
}

fn annotate(definitions: &mut Map<String, Value>) {
    for definition in ATOMIC {
        if let Some(schema) = definitions.get_mut(*definition).and_then(Value::as_object_mut) {
            schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
    }
    for (definition, field, rule) in LISTS {
        let Some(property) = property_mut(definitions, definition, field) else { continue };
        match rule {
            ListRule::Map(keys) => {
                property.insert("x-kubernetes-list-type".to_owned(), json!("map"));
                property.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
            }
            ListRule::Set => {
                property.insert("x-kubernetes-list-type".to_owned(), json!("set"));
            }
            ListRule::AtomicMap => {
                property.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
            }
            ListRule::GranularMap => {
                property.insert("x-kubernetes-map-type".to_owned(), json!("granular"));
            }
        }
    }
    for (definition, field, default) in DEFAULTS {
        if let Some(property) = property_mut(definitions, definition, field) {
            property.insert("default".to_owned(), json!(default));
        }
    }
    for (definition, field, strategy, key) in MERGE_PATCHES {
        let Some(property) = property_mut(definitions, definition, field) else { continue };
        property.insert("x-kubernetes-patch-strategy".to_owned(), json!(strategy));
        if !key.is_empty() {
            property.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
        }
    }
}

fn property_mut<'a>(
    definitions: &'a mut Map<String, Value>,
    definition: &str,
    field: &str,
) -> Option<&'a mut Map<String, Value>> {
    definitions.get_mut(definition)?.get_mut("properties")?.get_mut(field)?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_alone_is_as_in_the_document() {
        assert!(metadata().contains_key(OBJECT_META));
        assert!(metadata().len() > 1, "it refers to others");
        let document = document();
        for (name, schema) in metadata() {
            assert_eq!(document.get(name), Some(schema), "{name}");
        }
    }

    #[test]
    fn the_tables_name_only_fields_that_exist() {
        let mut definitions = document();
        for (definition, field, _) in LISTS {
            assert!(property_mut(&mut definitions, definition, field).is_some(), "{definition}.{field}");
        }
        for definition in ATOMIC.iter().chain(NAME_OPTIONAL) {
            assert!(definitions.contains_key(*definition), "{definition}");
        }
        for (definition, field, _) in DEFAULTS {
            assert!(property_mut(&mut definitions, definition, field).is_some(), "{definition}.{field}");
        }
        for (definition, field, ..) in MERGE_PATCHES {
            assert!(property_mut(&mut definitions, definition, field).is_some(), "{definition}.{field}");
        }
    }
}
