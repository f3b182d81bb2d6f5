//! What goes with its owner, what stays, and in which order.

use serde_json::{Value, json};
use spur_store::{ChangeKind, Revision};

use super::history;
use super::world::{World, config_map, deployment, is_deleting, name, namespace, owned_by, within};

fn owned(name: &str, owners: Value) -> Value {
    let mut object = config_map(name);
    object["metadata"]["ownerReferences"] = owners;
    object
}

fn blocking(owner: &Value) -> Value {
    let mut reference = owned_by(owner);
    reference["blockOwnerDeletion"] = json!(true);
    reference
}

#[tokio::test]
async fn what_a_deleted_deployment_owned_goes_in_the_background() {
    let world = World::start().await;
    world.create(deployment("web", 3)).await;
    world.until_rolled_out("web").await;
    world.delete("deploy/web", "Background").await;
    assert!(world.get("deploy/web").await.is_none(), "the owner goes at once");
    world.until_count("rs", "web", 0, |_| true).await;
    world.until_count("pods", "web", 0, |_| true).await;
}

#[tokio::test]
async fn a_foreground_deletion_goes_from_the_pods_up() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    let start = world.until_quiet().await;
    world.runtime.hold();
    world.delete("deploy/web", "Foreground").await;
    world.until_count("pods", "web", 2, is_deleting).await;
    world.until_quiet().await;
    assert!(is_deleting(&world.get("deploy/web").await.expect("it waits for its pods")));
    assert_eq!(world.list_app("rs", "web").await.len(), 1, "so does the ReplicaSet");
    assert_eq!(world.list_app("pods", "web").await.len(), 2, "and no pod is made anew");
    world.runtime.let_go();
    world.until_gone("deploy/web").await;
    let steps = history::since(&world.store, start, &["deployments.apps", "replicasets.apps", "pods"]);
    let gone = steps.iter().filter(|step| step.kind == ChangeKind::Deleted);
    let kinds: Vec<&str> = gone.map(|step| step.object["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["Pod", "Pod", "ReplicaSet", "Deployment"]);
}

#[tokio::test]
async fn a_foreground_deletion_waits_only_for_those_that_block_it() {
    let world = World::start().await;
    let owner = world.create(config_map("owner")).await;
    let mut held = owned("held", json!([owned_by(&owner)]));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(held).await;
    world.create(owned("blocks", json!([blocking(&owner)]))).await;
    world.until_quiet().await;
    world.delete("cm/owner", "Foreground").await;
    world.until_gone("cm/owner").await;
    assert!(world.get("cm/blocks").await.is_none());
    world.until_is("cm/held", "is being deleted", is_deleting).await;
}

#[tokio::test]
async fn a_foreground_deletion_spares_what_another_owner_still_needs() {
    let world = World::start().await;
    let (one, two) = (world.create(config_map("one")).await, world.create(config_map("two")).await);
    world.create(owned("shared", json!([blocking(&one), blocking(&two)]))).await;
    world.until_quiet().await;
    world.delete("cm/one", "Foreground").await;
    world.until_gone("cm/one").await;
    let shared = world.until_is("cm/shared", "has one owner left", |shared| {
        shared["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.len() == 1)
    });
    assert!(!is_deleting(&shared.await));
    world.delete("cm/two", "Background").await;
    world.until_gone("cm/shared").await;
}

#[tokio::test]
async fn orphans_stay_and_have_no_owner() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    world.until_rolled_out("web").await;
    world.delete("deploy/web", "Orphan").await;
    world.until_gone("deploy/web").await;
    world.until_quiet().await;
    let sets = world.list_app("rs", "web").await;
    assert_eq!(sets.len(), 1);
    assert!(sets[0]["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty), "{sets:#?}");
    assert_eq!(world.list_app("pods", "web").await.len(), 2);
}

#[tokio::test]
async fn an_owner_deleted_as_orphaning_right_after_its_dependents_were_made_loses_none() {
    let world = World::start().await;
    for round in 0..20 {
        let owner = world.create(config_map(&format!("owner-{round}"))).await;
        // Of another kind, whose watch may be behind.
        let mut secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("left-{round}")}});
        secret["metadata"]["ownerReferences"] = json!([owned_by(&owner)]);
        world.create(secret).await;
        world.delete(&format!("cm/owner-{round}"), "Orphan").await;
    }
    for round in 0..20 {
        world.until_gone(&format!("cm/owner-{round}")).await;
    }
    world.until_quiet().await;
    assert_eq!(world.list("secrets").await.len(), 20);
}

#[tokio::test]
async fn an_owner_made_anew_under_the_same_name_is_another_owner() {
    let world = World::start().await;
    let first = world.create(config_map("owner")).await;
    world.create(owned("old", json!([owned_by(&first)]))).await;
    world.delete("cm/owner", "Background").await;
    let second = world.create(config_map("owner")).await;
    world.create(owned("new", json!([owned_by(&second)]))).await;
    world.until_gone("cm/old").await;
    world.until_quiet().await;
    assert!(world.get("cm/new").await.is_some());
}

#[tokio::test]
async fn what_names_an_owner_that_never_was_goes() {
    let world = World::start().await;
    let mut owner = world.create(config_map("owner")).await;
    owner["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    world.create(owned("lost", json!([owned_by(&owner)]))).await;
    world.until_gone("cm/lost").await;
    assert!(world.get("cm/owner").await.is_some());
}

/// Owners are in the same namespace, or in none.
#[tokio::test]
async fn what_names_an_owner_of_another_namespace_goes() {
    let world = World::start().await;
    world.create(namespace("far")).await;
    let owner = world.create(within("far", config_map("owner"))).await;
    world.create(owned("lost", json!([owned_by(&owner)]))).await;
    world.until_gone("cm/lost").await;
    world.until_quiet().await;
    let kept = world.create(within("far", owned("kept", json!([owned_by(&owner)])))).await;
    world.until_quiet().await;
    assert!(world.get("cm/kept@far").await.is_some(), "{kept}");
}

#[tokio::test]
async fn what_names_an_owner_of_a_kind_that_is_not_served_stays() {
    let world = World::start().await;
    let owners = json!([{"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u-1"}]);
    world.create(owned("foreign", owners)).await;
    world.create(config_map("marker")).await;
    world.until_quiet().await;
    assert!(world.get("cm/foreign").await.is_some());
}

#[tokio::test]
async fn a_cluster_object_that_names_an_owner_in_a_namespace_stays_and_costs_nothing() {
    let world = World::start().await;
    let owner = world.create(config_map("owner")).await;
    let mut odd = namespace("odd");
    odd["metadata"]["ownerReferences"] = json!([owned_by(&owner)]);
    world.create(odd).await;
    world.delete("cm/owner", "Background").await;
    world.until_quiet().await;
    assert!(!is_deleting(&world.get("ns/odd").await.expect("it is kept")));
}

#[tokio::test]
async fn what_a_sandbox_owned_goes_with_it() {
    let world = World::start().await;
    let sandbox = world
        .create(json!({
            "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": "box"},
            "spec": {"forks": []},
        }))
        .await;
    let mut web = deployment("box-web", 1);
    web["metadata"]["ownerReferences"] = json!([blocking(&sandbox)]);
    world.create(web).await;
    let mut service = super::world::service("box-web", json!([{"port": 80}]));
    service["metadata"]["ownerReferences"] = json!([blocking(&sandbox)]);
    world.create(service).await;
    world.until_rolled_out("box-web").await;
    world.delete("sandbox/box", "Background").await;
    for address in ["sandbox/box", "deploy/box-web", "svc/box-web"] {
        world.until_gone(address).await;
    }
    world.until_count("pods", "box-web", 0, |_| true).await;
    world.until_count("rs", "box-web", 0, |_| true).await;
}

#[tokio::test]
async fn a_chain_of_owners_goes_whole_and_a_hundred_dependents_at_once() {
    let world = World::start().await;
    world.create(namespace("many")).await;
    let owner = world.create(within("many", config_map("owner"))).await;
    let middle = world.create(within("many", owned("middle", json!([owned_by(&owner)])))).await;
    for number in 0..100 {
        world.create(within("many", owned(&format!("leaf-{number}"), json!([owned_by(&middle)])))).await;
    }
    world.delete("cm/owner@many", "Background").await;
    world
        .until("all are gone", async || {
            let mut left = world.list("cm@many").await;
            left.retain(|map| name(map) != "kube-root-ca.crt");
            if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.len())) }
        })
        .await;
}

#[tokio::test]
async fn a_finalizer_of_somebody_else_holds_only_its_own_object() {
    let world = World::start().await;
    let owner = world.create(config_map("owner")).await;
    let mut held = owned("held", json!([blocking(&owner)]));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(held).await;
    world.create(owned("free", json!([blocking(&owner)]))).await;
    world.until_quiet().await;
    world.delete("cm/owner", "Foreground").await;
    world.until_gone("cm/free").await;
    world.until_is("cm/held", "is being deleted", is_deleting).await;
    world.until_quiet().await;
    assert!(world.get("cm/owner").await.is_some(), "it waits for the held one");
    world.patch("cm/held", json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("cm/owner").await;
    let steps = history::since(&world.store, Revision(0), &["configmaps"]);
    let gone: Vec<&str> =
        steps.iter().filter(|step| step.kind == ChangeKind::Deleted).map(|step| name(&step.object)).collect();
    assert_eq!(gone, ["free", "held", "owner"]);
}
