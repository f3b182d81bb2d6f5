//! WebSockets through the proxy.

use futures::{SinkExt, StreamExt};
use http::StatusCode;
use spur_route::Wire;
use spur_trace::HopError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::harness::{HANDSHAKE, SWITCHED, Upstream, eventually, raw, read_head, world};

/// Echoes WebSocket messages.
async fn echo() -> Upstream {
    Upstream::raw("chat", Wire::Auto, |stream| async move {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
            socket.send(message).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn messages_come_back() {
    let chat = echo().await;
    let world = world().service("chat", &[&chat]).start().await;
    let request = "ws://chat.shop.localhost/ws".into_client_request().unwrap();
    let stream = TcpStream::connect(world.entry()).await.unwrap();
    let (mut socket, rsp) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(rsp.status(), StatusCode::SWITCHING_PROTOCOLS);
    for nth in 0..100 {
        let message = Message::text(format!("{nth} {}", "x".repeat(nth * 50)));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    let (_, end) = world.only_hop().await;
    assert_eq!((end.status, end.error), (Some(101), None));
    assert!(end.request_bytes > 100 && end.response_bytes > 100, "{end:?}");
}

#[tokio::test]
async fn the_upstream_sees_the_handshake() {
    let (head_tx, mut head_rx) = mpsc::channel(1);
    let chat = Upstream::raw("chat", Wire::Http1, move |mut stream| {
        let head_tx = head_tx.clone();
        async move {
            head_tx.send(read_head(&mut stream).await).await.unwrap();
        }
    })
    .await;
    let world = world().service("chat", &[&chat]).start().await;
    raw(world.entry(), HANDSHAKE.replace("connection: upgrade", "connection: close, upgrade")).await;
    let head = head_rx.recv().await.unwrap();
    for line in [
        "GET /ws HTTP/1.1\r\n",
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "sec-websocket-version: 13\r\n",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "host: chat.shop.localhost\r\n",
        "traceparent: 00-",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
}

/// PX-8: CVE-2026-2833: bytes behind the upgrade request were sent on at once.
#[tokio::test]
async fn px_8_nothing_is_forwarded_before_the_101() {
    let (seen_tx, mut seen_rx) = mpsc::channel(1);
    let (go_tx, go_rx) = tokio::sync::watch::channel(false);
    let chat = Upstream::raw("chat", Wire::Http1, move |mut stream| {
        let (seen_tx, mut go_rx) = (seen_tx.clone(), go_rx.clone());
        async move {
            read_head(&mut stream).await;
            seen_tx.send(String::new()).await.unwrap();
            go_rx.wait_for(|go| *go).await.unwrap();
            // What has come by now came before the 101.
            let mut early = [0; 64];
            let n_early = stream.try_read(&mut early).unwrap_or(0);
            stream.write_all(SWITCHED.as_bytes()).await.unwrap();
            let mut late = [0; 5];
            stream.read_exact(&mut late).await.unwrap();
            let late = String::from_utf8_lossy(&late).into_owned();
            seen_tx.send(format!("{n_early} {late}")).await.unwrap();
        }
    })
    .await;
    let other = Upstream::http1("other").route("/", "ok").run().await;
    let world = world().service("chat", &[&chat]).service("other", &[&other]).start().await;
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(format!("{HANDSHAKE}early").as_bytes()).await.unwrap();
    seen_rx.recv().await.unwrap();
    // Once the worker has done this, it would have forwarded what it wanted to.
    assert_eq!(world.client("other.shop.localhost").get("/").await.text, "ok");
    go_tx.send(true).unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(seen_rx.recv().await.unwrap(), "0 early");
}

#[tokio::test]
async fn an_answer_other_than_101_is_an_ordinary_response() {
    let chat = Upstream::http1("chat").route("/other", "").run().await;
    let world = world().service("chat", &[&chat]).start().await;
    let smuggled = format!(
        "{HANDSHAKE}GET /smuggled HTTP/1.1\r\nhost: chat.shop.localhost\r\nconnection: close\r\n\r\n"
    );
    let said = raw(world.entry(), smuggled).await;
    assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
    assert!(said.contains("no such path"), "{said}");
    assert!(!said.contains("spur-reason"), "{said}");
    // What follows on the client's connection is the client's next request, no more.
    eventually("both were asked", || chat.n_requests() == 2).await;
}

/// PX-8: half closed either way.
#[tokio::test]
async fn each_half_closes_by_itself() {
    let chat = Upstream::raw("chat", Wire::Http1, |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(SWITCHED.as_bytes()).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        stream.write_all(format!("got {all}").as_bytes()).await.unwrap();
    })
    .await;
    let world = world().service("chat", &[&chat]).start().await;
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101 "));
    client.write_all(b"everything").await.unwrap();
    assert_eq!(world.handle.stats().n_connections_open, 1, "a WebSocket is a connection, too");
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "got everything");
}

#[tokio::test]
async fn an_upstream_that_never_switches_costs_nothing_once_the_client_is_gone() {
    let chat = Upstream::raw("chat", Wire::Http1, |mut stream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    })
    .await;
    let world = world().service("chat", &[&chat]).start().await;
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    eventually("the upstream is asked", || chat.n_connections() == 1).await;
    drop(client);
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::ClientGone));
    eventually("the connection is gone", || world.handle.stats().n_connections_open == 0).await;
}
