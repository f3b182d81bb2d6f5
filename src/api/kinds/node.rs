//! Nodes. There is one: this machine, kept up to date by the control plane.

use serde_json::{Value, json};

use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope, SelectableField, Subresource};

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    categories: &[],
    scope: Scope::Cluster,
    definition: "io.k8s.api.core.v1.Node",
    subresources: &[Subresource::Status, Subresource::Proxy],
    rules: Rules {
        columns: &[
            Column::text("Status"),
            Column::text("Roles"),
            Column::AGE,
            Column::text("Version"),
            Column::wide("Internal-IP"),
            Column::wide("External-IP"),
            Column::wide("OS-Image"),
            Column::wide("Kernel-Version"),
            Column::wide("Container-Runtime"),
        ],
        cells,
        fields: &[SelectableField {
            label: "spec.unschedulable",
            pointer: "/spec/unschedulable",
            absent: "false",
        }],
        acted_on_by: "node controller, which keeps the one node",
        ..Rules::PLAIN
    },
};

fn cells(object: &Value) -> Vec<Value> {
    let info = |field: &str| json!(meta::text(object, &format!("/status/nodeInfo/{field}")));
    let address = |type_: &str| {
        let mut all = meta::list(object, "/status/addresses").iter();
        let found = all.find(|address| meta::text(address, "/type") == type_);
        json!(found.map_or("<none>", |address| meta::text(address, "/address")))
    };
    vec![
        json!(status(object)),
        json!(roles(object)),
        super::age(object),
        info("kubeletVersion"),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn status(object: &Value) -> String {
    let is_ready = meta::list(object, "/status/conditions").iter().any(|condition| {
        meta::text(condition, "/type") == "Ready" && meta::text(condition, "/status") == "True"
    });
    let is_cordoned = object.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    let ready = if is_ready { "Ready" } else { "NotReady" };
    if is_cordoned { format!("{ready},SchedulingDisabled") } else { ready.to_owned() }
}

fn roles(object: &Value) -> String {
    let prefix = "node-role.kubernetes.io/";
    let labels = meta::labels(object).into_iter().flatten();
    let mut roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix(prefix)).collect();
    roles.sort_unstable();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}
