//! Deletes: grace, finalizers, preconditions, collections, namespaces.

use http::Method;
use serde_json::json;

use super::world::{CONFIG_MAPS, PODS, config_map, pod, world};

#[tokio::test]
async fn a_delete_tells_what_it_deleted() {
    let world = world().await;
    let made = world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let status = world.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    assert_eq!((&status["status"], &status["details"]["uid"]), (&json!("Success"), &made["metadata"]["uid"]));
    assert_eq!(world.delete(&format!("{CONFIG_MAPS}/a")).await.message(404), "configmaps \"a\" not found");
    world.post(PODS, &pod("p")).await.expect(201);
    let gone = world.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(gone["kind"], "Pod", "typed clients decode a pod here");
}

#[tokio::test]
async fn a_pod_waits_for_its_grace_and_force_does_not() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    let path = format!("{PODS}/p");
    let waiting = world.delete(&path).await.expect(200);
    assert_eq!(waiting["metadata"]["deletionGracePeriodSeconds"], 7);
    let version = waiting["metadata"]["resourceVersion"].clone();
    let again = world.delete(&path).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], version, "a second delete changes nothing");
    let force = json!({"gracePeriodSeconds": 0}).to_string();
    world.send(Method::DELETE, &path, "application/json", force).await.expect(200);
    world.get(&path).await.expect(404);
}

#[tokio::test]
async fn the_last_finalizer_to_go_takes_the_object_along() {
    let world = world().await;
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["x.dev/hold"]);
    world.post(CONFIG_MAPS, &object).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Da")).await;
    assert_eq!(events.next().await, "ADDED a");
    let held = world.delete(&path).await.expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(events.next().await, "MODIFIED a");
    let more = json!({"metadata": {"finalizers": ["x.dev/hold", "x.dev/more"]}});
    let message = world.patch(&path, "merge-patch+json", &more).await.message(422);
    assert!(message.contains("no new finalizers can be added"), "{message}");
    world.patch(&path, "merge-patch+json", &json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(events.next().await, "DELETED a");
    world.get(&path).await.expect(404);
}

/// The old word for it, in the query as in the body.
#[tokio::test]
async fn orphans_can_be_asked_for_in_the_old_way() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let both = world.delete(&format!("{CONFIG_MAPS}/a?orphanDependents=true&propagationPolicy=Orphan")).await;
    assert!(both.message(422).contains("may not be set together"));
    let held = world.delete(&format!("{CONFIG_MAPS}/a?orphanDependents=true")).await.expect(200);
    assert_eq!(held["metadata"]["finalizers"], json!(["orphan"]));
}

#[tokio::test]
async fn preconditions_protect_against_deleting_another() {
    let world = world().await;
    let made = world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let delete = async |preconditions| {
        let body = json!({"preconditions": preconditions}).to_string();
        world.send(Method::DELETE, &path, "application/json", body).await
    };
    assert!(delete(json!({"uid": "other"})).await.message(409).contains("UID in precondition"));
    delete(json!({"resourceVersion": "1"})).await.expect(409);
    delete(json!({"uid": made["metadata"]["uid"]})).await.expect(200);
}

#[tokio::test]
async fn options_of_the_wrong_type_delete_nothing() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    for body in [
        json!({"gracePeriodSeconds": "abc"}),
        json!({"preconditions": {"uid": 5}}),
        json!({"preconditions": "uid"}),
        json!({"dryRun": "All"}),
        json!({"dryRun": ["Some"]}),
        json!({"propagationPolicy": "Sideways"}),
        json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
        json!({"kind": "ConfigMap", "apiVersion": "v1"}),
    ] {
        let reply = world.send(Method::DELETE, &path, "application/json", body.to_string()).await;
        assert!(matches!(reply.code.as_u16(), 400 | 422), "{body}: {}", reply.body);
    }
    let good = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": null});
    world.send(Method::DELETE, &path, "application/json", good.to_string()).await.expect(200);
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let world = world().await;
    for name in ["a", "b", "c"] {
        let mut object = config_map(name);
        object["metadata"]["labels"] = json!({"keep": if name == "b" { "yes" } else { "no" }});
        world.post(CONFIG_MAPS, &object).await.expect(201);
    }
    world.delete(&format!("{CONFIG_MAPS}?labelSelector=keep%3Dno")).await.expect(200);
    let left = world.get(CONFIG_MAPS).await.expect(200);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_namespace_takes_nothing_new_while_it_goes() {
    let world = world().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    world.post("/api/v1/namespaces", &namespace).await.expect(201);
    let going = world.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(going["status"]["phase"], "Terminating");
    let refused = world.post("/api/v1/namespaces/n/configmaps", &config_map("a")).await.expect(403);
    assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut done = going;
    done["spec"]["finalizers"] = json!([]);
    world.put("/api/v1/namespaces/n/finalize", &done).await.expect(200);
    world.get("/api/v1/namespaces/n").await.expect(404);
    world.delete("/api/v1/namespaces/default").await.expect(403);
}
