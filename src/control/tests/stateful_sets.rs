//! StatefulSets: names, order, updates, undoing, and claims.

use serde_json::{Value, json};
use spur_store::{ChangeKind, Revision};

use super::history;
use super::world::{World, condition, container, deployment, is_deleting, is_ready, name, pod_id, version};

fn stateful_set(name: &str, replicas: i32) -> Value {
    let mut set = deployment(name, replicas);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!(name);
    set
}

fn claims() -> Value {
    json!([{
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }])
}

fn is_rolled_out(set: &Value) -> bool {
    let status = &set["status"];
    let counts = ["replicas", "readyReplicas", "updatedReplicas", "currentReplicas", "availableReplicas"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    status["observedGeneration"] == set["metadata"]["generation"]
        && status["currentRevision"] == status["updateRevision"]
        && counts.iter().all(|field| count(field) == set["spec"]["replicas"].as_i64().unwrap_or(1))
}

fn names(pods: &[Value]) -> Vec<&str> {
    pods.iter().map(name).collect()
}

fn versions(pods: &[Value]) -> Vec<&str> {
    pods.iter().map(|pod| pod["spec"]["containers"][0]["command"][1].as_str().expect("a version")).collect()
}

/// The names of pods in the order in which they were made, or went.
fn order(world: &World, since: Revision, kind: ChangeKind) -> Vec<String> {
    let steps = history::since(&world.store, since, &["pods"]);
    steps.iter().filter(|step| step.kind == kind).map(|step| name(&step.object).to_owned()).collect()
}

impl World {
    async fn until_set(&self, name: &str) -> Value {
        self.until_is(&format!("sts/{name}"), "is rolled out", is_rolled_out).await
    }
}

#[tokio::test]
async fn pods_have_lasting_names_and_come_in_their_order() {
    let world = World::start().await;
    world.create(stateful_set("db", 3)).await;
    let set = world.until_set("db").await;
    let pods = world.list_app("pods", "db").await;
    assert_eq!(names(&pods), ["db-0", "db-1", "db-2"]);
    let pod = &pods[1];
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!(labels["apps.kubernetes.io/pod-index"], "1");
    assert_eq!(labels["controller-revision-hash"], set["status"]["updateRevision"]);
    assert_eq!((&pod["spec"]["hostname"], &pod["spec"]["subdomain"]), (&json!("db-1"), &json!("db")));
    assert_eq!(set["status"]["collisionCount"], 0);
    // Each was made only when the one before was ready.
    let mut ready: Vec<String> = Vec::new();
    for step in history::since(&world.store, Revision(0), &["pods"]) {
        let name = name(&step.object);
        match step.kind {
            ChangeKind::Created => {
                let ordinal: usize = name.trim_start_matches("db-").parse().expect("an ordinal");
                assert_eq!(ready.len(), ordinal, "{name} is made when {ready:?} are ready");
            }
            _ if is_ready(&step.object) && !ready.contains(&name.to_owned()) => ready.push(name.to_owned()),
            _ => {}
        }
    }
    world.until_quiet().await;
    assert_eq!(world.list_app("pods", "db").await.len(), 3);
}

#[tokio::test]
async fn scaling_down_takes_the_highest_first_and_waits_for_each() {
    let world = World::start().await;
    world.create(stateful_set("db", 3)).await;
    world.until_set("db").await;
    let start = world.until_quiet().await;
    world.patch("sts/db", json!({"spec": {"replicas": 0}})).await;
    world.until_count("pods", "db", 0, |_| true).await;
    assert_eq!(order(&world, start, ChangeKind::Deleted), ["db-2", "db-1", "db-0"]);
    let mut going: Vec<String> = Vec::new();
    for step in history::since(&world.store, start, &["pods"]) {
        let name = name(&step.object).to_owned();
        if step.kind == ChangeKind::Deleted {
            going.retain(|other| *other != name);
        } else if is_deleting(&step.object) && !going.contains(&name) {
            going.push(name);
            assert_eq!(going.len(), 1, "{going:?} go at once");
        }
    }
    world.until_set("db").await;
}

#[tokio::test]
async fn parallel_pods_do_not_wait_for_each_other_and_ordinals_may_start_elsewhere() {
    let world = World::start().await;
    world.runtime.commands_fail_with(&["v1"]);
    let mut set = stateful_set("db", 3);
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["ordinals"] = json!({"start": 5});
    set["spec"]["template"]["spec"]["containers"] = json!([super::world::checked("v1")]);
    world.create(set).await;
    let pods = world.until_count("pods", "db", 3, |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!(names(&pods), ["db-5", "db-6", "db-7"]);
    world.runtime.commands_fail_with(&[]);
    world.until_set("db").await;
    world.patch("sts/db", json!({"spec": {"ordinals": {"start": 6}}})).await;
    world
        .until("the ordinals have moved", async || {
            let pods = world.list_app("pods", "db").await;
            let found = names(&pods);
            if found == ["db-6", "db-7", "db-8"] { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
}

#[tokio::test]
async fn an_update_goes_from_the_highest_to_the_partition_and_then_on() {
    let world = World::start().await;
    let mut set = stateful_set("db", 3);
    set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    world.create(set).await;
    let before = world.until_set("db").await;
    let start = world.until_quiet().await;
    world.patch("sts/db", version("v2")).await;
    let partly = |set: &Value| {
        let status = &set["status"];
        status["updatedReplicas"] == 1 && status["currentReplicas"] == 2 && status["readyReplicas"] == 3
    };
    let set = world.until_is("sts/db", "has updated one", partly).await;
    assert_eq!(set["status"]["currentRevision"], before["status"]["currentRevision"]);
    assert_ne!(set["status"]["updateRevision"], before["status"]["updateRevision"]);
    world.until_quiet().await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v1", "v1", "v2"]);
    // One below the partition that is made anew has the template of before.
    world.delete("pods/db-0", "Background").await;
    world
        .until("the pod is another", async || match world.get("pods/db-0").await {
            Some(pod) if is_ready(&pod) => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v1", "v1", "v2"]);
    world.patch("sts/db", json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})).await;
    world.until_set("db").await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v2", "v2", "v2"]);
    assert_eq!(order(&world, start, ChangeKind::Deleted), ["db-2", "db-0", "db-1", "db-0"]);
}

#[tokio::test]
async fn on_delete_waits_until_a_pod_is_deleted() {
    let world = World::start().await;
    let mut set = stateful_set("db", 2);
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    world.create(set).await;
    world.until_is("sts/db", "is ready", |set| set["status"]["readyReplicas"] == 2).await;
    world.patch("sts/db", version("v2")).await;
    world.until_quiet().await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v1", "v1"]);
    world.delete("pods/db-0", "Background").await;
    world.until_is("sts/db", "has one of the new", |set| set["status"]["updatedReplicas"] == 1).await;
    world.until_quiet().await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v2", "v1"]);
}

#[tokio::test]
async fn an_undone_update_takes_the_old_revision_again() {
    let world = World::start().await;
    let mut set = stateful_set("db", 1);
    set["spec"]["revisionHistoryLimit"] = json!(1);
    world.create(set).await;
    let first = world.until_set("db").await["status"]["currentRevision"].clone();
    world.patch("sts/db", version("v2")).await;
    let moved = |set: &Value| set["status"]["currentRevision"] != first && is_rolled_out(set);
    world.until_is("sts/db", "is at the second", moved).await;
    // What `kubectl rollout undo` sends: the data of the old revision.
    let revision = format!("controllerrevisions/{}", first.as_str().expect("a name"));
    let data = world.get(&revision).await.expect("it is kept")["data"].clone();
    let path = "/apis/apps/v1/namespaces/default/statefulsets/db";
    world.strategic_patch_at(path, data).await;
    let back = |set: &Value| set["status"]["currentRevision"] == first && is_rolled_out(set);
    world.until_is("sts/db", "is at the first again", back).await;
    assert_eq!(versions(&world.list_app("pods", "db").await), ["v1"]);
    assert_eq!(world.get(&revision).await.expect("it is kept")["revision"], 3);
    let mut numbers: Vec<i64> = Vec::new();
    for version_wanted in ["v3", "v4", "v5"] {
        world.patch("sts/db", version(version_wanted)).await;
        world.until_set("db").await;
    }
    let revisions = world.until_count("controllerrevisions", "db", 2, |_| true).await;
    numbers.extend(revisions.iter().filter_map(|revision| revision["revision"].as_i64()));
    numbers.sort_unstable();
    assert_eq!(numbers, [5, 6]);
}

#[tokio::test]
async fn each_pod_gets_its_claims_which_go_as_the_policy_says() {
    let world = World::start().await;
    let mut set = stateful_set("db", 2);
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["volumeClaimTemplates"] = claims();
    set["spec"]["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenScaled": "Delete", "whenDeleted": "Retain"});
    world.create(set).await;
    let pods = world.until_count("pods", "db", 2, |_| true).await;
    let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}});
    assert_eq!(pods[1]["spec"]["volumes"][0], volume);
    let claims = world.until_count("pvc", "db", 2, |_| true).await;
    assert_eq!(names(&claims), ["data-db-0", "data-db-1"]);
    world.patch("sts/db", json!({"spec": {"replicas": 1}})).await;
    world.until_gone("pods/db-1").await;
    world.until_gone("pvc/data-db-1").await;
    assert!(world.get("pvc/data-db-0").await.is_some());
    let keep = json!({"whenScaled": "Retain", "whenDeleted": "Delete"});
    world.patch("sts/db", json!({"spec": {"persistentVolumeClaimRetentionPolicy": keep}})).await;
    let owned = |claim: &Value| claim["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet";
    world.until_is("pvc/data-db-0", "is the set's", owned).await;
    world.delete("sts/db", "Background").await;
    world.until_gone("pvc/data-db-0").await;
    world.until_gone("pods/db-0").await;
}

#[tokio::test]
async fn a_claim_that_is_kept_serves_the_pod_that_comes_back() {
    let world = World::start().await;
    let mut set = stateful_set("db", 1);
    set["spec"]["volumeClaimTemplates"] = claims();
    world.create(set).await;
    let before = world.until_count("pvc", "db", 1, |_| true).await;
    world.until_count("pods", "db", 1, |_| true).await;
    world.patch("sts/db", json!({"spec": {"replicas": 0}})).await;
    world.until_gone("pods/db-0").await;
    world.patch("sts/db", json!({"spec": {"replicas": 1}})).await;
    world.until_count("pods", "db", 1, |_| true).await;
    let after = world.list_app("pvc", "db").await;
    assert_eq!(after[0]["metadata"]["uid"], before[0]["metadata"]["uid"]);
    assert_eq!(after.len(), 1);
}

#[tokio::test]
async fn a_pod_that_has_failed_for_good_is_made_anew_under_its_name() {
    let world = World::start().await;
    world.create(stateful_set("db", 1)).await;
    world.until_set("db").await;
    let before = world.get("pods/db-0").await.expect("the pod");
    world.patch_status("pods/db-0", json!({"phase": "Failed", "reason": "Evicted"})).await;
    let other = |pod: &Value| pod["metadata"]["uid"] != before["metadata"]["uid"] && is_ready(pod);
    world.until_is("pods/db-0", "is another", other).await;
    world.until_event("StatefulSet", "RecreatingFailedPod").await;
    assert!(world.runtime.fake.plan(&pod_id(&before), "c").is_none(), "what was there is gone");
}

#[tokio::test]
async fn pods_of_an_orphaned_set_are_taken_over_by_the_next() {
    let world = World::start().await;
    world.create(stateful_set("db", 2)).await;
    world.until_set("db").await;
    let before = world.list_app("pods", "db").await;
    world.delete("sts/db", "Orphan").await;
    world.until_gone("sts/db").await;
    world.create(stateful_set("db", 2)).await;
    world.until_set("db").await;
    let after = world.list_app("pods", "db").await;
    let uids = |pods: &[Value]| pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect::<Vec<_>>();
    assert_eq!(uids(&before), uids(&after));
    // A pod of another name is not one of the set's, whatever its labels.
    let stranger = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "labels": {"app": "db"}},
        "spec": {"containers": [container("v1")]},
    });
    world.create(stranger).await;
    world.until_quiet().await;
    let stranger = world.get("pods/stranger").await.expect("it is left alone");
    assert!(stranger["metadata"]["ownerReferences"].is_null());
}

#[tokio::test]
async fn min_ready_seconds_are_waited_for_between_pods() {
    let world = World::start().await;
    let mut set = stateful_set("db", 2);
    set["spec"]["minReadySeconds"] = json!(1);
    world.create(set).await;
    world.until_set("db").await;
    let pods = world.list_app("pods", "db").await;
    let time = |value: &Value| value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    let ready = time(&condition(&pods[0], "Ready")["lastTransitionTime"]);
    let created = time(&pods[1]["metadata"]["creationTimestamp"]);
    assert!(created.as_second() > ready.as_second(), "{ready} {created}");
}
