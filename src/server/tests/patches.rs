//! The four kinds of patch.

use serde_json::json;

use super::world::{CONFIG_MAPS, DEPLOYMENTS, SANDBOXES, config_map, deployment, sandbox, world};

#[tokio::test]
async fn a_strategic_patch_merges_containers_by_name() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}});
    let patched =
        world.patch(&format!("{DEPLOYMENTS}/web"), "strategic-merge-patch+json", &patch).await.expect(200);
    let containers = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!((&containers[0]["image"], &containers[1]["image"]), (&json!("a:1"), &json!("b:2")));
    assert_eq!(patched["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_merge_patch_replaces_lists_and_removes_by_null() {
    let world = world().await;
    let mut object = config_map("a");
    object["data"] = json!({"k": "v", "l": "w"});
    world.post(CONFIG_MAPS, &object).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let patched = world.patch(&path, "merge-patch+json", &json!({"data": {"k": null}})).await.expect(200);
    assert_eq!(patched["data"], json!({"l": "w"}));
    world.patch(&path, "merge-patch+json", &json!([1])).await.expect(400);
    world.patch(&path, "merge-patch+json", &json!({"metadata": {"name": "b"}})).await.expect(400);
    world.patch(&format!("{CONFIG_MAPS}/z"), "merge-patch+json", &json!({})).await.expect(404);
}

#[tokio::test]
async fn a_json_patch_that_fails_changes_nothing() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let failing = json!([
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "test", "path": "/data/k", "value": "3"},
    ]);
    world.patch(&path, "json-patch+json", &failing).await.expect(422);
    assert_eq!(world.get(&path).await.expect(200)["data"]["k"], "v");
    let good = json!([{"op": "test", "path": "/metadata/finalizers", "value": null}, {"op": "add", "path": "/metadata/finalizers", "value": ["a.dev/b"]}]);
    let patched = world.patch(&path, "json-patch+json", &good).await.expect(200);
    assert_eq!(patched["metadata"]["finalizers"], json!(["a.dev/b"]));
}

#[tokio::test]
async fn a_patch_with_a_stale_version_is_a_conflict() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let patch = json!({"metadata": {"resourceVersion": "1"}, "data": {"k": "2"}});
    world.patch(&format!("{CONFIG_MAPS}/a"), "merge-patch+json", &patch).await.expect(409);
}

/// A PUT names the object that it means by its uid; a patch says what is to become of it
/// (`rest/update.go`, `defaultUpdatedObjectInfo.Preconditions`).
#[tokio::test]
async fn a_uid_is_a_condition_of_an_update_and_cannot_be_patched() {
    let world = world().await;
    let mut object = world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    object["metadata"]["uid"] = json!("another");
    assert!(world.put(&path, &object).await.message(409).contains("UID in precondition: another"));
    let patch = json!({"metadata": {"uid": "another"}});
    let message = world.patch(&path, "merge-patch+json", &patch).await.message(422);
    assert!(message.contains("metadata.uid: Invalid value: \"another\": field is immutable"), "{message}");
}

#[tokio::test]
async fn an_apply_needs_a_manager() {
    let world = world().await;
    let refused = world.patch(&format!("{CONFIG_MAPS}/a"), "apply-patch+yaml", &config_map("a")).await;
    let wanted = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: \
                  is required for apply patch";
    assert_eq!(refused.message(422), wanted);
}

#[tokio::test]
async fn custom_kinds_take_no_strategic_patch() {
    let world = world().await;
    world.post(SANDBOXES, &sandbox(json!({}))).await.expect(201);
    world.patch(&format!("{SANDBOXES}/s"), "strategic-merge-patch+json", &json!({})).await.expect(415);
    world.patch(&format!("{SANDBOXES}/s"), "unknown+json", &json!({})).await.expect(415);
}

#[tokio::test]
async fn an_apply_makes_then_owns_and_conflicts() {
    let world = world().await;
    let path = format!("{CONFIG_MAPS}/a");
    let by = |manager: &str, more: &str| format!("{path}?fieldManager={manager}{more}");
    let first = world.patch(&by("one", ""), "apply-patch+yaml", &config_map("a")).await.expect(201);
    assert_eq!(first["metadata"]["managedFields"][0]["manager"], "one");
    let again = world.patch(&by("one", ""), "apply-patch+yaml", &config_map("a")).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let mut other = config_map("a");
    other["data"]["k"] = json!("2");
    let conflict = world.patch(&by("two", ""), "apply-patch+yaml", &other).await.expect(409);
    assert_eq!(conflict["details"]["causes"][0]["reason"], "FieldManagerConflict");
    assert_eq!(conflict["details"]["causes"][0]["field"], ".data.k");
    let forced = world.patch(&by("two", "&force=true"), "apply-patch+yaml", &other).await.expect(200);
    assert_eq!(forced["data"]["k"], "2");
    let mut without = other.clone();
    without["data"] = json!({});
    let removed = world.patch(&by("two", ""), "apply-patch+yaml", &without).await.expect(200);
    assert_eq!(removed["data"].get("k"), None, "what its only owner no longer applies goes");
}

#[tokio::test]
async fn an_applied_status_leaves_the_spec() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let status = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "status": {"replicas": 3},
    });
    let path = format!("{DEPLOYMENTS}/web/status?fieldManager=c&force=true");
    let applied = world.patch(&path, "apply-patch+yaml", &status).await.expect(200);
    assert_eq!((&applied["status"]["replicas"], &applied["spec"]["replicas"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn an_apply_cannot_change_the_uid() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let mut other = config_map("a");
    other["metadata"]["uid"] = json!("another");
    let path = format!("{CONFIG_MAPS}/a?fieldManager=m&force=true");
    let message = world.patch(&path, "apply-patch+yaml", &other).await.message(422);
    assert!(message.contains("metadata.uid: Invalid value"), "{message}");
}

#[tokio::test]
async fn only_an_apply_may_be_forced() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let patch = json!({"data": {"b": "c"}});
    let path = format!("{CONFIG_MAPS}/a?force=true");
    let message = world.patch(&path, "merge-patch+json", &patch).await.message(422);
    assert!(message.contains("may not be specified for non-apply patch"), "{message}");
}
