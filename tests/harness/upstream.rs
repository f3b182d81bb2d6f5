//! A Service whose endpoint is this test itself, so that an upstream can fail in
//! ways that no honest server does.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::spur::Spur;

/// A listener that a Service leads to.
pub(crate) struct Upstream {
    listener: TcpListener,
}

// === impl Upstream ===

impl Upstream {
    /// Makes a Service of `default` that leads here, and waits until it is routed.
    pub(crate) async fn behind(spur: &Spur, service: &str) -> Self {
        let upstream = Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() };
        lead_to(spur, service, upstream.port()).await;
        let answering = async {
            loop {
                let (mut stream, _) = upstream.accept().await;
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        };
        tokio::select! {
            () = spur.until_routed(service) => {}
            () = answering => {}
        }
        upstream
    }

    /// The next connection with the head of its request.
    pub(crate) async fn accept(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let head = read_until(&mut stream, b"\r\n\r\n").await;
        (stream, head)
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// Reads until this has come; gives everything up to and with it.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        let byte = tokio::time::timeout(super::DEADLINE, stream.read_u8()).await;
        let byte = byte.unwrap_or_else(|_| panic!("nothing more after {:?}", String::from_utf8_lossy(&seen)));
        seen.push(byte.unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&seen))));
    }
    String::from_utf8(seen).unwrap()
}

/// Makes a Service of `default` with one endpoint, a port of this machine.
pub(crate) async fn lead_to(spur: &Spur, name: &str, port: u16) {
    spur.api().create_all(&[without_selector(name), slice(name, port)]).await;
}

fn without_selector(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    })
}

fn slice(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{name}-test"), "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    })
}
