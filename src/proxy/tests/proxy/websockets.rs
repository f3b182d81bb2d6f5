//! PX-8: WebSockets that are declined, malformed, flooded or left alone.

use spur_route::Wire;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{HANDSHAKE, PATIENCE, SWITCHED, Upstream, World, eventually, raw, read_head, world};

/// Switches, and hands the connection over.
async fn switching<F, Fut>(serve: F) -> Upstream
where
    F: Fn(TcpStream) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Upstream::raw("chat", Wire::Http1, move |mut stream| {
        let serve = serve.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(SWITCHED.as_bytes()).await.unwrap();
            serve(stream).await;
        }
    })
    .await
}

async fn connect(world: &World) -> TcpStream {
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101 "));
    client
}

/// PX-8: 200, 302 and 426 to an upgrade (CVE-2018-1002105): what the upstream reads next on that
/// connection nobody knows.
#[tokio::test]
async fn px_8_a_declined_upgrade_is_answered_as_it_was_and_its_connection_closed() {
    for status in ["200 OK", "302 Found", "426 Upgrade Required"] {
        let (closed_tx, mut closed_rx) = tokio::sync::mpsc::channel(1);
        let chat = Upstream::raw("chat", Wire::Http1, move |mut stream| {
            let closed_tx = closed_tx.clone();
            async move {
                read_head(&mut stream).await;
                let rsp = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno");
                stream.write_all(rsp.as_bytes()).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                closed_tx.send(rest).await.unwrap();
            }
        })
        .await;
        let world = world().service("chat", &[&chat]).start().await;
        let mut client = TcpStream::connect(world.entry()).await.unwrap();
        client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        assert!(read_head(&mut client).await.starts_with(&format!("HTTP/1.1 {status}")));
        // The client's connection is open, and the upstream's is not; nothing more was said on it.
        assert_eq!(timeout(PATIENCE, closed_rx.recv()).await.unwrap().unwrap(), b"", "{status}");
    }
}

/// PX-8: RFC 6455, section 4.2.1.
#[tokio::test]
async fn px_8_a_handshake_without_its_key_is_400() {
    let chat = Upstream::http1("chat").route("/ws", "").run().await;
    let world = world().service("chat", &[&chat]).start().await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for keys in [String::new(), key.repeat(2)] {
        let head = HANDSHAKE.replace(key, &keys).replace("connection: upgrade", "connection: upgrade, close");
        let said = raw(world.entry(), head).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
        assert!(said.contains("spur-reason: invalid-upgrade\r\n"), "{said}");
    }
    assert_eq!(chat.n_requests(), 0);
}

/// PX-8: frames are between client and service: of a length of 2^63, many small ones, fragments
/// without end, unmasked, pings (RFC 6455, section 5.2).
#[tokio::test]
async fn px_8_what_frames_hold_passes_as_it_is() {
    let echo = switching(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let world = world().service("chat", &[&echo]).start().await;
    let huge = [&b"\x82\xff"[..], &(1_u64 << 63).to_be_bytes(), b"mask", b"some of it"].concat();
    for bytes in [
        huge,
        b"\x82\x81mask\0".repeat(100_000),
        b"\x01\x81maskx".iter().chain(&b"\x00\x81maskx".repeat(1_000)).copied().collect(),
        b"\x81\x02hi".to_vec(),
        b"\x89\x80mask".repeat(10_000),
        b"\n\n#\n".to_vec(),
    ] {
        let mut client = connect(&world).await;
        let mut back = vec![0; bytes.len()];
        let (mut from, mut to) = client.split();
        let (sent, read) = tokio::join!(to.write_all(&bytes), timeout(PATIENCE, from.read_exact(&mut back)));
        sent.unwrap();
        read.unwrap().unwrap();
        assert!(back == bytes, "of {} bytes", bytes.len());
    }
}

/// PX-8: what the service does not read is not taken from the client.
#[tokio::test]
async fn px_8_a_service_that_does_not_read_holds_back_its_client() {
    let deaf = switching(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let other = Upstream::http1("other").route("/", "ok").run().await;
    let world = world().service("chat", &[&deaf]).service("other", &[&other]).start().await;
    let mut client = connect(&world).await;
    let piece = [b'x'; 64 * 1024];
    let mut n_bytes = 0;
    // Until nothing is taken for a while, in which others are served.
    while timeout(std::time::Duration::from_millis(500), client.write_all(&piece)).await.is_ok() {
        n_bytes += piece.len();
        assert!(n_bytes < 64 << 20, "it has no end");
    }
    assert_eq!(world.client("other.shop.localhost").get("/").await.text, "ok");
}

/// PX-8: each holds a connection and nothing else, and goes with either side.
#[tokio::test]
async fn px_8_idle_sockets_are_left_alone_and_close_with_either_side() {
    const N_SOCKETS: usize = 200;
    fn short(config: &mut spur_proxy::Config) {
        let soon = std::time::Duration::from_millis(250);
        config.limits.idle_timeout = soon;
        config.limits.head_timeout = soon;
        config.limits.body_timeout = Some(soon);
        config.limits.response_timeout = soon;
    }
    let chat = switching(|mut stream| async move {
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let other = Upstream::http1("other").route("/", "ok").run().await;
    let world = world().service("chat", &[&chat]).service("other", &[&other]).config(short).start().await;
    let mut clients = Vec::new();
    for _ in 0..N_SOCKETS {
        clients.push(connect(&world).await);
    }
    // Several times as long as every deadline above.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.client("other.shop.localhost").get("/").await.text, "ok");
    eventually("only they are left", || world.handle.stats().n_connections_open == N_SOCKETS).await;
    let rest = clients.split_off(N_SOCKETS / 2);
    drop(clients);
    eventually("half went with their clients", || world.handle.stats().n_connections_open == N_SOCKETS / 2)
        .await;
    chat.stop().await;
    for mut client in rest {
        let end = timeout(PATIENCE, client.read(&mut [0; 1])).await.expect("it ends with its service");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    eventually("all are gone", || world.handle.stats().n_connections_open == 0).await;
}
