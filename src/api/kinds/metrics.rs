//! PodMetrics and NodeMetrics: what pods and the node use, measured when they are asked for. Their
//! group is the one of metrics-server, whose columns these are.
//!
//! Source: `metrics-server/pkg/api/{pod,node,table}.go`.

use serde_json::{Value, json};

use crate::names::NameRule;
use crate::registry::{Column, Kind, Life, Rules};
use crate::{meta, quantity};

const RULES: Rules = Rules {
    name: NameRule::PathSegment,
    columns: &[Column::text("cpu"), Column::text("memory"), Column::text("Window")],
    life: Life::Observed,
    acted_on_by: "measured by the server, never kept",
    ..Rules::PLAIN
};

// Metrics-server gives neither a singular, so that `pod` stays the pod.
pub(crate) const POD: Kind = Kind {
    kind: "PodMetrics",
    plural: "pods",
    definition: "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics",
    rules: Rules { cells: pod_cells, ..RULES },
    ..Kind::namespaced("metrics.k8s.io", "v1beta1")
};

pub(crate) const NODE: Kind = Kind {
    kind: "NodeMetrics",
    plural: "nodes",
    definition: "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics",
    rules: Rules { cells: node_cells, ..RULES },
    ..Kind::cluster("metrics.k8s.io", "v1beta1")
};

/// The sum over the containers.
fn pod_cells(object: &Value) -> Vec<Value> {
    let sum = |field: &str| -> i128 {
        let containers = meta::list(object, "/containers").iter();
        containers.filter_map(|container| quantity::nanos(meta::text(container, field))).sum()
    };
    let (cpu, memory) = (sum("/usage/cpu"), sum("/usage/memory") / quantity::ONE);
    let cpu = quantity::of_nanos(u64::try_from(cpu).unwrap_or(u64::MAX));
    let memory = quantity::of_bytes(u64::try_from(memory).unwrap_or(u64::MAX));
    vec![json!(cpu), json!(memory), json!(meta::text(object, "/window"))]
}

fn node_cells(object: &Value) -> Vec<Value> {
    ["/usage/cpu", "/usage/memory", "/window"].map(|field| json!(meta::text(object, field))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_uses_what_its_containers_use() {
        let usage = |cpu: &str, memory: &str| json!({"usage": {"cpu": cpu, "memory": memory}});
        let pod = json!({"window": "1.5s", "containers": [usage("1500u", "1Mi"), usage("500n", "512Ki")]});
        assert_eq!(pod_cells(&pod), [json!("1500500n"), json!("1536Ki"), json!("1.5s")]);
        assert_eq!(pod_cells(&json!({})), [json!("0"), json!("0"), json!("")]);
    }
}
