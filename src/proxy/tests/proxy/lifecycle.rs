//! Starting, draining, ending, and what is left: nothing.

use std::time::Duration;

use spur_proxy::{Config, Drained};
use spur_trace::HopError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use crate::harness::{PATIENCE, Upstream, eventually, never, raw, text, until_refused, world};

const SOON: Duration = Duration::from_millis(100);

/// Answers `/` once told to.
async fn slow() -> (Upstream, watch::Sender<bool>) {
    let (go_tx, go_rx) = watch::channel(false);
    let upstream = Upstream::http1("slow").on("/", move |_| {
        let mut go_rx = go_rx.clone();
        async move {
            go_rx.wait_for(|go| *go).await.unwrap();
            text("done")
        }
    });
    (upstream.run().await, go_tx)
}

/// AP-17: over both protocols.
#[tokio::test]
async fn a_drain_finishes_what_has_begun_and_takes_nothing_new() {
    let (slow, go) = slow().await;
    let world = world().service("slow", &[&slow]).workers(2).start().await;
    let (client, entry) = (world.client("slow.shop.localhost"), world.entry());
    let h1 = tokio::spawn({
        let client = client.clone();
        async move { client.get("/").await.text }
    });
    let h2 = tokio::spawn(async move { client.get_h2("/").await.text });
    eventually("both are under way", || slow.n_requests() == 2).await;
    let drain = tokio::spawn(world.drain(PATIENCE));
    until_refused(entry).await;
    assert!(!drain.is_finished());
    go.send(true).unwrap();
    assert_eq!(h1.await.unwrap(), "done");
    assert_eq!(h2.await.unwrap(), "done");
    assert_eq!(drain.await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn what_outlasts_a_drain_is_cut_and_recorded() {
    let hung = Upstream::http1("hung").on("/", never).run().await;
    let world = world().service("hung", &[&hung]).start().await;
    let rings = world.handle.rings().to_vec();
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: hung.shop.localhost\r\n\r\n").await.unwrap();
    eventually("it is under way", || hung.n_requests() == 1).await;
    assert_eq!(world.drain(SOON).await, Drained::Cut { n_connections: 1 });
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, client.read_to_end(&mut said)).await.unwrap();
    assert!(said.is_empty());
    let ends: Vec<_> = std::iter::from_fn(|| rings[0].pop())
        .filter_map(|record| match record {
            spur_trace::Record::End(_, end) => end.error,
            _ => None,
        })
        .collect();
    assert_eq!(ends, [HopError::Draining]);
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_drain() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost");
    let (mut h1, mut h2) = (client.connect().await, client.connect_h2().await);
    h1.send_request(client.request("/")).await.unwrap();
    h2.send_request(client.request_h2("/")).await.unwrap();
    let _silent = TcpStream::connect(world.entry()).await.unwrap();
    eventually("all three are there", || world.handle.stats().n_connections_open == 3).await;
    assert_eq!(world.drain(PATIENCE).await, Drained::Finished);
}

#[tokio::test]
async fn a_closed_inlet_lets_its_requests_finish() {
    let (slow, go) = slow().await;
    let world = world().service("slow", &[&slow]).start().await;
    let (client, entry) = (world.client("slow.shop.localhost"), world.entry());
    let asking = tokio::spawn(async move { client.get("/").await.text });
    eventually("it is under way", || slow.n_requests() == 1).await;
    world.entry_closed.cancel();
    until_refused(entry).await;
    go.send(true).unwrap();
    assert_eq!(asking.await.unwrap(), "done");
    eventually("its connections are closed", || world.handle.stats().n_connections_open == 0).await;
    let inlet = world.inlet(None, "slow").await;
    let said = raw(inlet, "GET / HTTP/1.1\r\nhost: slow\r\nconnection: close\r\n\r\n").await;
    assert!(said.ends_with("done"), "other inlets go on: {said}");
}

#[tokio::test]
async fn a_silent_client_is_closed() {
    fn short(config: &mut Config) {
        config.limits.first_bytes_timeout = SOON;
        config.limits.head_timeout = SOON;
    }
    let world = world().config(short).start().await;
    for bytes in ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        assert_eq!(raw(world.entry(), bytes).await, "", "{bytes:?}");
    }
    eventually("all are counted", || world.handle.stats().n_connections_overdue == 3).await;
    assert_eq!(world.handle.stats().n_connections_open, 0);
}

#[tokio::test]
async fn beyond_the_cap_connections_are_closed_and_counted() {
    fn one(config: &mut Config) {
        config.limits.n_connections_max = 1;
    }
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).config(one).start().await;
    let client = world.client("cart.shop.localhost");
    let mut held = client.connect().await;
    assert_eq!(held.send_request(client.request("/")).await.unwrap().status(), 200);
    assert_eq!(raw(world.entry(), "GET / HTTP/1.1\r\n\r\n").await, "");
    assert_eq!(world.handle.stats().n_connections_refused, 1);
    drop(held);
    eventually("there is room again", || world.handle.stats().n_connections_open == 0).await;
    assert_eq!(client.get("/").await.text, "hi");
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world = world().service("cart", &[&cart]).workers(3).start().await;
    let client = world.client("cart.shop.localhost");
    let mut held = Vec::new();
    for _ in 0..9 {
        let mut connection = client.connect().await;
        let rsp = connection.send_request(client.request("/")).await.unwrap();
        crate::harness::whole(rsp).await.unwrap();
        held.push(connection);
    }
    for ring in world.handle.rings() {
        // A start and an end for each of three requests.
        eventually("three each", || ring.counts().n_produced == 6).await;
    }
}

#[tokio::test]
async fn a_dropped_proxy_ends() {
    let hung = Upstream::http1("hung").on("/", never).run().await;
    let world = world().service("hung", &[&hung]).start().await;
    let entry = world.entry();
    let mut client = TcpStream::connect(entry).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: hung.shop.localhost\r\n\r\n").await.unwrap();
    eventually("it is under way", || hung.n_requests() == 1).await;
    drop(world);
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, client.read_to_end(&mut said)).await.unwrap();
    assert!(said.is_empty());
    until_refused(entry).await;
}
