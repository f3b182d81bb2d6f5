//! Rollouts seen from outside: how many pods there are at every moment.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spur_store::Revision;

use super::history::{self, PodCount};
use super::world::{
    World, checked, condition, deployment, is_deleting, is_ready, is_rolled_out, name, revision, version,
};

fn is_at(wanted: &str) -> impl Fn(&Value) -> bool {
    move |web| revision(web) == wanted && is_rolled_out(web)
}

/// Rolls through several versions and holds every moment against the bounds.
async fn check_bounds(replicas: usize, rolling: Value, bounds: (usize, usize)) {
    let world = World::start().await;
    let mut web = deployment("web", i32::try_from(replicas).expect("a few"));
    web["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
    web["spec"]["template"]["spec"]["containers"] = json!([checked("v1")]);
    world.create(web).await;
    world.until_rolled_out("web").await;
    let start = world.until_quiet().await;
    for number in 2..=4 {
        let template = json!({"spec": {"containers": [checked(&format!("v{number}"))]}});
        world.patch("deploy/web", json!({"spec": {"template": template}})).await;
        world.until_is("deploy/web", "is rolled out", is_at(&number.to_string())).await;
    }
    let (ready_min, staying_max) = bounds;
    let counts = history::pod_counts(&world.store, start, "web");
    let is_wrong = |count: &&PodCount| count.n_ready < ready_min || count.n_staying > staying_max;
    let wrong: Vec<&PodCount> = counts.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "wanted at least {ready_min} ready and at most {staying_max}: {wrong:?}");
    assert!(counts.len() > replicas * 3, "the log was read");
}

#[tokio::test]
async fn a_rolling_update_with_surge_never_falls_below_the_replicas() {
    check_bounds(3, json!({"maxSurge": 1, "maxUnavailable": 0}), (3, 4)).await;
}

#[tokio::test]
async fn a_rolling_update_without_surge_never_goes_above_the_replicas() {
    check_bounds(3, json!({"maxSurge": 0, "maxUnavailable": 1}), (2, 3)).await;
}

#[tokio::test]
async fn a_rolling_update_by_percentages_stays_between_them() {
    check_bounds(8, json!({"maxSurge": "25%", "maxUnavailable": "25%"}), (6, 10)).await;
}

#[tokio::test]
async fn templates_that_change_faster_than_they_roll_out_end_with_the_last() {
    let world = World::start().await;
    let mut web = deployment("web", 4);
    web["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    world.create(web).await;
    world.until_rolled_out("web").await;
    let start = world.until_quiet().await;
    for number in 2..=9 {
        world.patch("deploy/web", version(&format!("v{number}"))).await;
    }
    world.until_is("deploy/web", "is rolled out", is_rolled_out).await;
    let pods = world.until_count("pods", "web", 4, |_| true).await;
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["command"][1] == "v9"), "{pods:#?}");
    let counts = history::pod_counts(&world.store, start, "web");
    let lowest = counts.iter().min_by_key(|count| count.n_ready).expect("changes");
    assert!(lowest.n_ready >= 4, "{lowest:?}");
}

#[tokio::test]
async fn a_broken_version_stops_the_rollout_and_leaves_the_old_one_serving() {
    let world = World::start().await;
    world.runtime.commands_fail_with(&["v2"]);
    let mut web = deployment("web", 2);
    web["spec"]["template"]["spec"]["containers"] = json!([checked("v1")]);
    world.create(web).await;
    world.until_rolled_out("web").await;
    let start = world.until_quiet().await;
    world.patch("deploy/web", json!({"spec": {"template": {"spec": {"containers": [checked("v2")]}}}})).await;
    world
        .until_is("deploy/web", "has a pod of the new version", |web| web["status"]["updatedReplicas"] == 1)
        .await;
    world.patch("deploy/web", json!({"spec": {"template": {"spec": {"containers": [checked("v1")]}}}})).await;
    let web = world.until_is("deploy/web", "is back", is_at("3")).await;
    assert_eq!(condition(&web, "Available")["status"], "True");
    let counts = history::pod_counts(&world.store, start, "web");
    assert!(counts.iter().all(|count| count.n_ready >= 2), "{counts:?}");
}

#[tokio::test]
async fn a_broken_version_gets_no_more_than_its_share_when_the_deployment_grows() {
    let world = World::start().await;
    world.runtime.commands_fail_with(&["v2"]);
    let mut web = deployment("web", 4);
    web["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    web["spec"]["template"]["spec"]["containers"] = json!([checked("v1")]);
    world.create(web).await;
    world.until_rolled_out("web").await;
    world.patch("deploy/web", json!({"spec": {"template": {"spec": {"containers": [checked("v2")]}}}})).await;
    world.until_is("deploy/web", "has a new pod", |web| web["status"]["updatedReplicas"] == 1).await;
    world.patch("deploy/web", json!({"spec": {"replicas": 9}})).await;
    let shared = |web: &Value| web["status"]["replicas"] == 10 && web["status"]["readyReplicas"] == 8;
    world.until_is("deploy/web", "has grown", shared).await;
    let sets = world.list_app("rs", "web").await;
    let mut sizes: Vec<i64> = sets.iter().filter_map(|set| set["spec"]["replicas"].as_i64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 8]);
    let desired =
        |set: &Value| set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "9";
    assert!(sets.iter().all(desired), "{sets:#?}");
    world.runtime.commands_fail_with(&[]);
    world.until_is("deploy/web", "is rolled out", is_at("2")).await;
}

#[tokio::test]
async fn recreate_starts_no_new_pod_before_the_last_old_one_has_ended() {
    let world = World::start().await;
    let mut web = deployment("web", 2);
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    world.create(web).await;
    world.until_rolled_out("web").await;
    let start = world.until_quiet().await;
    world.runtime.hold();
    world.patch("deploy/web", version("v2")).await;
    world.until_count("pods", "web", 2, is_deleting).await;
    world.until_quiet().await;
    assert_eq!(world.list_app("pods", "web").await.len(), 2, "the old ones only");
    world.runtime.let_go();
    world.until_is("deploy/web", "is rolled out", is_at("2")).await;
    world.until_count("pods", "web", 2, is_ready).await;
    let steps = history::since(&world.store, start, &["pods"]);
    let mut alive: BTreeSet<String> = BTreeSet::new();
    for step in &steps {
        let version = step.object["spec"]["containers"][0]["command"][1].as_str().expect("a version");
        match (version, step.kind) {
            ("v1", spur_store::ChangeKind::Deleted) => drop(alive.remove(name(&step.object))),
            ("v1", _) => drop(alive.insert(name(&step.object).to_owned())),
            _ => assert!(alive.is_empty(), "v2 is made while {alive:?} are there"),
        }
    }
    assert!(history::pod_counts(&world.store, start, "web").iter().all(|count| count.n_all <= 2));
    assert!(start > Revision(0));
}
