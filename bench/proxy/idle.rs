//! What connections take on which nobody asks anything any more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::Backend;
use crate::configs::Work;
use crate::load::{KEY_HEADER, Wire, host};
use crate::tools::Tools;

/// Enough that what a proxy has anyway does not count.
const CONNECTIONS: usize = 1_000;

/// Prints the memory that a connection takes after its request, in each peer.
pub(crate) async fn run(tools: &Tools, backend: &Backend) {
    println!("\nmemory per idle HTTP/1.1 connection, of {CONNECTIONS} that have had a request");
    let work = Work { wire: Wire::Http1, n_keys: 10, upstream: backend.http1, is_tls: false };
    for peer in tools.peers() {
        let proxy = peer.start(tools, &work);
        // The first request brings what is made once.
        let mut first = TcpStream::connect(proxy.address).await.unwrap();
        ask(&mut first).await;
        let before = proxy.process.resident();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = TcpStream::connect(proxy.address).await.unwrap();
            ask(&mut connection).await;
            connections.push(connection);
        }
        let grown = proxy.process.resident().saturating_sub(before) as f64 / CONNECTIONS as f64 / 1024.0;
        println!("  {:<40} {grown:>8.1} KB   budget of Spur 40 KB", peer.name());
    }
}

async fn ask(connection: &mut TcpStream) {
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n{KEY_HEADER}: k5\r\n\r\n", host());
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"xx") {
        assert!(connection.read_buf(&mut read).await.unwrap() > 0, "the response ends");
    }
    assert!(read.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&read));
}
