//! Pods: what other objects decide about a new one, and evictions.

use http::{Method, Request};
use serde_json::json;

use super::world::{PODS, World, pod, world};

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
    serve_with_budget(&world).await;
    let path = format!("{PODS}/web/eviction");
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"},
        "deleteOptions": {"gracePeriodSeconds": 3},
    });
    let refused = world.post(&path, &eviction).await.expect(429);
    assert_eq!(refused["details"]["causes"][0]["reason"], "DisruptionBudget");
    allow(&world, 1).await;
    world.post(&format!("{path}?dryRun=All"), &eviction).await.expect(201);
    let budget = world.get(&format!("{BUDGETS}/b")).await.expect(200);
    assert_eq!(budget["status"]["disruptionsAllowed"], 1, "nothing has gone");
    let evicted = world.post(&path, &eviction).await.expect(201);
    assert_eq!((&evicted["kind"], &evicted["status"]), (&json!("Status"), &json!("Success")));
    let budget = world.get(&format!("{BUDGETS}/b")).await.expect(200);
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["web"].is_string());
    let pod = world.get(&format!("{PODS}/web")).await.expect(200);
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 3);
    assert_eq!(pod["status"]["conditions"][1]["reason"], "EvictionByEvictionAPI");
    let other = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "other"}});
    world.post(&path, &other).await.expect(400);
    world.post(&format!("{PODS}/nobody/eviction"), &json!({})).await.expect(404);
}

/// A pod that serves, and a budget that is not counted yet.
async fn serve_with_budget(world: &World) {
    let mut web = pod("web");
    web["metadata"]["labels"] = json!({"app": "web"});
    world.post(PODS, &web).await.expect(201);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let running = json!({"status": {"phase": "Running", "conditions": ready}});
    world.patch(&format!("{PODS}/web/status"), "merge-patch+json", &running).await.expect(200);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    world.post(BUDGETS, &budget).await.expect(201);
}

/// Counts the budget, which lets as many go.
async fn allow(world: &World, allowed: i64) {
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2}});
    world.patch(&format!("{BUDGETS}/b/status"), "merge-patch+json", &counted).await.expect(200);
}

#[tokio::test]
async fn an_eviction_whose_answer_cannot_be_read_spends_nothing() {
    let world = world().await;
    serve_with_budget(&world).await;
    allow(&world, 1).await;
    let request = Request::builder().method(Method::POST).uri(format!("{PODS}/web/eviction"));
    let request = request.header("content-type", "application/json").header("accept", "application/cbor");
    world.call(request.body("{}".into()).expect("a request")).await.expect(406);
    let budget = world.get(&format!("{BUDGETS}/b")).await.expect(200);
    assert_eq!(budget["status"]["disruptionsAllowed"], 1);
}

/// Who drains takes a 404 for the end of the pod.
#[tokio::test]
async fn a_budget_that_goes_during_an_eviction_is_not_asked() {
    let world = world().await;
    let (eviction, at_once) = (json!({}), format!("{PODS}/web?gracePeriodSeconds=0"));
    for _ in 0..50 {
        serve_with_budget(&world).await;
        allow(&world, 1).await;
        let (path, budget) = (format!("{PODS}/web/eviction"), format!("{BUDGETS}/b"));
        let (deleted, evicted) = tokio::join!(world.delete(&budget), world.post(&path, &eviction));
        deleted.expect(200);
        evicted.expect(201);
        world.delete(&at_once).await.expect(200);
    }
}

/// Two at once spend one budget once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_evictions_at_once_a_budget_lets_one_pass() {
    let world = world().await;
    serve_with_budget(&world).await;
    allow(&world, 1).await;
    let mut other = pod("other");
    other["metadata"]["labels"] = json!({"app": "web"});
    world.post(PODS, &other).await.expect(201);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let running = json!({"status": {"phase": "Running", "conditions": ready}});
    world.patch(&format!("{PODS}/other/status"), "merge-patch+json", &running).await.expect(200);
    let paths = ["web", "other"].map(|name| format!("{PODS}/{name}/eviction"));
    let eviction = json!({});
    let (one, two) = tokio::join!(world.post(&paths[0], &eviction), world.post(&paths[1], &eviction));
    let mut codes = [one.code.as_u16(), two.code.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [201, 429]);
}

/// A pod has its node when it is made, so that who comes to give it one is late.
#[tokio::test]
async fn a_binding_finds_the_pod_bound() {
    let world = world().await;
    world.post(PODS, &pod("web")).await.expect(201);
    let mut binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "spur"},
    });
    let late =
        "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"spur\"";
    let bindings = "/api/v1/namespaces/default/bindings";
    assert_eq!(world.post(&format!("{PODS}/web/binding"), &binding).await.message(409), late);
    assert_eq!(world.post(bindings, &binding).await.message(409), late);
    binding["target"] = json!({"kind": "Rack"});
    assert_eq!(
        world.post(bindings, &binding).await.message(422),
        "Binding \"web\" is invalid: [target.kind: Unsupported value: \"Rack\": supported values: \"Node\", \"<empty>\", target.name: Required value]"
    );
    binding["metadata"]["name"] = json!("other");
    binding["target"] = json!({"name": "spur"});
    assert_eq!(world.post(bindings, &binding).await.message(404), "pods \"other\" not found");
    world.get(bindings).await.expect(405);
}

#[tokio::test]
async fn ephemeral_containers_are_added_by_their_own_path_and_told_not_to_run() {
    let world = world().await;
    let mut with_one = pod("early");
    let debug = json!({"name": "debug", "image": "busybox"});
    with_one["spec"]["ephemeralContainers"] = json!([debug]);
    let refused = world.post(PODS, &with_one).await.message(422);
    assert!(refused.contains("spec.ephemeralContainers: Forbidden: cannot be set on create"), "{refused}");
    let made = world.post(PODS, &pod("web")).await.expect(201);
    let at = format!("{PODS}/web/ephemeralcontainers");
    let patch = json!({"metadata": {"labels": {"sneaked": "in"}}, "spec": {"ephemeralContainers": [debug]}});
    let strategic = "strategic-merge-patch+json";
    let answer = world.patch(&at, strategic, &patch).await;
    let warning = answer.headers["warning"].to_str().expect("text").to_owned();
    assert!(warning.contains("stored and not run"), "{warning}");
    let changed = answer.expect(200);
    let container = &changed["spec"]["ephemeralContainers"][0];
    assert_eq!((&container["name"], &container["imagePullPolicy"]), (&json!("debug"), &json!("Always")));
    assert_eq!(changed["metadata"]["labels"], made["metadata"]["labels"], "nothing else changes");
    assert_eq!(changed["metadata"]["generation"], 2);
    assert_eq!(world.get(&at).await.expect(200)["metadata"]["name"], "web");
    let gone = json!({"spec": {"ephemeralContainers": null}});
    let refused = world.patch(&at, "merge-patch+json", &gone).await.message(422);
    assert!(refused.contains("existing ephemeral containers \"debug\" may not be removed"), "{refused}");
    let main = world.patch(&format!("{PODS}/web"), "merge-patch+json", &gone).await.message(422);
    assert!(main.contains("pod updates may not change fields other than"), "{main}");
}

#[tokio::test]
async fn resources_are_changed_by_resize_alone() {
    let world = world().await;
    let mut web = pod("web");
    web["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}});
    let made = world.post(PODS, &web).await.expect(201);
    assert_eq!(made["status"]["qosClass"], "Burstable");
    let name = made["spec"]["containers"][0]["name"].clone();
    let to =
        |cpu: &str| json!({"spec": {"containers": [{"name": name, "resources": {"limits": {"cpu": cpu}}}]}});
    let strategic = "strategic-merge-patch+json";
    let main = world.patch(&format!("{PODS}/web"), strategic, &to("2")).await.message(422);
    assert!(main.contains("pod updates may not change fields other than"), "{main}");
    let answer = world.patch(&format!("{PODS}/web/resize"), strategic, &to("2")).await;
    assert!(answer.headers["warning"].to_str().expect("text").contains("not enforced"));
    let resized = answer.expect(200);
    let resources = &resized["spec"]["containers"][0]["resources"];
    assert_eq!(resources, &json!({"limits": {"cpu": "2"}, "requests": {"cpu": "100m"}}));
    // As when a pod is made: who may have more memory asks for as much.
    let more = json!({"spec": {"containers": [{"name": name, "resources": {"limits": {"memory": "1Gi"}}}]}});
    let resized = world.patch(&format!("{PODS}/web/resize"), strategic, &more).await.expect(200);
    let requests = &resized["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(requests, &json!({"cpu": "100m", "memory": "1Gi"}));
    let equal = json!({"spec": {"containers": [{"name": name, "resources": {
        "limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"},
    }}]}});
    let refused = world.patch(&format!("{PODS}/web/resize"), strategic, &equal).await.message(422);
    assert!(refused.contains("Pod QOS Class may not change as a result of resizing"), "{refused}");
}

#[tokio::test]
async fn who_asks_for_less_than_a_limit_asks_for_the_limit() {
    let world = world().await;
    let mut web = pod("web");
    web["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": 1, "memory": "1Gi"}});
    let made = world.post(PODS, &web).await.expect(201);
    let requests = &made["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(requests, &json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(made["status"]["qosClass"], "Guaranteed");
}

#[tokio::test]
async fn what_lies_behind_a_proxy_is_said_not_to_be_reached() {
    let world = world().await;
    world.post(PODS, &pod("web")).await.expect(201);
    for path in [
        format!("{PODS}/web/proxy"),
        format!("{PODS}/web:80/proxy/a/b?c=d"),
        "/api/v1/namespaces/default/services/https:web:443/proxy/".to_owned(),
        "/api/v1/nodes/spur/proxy/healthz".to_owned(),
    ] {
        let said = world.get(&path).await.message(501);
        assert!(said.contains("proxy is not supported yet"), "{path}: {said}");
    }
}

#[tokio::test]
async fn a_pod_reaches_the_api_unless_it_or_its_account_says_otherwise() {
    let world = world().await;
    let made = world.post(PODS, &pod("plain")).await.expect(201);
    let name = made["spec"]["volumes"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("kube-api-access-"), "{name}");
    assert_eq!(made["spec"]["containers"][0]["volumeMounts"][0]["name"], name);
    let stored = world.get(&format!("{PODS}/plain")).await.expect(200);
    assert_eq!(stored["spec"], made["spec"]);

    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "quiet"},
        "automountServiceAccountToken": false,
    });
    world.post("/api/v1/namespaces/default/serviceaccounts", &account).await.expect(201);
    let mut quiet = pod("quiet");
    quiet["spec"]["serviceAccountName"] = json!("quiet");
    assert!(world.post(PODS, &quiet).await.expect(201)["spec"].get("volumes").is_none());
    let mut silent = pod("silent");
    silent["spec"]["automountServiceAccountToken"] = json!(false);
    assert!(world.post(PODS, &silent).await.expect(201)["spec"].get("volumes").is_none());
}
