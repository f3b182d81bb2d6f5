//! Plain TCP: what is not HTTP is relayed.

use spur_route::Wire;
use spur_trace::HopError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Upstream, caller, raw, world};

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_and_halves_close_by_themselves() {
    let db = Upstream::echo("hello ").await;
    let world = world().service("db", &[&db]).start().await;
    let inlet = world.inlet(Some(caller("cart", None)), "db").await;
    let mut client = TcpStream::connect(inlet).await.unwrap();
    let mut greeting = [0; 6];
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello ");
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "GET / HTTP/1.1\r\n\r\n", "nobody read it as HTTP");
    let (start, end) = world.only_hop().await;
    assert_eq!((start.target, &*start.source.unwrap().workload), (None, "cart"));
    assert_eq!((end.request_bytes, end.response_bytes, end.error), (18, 24, None));
    assert_eq!(end.served_by.unwrap().address, db.address);
}

#[tokio::test]
async fn the_callers_sandbox_chooses_the_version() {
    let (baseline, fork) = (Upstream::echo("baseline").await, Upstream::echo("fork").await);
    let world = world().service("db", &[&baseline]).fork("pr-1", "db", &fork).start().await;
    for (sandbox, wanted) in [(None, "baseline"), (Some("pr-1"), "fork"), (Some("pr-2"), "baseline")] {
        let inlet = world.inlet(Some(caller("cart", sandbox)), "db").await;
        let mut client = TcpStream::connect(inlet).await.unwrap();
        client.shutdown().await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, wanted, "{sandbox:?}");
    }
}

#[tokio::test]
async fn what_does_not_begin_like_http_is_relayed_where_nothing_was_said() {
    let db = Upstream::echo("").await;
    let world = world().service("db", &[&db]).wire("db", Wire::Auto).start().await;
    let inlet = world.inlet(None, "db").await;
    let hello = b"\x16\x03\x01\x00\x05hello";
    let mut client = TcpStream::connect(inlet).await.unwrap();
    client.write_all(hello).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, hello);
}

#[tokio::test]
async fn what_does_not_begin_like_http_is_closed_where_http_was_said() {
    let db = Upstream::echo("").await;
    let world = world().service("db", &[&db]).wire("db", Wire::Http1).start().await;
    let inlet = world.inlet(None, "db").await;
    assert_eq!(raw(inlet, b"\x16\x03\x01\x00\x05hello").await, "");
    assert_eq!(raw(world.entry(), b"\x16\x03\x01\x00\x05hello").await, "");
    assert_eq!(db.n_connections(), 0);
}

#[tokio::test]
async fn no_endpoint_is_a_closed_connection_and_a_record() {
    let gone = Upstream::gone("db").await;
    let world = world().service("db", &[&gone]).wire("db", Wire::Tcp).start().await;
    let inlet = world.inlet(None, "db").await;
    let mut client = TcpStream::connect(inlet).await.unwrap();
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert!(said.is_empty());
    let (_, end) = world.only_hop().await;
    assert_eq!((end.status, end.error), (None, Some(HopError::ConnectRefused)));
}
