//! Deployments: made, scaled, paused, undone, and what their status says.

use serde_json::{Value, json};
use spur_api::Status;
use spur_store::Revision;

use super::history;
use super::world::{World, checked, condition, deployment, is_ready, is_rolled_out, name, revision, version};

#[tokio::test]
async fn a_deployment_becomes_available() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    let web = world.until_rolled_out("web").await;
    assert_eq!(condition(&web, "Available")["status"], "True", "{web:#}");
    let complete = |web: &Value| condition(web, "Progressing")["reason"] == "NewReplicaSetAvailable";
    let web = world.until_is("deploy/web", "says so", complete).await;
    assert_eq!(revision(&web), "1");
    assert_eq!(world.list_app("pods", "web").await.iter().filter(|pod| is_ready(pod)).count(), 2);
    assert_eq!(world.list_app("rs", "web").await.len(), 1);
}

#[tokio::test]
async fn a_deployment_of_no_replicas_is_available_and_keeps_its_replica_set() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    world.patch("deploy/web", json!({"spec": {"replicas": 0}})).await;
    let web = world.until_rolled_out("web").await;
    world.until_count("pods", "web", 0, |_| true).await;
    assert_eq!(condition(&web, "Available")["status"], "True", "{web:#}");
    assert_eq!(world.list_app("rs", "web").await.len(), 1);
    world.patch("deploy/web", json!({"spec": {"replicas": 3}})).await;
    world.until_rolled_out("web").await;
    world.until_count("pods", "web", 3, is_ready).await;
}

#[tokio::test]
async fn an_undone_rollout_goes_back_to_the_old_replica_set_with_a_new_revision() {
    let world = World::start().await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    let first = name(&world.list_app("rs", "web").await[0]).to_owned();
    world.patch("deploy/web", version("v2")).await;
    let web = world
        .until_is("deploy/web", "is at revision 2", |web| revision(web) == "2" && is_rolled_out(web))
        .await;
    let hash = |set: &Value| set["metadata"]["labels"]["pod-template-hash"].clone();
    // What `kubectl rollout undo` sends: the old set's template without the label that names it.
    let old = world.get(&format!("rs/{first}")).await.expect("the old set is kept");
    let mut template = old["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().expect("labels").remove("pod-template-hash");
    world.patch("deploy/web", json!({"spec": {"template": template}})).await;
    let undone = world
        .until_is("deploy/web", "is at revision 3", |web| revision(web) == "3" && is_rolled_out(web))
        .await;
    assert_ne!(web["metadata"]["generation"], undone["metadata"]["generation"]);
    let sets = world.list_app("rs", "web").await;
    assert_eq!(sets.len(), 2, "no third set is made: {sets:#?}");
    let current = sets.iter().find(|set| name(set) == first).expect("the old set");
    assert_eq!((revision(current), current["spec"]["replicas"].clone()), ("3", json!(1)));
    let pods = world.until_count("pods", "web", 1, |_| true).await;
    assert_eq!(pods[0]["metadata"]["labels"]["pod-template-hash"], hash(current));
}

#[tokio::test]
async fn annotations_stand_on_the_replica_set_too_so_that_undo_keeps_them() {
    let world = World::start().await;
    let mut web = deployment("web", 1);
    web["metadata"]["annotations"] = json!({
        "kubernetes.io/change-cause": "first", "kubectl.kubernetes.io/last-applied-configuration": "{}",
    });
    world.create(web).await;
    world.until_rolled_out("web").await;
    let set = name(&world.list_app("rs", "web").await[0]).to_owned();
    let cause = |set: &Value| set["metadata"]["annotations"]["kubernetes.io/change-cause"].clone();
    let found = world.get(&format!("rs/{set}")).await.expect("the set");
    assert_eq!(cause(&found), "first");
    assert!(
        found["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none()
    );
    world
        .patch("deploy/web", json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "second"}}}))
        .await;
    world.until_is(&format!("rs/{set}"), "has the new cause", |set| cause(set) == "second").await;
}

#[tokio::test]
async fn a_paused_deployment_does_not_roll_but_scales() {
    let world = World::start().await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    world.patch("deploy/web", json!({"spec": {"paused": true}})).await;
    let paused = |web: &Value| condition(web, "Progressing")["reason"] == "DeploymentPaused";
    world.until_is("deploy/web", "is paused", paused).await;
    world.patch("deploy/web", version("v2")).await;
    world.patch("deploy/web", json!({"spec": {"replicas": 3}})).await;
    world.until_count("pods", "web", 3, is_ready).await;
    world.until_quiet().await;
    assert_eq!(world.list_app("rs", "web").await.len(), 1, "the new template waits");
    world.patch("deploy/web", json!({"spec": {"paused": false}})).await;
    world.until_is("deploy/web", "is at revision 2", |web| revision(web) == "2" && is_rolled_out(web)).await;
    let pods = world.until_count("pods", "web", 3, |_| true).await;
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["command"][1] == "v2"), "{pods:#?}");
}

#[tokio::test]
async fn old_replica_sets_beyond_the_limit_go_oldest_first() {
    let world = World::start().await;
    let mut web = deployment("web", 1);
    web["spec"]["revisionHistoryLimit"] = json!(2);
    world.create(web).await;
    for number in 1..=5 {
        world.patch("deploy/web", version(&format!("v{number}"))).await;
        let revision_wanted = number.to_string();
        world
            .until_is("deploy/web", "is rolled out", |web| {
                revision(web) == revision_wanted && is_rolled_out(web)
            })
            .await;
    }
    let sets = world.until_count("rs", "web", 3, |_| true).await;
    let mut revisions: Vec<&str> = sets.iter().map(revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, ["3", "4", "5"]);
}

#[tokio::test]
async fn pods_that_are_refused_show_in_conditions_and_events_and_are_tried_again() {
    let world = World::start().await;
    let why = Status::forbidden("", "pods", "web-x", "exceeded quota");
    world.fail(usize::MAX, http::Method::POST, "/pods", why);
    world.create(deployment("web", 1)).await;
    let fails = |object: &Value| {
        let failure = condition(object, "ReplicaFailure");
        let message = failure["message"].as_str().unwrap_or("");
        failure["status"] == "True"
            && failure["reason"] == "FailedCreate"
            && message.contains("exceeded quota")
    };
    world.until_is("deploy/web", "says that pods cannot be made", fails).await;
    assert!(fails(&world.list_app("rs", "web").await[0]));
    let told = |event: &Value| {
        event["reason"] == "FailedCreate"
            && event["involvedObject"]["kind"] == "ReplicaSet"
            && event["type"] == "Warning"
    };
    world
        .until("an event tells", async || match world.list("events").await.iter().any(told) {
            true => Ok(()),
            false => Err("no event".to_owned()),
        })
        .await;
    world.fail_no_more();
    let web = world.until_rolled_out("web").await;
    let is_fine = |web: &Value| condition(web, "ReplicaFailure").is_null();
    world.until_is("deploy/web", "is fine again", is_fine).await;
    assert_eq!(condition(&web, "Available")["status"], "True");
}

/// Whatever the server takes, the controllers can read, and what they cannot do harms nothing else.
#[tokio::test]
async fn odd_objects_do_not_stop_others() {
    let world = World::start().await;
    let odd = [
        json!({"spec": {"replicas": 3_000_000_000_i64}}),
        json!({"spec": {"replicas": "three"}}),
        json!({"spec": {"minReadySeconds": i64::MAX}}),
        json!({"spec": {"progressDeadlineSeconds": i32::MAX}}),
        json!({"spec": {"revisionHistoryLimit": -1}}),
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "300%", "maxUnavailable": 0}}}}),
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "many"}}}}),
        // Deployments may be taken with it where pods are not.
        json!({"spec": {"template": {"metadata": {"annotations": {"not a key!": "x"}}}}}),
        json!({"spec": {"template": {"metadata": {"finalizers": ["not a finalizer!"]}}}}),
        json!({"spec": {"template": {"metadata": {"labels": {"pod-template-hash": "mine"}}}}}),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}),
        json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "many"}}}),
        json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Thing", "name": "x", "uid": "y"}]}}),
    ];
    for (number, patch) in odd.into_iter().enumerate() {
        let mut object = deployment(&format!("odd-{number}"), 1);
        merge(&mut object, patch);
        // Some are refused, which is as good.
        let _ = world.try_create(object).await;
    }
    world.create(deployment("good", 2)).await;
    world.until_rolled_out("good").await;
    let pod = format!("pods/{}", name(&world.list_app("pods", "good").await[0]));
    let far = json!({"type": "Ready", "status": "True", "lastTransitionTime": "9999-12-30T00:00:00Z"});
    world.patch_status(&pod, json!({"conditions": [far]})).await;
    world.patch("deploy/good", version("v2")).await;
    world
        .until_is("deploy/good", "is at revision 2", |good| revision(good) == "2" && is_rolled_out(good))
        .await;
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (field, value) in patch {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

#[tokio::test]
async fn a_rollout_that_stands_still_is_called_late_by_its_deadline() {
    let world = World::start().await;
    world.runtime.commands_fail_with(&["v1"]);
    let mut web = deployment("web", 1);
    web["spec"]["progressDeadlineSeconds"] = json!(1);
    web["spec"]["template"]["spec"]["containers"] = json!([checked("v1")]);
    world.create(web).await;
    let late = |web: &Value| condition(web, "Progressing")["reason"] == "ProgressDeadlineExceeded";
    let web = world.until_is("deploy/web", "is late", late).await;
    assert_eq!(condition(&web, "Progressing")["status"], "False");
    assert_eq!(condition(&web, "Available")["status"], "False");
    world.runtime.commands_fail_with(&[]);
    let done = |web: &Value| condition(web, "Progressing")["reason"] == "NewReplicaSetAvailable";
    world.until_is("deploy/web", "is done after all", done).await;
}

#[tokio::test]
async fn a_deployment_made_anew_gets_its_pods_though_the_old_ones_still_end() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    let old: Vec<String> =
        world.list_app("pods", "web").await.iter().map(|pod| name(pod).to_owned()).collect();
    world.runtime.hold();
    world.delete("deploy/web", "Background").await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    world.runtime.let_go();
    let pods = world.until_count("pods", "web", 2, |_| true).await;
    assert!(pods.iter().all(|pod| !old.contains(&name(pod).to_owned())), "{pods:#?}");
    assert_eq!(world.until_count("rs", "web", 1, |_| true).await.len(), 1);
}

#[tokio::test]
async fn two_deployments_with_one_long_beginning_and_one_template_both_run() {
    let world = World::start().await;
    let base = "a".repeat(60);
    for end in ["x", "y"] {
        let mut web = deployment("shared", 1);
        web["metadata"]["name"] = json!(format!("{base}{end}"));
        world.create(web).await;
    }
    for end in ["x", "y"] {
        world.until_rolled_out(&format!("{base}{end}")).await;
    }
}

#[tokio::test]
async fn a_foreign_object_with_the_replica_sets_name_does_not_make_the_controller_spin() {
    let world = World::start().await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    let mut stranger = world.list_app("rs", "web").await.remove(0);
    let metadata = stranger["metadata"].as_object_mut().expect("metadata");
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "ownerReferences"] {
        metadata.remove(field);
    }
    stranger["spec"]["replicas"] = json!(0);
    stranger["metadata"]["labels"]["app"] = json!("stranger");
    stranger["spec"]["selector"]["matchLabels"]["app"] = json!("stranger");
    stranger["spec"]["template"]["metadata"]["labels"]["app"] = json!("stranger");
    world.delete("deploy/web", "Background").await;
    world.until_count("pods", "web", 0, |_| true).await;
    world.until_count("rs", "web", 0, |_| true).await;
    world.create(stranger).await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    world.until_quiet().await;
}

#[tokio::test]
async fn min_ready_seconds_reach_the_replica_set_without_a_rollout() {
    let world = World::start().await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    world.patch("deploy/web", json!({"spec": {"minReadySeconds": 1}})).await;
    let set = format!("rs/{}", name(&world.list_app("rs", "web").await[0]));
    world.until_is(&set, "waits as long", |set| set["spec"]["minReadySeconds"] == 1).await;
    assert_eq!(world.list_app("rs", "web").await.len(), 1);
}

#[tokio::test]
async fn orphaned_replica_sets_and_pods_are_taken_over_by_a_deployment_made_anew() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    let before = world.list_app("pods", "web").await;
    world.delete("deploy/web", "Orphan").await;
    world.until_gone("deploy/web").await;
    world.create(deployment("web", 2)).await;
    let web = world.until_rolled_out("web").await;
    let sets = world.list_app("rs", "web").await;
    assert_eq!(sets.len(), 1, "{sets:#?}");
    assert_eq!(sets[0]["metadata"]["ownerReferences"][0]["uid"], web["metadata"]["uid"]);
    let uids = |pods: &[Value]| pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect::<Vec<_>>();
    assert_eq!(uids(&world.list_app("pods", "web").await), uids(&before), "no pod was made anew");
    let created = history::since(&world.store, Revision(0), &["pods"]);
    assert_eq!(created.iter().filter(|step| step.kind == spur_store::ChangeKind::Created).count(), 2);
}
