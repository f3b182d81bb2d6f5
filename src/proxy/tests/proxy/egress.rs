//! A private pod's way out: what is here goes as from any listener, what is not leaves.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
};

use futures::future::BoxFuture;
use http::Method;
use spur_net::{Dial, Way};
use spur_route::Reason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Upstream, World, caller, raw, read_head, world};

/// Addresses that nobody has (RFC 5737), of which one leads to an upstream.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

#[derive(Debug)]
struct To(SocketAddr);

impl Way for To {
    fn dial(&self, _: SocketAddrV4) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(self.0))
    }
}

/// The world outside is one upstream.
fn outside(upstream: &Upstream) -> Dial {
    let dial = Dial::new((Ipv4Addr::new(203, 0, 113, 0), 24));
    dial.insert(OUTSIDE, Arc::new(To(upstream.address)));
    dial
}

async fn egress(world: &World) -> SocketAddr {
    world.egress(caller("checkout", Some("pr-1"))).await
}

#[tokio::test]
async fn a_host_outside_is_reached_and_gets_no_key() {
    let far = Upstream::http1("far").route("*", "from afar").run().await;
    let world = world().dial(outside(&far)).start().await;
    let egress = egress(&world).await;
    let said = raw(
        egress,
        "GET http://203.0.113.7/a?b HTTP/1.1\r\nhost: 203.0.113.7\r\nproxy-connection: keep-alive\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("from afar"), "{said}");
    assert_eq!(
        (far.last_uri().as_str(), far.last_headers()["host"].as_bytes()),
        ("/a?b", &b"203.0.113.7"[..])
    );
    for absent in ["spur-key", "baggage", "tracestate", "proxy-connection"] {
        assert!(!far.last_headers().contains_key(absent), "{absent}");
    }
    let (start, end) = world.only_hop().await;
    let service = start.decision.service.as_ref().unwrap();
    assert_eq!((service.to_string().as_str(), start.decision.reason), ("203.0.113.7:80", Reason::Outside));
    assert_eq!((&*start.source.unwrap().workload, end.status), ("checkout", Some(200)));
}

#[tokio::test]
async fn a_tunnel_leads_outside() {
    let far = Upstream::echo("hello ").await;
    let world = world().dial(outside(&far)).start().await;
    let mut client = TcpStream::connect(egress(&world).await).await.unwrap();
    client.write_all(b"CONNECT 203.0.113.7:443 HTTP/1.1\r\nhost: 203.0.113.7:443\r\n\r\n").await.unwrap();
    let answer = read_head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    client.write_all(b"from inside").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "hello from inside");
    let (start, end) = world.only_hop().await;
    assert_eq!(start.method, Method::CONNECT);
    assert_eq!((start.decision.reason, end.error), (Reason::Outside, None));
}

/// A client that has not heard of a Service when it began asks its proxy.
#[tokio::test]
async fn a_service_is_reached_by_its_name_with_the_callers_key() {
    let (baseline, fork) = (
        Upstream::http1("cart").route("*", "baseline").run().await,
        Upstream::http1("cart-pr-1").route("*", "fork").run().await,
    );
    let world = world().service("cart", &[&baseline]).fork("pr-1", "cart", &fork).start().await;
    let egress = egress(&world).await;
    let ask = "GET http://cart.shop/ HTTP/1.1\r\nhost: cart.shop\r\nconnection: close\r\n\r\n";
    let said = raw(egress, ask).await;
    assert!(said.ends_with("fork"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let world = world().start().await;
    let egress = egress(&world).await;
    for (host, status, reason) in [
        ("nobody.invalid", "502", "unresolved-host"),
        ("127.0.0.1:22", "403", "not-outside"),
        ("localhost:22", "403", "not-outside"),
        ("[::1]:22", "403", "not-outside"),
        ("169.254.169.254", "403", "not-outside"),
    ] {
        let said =
            raw(egress, format!("GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"))
                .await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        assert!(said.contains(&format!("spur-reason: {reason}\r\n")), "{said}");
        assert!(said.contains(host) && said.contains("hint: "), "{said}");
    }
    let said = raw(egress, "CONNECT localhost:22 HTTP/1.1\r\nhost: localhost:22\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 403 ") && said.contains("not-outside"), "{said}");
}

/// Nobody leaves by another listener.
#[tokio::test]
async fn the_entry_leads_nowhere_outside() {
    let far = Upstream::http1("far").route("*", "from afar").run().await;
    let world = world().dial(outside(&far)).start().await;
    let ask = "GET http://203.0.113.7/ HTTP/1.1\r\nhost: 203.0.113.7\r\nconnection: close\r\n\r\n";
    let said = raw(world.entry(), ask).await;
    assert!(said.starts_with("HTTP/1.1 404 ") && said.contains("unknown-host"), "{said}");
    assert_eq!(far.n_requests(), 0);
}
