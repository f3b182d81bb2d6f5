//! Spurs and holders that end.

use std::path::Path;
use std::process::Command;

use spur_holder::{CallError, Socket};

use super::world::{LONG, Neighbour, World, accept, at, connect, say, this_test};

pub(crate) async fn killed_spur() {
    let world = World::new();
    let mut command = Command::new(this_test());
    command.arg("be-a-spur").arg(world.path());
    let mut spur = Neighbour::start(command);
    assert_eq!(spur.line(), "listening");
    spur.kill();

    // Nobody accepts, and yet it connects.
    let mut neighbour = world.neighbour(at(10, 80));
    let address = neighbour.line();
    assert!(address.starts_with("10.213.4.10:"), "{address}");

    let taken = world.connect().await.take_over().await.unwrap();
    let shown: Vec<String> = taken.iter().map(|(held, _)| format!("{} {}", held.tag, held.place)).collect();
    assert_eq!(shown, ["dns udp 10.213.4.10:53", "http tcp 10.213.4.10:80"].map(str::to_owned));
    let mut sockets = taken.into_iter().map(|(_, socket)| socket);
    let Some(Socket::Udp(_)) = sockets.next() else { panic!("the first is of UDP") };
    let Some(Socket::Tcp(listener)) = sockets.next() else { panic!("the second is of TCP") };
    assert_eq!(accept(listener, "after").await.to_string(), address);
    assert_eq!(neighbour.line(), "after");
}

/// Listens, and does nothing until it is killed.
pub(crate) fn be_a_spur(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let holder = connect(path).await;
        let _http = holder.listen("http", at(10, 80)).await.unwrap();
        let _dns = holder.listen_udp("dns", at(10, 53)).await.unwrap();
        say("listening");
        std::future::pending::<()>().await;
    });
}

pub(crate) async fn pages() {
    const PORTS: std::ops::Range<u16> = 1000..1100;
    let world = World::new();
    let holder = world.connect().await;
    for port in PORTS {
        holder.listen(&port.to_string(), at(10, port)).await.unwrap();
    }
    assert_eq!(holder.list().await.unwrap().len(), PORTS.len());
    let taken = holder.take_over().await.unwrap();
    for ((held, socket), port) in taken.iter().zip(PORTS) {
        let Socket::Tcp(listener) = socket else { panic!("{socket:?}") };
        assert_eq!((held.tag.parse(), held.place.port), (Ok(port), port));
        assert_eq!(listener.local_addr().unwrap(), at(10, port).into());
    }
    assert_eq!(taken.len(), PORTS.len());
}

pub(crate) async fn holder_ends() {
    let mut world = World::new();
    let holder = world.connect().await;
    // It is not told too early.
    holder.list().await.unwrap();
    let gone = tokio::spawn({
        let holder = holder.clone();
        async move { holder.gone().await }
    });
    assert!(!gone.is_finished());
    world.kill();
    tokio::time::timeout(LONG, gone).await.unwrap().unwrap();
    let found = holder.list().await;
    assert!(matches!(found, Err(CallError::Gone)), "{found:?}");
}
