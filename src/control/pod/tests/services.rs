//! The pod's own listeners for Services, and their names in its environment.

use serde_json::json;
use spur_net::Destination;

use super::world::World;

#[tokio::test]
async fn services_are_reached_through_listeners_that_name_the_pod() {
    let world = World::new().await;
    world
        .service("my-cart", json!({}), json!([{"port": 80, "name": "http"}, {"port": 81, "name": "admin"}]))
        .await;
    world.service("try-pay", json!({"spur.dev/sandbox": "try"}), json!([{"port": 90}])).await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    let env = |name: &str| world.env(&id, name);
    assert_eq!(env("MY_CART_SERVICE_HOST").as_deref(), Some("127.0.0.1"));
    assert_eq!(env("MY_CART_SERVICE_PORT"), env("MY_CART_SERVICE_PORT_HTTP"));
    assert_eq!(env("TRY_PAY_URL"), None, "a fork's Service is for its own sandbox");
    let inlets = world.inlets.lock().unwrap();
    assert_eq!(inlets.len(), 2);
    let caller = inlets[0].callers.one().cloned().unwrap();
    assert_eq!((&*caller.namespace, &*caller.workload, &*caller.pod), ("default", "web", "web"));
    let cart = Destination::ServicePort { namespace: "default".into(), service: "my-cart".into(), port: 80 };
    assert_eq!(inlets[0].destination, cart);
    let address = inlets[0].listener.local_addr().unwrap();
    assert_eq!(env("MY_CART_URL"), Some(format!("http://{address}")));
}

#[tokio::test]
async fn a_forks_pod_sees_its_sandbox_and_calls_for_it() {
    let world = World::new().await;
    world.service("pay", json!({}), json!([{"port": 90}])).await;
    world.service("try-pay", json!({"spur.dev/sandbox": "try"}), json!([{"port": 90}])).await;
    let labels = json!({"spur.dev/sandbox": "try", "spur.dev/fork": "cart"});
    let spec = json!({"containers": [{"name": "app", "command": ["x"]}]});
    let id = world.create(json!({"metadata": {"name": "try-cart", "labels": labels}, "spec": spec})).await;
    world.ready("try-cart").await;
    assert!(world.env(&id, "PAY_URL").is_some() && world.env(&id, "TRY_PAY_URL").is_some());
    assert_eq!(world.env(&id, "SPUR_SANDBOX").as_deref(), Some("try"));
    for inlet in &*world.inlets.lock().unwrap() {
        let caller = inlet.callers.one().unwrap();
        assert_eq!((&*caller.workload, caller.sandbox.as_deref()), ("cart", Some("try")));
    }
}

#[tokio::test]
async fn listeners_live_as_long_as_the_pod_and_survive_a_restart() {
    let world = World::new().await;
    world.service("cart", json!({}), json!([{"port": 80}])).await;
    let id = world.run_app("web", json!({})).await;
    world.ready("web").await;
    let before = world.env(&id, "CART_URL");
    world.service("pay", json!({}), json!([{"port": 80}])).await;
    world.fake.exit(&id, "app", 1);
    let has_restarted = |pod: &k8s_openapi::api::core::v1::Pod| {
        super::world::status(pod).is_some_and(|status| status.restart_count == 1)
    };
    world.pod_until("web", "to be restarted", has_restarted).await;
    assert_eq!(world.env(&id, "CART_URL"), before);
    assert!(world.env(&id, "PAY_URL").is_some(), "a restart sees what is new");
    let closed = |world: &World| {
        world.inlets.lock().unwrap().iter().map(|inlet| inlet.closed.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!(closed(&world), [false, false]);
    world.delete("web", 1).await;
    world.gone("web").await;
    assert_eq!(closed(&world), [true, true]);
}
