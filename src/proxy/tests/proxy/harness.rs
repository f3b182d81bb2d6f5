//! Helpers that read like the story: an upstream, a world around it, a client.

pub(crate) mod certificates;
mod client;
pub(crate) mod frames;
mod tls;
mod upstream;
mod world;

use std::time::Duration;

pub(crate) use certificates::{Authority, Pair};
pub(crate) use client::{Client, HANDSHAKE, SWITCHED, raw, read_head, streams, whole};
pub(crate) use tls::{TlsClient, serve_tls};
pub(crate) use upstream::{Reply, Upstream, never, text, whole_back};
pub(crate) use world::{NAMESPACE, Plan, World, caller, world};

/// Anything that has not happened by then is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What has not come by then fails, and holds up nobody.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

/// Polls `condition` until it holds; a level, never an edge.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

/// Waits until nobody listens at `address`.
pub(crate) async fn until_refused(address: std::net::SocketAddr) {
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the listener is closed");
}
