//! Messages on streams that stay: WebSocket and gRPC, each waiting for its echo before the next.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use http::{Request, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::backend::Backend;
use crate::configs::Work;
use crate::load::{KEY_HEADER, Wire, host};
use crate::peers::{Peer, Proxy};
use crate::sockets;
use crate::tools::Tools;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// WebSockets, or gRPC streams on [`GRPC_CONNECTIONS`].
const STREAMS: usize = 64;
const GRPC_CONNECTIONS: usize = 8;
/// A gRPC message: a flag, the length, and 32 bytes. A WebSocket carries the same bytes.
const MESSAGE: [u8; 37] = *b"\0\0\0\0\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Prints the processor time of a message and its echo.
pub(crate) async fn run(tools: &Tools, backend: &Backend) {
    let websocket = Work { wire: Wire::Http1, n_keys: 10, upstream: backend.http1, is_tls: false };
    // nginx needs a configuration of its own for upgrades, and its gRPC module collects requests.
    let peers: Vec<Peer> = tools.peers().into_iter().filter(|peer| *peer != Peer::Nginx).collect();
    println!("\nWebSocket, {STREAMS} connections: CPU µs per message and its echo, echoes/s");
    rounds(tools, (&peers, &websocket), websockets).await;
    let grpc = Work { wire: Wire::Grpc, upstream: backend.http2, ..websocket };
    println!("\ngRPC streaming, {STREAMS} streams: CPU µs per message and its echo, echoes/s");
    rounds(tools, (&peers, &grpc), grpc_streams).await;
}

async fn rounds(tools: &Tools, (peers, work): (&[Peer], &Work), load: impl AsyncFn(SocketAddr) -> u64) {
    let proxies: Vec<(Peer, Proxy)> = peers.iter().map(|peer| (*peer, peer.start(tools, work))).collect();
    let mut all = vec![Vec::new(); proxies.len()];
    for _ in 0..ROUNDS {
        for ((_, proxy), rounds) in proxies.iter().zip(&mut all) {
            let before = proxy.process.cpu();
            let n_echoes = load(proxy.address).await;
            let used = proxy.process.cpu() - before;
            assert!(n_echoes > 0, "messages come back");
            rounds.push((used.as_secs_f64() * 1e6 / n_echoes as f64, n_echoes));
        }
    }
    for ((peer, _), mut rounds) in proxies.iter().zip(all) {
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (micros, n_echoes) = rounds[ROUNDS / 2];
        let per_second = n_echoes as f64 / ROUND.as_secs_f64();
        println!("  {:<40} {micros:>8.1} {per_second:>9.0}", peer.name());
    }
}

async fn websockets(address: SocketAddr) -> u64 {
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        streams.spawn(async move {
            let mut socket = sockets::open(address).await;
            let (start, mut n_echoes) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                socket.send(Message::Binary(Bytes::from_static(&MESSAGE))).await.unwrap();
                assert!(socket.next().await.unwrap().unwrap().is_binary());
                n_echoes += 1;
            }
            n_echoes
        });
    }
    streams.join_all().await.into_iter().sum()
}

async fn grpc_streams(address: SocketAddr) -> u64 {
    let mut streams = JoinSet::new();
    for _ in 0..GRPC_CONNECTIONS {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..STREAMS / GRPC_CONNECTIONS {
            let mut sender = sender.clone();
            streams.spawn(async move {
                let (message_tx, message_rx) = mpsc::channel(1);
                let frames = stream::unfold(message_rx, async |mut rx: mpsc::Receiver<Bytes>| {
                    rx.recv().await.map(|message| (Frame::data(message), rx))
                });
                let body = BodyExt::boxed_unsync(StreamBody::new(frames.map(Ok::<_, std::io::Error>)));
                let request = Request::post(format!("http://{}/echo", host()))
                    .header(header::CONTENT_TYPE, "application/grpc")
                    .header(header::TE, "trailers")
                    .header(KEY_HEADER, "k5");
                let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
                let mut body = answer.into_body();
                let (start, mut n_echoes) = (Instant::now(), 0);
                while start.elapsed() < ROUND {
                    message_tx.send(Bytes::from_static(&MESSAGE)).await.unwrap();
                    let mut n_bytes = 0;
                    while n_bytes < MESSAGE.len() {
                        let frame = body.frame().await.unwrap().unwrap();
                        n_bytes += frame.data_ref().map_or(0, Bytes::len);
                    }
                    n_echoes += 1;
                }
                n_echoes
            });
        }
    }
    streams.join_all().await.into_iter().sum()
}
