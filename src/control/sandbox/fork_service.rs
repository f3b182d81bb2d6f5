//! The Services of a sandbox: for each that selects a forked workload, one that
//! selects the fork instead.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use spur_api::{labels, meta};

use super::names;

/// Fields of a Service port that a copy takes over. Not `nodePort`: it is the baseline's.
const PORT_FIELDS: [&str; 5] = ["name", "port", "targetPort", "protocol", "appProtocol"];

/// Fields of a Service that a copy takes over besides its ports.
const SPEC_FIELDS: [&str; 3] = ["publishNotReadyAddresses", "sessionAffinity", "sessionAffinityConfig"];

/// A Service of a sandbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ForkService {
    /// The baseline Service whose place it takes.
    pub(super) of: String,
    /// Its own name.
    pub(super) name: String,
    /// Its TCP ports, which are the baseline's.
    pub(super) ports: Vec<Port>,
    /// The object.
    pub(super) object: Value,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// Empty where it has none.
    pub(super) name: String,
    /// The number.
    pub(super) number: u16,
}

/// Whose pods the Service selects.
pub(super) struct ForkPods<'a> {
    /// The sandbox.
    pub(super) owner: &'a OwnerReference,
    /// The forked workload.
    pub(super) baseline: &'a str,
}

/// The labels of everything that belongs to a fork, and of nothing else.
pub(super) fn fork_labels(sandbox: &OwnerReference, baseline: &str) -> Map<String, Value> {
    Map::from_iter([
        (labels::SANDBOX.to_owned(), json!(sandbox.name)),
        (labels::SANDBOX_UID.to_owned(), json!(sandbox.uid)),
        (labels::FORK.to_owned(), json!(names::label_value(baseline))),
    ])
}

/// The TCP ports of a Service.
pub(super) fn tcp_ports(service: &DynamicObject) -> Vec<Port> {
    let ports = meta::list(&service.data, "/spec/ports").iter();
    ports
        .filter(|port| matches!(meta::text(port, "/protocol"), "" | "TCP"))
        .filter_map(|port| {
            let number = u16::try_from(meta::number(port, "/port")?).ok()?;
            Some(Port { name: meta::text(port, "/name").to_owned(), number })
        })
        .collect()
}

// === impl ForkService ===

impl ForkService {
    /// The copy of `baseline` under this name, for these pods.
    pub(super) fn new(baseline: &DynamicObject, name: String, pods: &ForkPods<'_>) -> Self {
        let ForkPods { owner, baseline: workload } = pods;
        let of = baseline.name_any();
        let selector = fork_labels(owner, workload);
        let mut labels = selector.clone();
        labels.insert(labels::FORK_OF_SERVICE.to_owned(), json!(of));
        let object = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": baseline.namespace(),
                "labels": labels,
                "ownerReferences": [owner],
            },
            "spec": spec(baseline, selector),
        });
        Self { of, name, ports: tcp_ports(baseline), object }
    }
}

fn spec(baseline: &DynamicObject, selector: Map<String, Value>) -> Value {
    let ports = meta::list(&baseline.data, "/spec/ports").iter().map(|port| picked(port, &PORT_FIELDS));
    let ports: Vec<Value> = ports.map(Value::Object).collect();
    let mut spec = baseline.data.get("spec").map(|spec| picked(spec, &SPEC_FIELDS)).unwrap_or_default();
    spec.insert("type".to_owned(), json!("ClusterIP"));
    if meta::text(&baseline.data, "/spec/clusterIP") == "None" {
        spec.insert("clusterIP".to_owned(), json!("None"));
    }
    if !ports.is_empty() {
        spec.insert("ports".to_owned(), json!(ports));
    }
    spec.insert("selector".to_owned(), Value::Object(selector));
    Value::Object(spec)
}

fn picked(object: &Value, fields: &[&str]) -> Map<String, Value> {
    let field = |name: &&str| Some(((*name).to_owned(), object.get(*name)?.clone()));
    fields.iter().filter_map(field).collect()
}
