//! Addresses on this machine open and close with Services.

use std::time::Duration;

use serde_json::{Value, json};
use spur_net::Destination;

use super::world::{DEADLINE, World, service};

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
async fn a_forks_service_and_udp_ports_have_none() {
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
    let services = world.services_rx.borrow().clone();
    assert!(services["default/dns"].get("53").is_none(), "{services:?}");
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
