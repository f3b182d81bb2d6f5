//! Clients stay with the endpoint that they got, where the Service says so.

use std::collections::HashSet;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Upstream, caller, world};

/// Who answers when a pod makes a connection.
async fn answer(inlet: std::net::SocketAddr) -> String {
    let mut client = TcpStream::connect(inlet).await.unwrap();
    client.shutdown().await.unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn each_pod_stays_with_one_endpoint_and_pods_are_spread() {
    let all = [Upstream::echo("a").await, Upstream::echo("b").await, Upstream::echo("c").await];
    let all = all.each_ref();
    let world = world().service("db", &all).affinity("db").start().await;
    let mut used = HashSet::new();
    for pod in 0..20 {
        let inlet = world.inlet(Some(caller(&format!("cart{pod}"), None)), "db").await;
        let first = answer(inlet).await;
        for _ in 0..5 {
            assert_eq!(answer(inlet).await, first, "pod {pod}");
        }
        used.insert(first);
    }
    assert!(used.len() > 1, "{used:?}");
}

#[tokio::test]
async fn requests_of_a_client_outside_stay_with_one_endpoint() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Upstream::http1(name).route("/", name).run());
    let all = [a.await, b.await, c.await];
    let all = all.each_ref();
    for (stays, wanted) in [(true, 1), (false, 3)] {
        let plan = world().service("web", &all);
        let world = if stays { plan.affinity("web") } else { plan }.start().await;
        let mut used = HashSet::new();
        for _ in 0..12 {
            let client = world.client("web.shop.localhost");
            used.insert(client.get("/").await.text);
        }
        assert_eq!(used.len(), wanted, "{used:?}");
    }
}
