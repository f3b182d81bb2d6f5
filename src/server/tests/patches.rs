//! The four kinds of patch.

use serde_json::{Value, json};

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

const IN_V1: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web";
const IN_V2: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/web";

/// An autoscaler in `v1` or `v2`, with a target for the CPU.
fn autoscaler(version: &str, utilization: u8) -> Value {
    let mut spec = json!({
        "minReplicas": 2, "maxReplicas": 5,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    });
    if version == "v1" {
        spec["targetCPUUtilizationPercentage"] = json!(utilization);
    } else {
        let target = json!({"type": "Utilization", "averageUtilization": utilization});
        spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    json!({
        "apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"}, "spec": spec,
    })
}

#[tokio::test]
async fn who_applies_in_another_version_gives_up_what_it_leaves_out() {
    let world = world().await;
    let by_ci = |path: &str| format!("{path}?fieldManager=ci");
    world.patch(&by_ci(IN_V1), "apply-patch+yaml", &autoscaler("v1", 50)).await.expect(201);
    let mut less = autoscaler("v2", 50);
    less["spec"]
        .as_object_mut()
        .expect("a spec")
        .retain(|field, _| !matches!(&field[..], "minReplicas" | "metrics"));
    let written = world.patch(&by_ci(IN_V2), "apply-patch+yaml", &less).await.expect(200);
    assert_eq!(written["spec"]["minReplicas"], 1, "the default");
    assert_eq!(written["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80, "the default");
    let owned = written["metadata"]["managedFields"].as_array().expect("entries");
    assert_eq!(owned.len(), 1, "{owned:#?}");
    assert_eq!(owned[0]["apiVersion"], "autoscaling/v2");
}

#[tokio::test]
async fn who_applies_the_same_in_another_version_changes_nothing_but_its_entry() {
    let world = world().await;
    let by_ci = |path: &str| format!("{path}?fieldManager=ci");
    world.patch(&by_ci(IN_V1), "apply-patch+yaml", &autoscaler("v1", 50)).await.expect(201);
    let before = world.get(IN_V2).await.expect(200);
    let written = world.patch(&by_ci(IN_V2), "apply-patch+yaml", &autoscaler("v2", 50)).await.expect(200);
    assert_eq!(written["spec"], before["spec"]);
    assert!(written["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:metrics"].is_object());
    let back = world.patch(&by_ci(IN_V1), "apply-patch+yaml", &autoscaler("v1", 50)).await.expect(200);
    assert_eq!(back["spec"]["targetCPUUtilizationPercentage"], 50);
}

#[tokio::test]
async fn a_field_is_fought_for_in_the_version_of_its_owner() {
    let world = world().await;
    world
        .patch(&format!("{IN_V1}?fieldManager=ci"), "apply-patch+yaml", &autoscaler("v1", 50))
        .await
        .expect(201);
    let by_ops = format!("{IN_V2}?fieldManager=ops");
    let same = world.patch(&by_ops, "apply-patch+yaml", &autoscaler("v2", 50)).await.expect(200);
    assert_eq!(same["metadata"]["managedFields"].as_array().expect("entries").len(), 2);
    let refused = world.patch(&by_ops, "apply-patch+yaml", &autoscaler("v2", 70)).await.expect(409);
    assert_eq!(refused["details"]["causes"][0]["field"], ".spec.targetCPUUtilizationPercentage");
    let path = format!("{by_ops}&force=true");
    let forced = world.patch(&path, "apply-patch+yaml", &autoscaler("v2", 70)).await.expect(200);
    let entries = forced["metadata"]["managedFields"].as_array().expect("entries");
    let of_ci = entries.iter().find(|entry| entry["manager"] == "ci").expect("ci's entry");
    assert!(of_ci["fieldsV1"]["f:spec"].get("f:targetCPUUtilizationPercentage").is_none());
    assert!(of_ci["fieldsV1"]["f:spec"].get("f:maxReplicas").is_some());
}

#[tokio::test]
async fn a_write_in_another_version_takes_what_it_changes_from_who_applied_it() {
    let world = world().await;
    let path = format!("{IN_V1}?fieldManager=ci");
    world.patch(&path, "apply-patch+yaml", &autoscaler("v1", 50)).await.expect(201);
    let mut edited = world.get(IN_V2).await.expect(200);
    edited["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = json!(60);
    let written = world.put(&format!("{IN_V2}?fieldManager=edit"), &edited).await.expect(200);
    let entries = written["metadata"]["managedFields"].as_array().expect("entries");
    let of_ci = entries.iter().find(|entry| entry["manager"] == "ci").expect("ci's entry");
    assert!(of_ci["fieldsV1"]["f:spec"].get("f:targetCPUUtilizationPercentage").is_none());
    let of_edit = entries.iter().find(|entry| entry["manager"] == "edit").expect("the editor's entry");
    assert_eq!(of_edit["apiVersion"], "autoscaling/v2");
}

/// Upstream tells what a JSON patch says beside the point, and refuses a strict one as invalid.
#[tokio::test]
async fn what_a_patch_says_beside_the_point_is_told() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let patch = json!([{"op": "add", "path": "/data/new", "value": "1", "note": "x"}]);
    let warned = world.patch(&path, "json-patch+json", &patch).await;
    assert_eq!(warned.headers["warning"], "299 - \"json patch unknown field \\\"[0].note\\\"\"");
    assert_eq!(warned.expect(200)["data"]["new"], "1");
    let strict = world.patch(&format!("{path}?fieldValidation=Strict"), "json-patch+json", &patch).await;
    let message = strict.message(422);
    assert!(message.starts_with(" \"\" is invalid: patch: Invalid value: \"{"), "{message}");
    let wanted = "strict decoding error: json patch unknown field \"[0].note\"";
    assert!(message.ends_with(wanted), "{message}");
    let merge = json!({"spec": {"x": 1}});
    let strict = world.patch(&format!("{path}?fieldValidation=Strict"), "merge-patch+json", &merge).await;
    assert!(strict.message(422).ends_with("strict decoding error: unknown field \"spec\""));
}

#[tokio::test]
async fn an_apply_with_a_uid_makes_nothing() {
    let world = world().await;
    let mut applied = config_map("a");
    applied["metadata"]["uid"] = json!("u-1");
    let path = format!("{CONFIG_MAPS}/a?fieldManager=me");
    assert_eq!(
        world.patch(&path, "apply-patch+yaml", &applied).await.message(409),
        "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid u-1, \
         and no existing object was found"
    );
    world.get(&format!("{CONFIG_MAPS}/a")).await.expect(404);
}

/// Who applies a Scale owns the replicas of what it scales, by that subresource.
#[tokio::test]
async fn an_applied_scale_owns_the_replicas() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 3},
    });
    let path = format!("{DEPLOYMENTS}/web/scale?fieldManager=scaler");
    assert_eq!(world.patch(&format!("{DEPLOYMENTS}/web/scale"), "apply-patch+yaml", &scale).await.code, 422);
    let conflict = world.patch(&path, "apply-patch+yaml", &scale).await.expect(409);
    assert_eq!(conflict["details"]["causes"][0]["field"], ".spec.replicas");
    let forced = world.patch(&format!("{path}&force=true"), "apply-patch+yaml", &scale).await.expect(200);
    assert_eq!((&forced["kind"], &forced["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    let found = world.get(&format!("{DEPLOYMENTS}/web")).await.expect(200);
    let entries = found["metadata"]["managedFields"].as_array().expect("entries");
    let entry = entries.iter().find(|entry| entry["manager"] == "scaler").expect("an entry");
    assert_eq!((&entry["operation"], &entry["subresource"]), (&json!("Apply"), &json!("scale")));
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    let others = entries.iter().filter(|entry| entry["manager"] != "scaler");
    assert!(!others.map(ToString::to_string).any(|entry| entry.contains("f:replicas")));
    let again = world.patch(&path, "apply-patch+yaml", &scale).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"], "changes nothing");
    let mut empty = scale.clone();
    empty["spec"] = json!({});
    world.patch(&path, "apply-patch+yaml", &empty).await.expect(422);
    let mut missing = scale;
    missing["metadata"]["name"] = json!("none");
    let none = format!("{DEPLOYMENTS}/none/scale?fieldManager=scaler");
    world.patch(&none, "apply-patch+yaml", &missing).await.expect(404);
}
