//! The holder in a container, made of this test's own executable, on the engine of this machine.
//!
//! The neighbours' image is Debian's static busybox and nothing else: no registry is asked.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../../../../tests/harness/needs.rs"]
mod needs;
mod world;

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Arguments;
use needs::Need;
use spur_holder::{Holder, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use world::{LONG, World};

pub(crate) fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("__holder") => spur_holder::hold(Path::new(&args[2])).unwrap(),
        Some("be-a-neighbour") => world::be_a_neighbour(&args[2]),
        _ => test(),
    }
}

fn test() {
    let docker = Need::new("docker", world::why_not());
    let tests = vec![
        docker.trial("services_have_addresses_in_a_container_network", services),
        docker.trial("a_holder_ends_at_once_and_neighbours_reach_the_next", next_holder),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

async fn services() {
    let world = World::new();
    let holder = world.holder("holder", 2).await;
    let (first, second) = (world.at(10, 80), world.at(11, 80));
    for (address, says) in [(first, "first"), (second, "second")] {
        let listener = holder.listen(says, address).await.unwrap();
        let caller = world.neighbour(&format!("echo hello | nc {} {}", address.ip(), address.port()));
        assert_eq!(accept(listener, says).await.ip(), caller.address, "the container's own address is seen");
        assert_eq!(caller.said(), says);
    }

    let dns = holder.listen_udp("dns", world.at(10, 53)).await.unwrap();
    let dns = tokio::net::UdpSocket::from_std(dns).unwrap();
    let caller = world.udp_neighbour(world.at(10, 53));
    let mut heard = [0; 16];
    let (n_bytes, from) = tokio::time::timeout(LONG, dns.recv_from(&mut heard)).await.unwrap().unwrap();
    assert_eq!((&heard[..n_bytes], from.ip()), (&b"hello"[..], caller.address));
    dns.send_to(b"answer", from).await.unwrap();
    assert_eq!(caller.said(), "answer");

    // Of a container the holder reaches what listens in it.
    let server = world.neighbour("echo served | nc -l -p 8080");
    let IpAddr::V4(address) = server.address else { panic!("{}", server.address) };
    let mut stream = dial(&holder, SocketAddrV4::new(address, 8080)).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "served\n");
    assert_eq!(stream.local_addr().unwrap().ip(), IpAddr::from(world.address_of("holder")));

    // Spur comes back, and somebody waits.
    drop(holder);
    let caller = world.neighbour(&format!("echo hello | nc {} {}", second.ip(), second.port()));
    let taken = world.connect().await.take_over().await.unwrap();
    assert_eq!(taken.len(), 3);
    let listener = taken.into_iter().find_map(|(held, socket)| match socket {
        Socket::Tcp(listener) if held.tag == "second" => Some(listener),
        _ => None,
    });
    assert_eq!(accept(listener.unwrap(), "after").await.ip(), caller.address);
    assert_eq!(caller.said(), "after");
}

async fn next_holder() {
    let world = World::new();
    let holder = world.holder("holder", 2).await;
    let listener = holder.listen("http", world.at(10, 80)).await.unwrap();
    let neighbour = world.idle_neighbour();
    let ask = format!("echo hello | nc {} 80", world.at(10, 80).ip());
    let (caller, said) = tokio::join!(accept(listener, "first"), neighbour.ask(&ask));
    assert_eq!((caller.ip(), &*said), (neighbour.address, "first"));

    let begun = Instant::now();
    world::docker(&["stop", "--time", "60", &world.name("holder")]);
    // The engine kills what has not ended after a minute.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    tokio::time::timeout(LONG, holder.gone()).await.unwrap();
    let state = world::docker(&["inspect", "--format", "{{.State.ExitCode}}", &world.name("holder")]);
    assert_eq!(state, "0");

    // The engine gives the next another hardware address, and the neighbour remembers the last:
    // it would be reached after a minute.
    let holder = world.holder("next", 50).await;
    let listener = holder.listen("http", world.at(10, 80)).await.unwrap();
    let begun = Instant::now();
    let (_, said) = tokio::join!(accept(listener, "next"), neighbour.ask(&ask));
    assert_eq!(said, "next");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A container that was just started may not listen yet.
async fn dial(holder: &Holder, address: SocketAddrV4) -> tokio::net::TcpStream {
    let end = Instant::now() + LONG;
    loop {
        match holder.dial(address, LONG).await {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn accept(listener: std::net::TcpListener, answer: &str) -> SocketAddr {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let accepted = async {
        let (mut stream, caller) = listener.accept().await.unwrap();
        let mut heard = [0; 6];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        caller
    };
    tokio::time::timeout(LONG, accepted).await.expect("somebody connects")
}
