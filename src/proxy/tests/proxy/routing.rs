//! Which version takes a request, seen from outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use spur_route::Fallback;

use crate::harness::{Client, Upstream, World, caller, eventually, whole, world};

async fn shop() -> (World, [Upstream; 2]) {
    let pricing = Upstream::http1("pricing").route("/", "baseline").run().await;
    let fork = Upstream::http1("pr-1-pricing").route("/", "fork").run().await;
    let plan = world().service("pricing", &[&pricing]).fork("pr-1", "pricing", &fork);
    (plan.start().await, [pricing, fork])
}

#[tokio::test]
async fn a_key_leads_to_the_fork_and_everybody_else_to_the_baseline() {
    let (world, _upstreams) = shop().await;
    let client = world.client("pricing.shop.localhost");
    assert_eq!(client.get("/").await.text, "baseline");
    for (name, value) in
        [("spur-key", "pr-1"), ("baggage", "user=7,spur-key=pr-1"), ("tracestate", "spur=pr-1")]
    {
        let keyed = client.clone().header(name, value);
        assert_eq!(keyed.get("/").await.text, "fork", "{name}: {value}");
        assert_eq!(keyed.get_h2("/").await.text, "fork", "{name}: {value} over HTTP/2");
    }
    let other = client.header("spur-key", "pr-2");
    assert_eq!(other.get("/").await.text, "baseline");
}

#[tokio::test]
async fn a_sandboxs_own_calls_carry_its_key() {
    let (world, [_, fork]) = shop().await;
    let inlet = world.inlet(Some(caller("pr-1-cart", Some("pr-1"))), "pricing").await;
    let got = Client::new(inlet, "pricing").get("/").await;
    assert_eq!(got.text, "fork");
    let seen = fork.last_headers();
    assert_eq!(seen["spur-key"], "pr-1");
    assert_eq!(seen["baggage"], "spur-key=pr-1");
    let (start, _) = world.only_hop().await;
    assert_eq!(start.source.unwrap().sandbox.as_deref(), Some("pr-1"));
}

#[tokio::test]
async fn a_preview_host_is_a_key() {
    let (world, [_, fork]) = shop().await;
    let got = world.client("pr-1--pricing.shop.localhost:8080").get("/").await;
    assert_eq!(got.text, "fork");
    assert_eq!(fork.last_headers()["spur-key"], "pr-1", "the next hop sees it, too");
    assert_eq!(fork.last_headers()["host"], "pr-1--pricing.shop.localhost:8080");
}

#[tokio::test]
async fn an_unknown_host_is_404_with_a_reason() {
    let (world, _upstreams) = shop().await;
    let got = world.client("nobody.shop.localhost").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (404, "unknown-host"));
    assert!(got.text.contains("nobody.shop.localhost") && got.text.contains("hint: "), "{}", got.text);
}

#[tokio::test]
async fn a_service_without_endpoints_is_503_with_a_reason() {
    let world = world().service("empty", &[]).start().await;
    let got = world.client("empty.shop.localhost").header("accept", "application/json").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (503, "no-ready-endpoints"));
    let json: serde_json::Value = serde_json::from_str(&got.text).unwrap();
    assert_eq!(json["reason"], "no-ready-endpoints");
    assert!(json["message"].as_str().unwrap().contains("shop/empty:80"));
}

#[tokio::test]
async fn a_fork_that_is_not_ready_does_what_its_sandbox_says() {
    let pricing = Upstream::http1("pricing").route("/", "baseline").run().await;
    let fork = Upstream::http1("fork").route("/", "fork").run().await;
    let world = world()
        .service("pricing", &[&pricing])
        .sandbox("soft", "pricing", (&fork, false), Fallback::Baseline)
        .sandbox("hard", "pricing", (&fork, false), Fallback::Fail)
        .start()
        .await;
    let client = world.client("pricing.shop.localhost");
    assert_eq!(client.clone().header("spur-key", "soft").get("/").await.text, "baseline");
    let got = client.header("spur-key", "hard").get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (503, "fork-not-ready"));
}

#[tokio::test]
async fn requests_go_round_the_ready_endpoints() {
    let a = Upstream::http1("a").route("/", "a").run().await;
    let b = Upstream::http1("b").route("/", "b").run().await;
    let world = world().service("pair", &[&a, &b]).start().await;
    for _ in 0..10 {
        world.client("pair.shop.localhost").get("/").await;
    }
    assert_eq!((a.n_requests(), b.n_requests()), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_table_changes() {
    let old = Upstream::http1("old").route("/", "old").run().await;
    let new = Upstream::http1("new").route("/", "new").run().await;
    let plans = [world().service("cart", &[&old]), world().service("cart", &[&new])];
    let world = plans[0].clone().workers(2).start().await;
    let (n_answers, is_done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let client = world.client("cart.shop.localhost");
            let (n_answers, is_done) = (Arc::clone(&n_answers), Arc::clone(&is_done));
            tokio::spawn(async move {
                let mut connection = client.connect().await;
                while !is_done.load(Ordering::Relaxed) {
                    connection.ready().await.unwrap();
                    let rsp = connection.send_request(client.request("/")).await.unwrap();
                    let got = whole(rsp).await.unwrap();
                    assert!(got.text == "old" || got.text == "new", "{got:?}");
                    n_answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for revision in 2..=1000 {
        let n_before = n_answers.load(Ordering::Relaxed);
        let plan = &plans[usize::try_from(revision % 2).unwrap()];
        world.table.store(Arc::new(plan.table(revision)));
        eventually("requests go on", || n_answers.load(Ordering::Relaxed) > n_before).await;
    }
    is_done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(old.n_requests() > 100 && new.n_requests() > 100);
}

#[tokio::test]
async fn a_new_table_holds_for_the_next_request_of_an_open_connection() {
    let old = Upstream::http1("old").route("/", "old").run().await;
    let new = Upstream::http1("new").route("/", "new").run().await;
    let world = world().service("cart", &[&old]).start().await;
    let client = world.client("cart.shop.localhost");
    let mut connection = client.connect().await;
    let mut ask = async || {
        connection.ready().await.unwrap();
        let rsp = connection.send_request(client.request("/")).await.unwrap();
        whole(rsp).await.unwrap().text
    };
    assert_eq!(ask().await, "old");
    world.table.store(Arc::new(crate::harness::world().service("cart", &[&new]).table(2)));
    assert_eq!(ask().await, "new");
}

/// PX-4: whole tables of 10,000 hosts, one after the other, under load: who has asked is answered
/// by the one or the other, whichever of the hosts it is.
#[tokio::test]
async fn px_4_tables_of_ten_thousand_hosts_are_swapped_without_a_failed_request() {
    const HOSTS: usize = 10_000;
    const SWAPS: usize = 200;
    let (old, new) = (
        Upstream::http1("old").route("/", "old").run().await,
        Upstream::http1("new").route("/", "new").run().await,
    );
    let table = |upstream: &Upstream| {
        let plan = (0..HOSTS).fold(world(), |plan, n| plan.service(&format!("svc-{n}"), &[upstream]));
        Arc::new(plan.table(1))
    };
    let tables = [table(&old), table(&new)];
    let world = world().start().await;
    world.table.store(Arc::clone(&tables[0]));
    let (is_over, n_asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|nth| {
            let (is_over, n_asked) = (Arc::clone(&is_over), Arc::clone(&n_asked));
            let address = world.entry();
            tokio::spawn(async move {
                let mut connection = Client::new(address, "svc-0.shop.localhost").connect().await;
                let mut seen = [0_usize; 2];
                for n in (nth..).step_by(997) {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let host = format!("svc-{}.shop.localhost", n % HOSTS);
                    let request = Client::new(address, &host).request("/");
                    let got = whole(connection.send_request(request).await.unwrap()).await.unwrap();
                    assert_eq!(got.status, 200, "{host}: {}", got.text);
                    seen[usize::from(got.text == "new")] += 1;
                    n_asked.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for n in 0..SWAPS {
        world.table.store(Arc::clone(&tables[n % 2]));
        let asked = n_asked.load(Ordering::Relaxed);
        eventually("requests are made", || n_asked.load(Ordering::Relaxed) > asked + 8).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        let seen = client.await.unwrap();
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }
}
