//! Controllers that start on a store that others have left.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::history;
use super::world::{World, condition, deployment, is_ready, namespace, service, within};

/// A small environment with a bit of everything.
async fn populate(world: &World) {
    world.create(namespace("shop")).await;
    for name in ["web", "cart"] {
        world.create(within("shop", deployment(name, 2))).await;
        world
            .create(within(
                "shop",
                service(name, json!([{"name": "http", "port": 80, "targetPort": "http"}])),
            ))
            .await;
    }
    for name in ["web", "cart"] {
        world.until_count("pods@shop", name, 2, is_ready).await;
        world
            .until_is(&format!("deploy/{name}@shop"), "is complete", |deployment| {
                condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
            })
            .await;
    }
}

/// Pods are started again, because their listeners went with the first controllers; that is
/// the pod worker's business and all there is to write.
#[tokio::test]
async fn a_second_start_on_the_same_store_writes_only_that_pods_were_started_again() {
    let mut world = World::start().await;
    populate(&world).await;
    let settled = world.until_quiet().await;
    world.stop_controllers().await;
    world.start_controllers();
    world.until_quiet().await;
    let told = history::told_since(&world.store, settled);
    let is_restart = |line: &str| line.starts_with("Updated Pod/") || line.starts_with("Updated Event/");
    let others: Vec<&String> = told.iter().filter(|line| !is_restart(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn what_was_asked_for_while_no_controller_ran_is_done_by_the_next() {
    let mut world = World::start().await;
    populate(&world).await;
    world.until_quiet().await;
    world.stop_controllers().await;
    world.patch("deploy/web@shop", json!({"spec": {"replicas": 4}})).await;
    world.delete("deploy/cart@shop", "Background").await;
    world.delete("svc/cart@shop", "Background").await;
    world.start_controllers();
    world.until_count("pods@shop", "web", 4, is_ready).await;
    world.until_count("pods@shop", "cart", 0, |_| true).await;
    world.until_count("endpointslices@shop", "cart", 0, |_| true).await;
}

#[tokio::test]
async fn the_node_is_ready_and_says_what_runs_pods() {
    let world = World::start().await;
    let node =
        world.until_is("node/spur", "is ready", |node| condition(node, "Ready")["status"] == "True").await;
    let runtime = node["status"]["nodeInfo"]["containerRuntimeVersion"].as_str().expect("a runtime");
    assert!(runtime.starts_with("fake://"), "{runtime}");
}

#[tokio::test]
async fn the_leases_are_renewed_and_made_again_where_they_are_gone() {
    let world = World::start().await;
    let node = world.until_is("node/spur", "is there", |_| true).await;
    let stop = CancellationToken::new();
    let beating = tokio::spawn(crate::heartbeat(world.client.clone(), stop.clone()));
    let of_node = "leases/spur@kube-node-lease";
    let first = world.until_is(of_node, "is there", |_| true).await;
    assert_eq!(first["metadata"]["ownerReferences"][0]["uid"], node["metadata"]["uid"]);
    assert_eq!(first["spec"]["holderIdentity"], "spur");
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(11)).await;
    tokio::time::resume();
    let renewed = |lease: &Value| lease["spec"]["renewTime"] != first["spec"]["renewTime"];
    world.until_is(of_node, "is renewed", renewed).await;
    world.delete(of_node, "Background").await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(11)).await;
    tokio::time::resume();
    world.until_is(of_node, "is there again", |_| true).await;
    stop.cancel();
    beating.await.expect("no crash");
}

/// With nothing to do nothing is written, for as long as it takes.
#[tokio::test]
async fn an_hour_without_a_change_writes_nothing() {
    let world = World::start().await;
    populate(&world).await;
    let settled = world.until_quiet().await;
    tokio::time::pause();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    tokio::time::resume();
    assert_eq!(world.until_quiet().await, settled, "{:#?}", history::told_since(&world.store, settled));
}

#[tokio::test]
async fn controllers_that_are_stopped_before_they_have_read_anything_end() {
    let mut world = World::server().await;
    world.start_controllers();
    world.stop_controllers().await;
    // Nor do they wait for a server that only fails.
    let why = spur_api::Status::internal("not now");
    world.fail(usize::MAX, http::Method::GET, "/", why);
    world.start_controllers();
    world.stop_controllers().await;
}

/// A watch that is too far behind is cut and listed anew; what went meanwhile is in no event.
#[tokio::test]
async fn controllers_whose_watches_fall_behind_the_log_catch_up() {
    let mut world = World::server_that_remembers(4).await;
    world.start_controllers();
    for name in ["web", "cart", "shop", "mail"] {
        world.create(deployment(name, 3)).await;
        world.create(service(name, json!([{"name": "http", "port": 80, "targetPort": "http"}]))).await;
    }
    for name in ["web", "cart", "shop", "mail"] {
        world.until_rolled_out(name).await;
    }
    for name in ["cart", "shop"] {
        world.delete(&format!("deploy/{name}"), "Background").await;
        world.delete(&format!("svc/{name}"), "Background").await;
    }
    world.patch("deploy/web", json!({"spec": {"replicas": 1}})).await;
    world.patch("deploy/mail", super::world::version("v2")).await;
    world.until_rolled_out("web").await;
    world.until_rolled_out("mail").await;
    for (name, n_pods) in [("web", 1), ("cart", 0), ("shop", 0), ("mail", 3)] {
        world.until_count("pods", name, n_pods, |_| true).await;
    }
    world
        .until("the slices are those of the pods that are left", async || {
            let n_slices = world.list("endpointslices").await.len();
            if n_slices == 4 { Ok(()) } else { Err(format!("{n_slices} slices")) }
        })
        .await;
    world.until_count("rs", "cart", 0, |_| true).await;
}
