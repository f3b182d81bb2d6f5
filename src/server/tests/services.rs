//! The addresses that Services get.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::world::{over, world};
use crate::publish_address;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const MERGE: &str = "merge-patch+json";

fn service(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["ports"] = json!([{"port": 80}]);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn each_service_has_an_address_of_its_own() {
    let world = world().await;
    let mut seen = HashSet::from(["10.96.0.1".to_owned()]);
    for idx in 0..50 {
        let made = world.post(SERVICES, &service(&format!("s{idx}"), &json!({}))).await.expect(201);
        let address = made["spec"]["clusterIP"].as_str().expect("an address").to_owned();
        assert!(address.starts_with("10.96."), "{address}");
        assert_eq!(made["spec"]["clusterIPs"], json!([address]));
        assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4"]));
        assert_eq!(made["spec"]["ipFamilyPolicy"], "SingleStack");
        assert!(seen.insert(address), "twice the same address");
    }
}

#[tokio::test]
async fn an_address_is_taken_while_its_service_is_there() {
    let world = world().await;
    let named = json!({"clusterIP": "10.96.0.77"});
    world.post(SERVICES, &service("a", &named)).await.expect(201);
    let message = world.post(SERVICES, &service("b", &named)).await.message(422);
    assert!(message.contains("10.96.0.77: provided IP is already allocated"), "{message}");
    world.delete(&format!("{SERVICES}/a")).await.expect(200);
    world.post(SERVICES, &service("b", &named)).await.expect(201);
    publish_address(&world.store, "127.0.0.1:7443".parse().unwrap()).await.expect("a write");
    let restarted = over(world.store.clone()).await;
    restarted.post(SERVICES, &service("c", &named)).await.expect(422);
    let taken = json!({"clusterIP": "10.96.0.1"});
    restarted.post(SERVICES, &service("d", &taken)).await.expect(422);
}

#[tokio::test]
async fn an_address_that_a_refused_service_asked_for_is_free() {
    let world = world().await;
    let named = json!({"clusterIP": "10.96.0.77"});
    world.post(SERVICES, &service("a", &json!({}))).await.expect(201);
    world.post(SERVICES, &service("a", &named)).await.expect(409);
    world.post(&format!("{SERVICES}?dryRun=All"), &service("b", &named)).await.expect(201);
    world.post(SERVICES, &service("c", &named)).await.expect(201);
}

#[tokio::test]
async fn an_address_stays_until_the_service_is_a_mere_name() {
    let world = world().await;
    let made = world.post(SERVICES, &service("a", &json!({}))).await.expect(201);
    let put = world.put(&format!("{SERVICES}/a"), &service("a", &json!({}))).await.expect(200);
    assert_eq!(put["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    let path = format!("{SERVICES}/a");
    let other = json!({"spec": {"clusterIP": "10.96.0.9"}});
    let message = world.patch(&path, MERGE, &other).await.message(422);
    assert!(message.contains("spec.clusterIPs[0]"), "{message}");
    assert!(message.contains("may not change once set"), "{message}");
    let external = json!({"spec": {"type": "ExternalName", "externalName": "example.com"}});
    let external = world.patch(&path, MERGE, &external).await.expect(200);
    assert_eq!(external["spec"].get("clusterIP"), None);
    let back = json!({"spec": {"type": "ClusterIP", "externalName": null}});
    let back = world.patch(&path, MERGE, &back).await.expect(200);
    assert!(back["spec"]["clusterIP"].as_str().is_some_and(|address| address.starts_with("10.96.")));
}

#[tokio::test]
async fn headless_services_have_none_and_strange_addresses_are_refused() {
    let world = world().await;
    let headless = world.post(SERVICES, &service("a", &json!({"clusterIP": "None"}))).await.expect(201);
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let outside = service("b", &json!({"clusterIP": "192.168.0.1"}));
    let message = world.post(SERVICES, &outside).await.message(422);
    assert!(message.contains("The range of valid IPs is 10.96.0.0/16"), "{message}");
    let message = world.post(SERVICES, &service("c", &json!({"clusterIP": "x"}))).await.message(422);
    assert!(message.contains("must be a valid IP address"), "{message}");
    let external = json!({"type": "ExternalName", "externalName": "example.com", "clusterIP": "10.96.0.9"});
    world.post(SERVICES, &service("d", &external)).await.expect(422);
}
