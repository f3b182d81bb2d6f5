//! DaemonSets: one pod on the one node, replaced as the strategy says.

use serde_json::{Value, json};
use spur_store::Revision;

use super::history;
use super::world::{World, deployment, is_ready, name, version};

fn daemon_set(name: &str) -> Value {
    let mut set = deployment(name, 1);
    set["kind"] = json!("DaemonSet");
    set["spec"].as_object_mut().expect("a map").shift_remove("replicas");
    set
}

/// The version of the one pod there is.
fn runs(wanted: &str) -> impl Fn(&Value) -> bool {
    move |pod| pod["spec"]["containers"][0]["command"][1] == *wanted && is_ready(pod)
}

fn is_rolled_out(set: &Value) -> bool {
    let status = &set["status"];
    status["observedGeneration"] == set["metadata"]["generation"]
        && status["updatedNumberScheduled"] == 1
        && status["numberAvailable"] == 1
}

#[tokio::test]
async fn there_is_one_pod_on_the_node() {
    let world = World::start().await;
    world.create(daemon_set("agent")).await;
    let set = world.until_is("ds/agent", "is rolled out", is_rolled_out).await;
    let status = &set["status"];
    assert_eq!((&status["desiredNumberScheduled"], &status["numberReady"]), (&json!(1), &json!(1)));
    assert_eq!((&status["numberMisscheduled"], &status["numberUnavailable"]), (&json!(0), &Value::Null));
    let pods = world.list_app("pods", "agent").await;
    assert!(pods.len() == 1 && name(&pods[0]).starts_with("agent-"), "{pods:#?}");
    let revisions = world.list_app("controllerrevisions", "agent").await;
    let hash = |object: &Value| object["metadata"]["labels"]["controller-revision-hash"].clone();
    assert_eq!((revisions.len(), hash(&revisions[0])), (1, hash(&pods[0])));
    world.delete(&format!("pods/{}", name(&pods[0])), "Background").await;
    let other = |pod: &Value| name(pod) != name(&pods[0]) && is_ready(pod);
    world.until_count("pods", "agent", 1, other).await;
}

#[tokio::test]
async fn a_node_that_is_not_selected_has_no_pod() {
    let world = World::start().await;
    let mut set = daemon_set("agent");
    set["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    world.create(set).await;
    let nowhere = |set: &Value| {
        set["status"]["desiredNumberScheduled"] == 0 && set["status"]["observedGeneration"] == 1
    };
    world.until_is("ds/agent", "is wanted nowhere", nowhere).await;
    assert!(world.list_app("pods", "agent").await.is_empty());
    let nodes = world.list("nodes").await;
    let node = format!("nodes/{}", name(&nodes[0]));
    world.patch(&node, json!({"metadata": {"labels": {"disk": "ssd"}}})).await;
    world.until_count("pods", "agent", 1, is_ready).await;
    world.patch(&node, json!({"metadata": {"labels": {"disk": null}}})).await;
    world.until_count("pods", "agent", 0, |_| true).await;
}

#[tokio::test]
async fn an_old_pod_goes_before_the_new_one_comes() {
    let world = World::start().await;
    world.create(daemon_set("agent")).await;
    world.until_is("ds/agent", "is rolled out", is_rolled_out).await;
    let start = world.until_quiet().await;
    world.patch("ds/agent", version("v2")).await;
    world.until_count("pods", "agent", 1, runs("v2")).await;
    world.until_is("ds/agent", "is rolled out", is_rolled_out).await;
    assert!(history::pod_counts(&world.store, start, "agent").iter().all(|count| count.n_all <= 1));
}

#[tokio::test]
async fn with_a_surge_one_is_always_ready() {
    let world = World::start().await;
    let mut set = daemon_set("agent");
    set["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    world.create(set).await;
    world.until_is("ds/agent", "is rolled out", is_rolled_out).await;
    let start = world.until_quiet().await;
    world.patch("ds/agent", version("v2")).await;
    world.until_is("ds/agent", "is rolled out", is_rolled_out).await;
    world.until_count("pods", "agent", 1, |_| true).await;
    let counts = history::pod_counts(&world.store, start, "agent");
    assert!(
        counts.iter().all(|count| (1..=2).contains(&count.n_staying) && count.n_ready >= 1),
        "{counts:?}"
    );
    assert!(start > Revision(0) && !counts.is_empty());
}

#[tokio::test]
async fn on_delete_waits_until_the_pod_is_deleted_and_undo_takes_the_old_revision() {
    let world = World::start().await;
    let mut set = daemon_set("agent");
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    world.create(set).await;
    let pods = world.until_count("pods", "agent", 1, runs("v1")).await;
    let first = world.list_app("controllerrevisions", "agent").await.remove(0);
    world.patch("ds/agent", version("v2")).await;
    world.until_count("controllerrevisions", "agent", 2, |_| true).await;
    world.until_quiet().await;
    assert!(world.get(&format!("pods/{}", name(&pods[0]))).await.is_some_and(|pod| is_ready(&pod)));
    world.delete(&format!("pods/{}", name(&pods[0])), "Background").await;
    world.until_count("pods", "agent", 1, runs("v2")).await;
    let path = "/apis/apps/v1/namespaces/default/daemonsets/agent";
    world.strategic_patch_at(path, first["data"].clone()).await;
    let revision = format!("controllerrevisions/{}", name(&first));
    world.until_is(&revision, "is the third", |revision| revision["revision"] == 3).await;
    assert_eq!(world.list_app("controllerrevisions", "agent").await.len(), 2);
}

#[tokio::test]
async fn a_pod_that_has_failed_for_good_is_replaced() {
    let world = World::start().await;
    world.create(daemon_set("agent")).await;
    let pods = world.until_count("pods", "agent", 1, is_ready).await;
    let pod = format!("pods/{}", name(&pods[0]));
    world.patch_status(&pod, json!({"phase": "Failed", "reason": "Evicted"})).await;
    let other = |pod: &Value| name(pod) != name(&pods[0]) && is_ready(pod);
    world.until_count("pods", "agent", 1, other).await;
    world.until_event("DaemonSet", "FailedDaemonPod").await;
}
