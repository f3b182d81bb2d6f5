//! The demo's shop in containers.

use serde_json::{Value, json};

use crate::harness::manifests::cheaper;
use crate::harness::{command, until};
use crate::world::{World, ask, docker, docker_host, pod, sample, shell};

/// The same words as with processes, and nothing is left.
pub(crate) async fn demo() {
    let home = crate::harness::Data::new();
    let mut demo = command::spur(home.home());
    demo.envs(docker_host()).args(["demo", "--runtime", "docker", "--exit"]);
    let output = command::run(demo).await.ok();
    output.prints(&["without a key", "◆pricing v2-cheaper", "pricing v1", "12.00 EUR", "10.80 EUR"]);
    // Another test's shop may run beside it, and ends.
    until("no container of the demo is left", async || {
        let named = ["--format", "{{.ID}} {{.Label \"spur.dev/pod-name\"}}"];
        let pods = docker(&[&["ps", "-a", "--filter", "label=spur.dev/environment"][..], &named].concat());
        let left: Vec<_> = pods.lines().filter(|line| line.contains(" frontend-")).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
}

async fn shop(world: &World) {
    let api = world.spur().api();
    for (name, env) in [
        ("inventory", &[][..]),
        ("pricing", &[("PRICE_PERCENT", "100"), ("VERSION", "v1")]),
        ("recommendation", &[]),
        ("checkout", &[]),
        ("frontend", &[]),
    ] {
        api.create_all(&sample(name, name, env)).await;
    }
    for name in ["inventory", "pricing", "recommendation", "checkout", "frontend"] {
        world.spur().until_routed(name).await;
    }
}

pub(crate) async fn forks() {
    let world = World::up().await;
    shop(&world).await;
    let (spur, api) = (world.spur(), world.spur().api());
    api.create(&cheaper("cheaper", "k1")).await.ok();
    api.until_condition(("sandboxes", "cheaper"), "Ready").await;
    let price = async |key: Option<&str>| {
        let ask = spur.service("frontend").get(&format!("/api/cart?for={}", key.unwrap_or("all")));
        let ask = key.into_iter().fold(ask, |ask, key| ask.key(key));
        ask.send().await.ok().json()["total_cents"].as_u64()
    };
    assert_eq!((price(None).await, price(Some("k1")).await), (Some(1200), Some(1080)));
    // Every hop names its caller, which is known by its address.
    for (target, price) in [("/api/cart?for=all", "pricing"), ("/api/cart?for=k1", "◆pricing")] {
        let line = spur.until_line(&["trace"], target).await;
        for part in ["frontend ▸ [", "checkout", price] {
            assert!(line.contains(part), "`{part}` is not in {line}");
        }
        assert!(!line.contains("unknown"), "{line}");
    }
    // Who is a member of the sandbox calls with its key.
    let pods = api.pods_of("spur.dev/sandbox=cheaper").await;
    assert_eq!(pods.len(), 1);
    let address = pods[0]["status"]["podIP"].as_str().unwrap();
    assert!(address.starts_with("10."), "{address}");
    // A deleted sandbox gives its requests back.
    api.delete("sandboxes", "cheaper").await.ok();
    api.until_gone("sandboxes", "cheaper").await;
    assert_eq!(price(Some("k1")).await, Some(1200));
}

/// One port on many Services; short, long and full names; calls across namespaces.
pub(crate) async fn names() {
    let world = World::up().await;
    let (spur, api) = (world.spur(), world.spur().api());
    api.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bank"}})).await.ok();
    let in_bank = |object: &Value| {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!("bank");
        object
    };
    api.create_all(&sample("pricing", "pricing", &[])).await;
    api.create_all(&sample("inventory", "inventory", &[])).await;
    let bank: Vec<Value> = sample("dummy", "dummy", &[]).iter().map(in_bank).collect();
    api.create_all(&bank).await;
    spur.until_routed("pricing").await;
    spur.until_routed("inventory").await;
    until("the Service of the other namespace answers", async || {
        let answer = spur.host("dummy.bank.localhost").get("/health").try_send().await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    let names = ["pricing", "inventory.default", "dummy.bank", "dummy.bank.svc.cluster.local"];
    let script = names.map(|name| format!("echo \"== {name}\"; {}", ask(name, 80))).join("; ");
    api.create(&pod("caller", &[shell("main", &script)])).await.ok();
    api.until(("pods", "caller"), "over", |pod| pod["status"]["phase"] == "Succeeded").await;
    let log = api.logs("caller", "").await.ok().text();
    for name in names {
        let part = log.split(&format!("== {name}\n")).nth(1).unwrap_or_else(|| panic!("{name}: {log}"));
        assert!(part.starts_with("HTTP/1.1 "), "{name}: {part}");
        assert!(!part.starts_with("HTTP/1.1 5"), "{name}: {part}");
    }
    spur.until_line(&["trace"], "caller ▸ dummy").await;
}
