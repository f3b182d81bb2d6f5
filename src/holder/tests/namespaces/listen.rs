//! What listens inside is accepted outside.

use std::io::ErrorKind;
use std::net::SocketAddrV4;

use spur_holder::{CallError, Held, Holder, Place};

use super::world::{LONG, World, accept, at};

pub(crate) async fn two_addresses() {
    let world = World::new();
    let holder = world.connect().await;
    for (last, answer) in [(10, "ten"), (11, "eleven")] {
        let listener = holder.listen(answer, at(last, 80)).await.unwrap();
        assert_eq!(listener.local_addr().unwrap(), at(last, 80).into());
        let mut neighbour = world.neighbour(at(last, 80));
        let caller = accept(listener, answer).await;
        assert_eq!(neighbour.line(), caller.to_string(), "the caller's own address is seen");
        assert_eq!(neighbour.line(), answer);
    }
    let held = |last, tag: &str| Held { tag: tag.to_owned(), place: Place::tcp(*at(last, 80).ip(), 80) };
    assert_eq!(holder.list().await.unwrap(), [held(10, "ten"), held(11, "eleven")]);
}

pub(crate) async fn datagrams() {
    let world = World::new();
    let holder = world.connect().await;
    let server = holder.listen_udp("dns", at(10, 53)).await.unwrap();
    // The same port of the other protocol is another place.
    holder.listen("dns", at(10, 53)).await.unwrap();
    let server = tokio::net::UdpSocket::from_std(server).unwrap();
    let client = holder.datagram("0.0.0.0:0".parse().unwrap()).await.unwrap();
    let client = tokio::net::UdpSocket::from_std(client).unwrap();
    let echo = async {
        client.send_to(b"ping", at(10, 53)).await.unwrap();
        let mut heard = [0; 16];
        let (n_bytes, caller) = server.recv_from(&mut heard).await.unwrap();
        assert_eq!(caller.port(), client.local_addr().unwrap().port());
        server.send_to(&heard[..n_bytes], caller).await.unwrap();
        let (n_bytes, from) = client.recv_from(&mut heard).await.unwrap();
        assert_eq!((&heard[..n_bytes], from), (&b"ping"[..], at(10, 53).into()));
    };
    tokio::time::timeout(LONG, echo).await.unwrap();
}

pub(crate) async fn close() {
    let world = World::new();
    let holder = world.connect().await;
    let listener = holder.listen("http", at(10, 80)).await.unwrap();
    let _udp = holder.listen_udp("dns", at(10, 53)).await.unwrap();
    let place = |address: SocketAddrV4| Place::tcp(*address.ip(), address.port());
    assert!(can_bind(&holder).await, "the address is there");

    holder.close(place(at(10, 80))).await.unwrap();
    // Our copy is still open, and takes no connection.
    let error = dial_error(&holder, at(10, 80)).await;
    assert_eq!(error, ErrorKind::ConnectionRefused);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(can_bind(&holder).await, "another socket is at the address");

    holder.close(Place::udp(*at(10, 53).ip(), 53)).await.unwrap();
    assert!(!can_bind(&holder).await, "the address went with the last socket");
    assert_eq!(holder.list().await.unwrap(), []);

    holder.close(place(at(10, 80))).await.unwrap();
    let again = holder.listen("http", at(10, 80)).await.unwrap();
    let mut neighbour = world.neighbour(at(10, 80));
    accept(again, "again").await;
    neighbour.line();
    assert_eq!(neighbour.line(), "again");

    // An address that was there before is nobody's to take.
    holder.listen("own", "127.0.0.1:80".parse().unwrap()).await.unwrap();
    holder.close(Place::tcp([127, 0, 0, 1].into(), 80)).await.unwrap();
    holder.datagram("127.0.0.1:0".parse().unwrap()).await.unwrap();
}

pub(crate) async fn repeated() {
    let world = World::new();
    let holder = world.connect().await;
    let first = holder.listen("http", at(10, 80)).await.unwrap();
    let second = holder.listen("http", at(10, 80)).await.unwrap();
    drop(first);
    let mut neighbour = world.neighbour(at(10, 80));
    accept(second, "same").await;
    neighbour.line();
    assert_eq!(neighbour.line(), "same");
    let check = |found: Result<_, CallError>, expected: &str| {
        let found: std::net::TcpListener = match found {
            Err(CallError::Refused(refusal)) => return assert_eq!(refusal.to_string(), expected),
            Err(other) => panic!("{other:?}"),
            Ok(listener) => listener,
        };
        panic!("{found:?}");
    };
    check(
        holder.listen("other", at(10, 80)).await,
        "listen at tcp 10.213.4.10:80: it is held for `http` (EADDRINUSE)",
    );
    check(
        holder.listen("any", at(10, 0)).await,
        "listen at tcp 10.213.4.10:0: a port has to be named (EINVAL)",
    );
    check(
        holder.listen(&"x".repeat(513), at(10, 81)).await,
        "listen at tcp 10.213.4.10:81: its tag is longer than 512 bytes (EMSGSIZE)",
    );
}

async fn dial_error(holder: &Holder, address: SocketAddrV4) -> ErrorKind {
    match holder.dial(address, LONG).await {
        Err(CallError::Connect { source, .. }) => source.kind(),
        Err(CallError::Refused(refusal)) => refusal.kind(),
        other => panic!("{other:?}"),
    }
}

async fn can_bind(holder: &Holder) -> bool {
    holder.datagram(at(10, 0)).await.is_ok()
}
