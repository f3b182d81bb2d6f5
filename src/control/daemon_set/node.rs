//! Whether the node is one for a DaemonSet's pods: pure.
//!
//! Source: `pkg/controller/daemon/daemon_controller.go` (NodeShouldRunDaemonPod) and
//! `pkg/controller/daemon/util/daemonset_util.go` (AddOrUpdateDaemonPodTolerations);
//! `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
};
use kube::ResourceExt;

/// What is wanted of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// A pod is to run there.
    Yes,
    /// One that runs there may stay, and none is made.
    MayStay,
    No,
}

/// Taints that pods of DaemonSets bear by themselves, with their effects.
const BORNE: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// The tolerations that a pod of a DaemonSet has besides its template's.
pub(super) fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let network = ("node.kubernetes.io/network-unavailable", "NoSchedule");
    let of_network = (spec.host_network == Some(true)).then_some(network);
    let borne = BORNE.into_iter().chain(of_network);
    let toleration = |(key, effect): (&str, &str)| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    };
    borne.map(toleration).collect()
}

/// Whether pods like this run on the node.
pub(super) fn runs(spec: &PodSpec, node: &Node) -> Runs {
    let is_named = spec.node_name.as_ref().is_none_or(|name| name.is_empty() || *name == node.name_any());
    if !is_named || !is_selected(spec, node) {
        return Runs::No;
    }
    let given = spec.tolerations.clone().unwrap_or_default();
    let tolerations: Vec<Toleration> = given.into_iter().chain(tolerations(spec)).collect();
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let hurting = taints.filter(|taint| !tolerations.iter().any(|toleration| bears(toleration, taint)));
    let effects: Vec<&str> = hurting.map(|taint| taint.effect.as_str()).collect();
    if effects.contains(&"NoExecute") {
        return Runs::No;
    }
    if effects.contains(&"NoSchedule") { Runs::MayStay } else { Runs::Yes }
}

fn is_selected(spec: &PodSpec, node: &Node) -> bool {
    let labels = node.labels();
    let selector = spec.node_selector.iter().flatten();
    let mut selector = selector;
    let has_labels = selector.all(|(label, value)| labels.get(label) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required =
        affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    has_labels
        && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| fits(term, node)))
}

/// All of a term's requirements; an empty term fits nothing.
fn fits(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = || term.match_expressions.iter().flatten();
    let fields = || term.match_fields.iter().flatten();
    let name = node.name_any();
    let label = |requirement: &NodeSelectorRequirement| node.labels().get(&requirement.key).cloned();
    (expressions().next().is_some() || fields().next().is_some())
        && expressions().all(|requirement| holds(requirement, label(requirement).as_deref()))
        && fields().all(|requirement| requirement.key == "metadata.name" && holds(requirement, Some(&name)))
}

fn holds(requirement: &NodeSelectorRequirement, found: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or(&[]);
    let is_listed = found.is_some_and(|found| values.iter().any(|value| value == found));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let (ours, bound) = (number(found), number(values.first().map(String::as_str)));
    match requirement.operator.as_str() {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => ours.zip(bound).is_some_and(|(ours, bound)| ours > bound),
        "Lt" => ours.zip(bound).is_some_and(|(ours, bound)| ours < bound),
        _ => false,
    }
}

/// Source: `k8s.io/api/core/v1/toleration.go`, `ToleratesTaint`.
fn bears(toleration: &Toleration, taint: &Taint) -> bool {
    let is_any = |given: &Option<String>, found: &str| {
        given.as_ref().is_none_or(|given| given.is_empty() || given == found)
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    is_any(&toleration.effect, &taint.effect)
        && is_any(&toleration.key, &taint.key)
        && match toleration.operator.as_deref() {
            Some("Exists") => true,
            None | Some("" | "Equal") => value(&toleration.value) == value(&taint.value),
            Some(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(spec: Value, taints: Value, expected: Runs) {
        let shown = format!("{spec} {taints}");
        let mut pod = json!({"containers": []});
        pod.as_object_mut().expect("a map").extend(spec.as_object().expect("a map").clone());
        let node = json!({
            "metadata": {"name": "spur", "labels": {"disk": "ssd", "cores": "8"}}, "spec": {"taints": taints},
        });
        let spec: PodSpec = serde_json::from_value(pod).expect("a spec");
        let node: Node = serde_json::from_value(node).expect("a node");
        assert_eq!(runs(&spec, &node), expected, "{shown}");
    }

    #[test]
    fn selectors_and_affinity_choose_the_node() {
        check(json!({}), json!([]), Runs::Yes);
        check(json!({"nodeSelector": {"disk": "ssd"}}), json!([]), Runs::Yes);
        check(json!({"nodeSelector": {"disk": "hdd"}}), json!([]), Runs::No);
        check(json!({"nodeName": "other"}), json!([]), Runs::No);
        let with = |terms: Value| {
            let required = json!({"nodeSelectorTerms": terms});
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}})
        };
        let one = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        check(
            with(json!([one("disk", "In", json!(["hdd"])), one("cores", "Gt", json!(["4"]))])),
            json!([]),
            Runs::Yes,
        );
        check(with(json!([one("disk", "NotIn", json!(["ssd"]))])), json!([]), Runs::No);
        check(with(json!([one("gpu", "DoesNotExist", json!([]))])), json!([]), Runs::Yes);
        check(with(json!([{}])), json!([]), Runs::No);
        let named =
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["spur"]}]}]);
        check(with(named), json!([]), Runs::Yes);
    }

    #[test]
    fn taints_keep_pods_away_that_do_not_bear_them() {
        let taint = |effect: &str| json!([{"key": "k", "value": "v", "effect": effect}]);
        check(json!({}), taint("NoExecute"), Runs::No);
        check(json!({}), taint("NoSchedule"), Runs::MayStay);
        check(json!({}), taint("PreferNoSchedule"), Runs::Yes);
        check(json!({"tolerations": [{"operator": "Exists"}]}), taint("NoExecute"), Runs::Yes);
        check(json!({"tolerations": [{"key": "k", "value": "v"}]}), taint("NoExecute"), Runs::Yes);
        check(json!({"tolerations": [{"key": "k", "value": "w"}]}), taint("NoExecute"), Runs::No);
        let cordoned = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        check(json!({}), cordoned, Runs::Yes);
    }
}
