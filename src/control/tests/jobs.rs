//! Jobs: they end, count each pod once, and go when their time is over.

use serde_json::{Value, json};
use spur_api::Status;

use super::world::{World, condition, name, pod_id};

const TRACKING: &str = "batch.kubernetes.io/job-tracking";

fn job(name: &str, fields: Value) -> Value {
    let mut spec = json!({
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "command": ["work"]}]},
        },
    });
    spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
}

fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn is_finished(type_: &'static str) -> impl Fn(&Value) -> bool {
    move |job| condition(job, type_)["status"] == "True"
}

impl World {
    /// Ends the containers of so many running pods of the app.
    async fn end_pods(&self, app: &str, n_pods: usize, exit_code: i32) {
        for pod in self.until_count("pods", app, n_pods, is_running).await {
            self.runtime.fake.exit(&pod_id(&pod), "c", exit_code);
        }
    }
}

#[tokio::test]
async fn a_job_ends_when_its_pod_has() {
    let world = World::start().await;
    world.create(job("load", json!({}))).await;
    let pods = world.until_count("pods", "load", 1, is_running).await;
    assert!(name(&pods[0]).starts_with("load-"), "{}", name(&pods[0]));
    assert_eq!(pods[0]["metadata"]["finalizers"], json!([TRACKING]));
    let active = |job: &Value| job["status"]["active"] == 1 && job["status"]["ready"] == 1;
    world.until_is("jobs/load", "has a pod", active).await;
    world.end_pods("load", 1, 0).await;
    let done = world.until_is("jobs/load", "is complete", is_finished("Complete")).await;
    let status = &done["status"];
    assert_eq!((&status["succeeded"], &status["active"]), (&json!(1), &Value::Null), "{status:#}");
    assert_eq!(status["completionTime"], condition(&done, "Complete")["lastTransitionTime"]);
    assert_eq!(condition(&done, "SuccessCriteriaMet")["reason"], "CompletionsReached");
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    world.until_event("Job", "Completed").await;
    let kept = world.list_app("pods", "load").await;
    assert!(kept.len() == 1 && is_empty(&kept[0]["metadata"]["finalizers"]), "{kept:#?}");
}

#[tokio::test]
async fn many_completions_are_counted_once_though_writes_fail() {
    let world = World::start().await;
    world.fail(3, http::Method::PUT, "/jobs/load/status", Status::modified("batch", "jobs", "load"));
    world.fail(2, http::Method::PATCH, "/pods/", Status::internal("the disk is slow"));
    world.create(job("load", json!({"completions": 6, "parallelism": 3}))).await;
    world.end_pods("load", 3, 0).await;
    world.end_pods("load", 3, 0).await;
    let done = world.until_is("jobs/load", "is complete", is_finished("Complete")).await;
    assert_eq!(done["status"]["succeeded"], 6);
    assert_eq!(world.list_app("pods", "load").await.len(), 6);
}

#[tokio::test]
async fn a_pod_that_fails_beyond_the_limit_fails_the_job() {
    let world = World::start().await;
    world.create(job("load", json!({"backoffLimit": 0, "completions": 2, "parallelism": 2}))).await;
    let pods = world.until_count("pods", "load", 2, is_running).await;
    world.runtime.fake.exit(&pod_id(&pods[0]), "c", 1);
    let failed = world.until_is("jobs/load", "has failed", is_finished("Failed")).await;
    assert_eq!(condition(&failed, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(condition(&failed, "FailureTarget")["reason"], "BackoffLimitExceeded");
    assert_eq!(failed["status"]["failed"], 2, "{failed:#}");
    world.until_gone(&format!("pods/{}", name(&pods[1]))).await;
    world.until_event("Job", "BackoffLimitExceeded").await;
}

#[tokio::test]
async fn a_failure_is_made_up_for_after_its_wait() {
    let world = World::start().await;
    world.create(job("load", json!({}))).await;
    let pods = world.until_count("pods", "load", 1, is_running).await;
    world.runtime.fake.exit(&pod_id(&pods[0]), "c", 1);
    world.until_is("jobs/load", "counts it", |job| job["status"]["failed"] == 1).await;
    assert_eq!(world.list_app("pods", "load").await.len(), 1, "it is waited for");
    // As if it had failed an hour ago.
    let pod = format!("pods/{}", name(&pods[0]));
    let mut status = world.get(&pod).await.expect("it is kept")["status"].clone();
    let ended = status.pointer_mut("/containerStatuses/0/state/terminated").expect("it has ended");
    ended["startedAt"] = json!("2020-01-01T00:00:00Z");
    ended["finishedAt"] = json!("2020-01-01T00:00:00Z");
    world.patch_status(&pod, status).await;
    world.end_pods("load", 1, 0).await;
    let done = world.until_is("jobs/load", "is complete", is_finished("Complete")).await;
    assert_eq!((&done["status"]["succeeded"], &done["status"]["failed"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn each_pod_of_an_indexed_job_learns_its_index() {
    let world = World::start().await;
    let fields = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"});
    world.create(job("load", fields)).await;
    let pods = world.until_count("pods", "load", 3, is_running).await;
    for pod in &pods {
        let index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].clone();
        assert_eq!(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"], index);
        let index = index.as_str().expect("an index");
        assert!(name(pod).starts_with(&format!("load-{index}-")), "{}", name(pod));
        let plan = world.runtime.fake.plan(&pod_id(pod), "c").expect("it was started");
        let variable = plan.env.iter().find(|(name, _)| *name == "JOB_COMPLETION_INDEX");
        assert_eq!(variable.map(|(_, value)| value.as_str()), Some(index));
    }
    world.end_pods("load", 3, 0).await;
    let done = world.until_is("jobs/load", "is complete", is_finished("Complete")).await;
    assert_eq!(done["status"]["completedIndexes"], "0-2");
}

#[tokio::test]
async fn a_job_that_is_suspended_stops_and_goes_on() {
    let world = World::start().await;
    world.create(job("load", json!({"suspend": true}))).await;
    world.until_is("jobs/load", "is suspended", is_finished("Suspended")).await;
    assert!(world.list_app("pods", "load").await.is_empty());
    world.patch("jobs/load", json!({"spec": {"suspend": false}})).await;
    world.until_count("pods", "load", 1, is_running).await;
    world.patch("jobs/load", json!({"spec": {"suspend": true}})).await;
    world.until_count("pods", "load", 0, |_| true).await;
    let job = world.until_is("jobs/load", "is suspended", is_finished("Suspended")).await;
    assert!(job["status"]["failed"].is_null(), "{job:#}");
    world.patch("jobs/load", json!({"spec": {"suspend": false}})).await;
    world.end_pods("load", 1, 0).await;
    world.until_is("jobs/load", "is complete", is_finished("Complete")).await;
}

#[tokio::test]
async fn a_deadline_ends_a_job() {
    let world = World::start().await;
    world.create(job("load", json!({"activeDeadlineSeconds": 1}))).await;
    let failed = world.until_is("jobs/load", "has failed", is_finished("Failed")).await;
    assert_eq!(condition(&failed, "Failed")["reason"], "DeadlineExceeded");
    world.until_count("pods", "load", 0, |_| true).await;
}

#[tokio::test]
async fn a_job_that_has_ended_goes_after_its_time_with_its_pods() {
    let world = World::start().await;
    world.create(job("load", json!({"ttlSecondsAfterFinished": 1}))).await;
    world.end_pods("load", 1, 0).await;
    world.until_gone("jobs/load").await;
    world.until_count("pods", "load", 0, |_| true).await;
}

#[tokio::test]
async fn a_job_that_is_deleted_leaves_no_pod_behind() {
    let world = World::start().await;
    for propagation in ["Background", "Foreground"] {
        world.create(job("load", json!({"parallelism": 2, "completions": 2}))).await;
        world.until_count("pods", "load", 2, is_running).await;
        world.delete("jobs/load", propagation).await;
        world.until_gone("jobs/load").await;
        world.until_count("pods", "load", 0, |_| true).await;
    }
}

#[tokio::test]
async fn the_pods_of_an_orphaned_job_are_tracked_no_more() {
    let world = World::start().await;
    world.create(job("load", json!({}))).await;
    let pods = world.until_count("pods", "load", 1, is_running).await;
    world.delete("jobs/load", "Orphan").await;
    world.until_gone("jobs/load").await;
    let is_free = |pod: &Value| {
        is_empty(&pod["metadata"]["finalizers"]) && is_empty(&pod["metadata"]["ownerReferences"])
    };
    let pod = format!("pods/{}", name(&pods[0]));
    world.until_is(&pod, "is nobody's", is_free).await;
}
