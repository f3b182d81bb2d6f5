//! Addresses on this machine open and close with Services.

use std::time::Duration;

use serde_json::{Value, json};
use spur_net::Destination;

use super::world::{DEADLINE, World, condition, service};

/// Waits until the address of a Service's port is what is wanted.
async fn until_address(world: &World, service: &str, port: &str, wants: impl Fn(&Value) -> bool) -> Value {
    let mut services_rx = world.services_rx.clone();
    let pointer = |services: &serde_json::Map<String, Value>| {
        services.get(service).and_then(|ports| ports.get(port)).cloned().unwrap_or_default()
    };
    let waiting = services_rx.wait_for(|services| wants(&pointer(services)));
    let found = tokio::time::timeout(DEADLINE, waiting).await.expect("in time").expect("the controllers run");
    pointer(&found)
}

fn connects(url: &Value) -> bool {
    let address = url.as_str().expect("a URL").trim_start_matches("http://").parse().expect("an address");
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
}

#[tokio::test]
async fn each_port_of_a_service_has_an_address_until_it_goes() {
    let world = World::start().await;
    world.create(service("web", json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]))).await;
    let first = until_address(&world, "default/web", "80", Value::is_string).await;
    let second = until_address(&world, "default/web", "81", Value::is_string).await;
    assert_ne!(first, second);
    assert!(connects(&first) && connects(&second));
    world.patch("svc/web", json!({"spec": {"ports": [{"name": "b", "port": 81}]}})).await;
    until_address(&world, "default/web", "80", Value::is_null).await;
    assert_eq!(
        until_address(&world, "default/web", "81", Value::is_string).await,
        second,
        "it stays what it was"
    );
    world.delete("svc/web", "Background").await;
    until_address(&world, "default/web", "81", Value::is_null).await;
    let inlets = world.inlets.lock().expect("no panic");
    let ours = inlets
        .iter()
        .filter(|inlet| inlet.callers.one().is_none() && inlet.destination != Destination::Entry);
    assert!(ours.clone().count() == 2 && ours.clone().all(|inlet| inlet.closed.is_cancelled()));
}

#[tokio::test]
async fn a_forks_service_has_none_and_udp_ports_have_sockets() {
    let world = World::start().await;
    let mut fork = service("box-web", json!([{"port": 80}]));
    fork["metadata"]["labels"] = json!({"spur.dev/fork-of-service": "web"});
    world.create(fork).await;
    world
        .create(service(
            "dns",
            json!([{"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 54}]),
        ))
        .await;
    until_address(&world, "default/dns", "54", Value::is_string).await;
    let udp = until_address(&world, "default/dns", "53/UDP", Value::is_string).await;
    let services = world.services_rx.borrow().clone();
    assert!(services["default/dns"].get("53").is_none(), "{services:?}");
    let inlets = world.datagram_inlets.lock().expect("no panic");
    let ours: Vec<_> = inlets.iter().map(|inlet| inlet.socket.local_addr().expect("bound")).collect();
    assert_eq!(ours.iter().map(|at| json!(format!("udp://{at}"))).collect::<Vec<_>>(), [udp]);
    assert!(!services.contains_key("default/box-web"), "{services:?}");
}

#[tokio::test]
async fn a_watch_that_breaks_is_opened_again() {
    let world = World::server().await;
    let mut world = world;
    let why = spur_api::Status::internal("not now");
    world.fail(3, http::Method::GET, "/services", why);
    world.start_controllers();
    world.create(service("web", json!([{"port": 80}]))).await;
    until_address(&world, "default/web", "80", Value::is_string).await;
}

/// A Service of this type, whose ports are these.
fn of_type(name: &str, type_: &str, ports: Value) -> Value {
    let mut service = service(name, ports);
    service["spec"]["type"] = json!(type_);
    service
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = spur_net::bind_loopback().expect("a free port");
    listener.local_addr().expect("bound").port()
}

#[tokio::test]
async fn a_node_port_is_listened_on_until_the_type_changes() {
    let world = World::start().await;
    let made = world.create(of_type("web", "NodePort", json!([{"port": 80}]))).await;
    let number = made["spec"]["ports"][0]["nodePort"].as_u64().expect("a node port");
    let url = json!(format!("http://127.0.0.1:{number}"));
    until_address(&world, "default/web", "80", |found| *found == url).await;
    assert!(connects(&url));
    let open = world
        .until_is("svc/web", "says so", |svc| condition(svc, "spur.dev/PortsOpen")["status"] == "True")
        .await;
    assert_eq!(open["status"]["loadBalancer"], json!({}));
    world.patch("svc/web", json!({"spec": {"type": "ClusterIP"}})).await;
    until_address(&world, "default/web", "80", |found| found.is_string() && *found != url).await;
    world.until_is("svc/web", "says nothing", |svc| condition(svc, "spur.dev/PortsOpen").is_null()).await;
}

#[tokio::test]
async fn a_load_balancer_listens_at_its_own_port_once_that_is_free() {
    let world = World::start().await;
    let held = spur_net::bind_loopback().expect("a port");
    let number = held.local_addr().expect("bound").port();
    world.create(of_type("web", "LoadBalancer", json!([{"port": number}]))).await;
    let taken = world
        .until_is("svc/web", "has no port", |svc| {
            condition(svc, "spur.dev/PortsOpen")["reason"] == "PortTaken"
        })
        .await;
    assert_eq!(taken["status"]["loadBalancer"]["ingress"][0]["ip"], "127.0.0.1");
    let message = condition(&taken, "spur.dev/PortsOpen")["message"].clone();
    let holder = format!("process {}", std::process::id());
    assert!(message.as_str().is_some_and(|text| text.contains(&holder)), "{message}");
    let event = world.list("events").await.into_iter().find(|event| event["reason"] == "PortTaken");
    assert_eq!(event.expect("an event")["message"], message);
    drop(held);
    let url = json!(format!("http://127.0.0.1:{number}"));
    until_address(&world, "default/web", &number.to_string(), |found| *found == url).await;
    assert!(connects(&url));
    world
        .until_is("svc/web", "has its port", |svc| condition(svc, "spur.dev/PortsOpen")["status"] == "True")
        .await;
    world.patch("svc/web", json!({"spec": {"type": "ClusterIP"}})).await;
    world
        .until_is("svc/web", "has no address", |svc| svc["status"]["loadBalancer"]["ingress"].is_null())
        .await;
}

#[tokio::test]
async fn of_two_load_balancers_of_one_port_the_second_waits_for_the_first() {
    let world = World::start().await;
    let number = free_port();
    let port = json!([{"port": number}]);
    world.create(of_type("first", "LoadBalancer", port.clone())).await;
    world
        .until_is("svc/first", "has its port", |svc| condition(svc, "spur.dev/PortsOpen")["status"] == "True")
        .await;
    world.create(of_type("second", "LoadBalancer", port)).await;
    let waits = |svc: &Value| {
        let message = condition(svc, "spur.dev/PortsOpen")["message"].clone();
        message.as_str().is_some_and(|text| text.ends_with("is held by service `default/first`"))
    };
    world.until_is("svc/second", "waits", waits).await;
    let of_first = |inlet: &spur_net::Inlet| inlet.listener.local_addr().expect("bound").port() == number;
    let closed =
        world.inlets.lock().expect("no panic").iter().find(|it| of_first(it)).map(|it| it.closed.clone());
    world.delete("svc/first", "Background").await;
    tokio::time::timeout(DEADLINE, closed.expect("an inlet").cancelled()).await.expect("it is closed");
    // As the proxy does.
    world.inlets.lock().expect("no panic").retain(|inlet| !of_first(inlet));
    let opened = |svc: &Value| condition(svc, "spur.dev/PortsOpen")["status"] == "True";
    world.until_is("svc/second", "has the port", opened).await;
}

#[tokio::test]
async fn an_external_name_is_reached_at_its_ports_or_those_of_the_web() {
    let world = World::start().await;
    let external = |name: &str, ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": ports},
        })
    };
    world.create(external("far", json!([{"port": 81}]))).await;
    world.create(external("web", json!([]))).await;
    until_address(&world, "default/far", "81", Value::is_string).await;
    until_address(&world, "default/web", "443", Value::is_string).await;
    let leads = |table: &spur_route::RoutingTable, service: &str, port: u16| {
        let to = spur_route::Destination::Service { namespace: "default", service, port };
        let verdict = spur_route::decide(table, &spur_route::Ask::request(to, None));
        let found: Vec<String> = verdict.backends().iter().map(|it| it.address.to_string()).collect();
        if found == [format!("127.0.0.1:{port}")] { Ok(()) } else { Err(verdict.sentence()) }
    };
    world.until_routed("the name is resolved", |table| leads(table, "far", 81)).await;
    world.until_routed("the other one, too", |table| leads(table, "web", 443)).await;
}
