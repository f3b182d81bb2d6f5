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

fn node_port(service: &Value) -> u16 {
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().expect("a node port");
    u16::try_from(port).expect("a port")
}

#[tokio::test]
async fn each_node_port_is_one_services_alone_until_it_goes() {
    let world = world().await;
    let mut seen = HashSet::new();
    for idx in 0..50 {
        let type_ = if idx % 2 == 0 { "NodePort" } else { "LoadBalancer" };
        let made =
            world.post(SERVICES, &service(&format!("s{idx}"), &json!({"type": type_}))).await.expect(201);
        let port = node_port(&made);
        assert!((30_000..=32_767).contains(&port) && seen.insert(port), "{port}");
    }
    let named = |name: &str, port: u16| {
        let mut service = service(name, &json!({"type": "NodePort"}));
        service["spec"]["ports"][0]["nodePort"] = json!(port);
        service
    };
    world.post(SERVICES, &named("a", 30_001)).await.expect(201);
    let message = world.post(SERVICES, &named("b", 30_001)).await.message(422);
    let wanted = "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated";
    assert!(message.contains(wanted), "{message}");
    let message = world.post(SERVICES, &named("b", 8080)).await.message(422);
    assert!(message.contains("The range of valid ports is 30000-32767"), "{message}");
    let restarted = over(world.store.clone()).await;
    restarted.post(SERVICES, &named("b", 30_001)).await.expect(422);
    restarted.delete(&format!("{SERVICES}/a")).await.expect(200);
    restarted.post(SERVICES, &named("b", 30_001)).await.expect(201);
}

#[tokio::test]
async fn a_node_port_stays_until_the_service_is_of_another_type() {
    let world = world().await;
    let path = format!("{SERVICES}/a");
    let node = service("a", &json!({"type": "NodePort"}));
    let port = node_port(&world.post(SERVICES, &node).await.expect(201));
    assert_eq!(node_port(&world.put(&path, &node).await.expect(200)), port);
    let balancer = world.patch(&path, MERGE, &json!({"spec": {"type": "LoadBalancer"}})).await.expect(200);
    assert_eq!(node_port(&balancer), port);
    let inside = world.patch(&path, MERGE, &json!({"spec": {"type": "ClusterIP"}})).await.expect(200);
    let ports = json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]);
    assert_eq!(inside["spec"]["ports"], ports);
    let gone =
        ["externalTrafficPolicy", "allocateLoadBalancerNodePorts"].map(|field| inside["spec"].get(field));
    assert_eq!(gone, [None, None]);
    let named = json!({"type": "NodePort"});
    let mut other = service("b", &named);
    other["spec"]["ports"][0]["nodePort"] = json!(port);
    world.post(SERVICES, &other).await.expect(201);
}

#[tokio::test]
async fn a_dry_run_takes_no_node_port() {
    let world = world().await;
    let mut named = service("a", &json!({"type": "NodePort"}));
    named["spec"]["ports"][0]["nodePort"] = json!(30_002);
    world.post(&format!("{SERVICES}?dryRun=All"), &named).await.expect(201);
    named["metadata"]["name"] = json!("b");
    world.post(SERVICES, &named).await.expect(201);
}

#[tokio::test]
async fn ports_of_one_number_share_a_node_port_and_a_load_balancer_may_do_without() {
    let world = world().await;
    let ports = json!([
        {"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53},
        {"name": "other", "port": 54, "nodePort": 30_003},
    ]);
    let dns = |name: &str, spec: Value| {
        let mut service = service(name, &spec);
        service["spec"]["ports"] = ports.clone();
        service
    };
    let made = world.post(SERVICES, &dns("a", json!({"type": "NodePort"}))).await.expect(201);
    let ports = &made["spec"]["ports"];
    assert_eq!(ports[0]["nodePort"], ports[1]["nodePort"]);
    assert_eq!(ports[2]["nodePort"], 30_003);
    let without = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false});
    let made = world.post(SERVICES, &service("b", &without)).await.expect(201);
    assert_eq!(made["spec"]["ports"][0].get("nodePort"), None);
}

#[tokio::test]
async fn a_load_balancer_for_local_pods_has_a_port_for_its_health() {
    let world = world().await;
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let made = world.post(SERVICES, &service("a", &local)).await.expect(201);
    let health = made["spec"]["healthCheckNodePort"].as_u64().expect("a port");
    assert_ne!(health, u64::from(node_port(&made)));
    let again = world.put(&format!("{SERVICES}/a"), &service("a", &local)).await.expect(200);
    assert_eq!(again["spec"]["healthCheckNodePort"], health);
    let other = json!({"spec": {"healthCheckNodePort": health + 1}});
    let message = world.patch(&format!("{SERVICES}/a"), MERGE, &other).await.message(422);
    assert!(message.contains("spec.healthCheckNodePort") && message.contains("immutable"), "{message}");
    let everywhere = json!({"spec": {"externalTrafficPolicy": "Cluster"}});
    let everywhere = world.patch(&format!("{SERVICES}/a"), MERGE, &everywhere).await.expect(200);
    assert_eq!(everywhere["spec"].get("healthCheckNodePort"), None);
}

#[tokio::test]
async fn what_is_of_another_type_is_refused() {
    let world = world().await;
    let check = async |spec: Value, field: &str| {
        let message = world.post(SERVICES, &service("a", &spec)).await.message(422);
        assert!(message.contains(field), "{message}");
    };
    check(json!({"type": "NodePort", "clusterIP": "None"}), "may not be set to 'None' for NodePort").await;
    check(json!({"externalTrafficPolicy": "Local"}), "spec.externalTrafficPolicy").await;
    check(json!({"allocateLoadBalancerNodePorts": true}), "spec.allocateLoadBalancerNodePorts").await;
    check(json!({"sessionAffinity": "Cookie"}), "spec.sessionAffinity").await;
    let hours = json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86_401}}});
    check(hours, "spec.sessionAffinityConfig.clientIP.timeoutSeconds").await;
    let made = world.post(SERVICES, &service("a", &json!({"sessionAffinity": "ClientIP"}))).await.expect(201);
    assert_eq!(made["spec"]["sessionAffinityConfig"], json!({"clientIP": {"timeoutSeconds": 10_800}}));
}
