//! Alone in their process, because they measure the process: large bodies pass
//! through in constant memory, and who does not read holds a bounded part. Linux only, where the
//! peak can be read and reset.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use spur_net::{Callers, Destination, Inlet, bind_loopback};
use spur_proxy::{Config, Handle, Proxy};
use spur_route::{EndpointSpec, PortSpec, RoutingTable, ServiceSpec, Visibility, Wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;

const BODY_BYTES: usize = 64 << 20;
/// Buffers of three parties and what the allocator keeps; a tenth of the body.
const GROWTH_MAX_BYTES: usize = 6 << 20;

/// Held by the one test that measures.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Clients that do not read, and what each may hold: the upstream's read buffer, the piece that lies
/// between the connections, and the client's write buffer, of 64 KiB each, and as much again for what
/// the upstream of the test writes from, the connections themselves and the allocator.
const N_DEAF: usize = 100;
const DEAF_MAX_BYTES: usize = 384 * 1024;

/// Reads one request and its body, and answers with as much.
async fn mirror_length(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let is_upload = head.contains(&format!("content-length: {BODY_BYTES}\r\n"));
    if is_upload {
        let mut body = (&mut stream).take(BODY_BYTES as u64);
        copy(&mut body, &mut sink()).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        return;
    }
    let rsp = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(rsp.as_bytes()).await.unwrap();
    write_body(&mut stream).await;
}

async fn write_body(stream: &mut TcpStream) {
    let piece = [b'x'; 16 * 1024];
    for _ in 0..BODY_BYTES / piece.len() {
        // A client that has left takes its upstream's connection along.
        if stream.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn start() -> (Handle, SocketAddr) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = upstream.accept().await.unwrap();
            tokio::spawn(mirror_length(stream));
        }
    });
    let service = ServiceSpec {
        namespace: "shop".into(),
        name: "blobs".into(),
        revision: 1,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports: vec![PortSpec { number: 80, name: "http".into(), wire: Wire::Http1 }],
        endpoints: vec![EndpointSpec {
            port: 80,
            address,
            pod: "blobs-1".into(),
            workload: "blobs".into(),
            labels: Arc::default(),
            is_ready: true,
        }],
    };
    let table = RoutingTable::build(1, vec![service], Vec::new());
    let handle = Proxy::start(Config::new(1, Arc::new(ArcSwap::from_pointee(table)))).unwrap();
    let listener = bind_loopback().unwrap();
    let entry = listener.local_addr().unwrap();
    let inlet = Inlet {
        listener,
        callers: Callers::Anybody,
        destination: Destination::Entry,
        closed: CancellationToken::new(),
    };
    handle.inlets().send(inlet).await.unwrap();
    (handle, entry)
}

async fn download(entry: SocketAddr) {
    let mut stream = TcpStream::connect(entry).await.unwrap();
    let head = "GET / HTTP/1.1\r\nhost: blobs.shop.localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let n_bytes = copy(&mut stream, &mut sink()).await.unwrap();
    assert!(n_bytes > BODY_BYTES as u64, "{n_bytes}");
}

async fn upload(entry: SocketAddr) {
    let mut stream = TcpStream::connect(entry).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: blobs.shop.localhost\r\nconnection: close\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    write_body(&mut stream).await;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.ends_with("ok"), "{said}");
}

/// Resident memory, and its peak, in bytes (proc(5), `/proc/pid/status`).
fn memory(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
async fn large_bodies_pass_in_constant_memory() {
    let _alone = ALONE.lock().await;
    let (_handle, entry) = start().await;
    // Everything that is made once is made now.
    download(entry).await;
    upload(entry).await;
    let before = memory("VmRSS:");
    // "5" resets the peak to what is resident now (proc(5), clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    for _ in 0..2 {
        download(entry).await;
        upload(entry).await;
    }
    let growth = memory("VmHWM:").saturating_sub(before);
    assert!(growth < GROWTH_MAX_BYTES, "grew by {growth} bytes over bodies of {BODY_BYTES}");
}

/// PX-3: what a client does not read stays with its upstream.
#[tokio::test]
async fn px_3_clients_that_do_not_read_hold_a_bounded_part() {
    let _alone = ALONE.lock().await;
    let (handle, entry) = start().await;
    download(entry).await;
    let before = memory("VmRSS:");
    let mut deaf = Vec::new();
    for _ in 0..N_DEAF {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(entry).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: blobs.shop.localhost\r\n\r\n").await.unwrap();
        deaf.push(stream);
    }
    // Each answer has begun, and others pass them by.
    for stream in &deaf {
        stream.readable().await.unwrap();
    }
    download(entry).await;
    assert!(handle.stats().n_connections_open >= N_DEAF);
    let each = memory("VmRSS:").saturating_sub(before) / N_DEAF;
    println!("a client that does not read: {} KiB", each / 1024);
    assert!(each < DEAF_MAX_BYTES, "{each} bytes each");
}

/// What a ring keeps of requests is what it says of them, however large their heads were.
#[tokio::test]
async fn records_keep_no_heads() {
    const N_REQUESTS: usize = 3_000;
    const HEAD_BYTES: usize = 48 * 1024;
    let _alone = ALONE.lock().await;
    let (handle, entry) = start().await;
    let mut stream = TcpStream::connect(entry).await.unwrap();
    let head = format!("GET /a HTTP/1.1\r\nhost: nobody\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
    let mut before = 0;
    for n in 0..N_REQUESTS {
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"what is there\n") {
            assert!(stream.read_buf(&mut said).await.unwrap() > 0, "{}", said.escape_ascii());
        }
        if n == N_REQUESTS / 10 {
            before = memory("VmRSS:");
        }
    }
    let growth = memory("VmRSS:").saturating_sub(before);
    // A record of each is in the ring, and its end.
    assert_eq!(handle.rings()[0].len(), 2 * N_REQUESTS);
    assert!(growth < N_REQUESTS * HEAD_BYTES / 10, "grew by {growth} bytes");
}
