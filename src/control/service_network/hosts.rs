//! A pod's hosts file: itself, its `hostAliases`, every Service that it sees, and the pods of its
//! namespace that have names of their own below a headless one.
//!
//! Source of the form: `pkg/kubelet/kubelet_pods.go`, `ensureHostsFile`. Names of Services are what
//! cluster DNS has them by.

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use spur_api::labels;
use spur_compile::External;
use spur_runtime::ServiceId;

use super::{Addresses, Seen};

/// What every hosts file begins with, as the kubelet's does.
const LOCAL: &str = "\
# Kept by Spur: changes are lost.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
";

/// The text of a pod's hosts file.
pub(super) fn text((pod, address): (&Pod, Ipv4Addr), seen: &Seen, addresses: &Addresses) -> String {
    let mut lines = LOCAL.to_owned();
    let spec = pod.spec.as_ref();
    let name = pod.name_any();
    let hostname = spec.and_then(|spec| spec.hostname.as_deref()).unwrap_or(&name);
    let own = match spec.and_then(|spec| spec.subdomain.as_deref()) {
        Some(subdomain) => {
            let namespace = pod.namespace().unwrap_or_default();
            format!("{hostname}.{subdomain}.{namespace}.svc.cluster.local {hostname}")
        }
        None => hostname.to_owned(),
    };
    line(&mut lines, &address.to_string(), &own);
    for alias in spec.iter().flat_map(|spec| spec.host_aliases.iter().flatten()) {
        let names = alias.hostnames.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        line(&mut lines, &alias.ip, &names);
    }
    let namespace = pod.namespace().unwrap_or_default();
    for (id, service) in seen.services.iter().filter(|(_, service)| is_seen(service, pod)) {
        let is_near = *id.namespace == *namespace;
        let address = match External::of(service) {
            Some(External::Service { namespace, name }) => addresses.get(&ServiceId { namespace, name }),
            Some(External::Host(_)) | None => addresses.get(id),
        };
        if let Some(address) = address {
            line(&mut lines, &address.to_string(), &names(&id.name, id, is_near));
        }
        // Pods of other namespaces are on other networks, where they are not reached.
        let members = seen.members.get(id).filter(|_| is_near && is_headless(service));
        for member in members.into_iter().flatten() {
            // Without ports there is nothing to listen on: the name means the pods themselves.
            if !addresses.contains_key(id) {
                line(&mut lines, &member.address.to_string(), &names(&id.name, id, is_near));
            }
            if let Some(hostname) = &member.hostname {
                let below = format!("{hostname}.{}", id.name);
                line(&mut lines, &member.address.to_string(), &names(&below, id, is_near));
            }
        }
    }
    lines
}

/// All by which cluster DNS has a name, the longest first; without its namespace it is known in
/// that one only
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>).
fn names(name: &str, id: &ServiceId, is_near: bool) -> String {
    let full = format!("{name}.{}", id.namespace);
    let names = format!("{full}.svc.cluster.local {full}.svc {full}");
    if is_near { format!("{names} {name}") } else { names }
}

fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

/// A fork's own Services are seen by its sandbox only, as on every network.
fn is_seen(service: &Service, pod: &Pod) -> bool {
    let sandbox = service.labels().get(labels::SANDBOX);
    sandbox.is_none_or(|sandbox| pod.labels().get(labels::SANDBOX) == Some(sandbox))
}

fn line(lines: &mut String, address: &str, names: &str) {
    lines.push_str(address);
    lines.push('\t');
    lines.push_str(names);
    lines.push('\n');
}

/// Writes the file where it is: a container has it mounted, and another file in its place would not be
/// seen there. A reader may see the new beginning with the old end for a moment, each line whole or cut.
pub(super) fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        // Whoever is in a container reads the file by its mount; on this machine it is the owner's.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut file =
        std::fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o644).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Members, Services, members};
    use super::*;
    use serde_json::{Value, json};

    fn service(name: &str, namespace: &str, labels: Value) -> (ServiceId, Arc<Service>) {
        let service = json!({"metadata": {"name": name, "namespace": namespace, "labels": labels}});
        (ServiceId::new(namespace, name), Arc::new(serde_json::from_value(service).unwrap()))
    }

    fn alias(name: &str, of: &str) -> (ServiceId, Arc<Service>) {
        let (id, service) = service(name, "shop", json!({}));
        let mut service = (*service).clone();
        service.spec = serde_json::from_value(json!({"type": "ExternalName", "externalName": of})).unwrap();
        (id, Arc::new(service))
    }

    #[test]
    fn a_pod_finds_itself_its_aliases_and_the_services_it_sees() {
        let services = Services::from([
            service("cart", "shop", json!({})),
            service("pay", "bank", json!({})),
            service("try-cart", "shop", json!({"spur.dev/sandbox": "try"})),
            service("unreached", "shop", json!({})),
            alias("money", "pay.bank.svc.cluster.local"),
            alias("far", "example.com"),
        ]);
        let address = |last| Ipv4Addr::new(10, 212, 3, last);
        let addresses = Addresses::from([
            (ServiceId::new("shop", "cart"), address(254)),
            (ServiceId::new("bank", "pay"), address(253)),
            (ServiceId::new("shop", "try-cart"), address(252)),
            (ServiceId::new("shop", "far"), address(251)),
        ]);
        let lines = |labels: Value| {
            let pod = json!({
                "metadata": {"name": "web-0", "namespace": "shop", "labels": labels},
                "spec": {"containers": [], "subdomain": "web", "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]},
            });
            let pod: Pod = serde_json::from_value(pod).unwrap();
            let seen = Seen { services: Arc::new(services.clone()), members: Arc::default() };
            let text = text((&pod, address(2)), &seen, &addresses);
            text.strip_prefix(LOCAL).expect("it begins like all").to_owned()
        };
        let seen = "\
10.212.3.2\tweb-0.web.shop.svc.cluster.local web-0
10.0.0.1\ta b
10.212.3.253\tpay.bank.svc.cluster.local pay.bank.svc pay.bank
10.212.3.254\tcart.shop.svc.cluster.local cart.shop.svc cart.shop cart
10.212.3.251\tfar.shop.svc.cluster.local far.shop.svc far.shop far
10.212.3.253\tmoney.shop.svc.cluster.local money.shop.svc money.shop money
";
        assert_eq!(lines(json!({})), seen);
        let own = "10.212.3.252\ttry-cart.shop.svc.cluster.local try-cart.shop.svc try-cart.shop try-cart\n";
        assert_eq!(lines(json!({"spur.dev/sandbox": "try"})), format!("{seen}{own}"));
    }

    #[test]
    fn pods_below_a_headless_service_have_names_of_their_own() {
        let headless = |name: &str, ports: Value| {
            let (id, service) = service(name, "shop", json!({}));
            let mut service = (*service).clone();
            service.spec = serde_json::from_value(json!({"clusterIP": "None", "ports": ports})).unwrap();
            (id, Arc::new(service))
        };
        let services = Services::from([
            headless("db", json!([{"port": 5432}])),
            headless("peers", json!([])),
            service("cart", "shop", json!({})),
        ]);
        let slice = |service: &str, endpoints: Value| {
            let slice = json!({
                "metadata": {"name": service, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4", "endpoints": endpoints,
            });
            members::of(&serde_json::from_value(slice).unwrap())
        };
        let slices = [
            slice(
                "db",
                json!([
                    {"addresses": ["10.212.3.5"], "hostname": "db-1"},
                    {"addresses": ["10.212.3.4"], "hostname": "db-0", "conditions": {"ready": true}},
                    {"addresses": ["10.212.3.6"], "hostname": "db-2", "conditions": {"ready": false}},
                    {"addresses": ["127.0.0.1"], "hostname": "process-0"},
                ]),
            ),
            slice("peers", json!([{"addresses": ["10.212.3.8"]}, {"addresses": ["10.212.3.7"]}])),
            slice("cart", json!([{"addresses": ["10.212.3.9"], "hostname": "cart-0"}])),
        ];
        let members: Members = members::all(slices.iter());
        let seen = Seen { services: Arc::new(services), members: Arc::new(members) };
        let addresses = Addresses::from([(ServiceId::new("shop", "db"), Ipv4Addr::new(10, 212, 3, 254))]);
        let text = |namespace: &str| {
            let pod =
                json!({"metadata": {"name": "web-0", "namespace": namespace}, "spec": {"containers": []}});
            let text = text(
                (&serde_json::from_value(pod).unwrap(), Ipv4Addr::new(10, 212, 3, 2)),
                &seen,
                &addresses,
            );
            text.lines()
                .skip_while(|line| !line.ends_with("web-0"))
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let near = [
            "10.212.3.254\tdb.shop.svc.cluster.local db.shop.svc db.shop db",
            "10.212.3.4\tdb-0.db.shop.svc.cluster.local db-0.db.shop.svc db-0.db.shop db-0.db",
            "10.212.3.5\tdb-1.db.shop.svc.cluster.local db-1.db.shop.svc db-1.db.shop db-1.db",
            "10.212.3.7\tpeers.shop.svc.cluster.local peers.shop.svc peers.shop peers",
            "10.212.3.8\tpeers.shop.svc.cluster.local peers.shop.svc peers.shop peers",
        ];
        assert_eq!(text("shop"), near);
        assert_eq!(text("bank"), ["10.212.3.254\tdb.shop.svc.cluster.local db.shop.svc db.shop"]);
    }

    #[test]
    fn a_file_is_written_where_it_is() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts/uid");
        write(&path, "a long text\n").unwrap();
        let before = std::fs::metadata(&path).unwrap().ino();
        write(&path, "short\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short\n");
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
    }
}
