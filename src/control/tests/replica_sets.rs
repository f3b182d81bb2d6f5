//! ReplicaSets: exactly as many pods as wanted, whatever comes between.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spur_api::Status;
use spur_store::{ChangeKind, Revision};

use super::history;
use super::world::{World, container, deployment, is_ready, name};

fn replica_set(name: &str, replicas: i32) -> Value {
    let mut set = deployment(name, replicas);
    set["kind"] = json!("ReplicaSet");
    set
}

fn n_created(world: &World) -> usize {
    let steps = history::since(&world.store, Revision(0), &["pods"]);
    steps.iter().filter(|step| step.kind == ChangeKind::Created).count()
}

#[tokio::test]
async fn a_replica_set_makes_exactly_as_many_pods_while_it_is_poked() {
    let world = World::start().await;
    world.create(replica_set("web", 20)).await;
    for poke in 0..50 {
        world.patch("rs/web", json!({"metadata": {"annotations": {"poke": poke.to_string()}}})).await;
    }
    world.until_is("rs/web", "has all its pods", |set| set["status"]["readyReplicas"] == 20).await;
    world.until_quiet().await;
    assert_eq!((world.list_app("pods", "web").await.len(), n_created(&world)), (20, 20));
}

#[tokio::test]
async fn api_conflicts_and_failures_cost_no_pod_and_make_none_twice() {
    let world = World::start().await;
    world.fail(3, http::Method::POST, "/pods", Status::internal("the disk is slow"));
    world.fail(
        3,
        http::Method::PATCH,
        "/replicasets/web/status",
        Status::modified("apps", "replicasets", "web"),
    );
    world.create(replica_set("web", 7)).await;
    world.until_is("rs/web", "has all its pods", |set| set["status"]["readyReplicas"] == 7).await;
    world.until_quiet().await;
    assert_eq!((world.list_app("pods", "web").await.len(), n_created(&world)), (7, 7));
}

#[tokio::test]
async fn scaling_to_and_fro_ends_where_it_was_last_told() {
    let world = World::start().await;
    world.create(replica_set("web", 1)).await;
    for replicas in [9, 0, 5, 2, 8, 3] {
        world.patch("rs/web", json!({"spec": {"replicas": replicas}})).await;
    }
    world.until_count("pods", "web", 3, |_| true).await;
    world.until_is("rs/web", "has three pods", |set| set["status"]["readyReplicas"] == 3).await;
    world.until_quiet().await;
    assert_eq!(world.list_app("pods", "web").await.len(), 3);
}

#[tokio::test]
async fn a_deleted_pod_is_replaced_before_it_has_ended() {
    let world = World::start().await;
    world.create(replica_set("web", 2)).await;
    let pods = world.until_count("pods", "web", 2, is_ready).await;
    world.runtime.hold();
    world.delete(&format!("pods/{}", name(&pods[0])), "Background").await;
    world.until_count("pods", "web", 2, is_ready).await;
    assert_eq!(world.list_app("pods", "web").await.len(), 3);
    let terminating =
        |set: &Value| set["status"]["terminatingReplicas"] == 1 && set["status"]["replicas"] == 2;
    world.until_is("rs/web", "says that one is ending", terminating).await;
    world.runtime.let_go();
    world.until_count("pods", "web", 2, |_| true).await;
    assert_eq!(n_created(&world), 3);
}

#[tokio::test]
async fn pods_that_have_failed_for_good_are_replaced() {
    let world = World::start().await;
    world.create(replica_set("web", 1)).await;
    let pods = world.until_count("pods", "web", 1, is_ready).await;
    let pod = format!("pods/{}", name(&pods[0]));
    world.patch_status(&pod, json!({"phase": "Failed", "reason": "Evicted"})).await;
    world
        .until("another pod is ready", async || {
            let pods = world.list_app("pods", "web").await;
            let others = pods.iter().filter(|other| name(other) != name(&pods[0]) && is_ready(other)).count();
            if n_created(&world) >= 2 { Ok(()) } else { Err(format!("{others} others: {pods:#?}")) }
        })
        .await;
}

#[tokio::test]
async fn a_pod_whose_labels_no_longer_match_is_let_go_and_replaced() {
    let world = World::start().await;
    world.create(replica_set("web", 2)).await;
    let pods = world.until_count("pods", "web", 2, is_ready).await;
    let taken = format!("pods/{}", name(&pods[0]));
    world.patch(&taken, json!({"metadata": {"labels": {"app": "under-inspection"}}})).await;
    world.until_count("pods", "web", 2, is_ready).await;
    let free = |pod: &Value| pod["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty);
    world.until_is(&taken, "is nobody's", free).await;
    assert_eq!(n_created(&world), 3);
}

#[tokio::test]
async fn a_pod_of_nobody_that_matches_counts_as_one() {
    let world = World::start().await;
    world
        .create(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "lonely", "labels": {"app": "web"}, "annotations": {"spur.dev/readiness": "none"},
            },
            "spec": {"containers": [container("v1")]},
        }))
        .await;
    let set = world.create(replica_set("web", 2)).await;
    world.until_is("rs/web", "has two pods", |set| set["status"]["readyReplicas"] == 2).await;
    let lonely = world.get("pods/lonely").await.expect("it is kept");
    assert_eq!(lonely["metadata"]["ownerReferences"][0]["uid"], set["metadata"]["uid"]);
    world.until_quiet().await;
    assert_eq!(n_created(&world), 2);
}

#[tokio::test]
async fn the_least_useful_pods_go_when_there_are_too_many() {
    let world = World::start().await;
    world.create(replica_set("web", 3)).await;
    let pods = world.until_count("pods", "web", 3, is_ready).await;
    let names: Vec<String> = pods.iter().map(|pod| name(pod).to_owned()).collect();
    let cheap = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-10"}}});
    world.patch(&format!("pods/{}", names[1]), cheap).await;
    world.patch("rs/web", json!({"spec": {"replicas": 2}})).await;
    let left = world.until_count("pods", "web", 2, |_| true).await;
    let left: BTreeSet<&str> = left.iter().map(name).collect();
    assert_eq!(left, BTreeSet::from([names[0].as_str(), names[2].as_str()]));
}

#[tokio::test]
async fn a_pod_whose_name_would_be_too_long_gets_a_shorter_one() {
    let world = World::start().await;
    let long = format!("{}-end", "b".repeat(200));
    let mut set = replica_set("web", 1);
    set["metadata"]["name"] = json!(long);
    world.create(set).await;
    world.until_count("pods", "web", 1, is_ready).await;
}
