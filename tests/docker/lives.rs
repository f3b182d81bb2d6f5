//! What outlives what: containers Spur, pods the holder, everything the daemon.

use crate::daemon::Daemon;
use crate::harness::{Spur, until};
use crate::world::{World, docker, sample};

/// Ten containers go on while Spur is dead, and are taken over as they are.
pub(crate) async fn taken_over() {
    let world = World::up().await;
    let api = world.spur().api();
    for nth in 0..5 {
        api.create_all(&sample(&format!("s{nth}"), "dummy", &[])).await;
        api.patch("deployments", &format!("s{nth}"), &serde_json::json!({"spec": {"replicas": 2}}))
            .await
            .ok();
    }
    for nth in 0..5 {
        let name = format!("s{nth}");
        api.until(("deployments", &name), "ready", |one| one["status"]["readyReplicas"] == 2).await;
    }
    let ids = |world: &World| {
        let mut ids = world.containers("{{.ID}} {{.State}}");
        ids.sort();
        ids
    };
    let before = ids(&world);
    assert_eq!(before.len(), 11, "ten, and the holder: {before:?}");
    let world = world.killed_and_started().await;
    for nth in 0..5 {
        world.spur().until_routed(&format!("s{nth}")).await;
    }
    assert_eq!(ids(&world), before, "nothing was started again");
    let api = world.spur().api();
    for pod in api.list("pods").await {
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{:#}", pod["status"]);
    }
    // They are as much under control as before.
    api.patch("deployments", "s0", &serde_json::json!({"spec": {"replicas": 1}})).await.ok();
    until("one of them is gone", async || match ids(&world).len() {
        10 => Ok(()),
        n => Err(format!("there are {n}")),
    })
    .await;
}

/// Calls by name go on when the holder has been killed.
pub(crate) async fn holder() {
    let world = World::up().await;
    let (spur, api) = (world.spur(), world.spur().api());
    for (name, env) in [
        ("pricing", &[][..]),
        ("inventory", &[]),
        ("recommendation", &[]),
        ("checkout", &[]),
        ("frontend", &[]),
    ] {
        api.create_all(&sample(name, name, env)).await;
    }
    let cart = async || {
        let answer = spur.service("frontend").get("/api/cart?sku=mug").try_send().await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    };
    until("the shop answers", cart).await;
    let holder =
        world.containers("{{.ID}} {{.Names}}").into_iter().find(|line| line.contains("spur_holder_"));
    let holder = holder.expect("there is one").split(' ').next().unwrap().to_owned();
    docker(&["kill", &holder]);
    // What does not go through it is not disturbed.
    spur.service("pricing").get("/health").send().await.ok();
    until("the shop answers again", cart).await;
    let is_anew = |line: &String| line.contains("spur_holder_") && !line.contains(&holder);
    assert!(world.containers("{{.ID}} {{.Names}}").iter().any(is_anew));
}

/// A daemon of the test's own is stopped and started while requests go on.
pub(crate) async fn daemon() {
    let mut daemon = Daemon::start();
    let spur = dummy_on(&daemon).await;
    let api = spur.api();
    daemon.stop();
    daemon.again();
    // Its containers ended with it, and are restarted as their policy says.
    spur.until_routed("dummy").await;
    let pods = api.pods_of("app=dummy").await;
    assert_eq!(pods.len(), 1, "the same pod");
    let n_restarts = pods[0]["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap();
    assert!(n_restarts >= 1, "{n_restarts}");
    spur.end().await;
    drop(daemon);
}

/// Where containers outlive their daemon, no request notices that it restarts.
pub(crate) async fn live_restore() {
    let mut daemon = Daemon::start_with(&["--live-restore"]);
    let spur = dummy_on(&daemon).await;
    let api = spur.api();
    let ids = async || {
        let pods = api.pods_of("app=dummy").await;
        pods.iter()
            .map(|pod| pod["status"]["containerStatuses"][0]["containerID"].clone())
            .collect::<Vec<_>>()
    };
    let before = ids().await;
    let is_over = std::cell::Cell::new(false);
    let ask = async {
        let (mut n_asked, mut failed) = (0, Vec::new());
        while !is_over.get() {
            n_asked += 1;
            match spur.service("dummy").get("/health").try_send().await {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => failed.push(answer.text()),
                Err(error) => failed.push(error),
            }
        }
        (n_asked, failed)
    };
    let restart = async {
        let restarted = tokio::task::spawn_blocking(move || {
            daemon.stop();
            daemon.again();
            daemon
        });
        let daemon = restarted.await.unwrap();
        // What is made now is made by the daemon that came back.
        api.patch("deployments", "dummy", &serde_json::json!({"spec": {"replicas": 2}})).await.ok();
        api.until(("deployments", "dummy"), "ready", |one| one["status"]["readyReplicas"] == 2).await;
        is_over.set(true);
        daemon
    };
    let ((n_asked, failed), daemon) = tokio::join!(ask, restart);
    assert!(failed.is_empty() && n_asked > 10, "{} of {n_asked} failed: {failed:?}", failed.len());
    assert!(ids().await.contains(&before[0]), "the same container");
    spur.end().await;
    drop(daemon);
}

/// A Spur with one Service, on an engine of the test's own.
async fn dummy_on(daemon: &Daemon) -> Spur {
    let up = Spur::up().flags(&["--runtime", "docker"]).env("DOCKER_HOST", &daemon.host());
    let spur = up.start().await;
    spur.api().create_all(&sample("dummy", "dummy", &[])).await;
    spur.until_routed("dummy").await;
    spur
}
