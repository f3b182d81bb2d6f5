//! The slices of a Service as a pure function of the Service and its pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use spur_api::labels;
use spur_api::real_port::{self, Protocol};

use crate::owner;

/// Endpoints in one slice, at most: what the API takes (`discovery.k8s.io/v1`).
const ENDPOINTS_MAX: usize = 1000;

/// On the slices of a headless Service (Kubernetes' well-known label).
const HEADLESS: &str = "service.kubernetes.io/headless";

/// Real ports by container and container port, as the pod worker wrote them.
type RealPorts = BTreeMap<String, u16>;

/// A Service port as one pod serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    name: Option<String>,
    number: i32,
    protocol: Option<String>,
    app_protocol: Option<String>,
}

/// Whether the Service's slices follow from pods.
pub(super) fn has_selector(service: &Service) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector.is_some_and(|selector| !selector.is_empty())
}

/// Whether the Service's selector matches the pod.
pub(super) fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    service.namespace() == pod.namespace()
        && selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value))
        })
}

/// The slices that there should be.
pub(super) fn of(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSlice> {
    let service_ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or(&[]);
    let publishes_unready =
        service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let mut by_ports: BTreeMap<Vec<Port>, Vec<&Arc<Pod>>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| has_address(pod) && are_ports_told(pod)) {
        let ports: Vec<Port> = service_ports.iter().filter_map(|port| real_port(port, pod)).collect();
        by_ports.entry(ports).or_default().push(pod);
    }
    by_ports
        .into_iter()
        .filter(|(ports, _)| !ports.is_empty() || service_ports.is_empty())
        .flat_map(|(ports, mut pods)| {
            pods.sort_by_key(|pod| pod.name_any());
            let parts = pods.chunks(ENDPOINTS_MAX).enumerate();
            let slices = parts.map(|(idx, pods)| slice(service, (&ports, idx), pods, publishes_unready));
            slices.collect::<Vec<_>>()
        })
        .collect()
}

/// The slice with what others have put on it, and otherwise what is wanted.
pub(super) fn over(old: &EndpointSlice, wanted: EndpointSlice) -> EndpointSlice {
    let mut new = wanted;
    new.metadata.resource_version.clone_from(&old.metadata.resource_version);
    new.metadata.finalizers.clone_from(&old.metadata.finalizers);
    new
}

/// Whether two slices say the same.
pub(super) fn is_same(old: &EndpointSlice, new: &EndpointSlice) -> bool {
    let own =
        |meta: &ObjectMeta| (meta.labels.clone(), meta.annotations.clone(), meta.owner_references.clone());
    old.address_type == new.address_type
        && old.ports == new.ports
        && old.endpoints == new.endpoints
        && own(&old.metadata) == own(&new.metadata)
}

fn has_address(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let is_over = matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
    !is_over && status.is_some_and(|status| status.pod_ip.as_deref().is_some_and(|ip| !ip.is_empty()))
}

/// Whether the pod's real ports can be told. One that has not said yet where it listens would
/// stand for a moment at ports that are not its own. A ready pod that says nothing, of another
/// runtime or writer, listens where it declares.
fn are_ports_told(pod: &Pod) -> bool {
    pod.annotations().contains_key(labels::PORTS) || is_serving(pod)
}

fn is_serving(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// The port at which a pod serves a Service port: its `targetPort`, by number or
/// name, at the real port that the container got.
fn real_port(port: &ServicePort, pod: &Pod) -> Option<Port> {
    let containers = &pod.spec.as_ref()?.containers;
    let declared = containers.iter().flat_map(|container| {
        container.ports.iter().flatten().map(move |declared| (container.name.as_str(), declared))
    });
    let target = port.target_port.clone().unwrap_or(IntOrString::Int(port.port));
    let protocol = Protocol::of(port.protocol.as_deref());
    let mut declared = declared.filter(|(_, port)| Protocol::of(port.protocol.as_deref()) == protocol);
    let (number, container) = match &target {
        IntOrString::Int(number) => (
            *number,
            declared.find(|(_, port)| port.container_port == *number).map(|(container, _)| container),
        ),
        IntOrString::String(name) => {
            let (container, found) = declared.find(|(_, port)| port.name.as_deref() == Some(name))?;
            (found.container_port, Some(container))
        }
    };
    let key = container.zip(protocol);
    let key = key.map(|(container, protocol)| real_port::key(container, number, protocol));
    let real = key.and_then(|key| real_ports(pod).get(&key).copied());
    // Without a real port of its own (another runtime, another writer) the declared one counts.
    let is_shared = real_ports_are_known(pod);
    if real.is_none() && is_shared {
        return None;
    }
    Some(Port {
        name: port.name.clone(),
        number: real.map_or(number, i32::from),
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    })
}

fn real_ports(pod: &Pod) -> RealPorts {
    let text = pod.annotations().get(labels::PORTS);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn real_ports_are_known(pod: &Pod) -> bool {
    pod.annotations().contains_key(labels::PORTS)
}

fn slice(
    service: &Service,
    (ports, idx): (&[Port], usize),
    pods: &[&Arc<Pod>],
    publishes_unready: bool,
) -> EndpointSlice {
    let workloads: BTreeMap<String, String> =
        pods.iter().map(|pod| (pod.name_any(), owner::workload(pod))).collect();
    let workloads = serde_json::to_string(&workloads).expect("a map of texts can always be written");
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(owner::suffixed(&service.name_any(), &ports_hash(service, (ports, idx)))),
            namespace: service.namespace(),
            labels: Some(labels_of(service)),
            annotations: Some(BTreeMap::from([(labels::WORKLOADS.to_owned(), workloads)])),
            owner_references: Some(vec![owner::controlled_by(service)]),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".to_owned(),
        endpoints: Some(pods.iter().map(|pod| endpoint(service, pod, publishes_unready)).collect()),
        ports: Some(ports.iter().map(Port::to_endpoint_port).collect()),
    }
}

fn labels_of(service: &Service) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (labels::SERVICE_NAME.to_owned(), service.name_any()),
        (labels::MANAGED_BY.to_owned(), "endpointslice-controller.k8s.io".to_owned()),
    ]);
    if service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

/// The name that a pod has of its own below the Service's (`shouldSetHostname` in the same file).
fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let is_below = spec.subdomain.as_deref() == Some(&service.name_any());
    spec.hostname.clone().filter(|hostname| is_below && !hostname.is_empty())
}

/// Source of the conditions: `staging/src/k8s.io/endpointslice/utils.go`, `podToEndpoint`.
fn endpoint(service: &Service, pod: &Pod, publishes_unready: bool) -> Endpoint {
    let status = pod.status.as_ref();
    let is_terminating = pod.metadata.deletion_timestamp.is_some();
    let is_serving = is_serving(pod);
    Endpoint {
        addresses: status.and_then(|status| status.pod_ip.clone()).into_iter().collect(),
        hostname: hostname(service, pod),
        conditions: Some(EndpointConditions {
            ready: Some(publishes_unready || (is_serving && !is_terminating)),
            serving: Some(is_serving),
            terminating: Some(is_terminating),
        }),
        node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            name: Some(pod.name_any()),
            namespace: pod.namespace(),
            uid: pod.uid(),
            ..ObjectReference::default()
        }),
        ..Endpoint::default()
    }
}

/// Names a slice: by the Service's uid too, so that one made anew under the same name, or with
/// a name that begins the same, gets slices of its own.
fn ports_hash(service: &Service, (ports, idx): (&[Port], usize)) -> String {
    let text = format!("{:?} {ports:?} {idx}", service.uid());
    format!("{:08x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xffff_ffff)
}

// === impl Port ===

impl Port {
    fn to_endpoint_port(&self) -> EndpointPort {
        EndpointPort {
            // An unnamed Service port has the empty name in slices.
            name: Some(self.name.clone().unwrap_or_default()),
            port: Some(self.number),
            protocol: Some(self.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
            app_protocol: self.app_protocol.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn service() -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "u"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]},
        }))
        .expect("a service")
    }

    fn pod(name: &str, ports: Option<Value>, ready: &str) -> Arc<Pod> {
        let annotations = ports.map(|ports| json!({"spur.dev/ports": ports.to_string()}));
        Arc::new(serde_json::from_value(json!({
            "metadata": {
                "name": name, "namespace": "a", "annotations": annotations,
                "labels": {"app": "web", "pod-template-hash": "x1"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-x1", "uid": "r", "controller": true}],
            },
            "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"podIP": "127.0.0.1", "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .expect("a pod"))
    }

    fn ready(slice: &EndpointSlice) -> Vec<Option<bool>> {
        let endpoints = slice.endpoints.iter().flatten();
        endpoints
            .map(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready))
            .collect()
    }

    #[test]
    fn replicas_with_different_real_ports_get_slices_of_their_own() {
        let pods = [
            pod("a", Some(json!({"c/8080": 20001})), "True"),
            pod("b", Some(json!({"c/8080": 20002})), "False"),
        ];
        let slices = of(&service(), &pods);
        let numbers: Vec<Option<i32>> =
            slices.iter().map(|slice| slice.ports.as_ref().expect("ports")[0].port).collect();
        assert_eq!(numbers, [Some(20001), Some(20002)]);
        assert_eq!(slices.iter().map(ready).collect::<Vec<_>>(), [[Some(true)], [Some(false)]]);
        assert_ne!(slices[0].name_any(), slices[1].name_any());
    }

    #[test]
    fn ports_of_both_protocols_lead_to_their_own() {
        let mut service = service();
        let ports = json!([
            {"name": "udp", "port": 53, "targetPort": "dns", "protocol": "UDP"},
            {"name": "tcp", "port": 53, "targetPort": 53, "protocol": "TCP"},
            {"name": "other", "port": 54, "targetPort": 53, "protocol": "UDP"},
        ]);
        service.spec.as_mut().expect("a spec").ports = serde_json::from_value(ports).expect("ports");
        let mut pod = (*pod("a", Some(json!({"c/53": 20001, "c/53/UDP": 20002})), "True")).clone();
        let declared = json!([
            {"name": "dns-tcp", "containerPort": 53}, {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        ]);
        pod.spec.as_mut().expect("a spec").containers[0].ports =
            serde_json::from_value(declared).expect("ports");
        let slices = of(&service, &[Arc::new(pod)]);
        let found: Vec<_> =
            slices[0].ports.iter().flatten().map(|port| (port.protocol.as_deref(), port.port)).collect();
        let (udp, tcp) = (Some("UDP"), Some("TCP"));
        assert_eq!(found, [(udp, Some(20002)), (tcp, Some(20001)), (udp, Some(20002))]);
    }

    #[test]
    fn a_pod_below_a_service_has_a_name_of_its_own() {
        let name = |subdomain: &str| {
            let mut pod = (*pod("a", None, "True")).clone();
            let spec = pod.spec.as_mut().expect("a spec");
            (spec.hostname, spec.subdomain) = (Some("web-0".to_owned()), Some(subdomain.to_owned()));
            of(&service(), &[Arc::new(pod)])[0].endpoints.as_ref().expect("endpoints")[0].hostname.clone()
        };
        assert_eq!((name("web").as_deref(), name("other")), (Some("web-0"), None));
    }

    #[test]
    fn replicas_with_one_port_share_a_slice_in_the_order_of_their_names() {
        let slices = of(&service(), &[pod("b", None, "True"), pod("a", None, "True")]);
        assert_eq!(slices.len(), 1);
        let names: Vec<String> = slices[0]
            .endpoints
            .iter()
            .flatten()
            .filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.clone())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(slices[0].annotations()[labels::WORKLOADS], r#"{"a":"web","b":"web"}"#);
    }

    #[test]
    fn a_pod_whose_port_is_not_given_out_yet_is_no_endpoint() {
        assert!(of(&service(), &[pod("a", Some(json!({})), "True")]).is_empty());
    }

    #[test]
    fn a_pod_that_has_not_said_where_it_listens_is_no_endpoint_before_it_is_ready() {
        assert!(of(&service(), &[pod("a", None, "False")]).is_empty());
        assert_eq!(
            of(&service(), &[pod("a", None, "True")])[0].ports.as_ref().expect("ports")[0].port,
            Some(8080)
        );
    }

    #[test]
    fn more_pods_than_a_slice_takes_get_another() {
        let pods: Vec<Arc<Pod>> =
            (0..1001).map(|number| pod(&format!("p{number:04}"), None, "True")).collect();
        let slices = of(&service(), &pods);
        let sizes: Vec<usize> =
            slices.iter().map(|slice| slice.endpoints.as_ref().expect("endpoints").len()).collect();
        assert_eq!(sizes, [1000, 1]);
        assert_ne!(slices[0].name_any(), slices[1].name_any());
    }

    #[test]
    fn a_service_made_anew_gets_slices_of_its_own() {
        let mut again = service();
        again.metadata.uid = Some("v".to_owned());
        let pods = [pod("a", None, "True")];
        assert_ne!(of(&service(), &pods)[0].name_any(), of(&again, &pods)[0].name_any());
    }

    #[test]
    fn a_service_that_publishes_unready_pods_says_that_all_are_ready() {
        let mut service = service();
        service.spec.as_mut().expect("a spec").publish_not_ready_addresses = Some(true);
        let pods = [pod("a", Some(json!({"c/8080": 20001})), "False")];
        assert_eq!(ready(&of(&service, &pods)[0]), [Some(true)]);
    }

    #[test]
    fn a_second_look_finds_the_same() {
        let pods = [pod("a", None, "True")];
        assert!(is_same(&of(&service(), &pods)[0], &of(&service(), &pods)[0]));
    }
}
