//! Connections from inside.

use std::io::ErrorKind;

use spur_holder::{CallError, ConnectError, Holder, Interface};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{LONG, World, accept, at};

pub(crate) async fn from_inside() {
    let world = World::new();
    let holder = world.connect().await;
    let listener = holder.listen("http", at(10, 80)).await.unwrap();
    let server = tokio::spawn(accept(listener, "inside"));
    let mut stream = holder.dial(at(10, 80), LONG).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "inside");
    assert_eq!(server.await.unwrap(), stream.local_addr().unwrap());
}

pub(crate) async fn unreachable() {
    let world = World::new();
    let holder = world.connect().await;
    // There is no way out of this namespace.
    let found = holder.dial("192.0.2.1:80".parse().unwrap(), LONG).await.unwrap_err();
    assert_eq!(found.to_string(), "connect to 192.0.2.1:80: network is unreachable (ENETUNREACH)");
    let found = holder.dial("127.0.0.1:80".parse().unwrap(), LONG).await;
    let Err(CallError::Connect { source, .. }) = found else { panic!("{found:?}") };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);

    // Addresses need an interface.
    let nowhere = Interface::Of { address: [10, 213, 4, 0].into(), prefix_len: 24 };
    let found = Holder::connect(&world.path(), nowhere).await;
    let Err(ConnectError::Answer { source, .. }) = found else { panic!("{found:?}") };
    let expected = "find the interface of 10.213.4.0/24 in `/proc/net/route`: no such device (ENODEV)";
    assert_eq!(source.to_string(), expected);
    let found = Holder::connect(&world.path().with_extension("other"), Interface::Named("lo".into())).await;
    assert!(matches!(found, Err(ConnectError::Unreachable { .. })), "{found:?}");
}
