//! Which Services a pod sees, under which names, and who it is when it calls
//! them. Pure; the listeners themselves are `listeners`' business.
//!
//! Every Service of the pod's namespace is seen, but those that stand for a
//! sandbox's fork only by pods of that sandbox: the others reach a fork through
//! the baseline's name and a routing key.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use kube::ResourceExt;
use spur_api::labels;
use spur_net::Caller;
use spur_runtime::Transport;

use super::environment::Variables;
use crate::owner;
use crate::transport::transport;

/// A Service as a pod sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) service: Arc<str>,
    /// In the Service's order; never empty.
    pub(super) ports: Vec<LinkPort>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkPort {
    pub(super) number: u16,
    pub(super) transport: Transport,
    pub(super) name: Option<String>,
}

/// Whether a pod's service variables are asked for (`enableServiceLinks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `<SVC>_SERVICE_HOST` and `<SVC>_SERVICE_PORT`, as Kubernetes has them, and `<SVC>_URL`.
    All,
    /// `<SVC>_URL` only: without cluster DNS it is the one way to reach a Service.
    UrlOnly,
}

/// The Services that a pod sees.
pub(super) fn visible(services: &[Service], pod: &Pod) -> Vec<Link> {
    let of_pod = pod.labels().get(labels::SANDBOX);
    let is_seen = |service: &&Service| match service.labels().get(labels::SANDBOX) {
        Some(sandbox) => of_pod == Some(sandbox),
        None => true,
    };
    services.iter().filter(is_seen).filter_map(link).collect()
}

/// How a pod reaches one port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// By name, where it has one for the pod; else the address.
    pub(super) host: String,
    pub(super) address: String,
    pub(super) port: u16,
}

/// The variables of all links.
pub(super) fn variables(
    links: &[Link],
    naming: Naming,
    way: impl Fn(&str, (u16, Transport)) -> Option<Way>,
) -> Variables {
    let mut variables = Variables::new();
    for Link { service, ports } in links {
        let prefix = variable_name(service);
        // A URL is for what speaks HTTP, most likely.
        let of_url = ports.iter().position(|port| port.transport == Transport::Tcp).unwrap_or(0);
        for (idx, LinkPort { number, transport, name }) in ports.iter().enumerate() {
            let Some(Way { host, address, port }) = way(service, (*number, *transport)) else { continue };
            if idx == of_url {
                let scheme = match transport {
                    Transport::Tcp => "http",
                    Transport::Udp => "udp",
                };
                variables.insert(format!("{prefix}_URL"), format!("{scheme}://{host}:{port}"));
            }
            if naming == Naming::UrlOnly {
                continue;
            }
            if idx == 0 {
                variables.insert(format!("{prefix}_SERVICE_HOST"), address);
                variables.insert(format!("{prefix}_SERVICE_PORT"), port.to_string());
            }
            if let Some(name) = name {
                let name = variable_name(name);
                variables.insert(format!("{prefix}_SERVICE_PORT_{name}"), port.to_string());
            }
        }
    }
    variables
}

/// Whether the pod asks for Kubernetes' service variables.
pub(super) fn naming(pod: &Pod) -> Naming {
    match pod.spec.as_ref().and_then(|spec| spec.enable_service_links) {
        Some(false) => Naming::UrlOnly,
        Some(true) | None => Naming::All,
    }
}

/// Who a pod's calls come from.
pub(super) fn caller(pod: &Pod) -> Caller {
    Caller {
        namespace: pod.namespace().unwrap_or_default().into(),
        workload: owner::workload(pod).into(),
        pod: pod.name_any().into(),
        labels: Arc::new(seen_labels(pod)),
        sandbox: pod.labels().get(labels::SANDBOX).map(|name| name.as_str().into()),
    }
}

/// The labels by which rules know a caller: a fork's calls are its baseline's, too.
fn seen_labels(pod: &Pod) -> BTreeMap<String, String> {
    let baseline = pod.annotations().get(labels::BASELINE_LABELS);
    // Whoever wrote something else there has no baseline.
    let baseline: Option<BTreeMap<String, String>> =
        baseline.and_then(|text| serde_json::from_str(text).ok());
    let mut seen = baseline.unwrap_or_default();
    seen.extend(pod.labels().clone());
    seen
}

/// A name as part of a variable's: upper case, with `_` for `-`
/// (`pkg/kubelet/envvars`, `makeEnvVariableName`).
pub(super) fn variable_name(name: &str) -> String {
    name.to_uppercase().replace(['-', '.'], "_")
}

fn link(service: &Service) -> Option<Link> {
    let ports: Vec<_> = spur_compile::ports(service).iter().filter_map(port).collect();
    (!ports.is_empty()).then(|| Link { service: service.name_any().into(), ports })
}

/// SCTP does not pass the proxy.
fn port(port: &ServicePort) -> Option<LinkPort> {
    let (number, transport) = (u16::try_from(port.port).ok()?, transport(port)?);
    Some(LinkPort { number, transport, name: port.name.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(name: &str, labels: Value, spec: Value) -> Service {
        let metadata = json!({"name": name, "namespace": "shop", "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn pod(metadata: Value) -> Pod {
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    fn names(services: &[Service], labels: Value) -> Vec<String> {
        let pod = pod(json!({"name": "p", "namespace": "shop", "labels": labels}));
        visible(services, &pod).iter().map(|link| link.service.to_string()).collect()
    }

    #[test]
    fn a_forks_services_are_seen_by_its_own_sandbox_only() {
        let port = json!({"ports": [{"port": 80}]});
        let services = [
            service("cart", json!({}), port.clone()),
            service("try-cart", json!({"spur.dev/sandbox": "try"}), port.clone()),
            service("udp", json!({}), json!({"ports": [{"port": 53, "protocol": "UDP"}]})),
            service("sctp", json!({}), json!({"ports": [{"port": 53, "protocol": "SCTP"}]})),
            service(
                "far",
                json!({}),
                json!({"type": "ExternalName", "externalName": "x", "ports": [{"port": 80}]}),
            ),
        ];
        assert_eq!(names(&services, json!({})), ["cart", "udp", "far"]);
        assert_eq!(names(&services, json!({"spur.dev/sandbox": "try"})), ["cart", "try-cart", "udp", "far"]);
        assert_eq!(names(&services, json!({"spur.dev/sandbox": "other"})), ["cart", "udp", "far"]);
    }

    #[test]
    fn services_appear_under_kubernetes_names_and_as_urls() {
        let ports = json!({"ports": [{"port": 80, "name": "http-web"}, {"port": 9000, "name": "grpc"}]});
        let services = [service("my-cart", json!({}), ports)];
        let links = visible(&services, &pod(json!({"name": "p", "namespace": "shop"})));
        let way = |_: &str, (port, _): (u16, Transport)| {
            Some(Way { host: "localhost".to_owned(), address: "127.0.0.1".to_owned(), port: port + 20_000 })
        };
        let wanted = [
            ("MY_CART_SERVICE_HOST", "127.0.0.1"),
            ("MY_CART_SERVICE_PORT", "20080"),
            ("MY_CART_SERVICE_PORT_GRPC", "29000"),
            ("MY_CART_SERVICE_PORT_HTTP_WEB", "20080"),
            ("MY_CART_URL", "http://localhost:20080"),
        ];
        let own = |pairs: &[(&str, &str)]| -> Variables {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(variables(&links, Naming::All, way), own(&wanted));
        assert_eq!(variables(&links, Naming::UrlOnly, way), own(&wanted[4..]));
        let ports = json!({"ports": [
            {"port": 53, "name": "dns", "protocol": "UDP"}, {"port": 9153, "name": "metrics"},
        ]});
        let links =
            visible(&[service("dns", json!({}), ports)], &pod(json!({"name": "p", "namespace": "shop"})));
        let wanted = [
            ("DNS_SERVICE_HOST", "127.0.0.1"),
            ("DNS_SERVICE_PORT", "20053"),
            ("DNS_SERVICE_PORT_DNS", "20053"),
            ("DNS_SERVICE_PORT_METRICS", "29153"),
            ("DNS_URL", "http://localhost:29153"),
        ];
        assert_eq!(variables(&links, Naming::All, way), own(&wanted));
        let ports = json!({"ports": [{"port": 53, "protocol": "UDP"}]});
        let links =
            visible(&[service("dns", json!({}), ports)], &pod(json!({"name": "p", "namespace": "shop"})));
        assert_eq!(variables(&links, Naming::UrlOnly, way), own(&[("DNS_URL", "udp://localhost:20053")]));
    }

    #[test]
    fn the_caller_is_the_workload_that_owns_the_pod() {
        let check = |labels: Value, owner: Value, wanted: &str| {
            let owners = if owner.is_null() { json!([]) } else { json!([owner]) };
            let metadata =
                json!({"name": "p-1", "namespace": "shop", "labels": labels, "ownerReferences": owners});
            let caller = caller(&pod(metadata));
            assert_eq!(&*caller.workload, wanted);
            assert_eq!((&*caller.namespace, &*caller.pod), ("shop", "p-1"));
        };
        let owner = |kind: &str, name: &str| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true});
        check(json!({"pod-template-hash": "x2v"}), owner("ReplicaSet", "cart-x2v"), "cart");
        check(json!({}), owner("ReplicaSet", "cart"), "cart");
        check(json!({"pod-template-hash": "x2v"}), owner("ReplicaSet", "cart-other"), "cart-other");
        check(json!({}), owner("StatefulSet", "db"), "db");
        check(json!({}), Value::Null, "p-1");
        check(
            json!({"pod-template-hash": "x2v", "spur.dev/fork": "cart", "spur.dev/sandbox": "try"}),
            owner("ReplicaSet", "try-cart-x2v"),
            "cart",
        );
    }

    #[test]
    fn a_forks_pod_calls_for_its_sandbox() {
        let fork = pod(json!({"name": "p", "namespace": "shop", "labels": {"spur.dev/sandbox": "try"}}));
        assert_eq!(caller(&fork).sandbox.as_deref(), Some("try"));
        assert_eq!(caller(&pod(json!({"name": "p"}))).sandbox, None);
    }

    #[test]
    fn rules_know_a_fork_by_its_baselines_labels() {
        let labels = |baseline: &str| {
            let fork = pod(json!({
                "name": "p", "namespace": "shop", "labels": {"spur.dev/sandbox": "try", "tier": "patched"},
                "annotations": {"spur.dev/baseline-labels": baseline},
            }));
            json!(*caller(&fork).labels)
        };
        assert_eq!(
            labels(r#"{"app": "cart", "tier": "web"}"#),
            json!({"app": "cart", "tier": "patched", "spur.dev/sandbox": "try"}),
        );
        assert_eq!(labels("[]"), json!({"tier": "patched", "spur.dev/sandbox": "try"}));
    }
}
