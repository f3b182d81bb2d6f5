//! Tables for what objects mean.

mod cache;

use serde_json::{Value, json};
use spur_route::{
    Ask, DatagramPortSpec, Destination, EndpointSpec, Fallback, ForkSpec, PortSpec, RoutingTable,
    SandboxSpec, ServiceSpec, Source, Visibility, Wire,
};

use super::Fragment;
use super::assembly::Assembly;

fn service(name: &str, ports: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": "7"},
        "spec": {"ports": ports},
    })
}

fn slice(of: &str, ports: Value, endpoints: Value) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "namespace": "shop", "name": format!("{of}-1"),
            "labels": {"kubernetes.io/service-name": of},
            "annotations": {"spur.dev/workloads": "{\"cart-1\": \"cart-blue\"}"},
        },
        "ports": ports, "endpoints": endpoints,
    })
}

fn sandbox(name: &str, created: &str, status: Value) -> Value {
    json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox",
        "metadata": {
            "namespace": "shop", "name": name, "resourceVersion": "9", "creationTimestamp": created,
        },
        "spec": {"fallback": "fail"}, "status": status,
    })
}

fn fork_service(name: &str, of: &str, sandbox: &str) -> Value {
    let mut service = service(name, json!([{"port": 80}]));
    service["metadata"]["labels"] = json!({
        "spur.dev/sandbox": sandbox, "spur.dev/fork": "cart", "spur.dev/fork-of-service": of,
    });
    service
}

/// The table that these fragments come to from scratch.
fn compile(revision: u64, fragments: &[Fragment]) -> RoutingTable {
    RoutingTable::of(revision, Assembly::of(fragments).specs())
}

fn table_of(objects: &[Value]) -> RoutingTable {
    let fragments: Vec<Fragment> =
        objects.iter().filter_map(|object| Fragment::of(object).expect("the object is readable")).collect();
    compile(9, &fragments)
}

#[track_caller]
fn check(objects: &[Value], services: Vec<ServiceSpec>, sandboxes: Vec<SandboxSpec>) {
    assert_eq!(table_of(objects), RoutingTable::build(9, services, sandboxes));
}

fn endpoint(port: u16, address: &str, pod: &str, workload: &str) -> EndpointSpec {
    EndpointSpec {
        port,
        address: address.parse().expect("an address"),
        pod: pod.into(),
        workload: workload.into(),
        labels: std::sync::Arc::default(),
        is_ready: true,
    }
}

fn port(number: u16, name: &str, wire: Wire) -> PortSpec {
    PortSpec { number, name: name.into(), wire }
}

fn spec(name: &str, ports: Vec<PortSpec>, endpoints: Vec<EndpointSpec>) -> ServiceSpec {
    ServiceSpec {
        namespace: "shop".into(),
        name: name.into(),
        revision: 7,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports,
        endpoints,
    }
}

fn ready(pod: &str, address: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": pod}})
}

#[test]
fn a_service_takes_its_endpoints_from_its_slices_by_port_name() {
    let ports = json!([
        {"name": "grpc", "port": 90}, {"name": "web", "port": 80, "appProtocol": "http"},
        {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "unserved", "port": 70},
    ]);
    let targets = json!([
        {"name": "web", "port": 41001}, {"name": "grpc", "port": 41002}, {"name": "other", "port": 1},
        {"name": "dns", "port": 41003, "protocol": "UDP"}, {"name": "web", "port": 41004, "protocol": "UDP"},
    ]);
    let dns = vec![
        endpoint(53, "10.0.0.9:41003", "cart-2", "cart"),
        endpoint(53, "127.0.0.1:41003", "cart-1", "cart-blue"),
    ];
    check(
        &[
            service("cart", ports),
            slice("cart", targets, json!([ready("cart-1", "127.0.0.1"), ready("cart-2", "10.0.0.9")])),
            slice("else", json!([{"name": "web", "port": 9}]), json!([ready("x", "10.0.0.1")])),
        ],
        vec![ServiceSpec {
            datagrams: vec![DatagramPortSpec { number: 53, endpoints: dns }],
            ..spec(
                "cart",
                vec![
                    port(90, "grpc", Wire::Http2),
                    port(80, "web", Wire::Http1),
                    port(70, "unserved", Wire::Auto),
                ],
                vec![
                    endpoint(80, "10.0.0.9:41001", "cart-2", "cart"),
                    endpoint(80, "127.0.0.1:41001", "cart-1", "cart-blue"),
                    endpoint(90, "10.0.0.9:41002", "cart-2", "cart"),
                    endpoint(90, "127.0.0.1:41002", "cart-1", "cart-blue"),
                ],
            )
        }],
        vec![],
    );
}

#[test]
fn a_service_says_how_long_a_client_stays() {
    let stays = |affinity: Value| {
        let mut service = service("cart", json!([{"port": 80}]));
        for (field, value) in affinity.as_object().expect("fields") {
            service["spec"][field] = value.clone();
        }
        let seconds = |spec: &ServiceSpec| spec.affinity.map(|affinity| affinity.as_secs());
        let fragment = Fragment::of(&service).expect("a service").expect("a fragment");
        let specs = Assembly::of([&fragment]).specs();
        specs.services.values().next().and_then(|spec| seconds(spec))
    };
    assert_eq!(stays(json!({"sessionAffinity": "None"})), None);
    assert_eq!(stays(json!({"sessionAffinity": "ClientIP"})), Some(10_800));
    let config = json!({"clientIP": {"timeoutSeconds": 60}});
    assert_eq!(stays(json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": config})), Some(60));
}

fn external(name: &str, host: &str, ports: Value) -> Value {
    let mut service = service(name, ports);
    service["spec"]["type"] = json!("ExternalName");
    service["spec"]["externalName"] = json!(host);
    service
}

#[test]
fn an_external_name_leads_to_the_addresses_of_its_host() {
    let read = |object: &Value| Fragment::of(object).expect("readable").expect("a fragment");
    let far = read(&external("far", "Example.com.", json!([{"port": 8080, "targetPort": 1}])));
    let web = read(&external("web", "example.com", json!([])));
    let near = read(&external("near", "127.0.0.1", json!([{"port": 81}])));
    let mut assembly = Assembly::of([&far, &web, &near]);
    assert_eq!(assembly.names().iter().map(|name| &**name).collect::<Vec<_>>(), ["example.com"]);
    let addresses = |assembly: &mut Assembly, name: &str| -> Vec<String> {
        let specs = assembly.specs();
        let spec = specs.services.get("shop", name).expect("a service");
        spec.endpoints.iter().map(|it| format!("{}>{}", it.port, it.address)).collect()
    };
    assert!(addresses(&mut assembly, "far").is_empty(), "nothing is known yet");
    assert_eq!(addresses(&mut assembly, "near"), ["81>127.0.0.1:81"]);
    let metadata = "169.254.169.254";
    let known = ["192.0.2.1", metadata].map(|it| it.parse().expect("an address"));
    assert!(assembly.resolve("example.com", known.to_vec()));
    assert_eq!(addresses(&mut assembly, "far"), ["8080>192.0.2.1:8080"]);
    assert_eq!(addresses(&mut assembly, "web"), ["80>192.0.2.1:80", "443>192.0.2.1:443"]);
    assembly.take(&far);
    assembly.take(&web);
    assert!(assembly.names().is_empty());
}

#[test]
fn an_external_name_that_is_a_service_has_its_endpoints_and_is_followed_once() {
    let read = |object: &Value| Fragment::of(object).expect("readable").expect("a fragment");
    let alias = read(&external("alias", "cart.shop.svc.cluster.local", json!([])));
    let second = read(&external("second", "alias.shop.svc.cluster.local", json!([{"port": 80}])));
    let itself = read(&external("itself", "itself.shop.svc.cluster.local", json!([{"port": 80}])));
    let mut assembly = Assembly::of([&alias, &second, &itself]);
    let endpoints = |assembly: &mut Assembly, name: &str| {
        assembly.specs().services.get("shop", name).expect("a service").endpoints.clone()
    };
    assert!(endpoints(&mut assembly, "alias").is_empty());
    let cart = read(&service("cart", json!([{"port": 90}])));
    assembly.add(&cart);
    assembly.add(&read(&slice("cart", json!([{"port": 8080}]), json!([ready("cart-1", "10.0.0.1")]))));
    assert_eq!(endpoints(&mut assembly, "alias"), [endpoint(90, "10.0.0.1:8080", "cart-1", "cart-blue")]);
    assert!(endpoints(&mut assembly, "second").is_empty() && endpoints(&mut assembly, "itself").is_empty());
    assembly.take(&cart);
    assert!(endpoints(&mut assembly, "alias").is_empty());
    assert_eq!(assembly.names().len(), 0);
}

#[test]
fn an_unnamed_port_takes_the_unnamed_target() {
    check(
        &[
            service("cart", json!([{"port": 80}])),
            slice("cart", json!([{"name": "", "port": 8080}]), json!([ready("cart-1", "127.0.0.1")])),
        ],
        vec![spec(
            "cart",
            vec![port(80, "", Wire::Auto)],
            vec![endpoint(80, "127.0.0.1:8080", "cart-1", "cart-blue")],
        )],
        vec![],
    );
}

#[test]
fn readiness_is_as_kubernetes_has_it() {
    #[track_caller]
    fn check_ready(conditions: Value, is_ready: bool) {
        let endpoints = json!([{"addresses": ["10.0.0.1"], "conditions": conditions}]);
        let objects =
            [service("cart", json!([{"port": 80}])), slice("cart", json!([{"port": 8080}]), endpoints)];
        let mut expected = endpoint(80, "10.0.0.1:8080", "10.0.0.1", "cart");
        expected.is_ready = is_ready;
        check(&objects, vec![spec("cart", vec![port(80, "", Wire::Auto)], vec![expected])], vec![]);
    }
    check_ready(Value::Null, true);
    check_ready(json!({}), true);
    check_ready(json!({"ready": null}), true);
    check_ready(json!({"ready": false}), false);
    check_ready(json!({"ready": true, "terminating": true}), false);
}

#[test]
fn slices_with_other_ports_and_moved_endpoints_add_up() {
    let mut moved = slice("cart", json!([{"port": 1001}]), json!([ready("cart-1", "127.0.0.1")]));
    moved["metadata"]["name"] = json!("cart-2");
    let second = slice("cart", json!([{"port": 1002}]), json!([ready("cart-2", "127.0.0.1")]));
    let not_ready = json!([{"addresses": ["127.0.0.1"], "conditions": {"ready": false}, "targetRef": {"name": "cart-1"}}]);
    check(
        &[
            service("cart", json!([{"port": 80}])),
            slice("cart", json!([{"port": 1001}]), not_ready),
            moved,
            second,
        ],
        vec![spec(
            "cart",
            vec![port(80, "", Wire::Auto)],
            vec![
                endpoint(80, "127.0.0.1:1001", "cart-1", "cart-blue"),
                endpoint(80, "127.0.0.1:1002", "cart-2", "cart"),
            ],
        )],
        vec![],
    );
}

#[test]
fn a_forks_service_is_a_service_and_a_fork_of_another() {
    let endpoints = json!([ready("pr-1-cart-0", "127.0.0.1")]);
    let serves = vec![endpoint(80, "127.0.0.1:5001", "pr-1-cart-0", "pr-1-cart")];
    let ports = vec![port(80, "", Wire::Auto)];
    check(
        &[
            service("cart", json!([{"port": 80}])),
            fork_service("pr-1-cart", "cart", "pr-1"),
            slice("pr-1-cart", json!([{"port": 5001}]), endpoints),
            sandbox("pr-1", "2026-01-01T00:00:00Z", json!({"routingKey": "k1"})),
        ],
        vec![spec("cart", ports.clone(), vec![]), spec("pr-1-cart", ports, serves.clone())],
        vec![SandboxSpec {
            namespace: "shop".into(),
            name: "pr-1".into(),
            revision: 9,
            key: "k1".into(),
            fallback: Fallback::Fail,
            forks: vec![ForkSpec {
                service: "cart".into(),
                workload: "cart".into(),
                datagrams: Vec::new(),
                endpoints: serves,
            }],
        }],
    );
}

/// `object` with this uid, made for an owner of this kind and uid.
fn identified(mut object: Value, uid: &str, (kind, owner): (&str, &str)) -> Value {
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": kind, "name": "o", "uid": owner, "controller": true}]);
    object
}

#[test]
fn what_an_owner_of_the_same_name_left_behind_does_not_count() {
    let endpoints = json!([ready("pr-1-cart-0", "127.0.0.1")]);
    let check_endpoints = |service_owner: &str, slice_owner: &str, n_service: usize, n_fork: usize| {
        let sandbox = sandbox("pr-1", "2026-01-01T00:00:00Z", json!({"routingKey": "k1"}));
        let fork = fork_service("pr-1-cart", "cart", "pr-1");
        let slice = slice("pr-1-cart", json!([{"port": 5001}]), endpoints.clone());
        let table = table_of(&[
            service("cart", json!([{"port": 80}])),
            identified(fork, "service-2", ("Sandbox", service_owner)),
            identified(slice, "slice", ("Service", slice_owner)),
            identified(sandbox, "sandbox-2", ("Nothing", "")),
        ]);
        let serves = vec![endpoint(80, "127.0.0.1:5001", "pr-1-cart-0", "pr-1-cart")];
        let fork = ForkSpec {
            service: "cart".into(),
            workload: "cart".into(),
            datagrams: Vec::new(),
            endpoints: serves.clone(),
        };
        let (mut owner, ports) = (owner_of_key("pr-1"), vec![port(80, "", Wire::Auto)]);
        owner.key = "k1".into();
        owner.forks = vec![fork; n_fork];
        let own = spec("pr-1-cart", ports.clone(), serves[..n_service].to_vec());
        assert_eq!(table, RoutingTable::build(9, vec![spec("cart", ports, vec![]), own], vec![owner]));
    };
    check_endpoints("sandbox-2", "service-2", 1, 1);
    check_endpoints("sandbox-1", "service-2", 1, 0);
    check_endpoints("sandbox-1", "service-1", 0, 0);
}

fn owner_of_key(name: &str) -> SandboxSpec {
    SandboxSpec {
        namespace: "shop".into(),
        name: name.into(),
        revision: 9,
        key: "k".into(),
        fallback: Fallback::Fail,
        forks: vec![],
    }
}

#[test]
fn sandboxes_without_a_key_and_those_being_deleted_route_nothing() {
    let mut deleting = sandbox("gone", "2026-01-01T00:00:00Z", json!({"routingKey": "k"}));
    deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:01Z");
    let keyless = sandbox("new", "2026-01-01T00:00:00Z", json!({"phase": "Pending"}));
    check(&[deleting, keyless, sandbox("bare", "2026-01-01T00:00:00Z", Value::Null)], vec![], vec![]);
}

#[test]
fn of_two_owners_of_a_key_the_older_has_it() {
    let older = sandbox("z-older", "2026-01-01T00:00:00Z", json!({"routingKey": "k"}));
    let younger = sandbox("a-younger", "2026-01-01T00:00:01Z", json!({"routingKey": "k"}));
    check(&[younger, older], vec![], vec![owner_of_key("z-older")]);
}

fn istio(kind: &str, name: &str, created: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {
            "namespace": "shop", "name": name, "resourceVersion": "8", "creationTimestamp": created,
        },
        "spec": spec,
    })
}

/// The pods to which a GET of `/` of `shop/cart:80` may go, or the reason why it goes nowhere.
fn taken_by(objects: &[Value]) -> Vec<String> {
    taken_by_table(&table_of(objects))
}

fn taken_by_table(table: &RoutingTable) -> Vec<String> {
    let (headers, uri) = (http::HeaderMap::new(), http::Uri::from_static("/"));
    let verdict = spur_route::decide(
        table,
        &Ask {
            destination: Destination::Service { namespace: "shop", service: "cart", port: 80 },
            source: None,
            method: &http::Method::GET,
            uri: &uri,
            host: "cart",
            headers: &headers,
            is_tls: false,
            server: None,
            lot: 0,
            is_connection: false,
        },
    );
    match verdict.backends() {
        [] => vec![verdict.reason.to_string()],
        backends => backends.iter().map(|backend| backend.pod.to_string()).collect(),
    }
}

fn pod(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "labels": {"version": version}},
    })
}

#[test]
fn a_subset_is_told_by_the_labels_of_pods_or_else_of_slices() {
    let endpoints = json!([ready("cart-1", "10.0.0.1"), ready("cart-2", "10.0.0.2")]);
    let mut slice = slice("cart", json!([{"port": 8080}]), endpoints);
    slice["metadata"]["labels"]["version"] = json!("v9");
    let to = |subset: &str| {
        let route = json!([{"route": [{"destination": {"host": "cart", "subset": subset}}]}]);
        istio("VirtualService", "cart", "2026-01-01T00:00:00Z", json!({"hosts": ["cart"], "http": route}))
    };
    let subset = |version: &str| json!({"name": version, "labels": {"version": version}});
    let subsets = json!([subset("v1"), subset("v2"), subset("v9")]);
    let rule = json!({"host": "cart", "subsets": subsets});
    let rule = istio("DestinationRule", "cart", "2026-01-01T00:00:00Z", rule);
    let world = |subset: &str| {
        let service = service("cart", json!([{"port": 80}]));
        vec![service, slice.clone(), pod("cart-1", "v1"), rule.clone(), to(subset)]
    };
    assert_eq!(taken_by(&world("v1")), ["cart-1"]);
    assert_eq!(taken_by(&world("v9")), ["cart-2"]);
    assert_eq!(taken_by(&world("v2")), ["no-ready-endpoints"]);
    assert_eq!(taken_by(&world("v3")), ["unknown-destination"]);
}

#[test]
fn of_two_virtual_services_of_one_host_the_older_counts() {
    let to = |name: &str, created: &str, status: u16| {
        let http = json!([{"directResponse": {"status": status}}]);
        istio("VirtualService", name, created, json!({"hosts": ["cart"], "http": http}))
    };
    let service = service("cart", json!([{"port": 80}]));
    let younger = to("a", "2026-01-02T00:00:00Z", 200);
    let older = istio(
        "VirtualService",
        "b",
        "2026-01-01T00:00:00Z",
        json!({"hosts": ["cart"], "http": [{"match": [{"uri": {"prefix": "/x"}}], "directResponse": {"status": 200}}]}),
    );
    assert_eq!(taken_by(&[service.clone(), younger.clone()]), ["responded"]);
    assert_eq!(taken_by(&[service, younger, older]), ["no-route"]);
}

fn secret(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": "7"}, "data": data,
    })
}

#[test]
fn a_servers_certificate_is_that_of_its_secret() {
    let server = |name: &str, number: u16| {
        json!({
            "port": {"number": number, "name": name, "protocol": "HTTPS"}, "hosts": ["a.com"],
            "tls": {"mode": "SIMPLE", "credentialName": name},
        })
    };
    let servers = json!({"servers": [server("one", 443), server("two", 444), server("none", 445)]});
    let gateway = istio("Gateway", "edge", "2026-01-01T00:00:00Z", servers);
    // `a`, `b` and `c` in base64.
    let one = secret("one", json!({"tls.crt": "YQ==", "tls.key": "Yg==", "other": "eA=="}));
    let authorities = secret("one-cacert", json!({"cacert": "Yw=="}));
    let two = secret("two", json!({"cert": "YQ==", "key": "Yg==", "ca.crt": "Yw=="}));
    let useless = secret("none", json!({"password": "eA=="}));
    let table = table_of(&[gateway, one, authorities, two, useless]);
    let held = |port: u16| {
        let server = table.tls_server(port, Some("a.com")).unwrap();
        let spur_route::TlsEnd::Here { credential, .. } = &server.end else { panic!("it ends here") };
        credential.clone()
    };
    for port in [443, 444] {
        let held = held(port).unwrap();
        let texts = [held.certificate_pem, held.key_pem, held.ca_pem].map(|text| text.unwrap().to_string());
        assert_eq!(texts, ["a", "b", "c"], "{port}");
    }
    assert_eq!(held(445), None);
}

#[test]
fn a_faulty_object_and_one_that_says_nothing_are_left_out() {
    let service = service("cart", json!([{"port": 80}]));
    let faulty =
        istio("VirtualService", "v", "2026-01-01T00:00:00Z", json!({"hosts": ["cart"], "http": [{}]}));
    assert_eq!(taken_by(&[service.clone(), faulty]), ["no-ready-endpoints"]);
    let sidecar = istio("Sidecar", "s", "2026-01-01T00:00:00Z", json!({}));
    assert_eq!(taken_by(&[service, sidecar]), ["no-ready-endpoints"]);
}

#[test]
fn a_service_entry_is_a_destination() {
    let entry = json!({
        "hosts": ["api.example.com"], "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http"}], "endpoints": [{"address": "127.0.0.9"}],
    });
    let entry = istio("ServiceEntry", "api", "2026-01-01T00:00:00Z", entry);
    let http = json!([{"route": [{"destination": {"host": "api.example.com"}}]}]);
    let to = istio("VirtualService", "v", "2026-01-01T00:00:00Z", json!({"hosts": ["cart"], "http": http}));
    assert_eq!(taken_by(&[service("cart", json!([{"port": 80}])), entry, to]), ["127.0.0.9"]);
}

/// `exportTo`, in Istio's order.
#[test]
fn a_service_entry_is_there_for_those_who_see_it() {
    let entry = |namespace: &str, day: u8, address: &str, export_to: &[&str]| {
        let entry = json!({
            "hosts": ["api.example.com"], "resolution": "STATIC", "exportTo": export_to,
            "ports": [{"number": 80, "name": "http"}], "endpoints": [{"address": address}],
        });
        let mut entry = istio("ServiceEntry", "api", &format!("2026-01-0{day}T00:00:00Z"), entry);
        entry["metadata"]["namespace"] = json!(namespace);
        entry
    };
    let table = table_of(&[
        entry("shop", 1, "127.0.0.1", &["."]),
        entry("bank", 2, "127.0.0.2", &["bank", "shop"]),
        entry("all", 3, "127.0.0.3", &[]),
        entry("none", 4, "127.0.0.4", &["~"]),
        // Newer than what everybody sees, and not kept to anybody.
        entry("late", 5, "127.0.0.5", &["*"]),
        // Nearer than what everybody sees, though newer.
        entry("near", 6, "127.0.0.6", &["guest"]),
        // The second of its name in `shop`: nobody is led to the first by it.
        entry("shop", 7, "127.0.0.7", &["*"]),
    ]);
    let (headers, uri) = (http::HeaderMap::new(), http::Uri::from_static("/"));
    for (namespace, wanted) in [
        (Some("shop"), "127.0.0.1"),
        (Some("bank"), "127.0.0.2"),
        (Some("elsewhere"), "127.0.0.3"),
        (Some("none"), "127.0.0.3"),
        (Some("late"), "127.0.0.3"),
        (Some("guest"), "127.0.0.6"),
        (None, "127.0.0.3"),
    ] {
        let source =
            namespace.map(|namespace| Source { namespace, workload: "w", labels: None, sandbox: None });
        let ask = Ask {
            host: "api.example.com",
            headers: &headers,
            uri: &uri,
            ..Ask::request(Destination::Host("api.example.com"), source)
        };
        let verdict = spur_route::decide(&table, &ask);
        let taken: Vec<String> = verdict.backends().iter().map(|it| it.address.ip().to_string()).collect();
        assert_eq!(taken, [wanted], "{namespace:?}");
    }
}

#[test]
fn other_kinds_say_nothing_and_a_wrong_shape_is_told() {
    assert_eq!(Fragment::of(&json!({"apiVersion": "v1", "kind": "ConfigMap"})).expect("readable"), None);
    assert!(Fragment::of(&json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": 5}})).is_err());
}
