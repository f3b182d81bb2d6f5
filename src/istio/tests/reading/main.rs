//! Objects as people write them: what they come to, what is refused and where, what is reported.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod connections;
mod refused;
mod reported;

use std::net::IpAddr;

use serde_json::{Value, json};
use spur_istio::{EntrySpec, Reading, Spec, read};
use spur_route::rules::{Action, Retries};

/// An object of this kind with this spec, in YAML.
pub(crate) fn object(kind: &str, spec: &str) -> Value {
    let spec: Value = spur_api::yaml::documents(spec).unwrap().remove(0);
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"namespace": "shop", "name": "it", "resourceVersion": "5"}, "spec": spec,
    })
}

pub(crate) fn reading(kind: &str, spec: &str) -> Reading {
    read(&object(kind, spec)).unwrap()
}

#[test]
fn the_bookinfo_rules_are_read_whole() {
    let read = reading(
        "VirtualService",
        r#"
hosts: [reviews]
http:
- name: jason
  match:
  - headers: {end-user: {exact: jason}}
  route:
  - destination: {host: reviews, subset: v2}
- timeout: 0.5s
  retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,418"}
  route:
  - destination: {host: reviews, subset: v1, port: {number: 9080}}
    weight: 75
  - destination: {host: reviews.other.svc.cluster.local, subset: v3}
    weight: 25
    headers: {response: {set: {x-canary: "yes"}}}
"#,
    );
    assert_eq!((&read.faults[..], &read.unsupported[..]), (&[][..], &[][..]));
    let Some(Spec::VirtualService(spec)) = read.spec else { panic!("no VirtualService") };
    assert_eq!(spec.hosts, ["reviews.shop.svc.cluster.local".into()]);
    assert_eq!(spec.gateways, ["mesh".into()]);
    let [jason, others] = spec.http() else { panic!("two rules") };
    assert_eq!(jason.rule.to_string(), "VirtualService shop/it http[0] `jason`");
    assert_eq!(jason.rule.revision, 5);
    assert_eq!(jason.retries, Retries::Default);
    let Action::Forward(destinations) = &others.action else { panic!("it forwards") };
    let to: Vec<String> = destinations.iter().map(|one| format!("{} {}", one.to, one.weight)).collect();
    assert_eq!(to, ["shop/reviews:9080 subset v1 75", "other/reviews subset v3 25"]);
    assert_eq!(others.timeout.unwrap().as_millis(), 500);
    let Retries::Policy(policy) = &others.retries else { panic!("it retries") };
    assert_eq!((policy.attempts, policy.on.wants_status(418)), (3, true));
}

#[test]
fn kinds_of_other_groups_are_not_read() {
    assert!(read(&json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"})).is_none());
    assert!(read(&json!({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar"})).is_none());
}

#[test]
fn all_versions_have_one_shape() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let mut object =
            object("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}");
        object["apiVersion"] = json!(format!("networking.istio.io/{version}"));
        assert!(read(&object).unwrap().faults.is_empty());
    }
}

#[test]
fn a_service_entry_is_a_service_for_each_host() {
    let read = reading(
        "ServiceEntry",
        r#"
hosts: [api.example.com, Db.example.com]
resolution: STATIC
ports: [{number: 443, name: https, protocol: HTTPS}, {number: 80, name: http, protocol: HTTP, targetPort: 8080}]
endpoints:
- address: 127.0.0.1
  ports: {http: 9090}
  labels: {version: v1}
- address: 10.0.0.2
"#,
    );
    let Some(Spec::ServiceEntry(entries)) = read.spec else { panic!("no ServiceEntry") };
    let services: Vec<_> = entries.iter().map(|entry| &entry.service).collect();
    let names: Vec<&str> = services.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["api.example.com", "db.example.com"]);
    let endpoints: Vec<String> =
        services[0].endpoints.iter().map(|it| format!("{} {}", it.port, it.address)).collect();
    assert_eq!(endpoints, ["443 127.0.0.1:443", "80 127.0.0.1:9090", "443 10.0.0.2:443", "80 10.0.0.2:8080"]);
}

/// PX-14: what a name resolves to is looked at, too.
#[test]
fn a_service_entry_may_have_endpoints_by_name() {
    let entry = |resolution: &str, endpoints: &str| {
        let ports = "[{number: 80, name: http, protocol: HTTP, targetPort: 8080}]";
        let spec =
            format!("{{hosts: [Api.example.com], resolution: {resolution}, ports: {ports}{endpoints}}}");
        let Some(Spec::ServiceEntry(entries)) = reading("ServiceEntry", &spec).spec else {
            panic!("no ServiceEntry")
        };
        entries.into_iter().next().unwrap()
    };
    let addresses: Vec<IpAddr> =
        ["169.254.169.254", "10.0.0.1", "10.0.0.2"].iter().map(|it| it.parse().unwrap()).collect();
    let resolved = |entry: &EntrySpec, name: &str| {
        let service = entry.resolved(|asked| (asked == name).then_some(&addresses));
        service.endpoints.iter().map(|it| format!("{} {}", it.port, it.address)).collect::<Vec<_>>()
    };
    // The host itself, where no endpoints are given; what is link-local never.
    for resolution in ["NONE", "DNS"] {
        let entry = entry(resolution, "");
        assert_eq!(resolved(&entry, "api.example.com"), ["80 10.0.0.1:8080", "80 10.0.0.2:8080"]);
        assert!(resolved(&entry, "another").is_empty(), "what is not resolved yet");
    }
    let first = entry("DNS_ROUND_ROBIN", "");
    assert_eq!(resolved(&first, "api.example.com"), ["80 10.0.0.1:8080"]);
    let mixed =
        entry("DNS", ", endpoints: [{address: 10.0.0.9}, {address: B.example.com, ports: {http: 90}}]");
    assert_eq!(resolved(&mixed, "b.example.com"), ["80 10.0.0.9:8080", "80 10.0.0.1:90", "80 10.0.0.2:90"]);
    assert!(mixed.named.iter().all(|named| &*named.name == "b.example.com"));
}

#[test]
fn a_gateways_servers_have_hosts_of_namespaces() {
    let read = reading(
        "Gateway",
        r#"
selector: {istio: ingressgateway}
servers:
- port: {number: 80, name: http, protocol: HTTP}
  hosts: ["*.Example.com", "./a.com", "other/b.com"]
  tls: {httpsRedirect: true}
- port: {number: 443, name: https, protocol: HTTPS}
  hosts: ["*"]
  tls: {mode: SIMPLE, credentialName: cert}
"#,
    );
    let Some(Spec::Gateway(gateway)) = read.spec else { panic!("no Gateway") };
    assert_eq!(gateway.servers.len(), 2);
    let hosts: Vec<String> = gateway.servers[0]
        .hosts
        .iter()
        .map(|it| format!("{}/{}", it.namespace.as_deref().unwrap_or("*"), it.host))
        .collect();
    assert_eq!(hosts, ["*/*.example.com", "shop/a.com", "other/b.com"]);
    assert!(gateway.servers[0].redirects_to_https);
}
