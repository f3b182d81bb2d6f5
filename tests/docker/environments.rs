//! Environments beside each other, and their ends.

use crate::harness::{Data, command, until};
use crate::world::{World, docker, docker_host, sample};

/// The same names and ports twice, and neither sees the other.
pub(crate) async fn two() {
    let (one, other) = tokio::join!(World::up(), World::up());
    for (world, version) in [(&one, "v1"), (&other, "v2")] {
        world.spur().api().create_all(&sample("dummy", "dummy", &[("VERSION", version)])).await;
    }
    for (world, version) in [(&one, "v1"), (&other, "v2")] {
        world.spur().until_routed("dummy").await;
        let answer = world.spur().service("dummy").get("/").send().await.ok().json();
        assert_eq!(answer["version"], version);
    }
    let networks = |world: &World| {
        let filter = format!("label=spur.dev/environment={}", world.id());
        docker(&["network", "ls", "-q", "--filter", &filter])
    };
    assert_ne!(networks(&one), networks(&other));
    let gone = one.id();
    drop(one);
    let filter = format!("label=spur.dev/environment={gone}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "");
    other.spur().service("dummy").get("/").send().await.ok();
}

pub(crate) async fn down() {
    let world = World::up().await;
    world.spur().api().create_all(&sample("dummy", "dummy", &[])).await;
    world.spur().until_routed("dummy").await;
    let shown = command::run(world.command(&["ps"])).await.ok();
    shown.prints(&["ENVIRONMENT", "running", &world.data.path().display().to_string()]);
    let json = command::run(world.command(&["ps", "-o", "json"])).await.ok();
    let rows: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let own = rows.as_array().unwrap().iter().find(|row| row["id"] == *world.id()).unwrap();
    assert_eq!((&own["state"], &own["containers"]), (&"running".into(), &2.into()), "{own}");
    let data = world.data.path().display().to_string();
    command::run(world.command(&["down", "--data", &data])).await.ok().prints(&["is down"]);
    assert_eq!(world.containers("{{.ID}}"), Vec::<String>::new());
    // Its objects have stayed.
    let world = World::of(World::builder().on(&world.data).start().await);
    world.spur().until_routed("dummy").await;
    let nowhere = Data::new();
    let mut down = command::spur(nowhere.home());
    down.args(["down", "--data"]).arg(nowhere.home());
    command::run(down).await.code(1).tells(&["there is no environment in", "hint: `spur ps`"]);
}

/// `--rm` holds when its owner is killed.
pub(crate) async fn reaped() {
    let spur = World::builder().flags(&["--rm"]).start().await;
    spur.api().create_all(&sample("dummy", "dummy", &[])).await;
    spur.until_routed("dummy").await;
    let id = std::fs::read_to_string(spur.data().path().join("environment")).unwrap();
    let filter = format!("label=spur.dev/environment={}", id.trim());
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]).lines().count(), 2);
    let data = spur.kill().await;
    until("nothing is left of it", async || {
        let left = [
            docker(&["ps", "-aq", "--filter", &filter]),
            docker(&["network", "ls", "-q", "--filter", &filter]),
            docker(&["volume", "ls", "-q", "--filter", &filter]),
        ];
        if left.concat().is_empty() { Ok(()) } else { Err(left.join("; ")) }
    })
    .await;
    until("nobody knows it any more", async || {
        let mut ps = command::spur(data.home());
        ps.envs(docker_host()).args(["ps", "-o", "json"]);
        let shown = command::run(ps).await.ok().stdout;
        if shown.contains(id.trim()) { Err(shown) } else { Ok(()) }
    })
    .await;
}
