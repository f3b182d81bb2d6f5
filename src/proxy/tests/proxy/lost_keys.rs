//! What the records of both sides of a service tell of a key that it drops.

use spur_trace::{Limits, Missing, Propagation, Record, Trace, TraceStore};

use crate::harness::{Client, Upstream, World, caller, eventually, world};

/// A `cart` that calls `pricing`, of which the sandbox has a fork.
async fn shop() -> (World, [Upstream; 3]) {
    let cart = Upstream::http1("cart").route("/", "cart").run().await;
    let pricing = Upstream::http1("pricing").route("/", "baseline").run().await;
    let fork = Upstream::http1("fork").route("/", "fork").run().await;
    let plan = world().service("cart", &[&cart]).service("pricing", &[&pricing]);
    (plan.fork("pr-1", "pricing", &fork).start().await, [cart, pricing, fork])
}

/// The traces of all hops so far, once as many have ended.
async fn traces(world: &World, n_hops: usize) -> Vec<std::sync::Arc<Trace>> {
    let mut records = Vec::new();
    eventually("all hops end", || {
        records.extend(world.records());
        records.iter().filter(|record| matches!(record, Record::End(..))).count() == n_hops
    })
    .await;
    let mut store = TraceStore::new(Limits::default());
    records.into_iter().for_each(|record| store.apply(record));
    let mut traces = store.end_sweep();
    traces.extend(store.end_sweep());
    traces
}

/// `cart` gets a request with a key, and calls `pricing` with these of the headers that it got.
async fn called(world: &World, cart: &Upstream, handed_on: &[&str]) -> String {
    world.client("cart.shop.localhost").header("spur-key", "pr-1").header("baggage", "user=7").get("/").await;
    let got = cart.last_headers();
    assert_eq!(got["baggage"], "spur-key=pr-1,user=7");
    let inlet = world.inlet(Some(caller("cart", None)), "pricing").await;
    let mut call = Client::new(inlet, "pricing");
    for name in handed_on {
        call = call.header(name, got[*name].to_str().unwrap());
    }
    call.get("/").await.text
}

fn lost(missing: &Missing) -> (&str, bool) {
    (&missing.header, missing.is_sent_without_key)
}

#[tokio::test]
async fn a_service_that_forwards_only_its_trace_is_named_with_what_is_missing() {
    let (world, [cart, _pricing, _fork]) = shop().await;
    assert_eq!(called(&world, &cart, &["traceparent"]).await, "baseline");
    let traces = traces(&world, 2).await;
    let [trace] = &traces[..] else { panic!("one trace: {traces:?}") };
    let losses: Vec<_> = trace.losses().collect();
    let [loss] = &losses[..] else { panic!("one loss: {losses:?}") };
    assert_eq!((&*loss.service.name, loss.hop.name(), loss.key), ("cart", "pricing", "pr-1"));
    let missing: Vec<_> = loss.missing.iter().map(lost).collect();
    assert_eq!(missing, [("baggage", false), ("tracestate", false), ("spur-key", false)]);
}

#[tokio::test]
async fn any_of_the_headers_is_enough() {
    for header in ["baggage", "tracestate", "spur-key"] {
        let (world, [cart, _pricing, _fork]) = shop().await;
        assert_eq!(called(&world, &cart, &["traceparent", header]).await, "fork", "{header}");
        let traces = traces(&world, 2).await;
        assert_eq!(traces.iter().flat_map(|trace| trace.losses()).count(), 0, "{header}");
        let mut judge = Propagation::of(Some("pr-1".into()));
        traces.into_iter().for_each(|trace| judge.add(trace));
        let edges = judge.report().edges;
        assert_eq!((edges.len(), edges[0].n_handed_on, edges[0].n_lost), (1, 1, 0), "{header}");
    }
}

#[tokio::test]
async fn a_key_without_a_trace_is_handed_on_all_the_same() {
    let (world, [cart, _pricing, _fork]) = shop().await;
    assert_eq!(called(&world, &cart, &["spur-key"]).await, "fork");
    let mut judge = Propagation::of(None);
    traces(&world, 2).await.into_iter().for_each(|trace| judge.add(trace));
    assert!(!judge.report().has_losses());
}
