//! Variables from ConfigMaps and Secrets, and what happens while one is missing.

use serde_json::json;

use super::world::{World, phase};

#[tokio::test]
async fn a_missing_config_map_is_told_and_its_creation_starts_the_pod() {
    let world = World::new().await;
    let env =
        json!([{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}}]);
    let id = world.run_app("web", json!({"env": env})).await;
    let message = world.waiting("web", "CreateContainerConfigError").await;
    assert_eq!(message, "configmap \"settings\" not found");
    world.event("Warning Failed Error: configmap \"settings\" not found").await;
    assert_eq!(phase(&world.get("web").await.unwrap()), "Pending");
    world.config_map("settings", json!({"level": "debug"})).await;
    let pod = world.ready("web").await;
    assert_eq!(world.env(&id, "LEVEL").as_deref(), Some("debug"));
    assert_eq!(super::world::status(&pod).unwrap().restart_count, 0, "it is no restart");
}

#[tokio::test]
async fn a_missing_key_is_another_message() {
    let world = World::new().await;
    world.config_map("settings", json!({})).await;
    let env =
        json!([{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}}]);
    world.run_app("web", json!({"env": env})).await;
    let message = world.waiting("web", "CreateContainerConfigError").await;
    assert_eq!(message, "couldn't find key level in ConfigMap default/settings");
}

#[tokio::test]
async fn all_of_a_config_map_and_the_pods_own_fields_become_variables() {
    let world = World::new().await;
    world.config_map("settings", json!({"LEVEL": "debug", "A": "1"})).await;
    let env = json!([
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "PATH", "value": "/only"},
    ]);
    let container = json!({"env": env, "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "S_"}]});
    let id = world.run_app("web", container).await;
    world.ready("web").await;
    let env = |name: &str| world.env(&id, name).unwrap();
    assert_eq!([env("S_LEVEL"), env("S_A"), env("ME"), env("PATH")], ["debug", "1", "web", "/only"]);
}
