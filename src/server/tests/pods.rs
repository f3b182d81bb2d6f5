//! Pods: what other objects decide about a new one, and evictions.

use serde_json::json;

use super::world::{PODS, pod, world};

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

#[tokio::test]
async fn a_priority_class_decides_and_has_to_exist() {
    let world = world().await;
    let plain = world.post(PODS, &pod("plain")).await.expect(201);
    assert_eq!(plain["spec"]["priority"], 0);
    assert_eq!(plain["spec"]["preemptionPolicy"], "PreemptLowerPriority");
    assert_eq!(plain["spec"]["tolerations"][0]["tolerationSeconds"], 300);
    let mut critical = pod("critical");
    critical["spec"]["priorityClassName"] = json!("system-node-critical");
    assert_eq!(world.post(PODS, &critical).await.expect(201)["spec"]["priority"], 2_000_001_000);
    let mut unknown = pod("unknown");
    unknown["spec"]["priorityClassName"] = json!("nope");
    assert_eq!(
        world.post(PODS, &unknown).await.message(403),
        "pods \"unknown\" is forbidden: no PriorityClass with name nope was found"
    );
}

#[tokio::test]
async fn a_default_class_names_itself_in_new_pods() {
    let world = world().await;
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "usual"},
        "value": 5, "globalDefault": true, "preemptionPolicy": "Never",
    });
    world.post("/apis/scheduling.k8s.io/v1/priorityclasses", &class).await.expect(201);
    let made = world.post(PODS, &pod("p")).await.expect(201);
    let found =
        (&made["spec"]["priorityClassName"], &made["spec"]["priority"], &made["spec"]["preemptionPolicy"]);
    assert_eq!(found, (&json!("usual"), &json!(5), &json!("Never")));
}

#[tokio::test]
async fn an_account_has_to_exist() {
    let world = world().await;
    let mut builds = pod("builds");
    builds["spec"]["serviceAccountName"] = json!("builder");
    assert_eq!(
        world.post(PODS, &builds).await.message(403),
        "pods \"builds\" is forbidden: error looking up service account default/builder: serviceaccount \"builder\" not found"
    );
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder"}});
    world.post("/api/v1/namespaces/default/serviceaccounts", &account).await.expect(201);
    world.post(PODS, &builds).await.expect(201);
}

#[tokio::test]
async fn an_eviction_is_a_delete_that_a_budget_may_refuse() {
    let world = world().await;
    let mut web = pod("web");
    web["metadata"]["labels"] = json!({"app": "web"});
    world.post(PODS, &web).await.expect(201);
    let running = json!({"status": {"phase": "Running"}});
    world.patch(&format!("{PODS}/web/status"), "merge-patch+json", &running).await.expect(200);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    world.post(BUDGETS, &budget).await.expect(201);
    let path = format!("{PODS}/web/eviction");
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"},
        "deleteOptions": {"gracePeriodSeconds": 3},
    });
    let refused = world.post(&path, &eviction).await.expect(429);
    assert_eq!(refused["details"]["causes"][0]["reason"], "DisruptionBudget");
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2}});
    world.patch(&format!("{BUDGETS}/b/status"), "merge-patch+json", &counted).await.expect(200);
    let evicted = world.post(&path, &eviction).await.expect(201);
    assert_eq!((&evicted["kind"], &evicted["status"]), (&json!("Status"), &json!("Success")));
    let pod = world.get(&format!("{PODS}/web")).await.expect(200);
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 3);
    let other = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "other"}});
    world.post(&path, &other).await.expect(400);
    world.post(&format!("{PODS}/nobody/eviction"), &json!({})).await.expect(404);
}
