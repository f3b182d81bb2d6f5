//! Forks of every kind of workload, run by all controllers together.

use serde_json::{Value, json};

use super::world::{World, condition, deployment, is_ready, name, service};

/// A baseline of this kind with its Service, and a sandbox that forks it.
async fn fork(world: &World, kind: &str, spec: Value) {
    let mut baseline = deployment("cart", 1);
    baseline["kind"] = json!(kind);
    let map = baseline["spec"].as_object_mut().expect("a map");
    map.shift_remove("replicas");
    map.extend(spec.as_object().expect("a map").clone());
    world.create(baseline).await;
    world.create(service("cart", json!([{"port": 80, "targetPort": "http"}]))).await;
    let forks = json!([{"of": {"kind": kind, "name": "cart"}, "env": [{"name": "FORKED", "value": "yes"}]}]);
    world
        .create(json!({
            "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": "pr-1"},
            "spec": {"forks": forks},
        }))
        .await;
}

async fn until_ready(world: &World) {
    let ready = |sandbox: &Value| condition(sandbox, "Ready")["status"] == "True";
    world.until_is("sandboxes/pr-1", "is ready", ready).await;
}

/// The one pod of the fork.
async fn forked_pod(world: &World) -> Value {
    let is_ours = |pod: &Value| pod["metadata"]["labels"]["spur.dev/fork"] == "cart" && is_ready(pod);
    let pods: Vec<Value> = world.list("pods").await.into_iter().filter(is_ours).collect();
    assert_eq!(pods.len(), 1, "{pods:#?}");
    assert_eq!(pods[0]["spec"]["containers"][0]["env"][0]["name"], "FORKED");
    pods[0].clone()
}

#[tokio::test]
async fn a_fork_of_a_stateful_set_is_one_and_goes_with_its_sandbox() {
    let world = World::start().await;
    fork(&world, "StatefulSet", json!({"replicas": 2, "serviceName": "cart"})).await;
    until_ready(&world).await;
    assert_eq!(name(&forked_pod(&world).await), "pr-1-cart-0");
    assert!(world.get("deploy/pr-1-cart").await.is_none());
    // A change of the sandbox is rolled out.
    let forks = json!([{"of": {"kind": "StatefulSet", "name": "cart"}, "env": [{"name": "FORKED", "value": "anew"}]}]);
    world.patch("sandboxes/pr-1", json!({"spec": {"forks": forks}})).await;
    let is_new = |pod: &Value| pod["spec"]["containers"][0]["env"][0]["value"] == "anew" && is_ready(pod);
    world.until_is("pods/pr-1-cart-0", "is of the new version", is_new).await;
    until_ready(&world).await;
    world.delete("sandboxes/pr-1", "Background").await;
    world.until_gone("pods/pr-1-cart-0").await;
    world.until_is("sts/cart", "is left alone", |set| set["status"]["readyReplicas"] == 2).await;
}

#[tokio::test]
async fn the_claims_of_a_fork_are_its_own_and_go_with_it() {
    let world = World::start().await;
    let claims = json!([{
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }]);
    fork(
        &world,
        "StatefulSet",
        json!({"replicas": 1, "serviceName": "cart", "volumeClaimTemplates": claims}),
    )
    .await;
    world.until_is("pvc/data-cart-0", "is there", |_| true).await;
    let owned = |claim: &Value| claim["metadata"]["ownerReferences"][0]["name"] == "pr-1-cart";
    world.until_is("pvc/data-pr-1-cart-0", "goes with the fork", owned).await;
    world.delete("sandboxes/pr-1", "Background").await;
    world.until_gone("pvc/data-pr-1-cart-0").await;
    assert!(world.get("pvc/data-cart-0").await.is_some(), "the baseline's stays");
}

#[tokio::test]
async fn a_fork_of_a_daemon_set_is_one() {
    let world = World::start().await;
    fork(&world, "DaemonSet", json!({})).await;
    until_ready(&world).await;
    forked_pod(&world).await;
    world.delete("sandboxes/pr-1", "Background").await;
    world.until_gone("ds/pr-1-cart").await;
    world.until_count("pods", "cart", 1, is_ready).await;
}
