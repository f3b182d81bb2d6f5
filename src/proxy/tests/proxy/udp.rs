//! Datagrams: a session for each client, with the version that the caller implies.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use spur_net::{Caller, Callers, CallersByAddress, DatagramInlet, Destination, bind_datagram};
use spur_trace::HopError;
use tokio::{net::UdpSocket, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::{NAMESPACE, World, caller, world};

/// Answers take microseconds; what takes longer than this does not come.
const WITHIN: Duration = Duration::from_secs(10);

/// A server that answers each datagram with its name and what it got.
async fn server(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut datagram = vec![0; 65_535];
        while let Ok((n_bytes, peer)) = socket.recv_from(&mut datagram).await {
            let answer = [name.as_bytes(), b":", &datagram[..n_bytes]].concat();
            let _ = socket.send_to(&answer, peer).await;
        }
    });
    address
}

struct Opened {
    address: SocketAddr,
    closed: CancellationToken,
}

async fn open(world: &World, callers: Callers) -> Opened {
    let socket = bind_datagram("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, closed) = (socket.local_addr().unwrap(), CancellationToken::new());
    let destination =
        Destination::ServicePort { namespace: NAMESPACE.into(), service: "dns".into(), port: 53 };
    let inlet = DatagramInlet { socket, callers, destination, closed: closed.clone() };
    world.handle.datagrams().send(inlet).await.unwrap();
    Opened { address, closed }
}

fn one(sandbox: Option<&str>) -> Callers {
    Callers::One(caller("cart", sandbox))
}

async fn client() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn ask(client: &UdpSocket, to: SocketAddr, text: &str) -> String {
    client.send_to(text.as_bytes(), to).await.unwrap();
    let mut answer = [0; 1024];
    let (n_bytes, from) = timeout(WITHIN, client.recv_from(&mut answer)).await.expect("an answer").unwrap();
    assert_eq!(from, to, "it comes from where the client asked");
    String::from_utf8(answer[..n_bytes].to_vec()).unwrap()
}

#[tokio::test]
async fn each_client_has_a_session_that_is_recorded() {
    let a = server("a").await;
    let world = world().datagrams("dns", 53, &[a]).start().await;
    let inlet = open(&world, one(None)).await;
    let client = client().await;
    assert_eq!(ask(&client, inlet.address, "x").await, "a:x");
    assert_eq!(ask(&client, inlet.address, "yz").await, "a:yz");
    inlet.closed.cancel();
    let (start, end) = world.only_hop().await;
    assert_eq!(&*start.source.unwrap().workload, "cart");
    assert_eq!((end.request_bytes, end.response_bytes, end.error), (3, 7, None));
    assert_eq!(end.served_by.unwrap().address, a);
}

#[tokio::test]
async fn the_callers_sandbox_chooses_the_version() {
    let (baseline, fork) = (server("baseline").await, server("fork").await);
    let world =
        world().datagrams("dns", 53, &[baseline]).datagram_fork("pr-1", "dns", 53, fork).start().await;
    for (sandbox, wanted) in [(None, "baseline:x"), (Some("pr-1"), "fork:x"), (Some("pr-2"), "baseline:x")] {
        let inlet = open(&world, one(sandbox)).await;
        assert_eq!(ask(&client().await, inlet.address, "x").await, wanted, "{sandbox:?}");
    }
}

#[tokio::test]
async fn a_caller_is_known_by_its_address_and_may_become_another() {
    let (baseline, fork) = (server("baseline").await, server("fork").await);
    let world =
        world().datagrams("dns", 53, &[baseline]).datagram_fork("pr-1", "dns", 53, fork).start().await;
    let callers = Arc::new(CallersByAddress::default());
    let inlet = open(&world, Callers::ByAddress(callers.clone())).await;
    let client = client().await;
    assert_eq!(ask(&client, inlet.address, "x").await, "baseline:x");
    let pod: Caller = caller("cart", Some("pr-1"));
    callers.insert("127.0.0.1".parse().unwrap(), pod);
    assert_eq!(ask(&client, inlet.address, "x").await, "fork:x");
    callers.remove("127.0.0.1".parse().unwrap());
    assert_eq!(ask(&client, inlet.address, "x").await, "baseline:x");
}

#[tokio::test]
async fn a_session_leaves_an_endpoint_that_the_table_has_no_more() {
    let (a, b) = (server("a").await, server("b").await);
    let world = world().datagrams("dns", 53, &[a]).start().await;
    let inlet = open(&world, one(None)).await;
    let client = client().await;
    assert_eq!(ask(&client, inlet.address, "x").await, "a:x");
    let both = crate::harness::world().datagrams("dns", 53, &[a, b]).table(2);
    world.table.store(Arc::new(both));
    assert_eq!(ask(&client, inlet.address, "x").await, "a:x", "it stays");
    let other = crate::harness::world().datagrams("dns", 53, &[b]).table(3);
    world.table.store(Arc::new(other));
    assert_eq!(ask(&client, inlet.address, "x").await, "b:x");
}

#[tokio::test]
async fn more_clients_than_there_is_room_for_push_out_the_oldest() {
    let a = server("a").await;
    let world = world().datagrams("dns", 53, &[a]).start().await;
    let inlet = open(&world, one(None)).await;
    let mut clients = Vec::new();
    for _ in 0..600 {
        let client = client().await;
        assert_eq!(ask(&client, inlet.address, "x").await, "a:x");
        clients.push(client);
    }
    assert_eq!(ask(&clients[0], inlet.address, "y").await, "a:y", "who was pushed out comes again");
    assert_eq!(ask(&clients[599], inlet.address, "y").await, "a:y");
    let ended = world.records().into_iter().filter(|it| matches!(it, spur_trace::Record::End(..))).count();
    assert_eq!(ended, 601 - 512);
}

#[tokio::test]
async fn nobody_who_listens_is_a_record_and_no_end() {
    let gone = {
        let socket = bind_datagram("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.local_addr().unwrap()
    };
    let world = world().datagrams("dns", 53, &[gone]).start().await;
    let inlet = open(&world, one(None)).await;
    let client = client().await;
    client.send_to(b"x", inlet.address).await.unwrap();
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::ConnectRefused));
    let back = UdpSocket::bind(gone).await.unwrap();
    client.send_to(b"again", inlet.address).await.unwrap();
    let mut datagram = [0; 16];
    let (n_bytes, _) = timeout(WITHIN, back.recv_from(&mut datagram)).await.expect("a datagram").unwrap();
    assert_eq!(&datagram[..n_bytes], b"again");
}
