//! CronJobs: jobs come when they are due, once, and as the policy says.
//!
//! The schedules here are due once a year, and the time of the last job is set: so nothing
//! becomes due by itself while a test runs.

use serde_json::{Value, json};

use super::world::{World, condition, name, pod_id};

fn cron_job(name: &str, fields: Value) -> Value {
    let mut spec = json!({
        "schedule": "@yearly",
        "suspend": true,
        "jobTemplate": {"metadata": {"labels": {"app": name}}, "spec": {"template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "command": ["work"]}]},
        }}},
    });
    spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec})
}

/// The first of January of this year, in minutes since 1970.
fn this_year_minute() -> i64 {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let first = now.date().first_of_year().to_zoned(now.time_zone().clone()).expect("a time");
    first.timestamp().as_second() / 60
}

impl World {
    /// Makes it look as if the last job was long ago, and lets it go on.
    async fn let_be_due(&self, name: &str) {
        let address = format!("cronjobs/{name}");
        self.patch(&address, json!({"spec": {"suspend": true}})).await;
        self.patch_status(&address, json!({"lastScheduleTime": "2020-05-05T00:00:00Z"})).await;
        self.patch(&address, json!({"spec": {"suspend": false}})).await;
    }

    async fn end_job(&self, app: &str, exit_code: i32) {
        let running = |pod: &Value| pod["status"]["phase"] == "Running";
        let pods = self
            .until("a pod runs", async || {
                let pods = self.list_app("pods", app).await;
                let running: Vec<Value> = pods.into_iter().filter(running).collect();
                if running.is_empty() { Err("none".to_owned()) } else { Ok(running) }
            })
            .await;
        for pod in pods {
            self.runtime.fake.exit(&pod_id(&pod), "c", exit_code);
        }
    }
}

#[tokio::test]
async fn a_job_that_is_due_is_made_once_and_its_end_is_seen() {
    let world = World::start().await;
    world.create(cron_job("nightly", json!({}))).await;
    world.until_quiet().await;
    assert!(world.list("jobs").await.is_empty(), "it is suspended");
    world.let_be_due("nightly").await;
    let wanted = format!("nightly-{}", this_year_minute());
    let active = |found: &Value| found["status"]["active"][0]["name"] == *wanted;
    let found = world.until_is("cronjobs/nightly", "has a job", active).await;
    let job = world.get(&format!("jobs/{wanted}")).await.expect("the job");
    assert_eq!(found["status"]["active"][0]["uid"], job["metadata"]["uid"]);
    let time = &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(*time, found["status"]["lastScheduleTime"]);
    assert_eq!(job["metadata"]["ownerReferences"][0]["controller"], true);
    world.until_event("CronJob", "SuccessfulCreate").await;
    world.end_job("nightly", 0).await;
    let seen = |found: &Value| {
        found["status"]["active"].as_array().is_none_or(Vec::is_empty)
            && !found["status"]["lastSuccessfulTime"].is_null()
    };
    world.until_is("cronjobs/nightly", "has seen its end", seen).await;
    world.until_event("CronJob", "SawCompletedJob").await;
    world.until_quiet().await;
    assert_eq!(world.list("jobs").await.len(), 1);
}

#[tokio::test]
async fn a_job_that_was_made_before_its_status_was_written_is_not_made_twice() {
    let world = World::start().await;
    world.create(cron_job("nightly", json!({}))).await;
    world.let_be_due("nightly").await;
    let job = world.until_count("jobs", "nightly", 1, |_| true).await;
    world.let_be_due("nightly").await;
    let again = |found: &Value| found["status"]["lastScheduleTime"] != "2020-05-05T00:00:00Z";
    let found = world.until_is("cronjobs/nightly", "has its time again", again).await;
    assert_eq!(found["status"]["active"].as_array().map(Vec::len), Some(1));
    let after = world.list_app("jobs", "nightly").await;
    assert_eq!((after.len(), &after[0]["metadata"]["uid"]), (1, &job[0]["metadata"]["uid"]));
}

#[tokio::test]
async fn policies_for_jobs_that_still_run() {
    let world = World::start().await;
    // A year is never over while the job of the last one runs: another schedule makes it due.
    for (policy, n_jobs) in [("Forbid", 1), ("Replace", 1), ("Allow", 2)] {
        let app = policy.to_lowercase();
        world.create(cron_job(&app, json!({"concurrencyPolicy": policy}))).await;
        world.let_be_due(&app).await;
        let first = world.until_count("jobs", &app, 1, |_| true).await.remove(0);
        let address = format!("cronjobs/{app}");
        world.patch(&address, json!({"spec": {"suspend": true, "schedule": "30 12 31 dec *"}})).await;
        world.let_be_due(&app).await;
        match policy {
            "Forbid" => drop(world.until_event("CronJob", "JobAlreadyActive").await),
            "Replace" => world.until_gone(&format!("jobs/{}", name(&first))).await,
            _ => {}
        }
        let jobs = world.until_count("jobs", &app, n_jobs, |_| true).await;
        let is_kept = jobs.iter().any(|job| name(job) == name(&first));
        assert_eq!(is_kept, policy != "Replace", "{policy}");
    }
}

#[tokio::test]
async fn jobs_beyond_the_history_go() {
    let world = World::start().await;
    world.create(cron_job("nightly", json!({"successfulJobsHistoryLimit": 0}))).await;
    world.let_be_due("nightly").await;
    world.end_job("nightly", 0).await;
    world.until_event("CronJob", "SuccessfulDelete").await;
    world.until_count("jobs", "nightly", 0, |_| true).await;
    world.until_count("pods", "nightly", 0, |_| true).await;
}

#[tokio::test]
async fn a_job_of_somebody_else_with_the_name_is_told_of() {
    let world = World::start().await;
    let mut job = cron_job("nightly", json!({}))["spec"]["jobTemplate"].clone();
    job["apiVersion"] = json!("batch/v1");
    job["kind"] = json!("Job");
    job["metadata"]["name"] = json!(format!("nightly-{}", this_year_minute()));
    world.create(job).await;
    world.create(cron_job("nightly", json!({}))).await;
    world.let_be_due("nightly").await;
    let told = world.until_event("CronJob", "FailedCreate").await;
    assert!(told["message"].as_str().is_some_and(|text| text.contains("already exists")), "{told:#}");
}

#[tokio::test]
async fn a_cron_job_goes_by_the_clock() {
    let world = World::start().await;
    world.create(cron_job("tick", json!({"schedule": "@every 1s", "suspend": false}))).await;
    let jobs = world
        .until("a job is made by itself", async || {
            let jobs = world.list_app("jobs", "tick").await;
            if jobs.is_empty() { Err("no job".to_owned()) } else { Ok(jobs) }
        })
        .await;
    world.patch("cronjobs/tick", json!({"spec": {"suspend": true}})).await;
    world.end_job("tick", 0).await;
    let done = |job: &Value| condition(job, "Complete")["status"] == "True";
    world.until_is(&format!("jobs/{}", name(&jobs[0])), "is complete", done).await;
}
