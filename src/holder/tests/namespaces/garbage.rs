//! Clients that are none of ours.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::world::{LONG, World, at, this_test};

pub(crate) async fn dropped() {
    let world = World::new();
    let holder = world.connect().await;
    let listener = holder.listen("http", at(10, 80)).await.unwrap();
    // Half a request, which takes nobody's turn.
    let mut half = UnixStream::connect(world.path()).unwrap();
    half.write_all(b"{\"list\":").unwrap();
    let long = vec![b'x'; 1 << 20];
    for garbage in [&b"GET / HTTP/1.1\r\n"[..], b"\n", b"{\"list\":{}}\n", &[0xff; 100_000], &long] {
        let mut stream = UnixStream::connect(world.path()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        // It may be let go before it has said everything.
        let _ = stream.write_all(garbage);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(n_bytes) => assert_eq!(n_bytes, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        holder.list().await.unwrap();
    }
    half.write_all(b"{\"after\":null,\"descriptors\":false}}\n").unwrap();
    let mut answer = vec![0; 64];
    let n_bytes = half.read(&mut answer).unwrap();
    assert!(answer[..n_bytes].starts_with(b"{\"outcome\":{\"listed\":"), "{answer:?}");
    drop(listener);
    assert_eq!(holder.list().await.unwrap().len(), 1);
}

pub(crate) async fn deaf() {
    let world = World::new();
    let holder = world.connect().await;
    for port in 1000..1020 {
        holder.listen(&"x".repeat(500), at(10, port)).await.unwrap();
    }
    let mut stream = UnixStream::connect(world.path()).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    let asked =
        (0..10_000).try_for_each(|_| stream.write_all(b"{\"list\":{\"after\":null,\"descriptors\":true}}\n"));
    let kind = asked.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind:?}");
    assert_eq!(holder.list().await.unwrap().len(), 20);
}

pub(crate) async fn second() {
    let mut world = World::new();
    let holder = world.connect().await;
    let second = Command::new(this_test()).arg("be-a-holder").arg(world.path()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("AddrInUse"), "{second:?}");
    holder.list().await.unwrap();

    // One that was killed has left its path, which the next takes.
    world.kill();
    world.start_again();
    assert_eq!(world.connect().await.list().await.unwrap(), []);
}
