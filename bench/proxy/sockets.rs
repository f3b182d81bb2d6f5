//! Many WebSockets, most of them silent at any time, and messages that do not wait for each other.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::backend::Backend;
use crate::configs::Work;
use crate::load::{KEY_HEADER, Wire, host};
use crate::peers::Peer;
use crate::tools::Tools;

const SOCKETS: usize = 5_000;
/// Each socket sends one a second.
const MESSAGES_PER_MS: usize = 5;
const FOR_MS: u32 = 10_000;
/// For the echoes that are still under way at the end.
const GRACE: Duration = Duration::from_secs(5);

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;

/// Prints the memory of a silent WebSocket, and how long messages and their echoes take at a fixed
/// rate, from when each was due.
pub(crate) async fn run(tools: &Tools, backend: &Backend) {
    println!(
        "\n{SOCKETS} WebSockets, {} messages/s: KB per socket; p50, p99, p99.9 in µs; lost",
        MESSAGES_PER_MS * 1_000
    );
    let work = Work { wire: Wire::Http1, n_keys: 10, upstream: backend.http1, is_tls: false };
    // nginx needs a configuration of its own for upgrades.
    for peer in tools.peers().into_iter().filter(|peer| *peer != Peer::Nginx) {
        let proxy = peer.start(tools, &work);
        let (first, _reader) = open(proxy.address).await.split();
        let before = proxy.process.resident();
        let (mut sinks, mut readers) = (Vec::with_capacity(SOCKETS), JoinSet::new());
        let start = Instant::now();
        while sinks.len() < SOCKETS {
            let (sink, mut stream) = open(proxy.address).await.split();
            sinks.push(sink);
            readers.spawn(async move {
                let mut micros = Vec::new();
                while let Some(Ok(message)) = stream.next().await {
                    let Ok(due) = message.into_data()[..].try_into().map(u64::from_be_bytes) else { break };
                    let due = start + Duration::from_nanos(due);
                    micros.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                micros
            });
        }
        let each = proxy.process.resident().saturating_sub(before) as f64 / SOCKETS as f64 / 1024.0;
        let n_sent = send(&mut sinks, start).await;
        let mut micros = ended(sinks, readers).await;
        drop(first);
        micros.sort_unstable();
        let of = |share: f64| micros.get((micros.len() as f64 * share) as usize).copied().unwrap_or(0);
        println!(
            "  {:<40} {each:>8.1} {:>8} {:>8} {:>8} {:>6}",
            peer.name(),
            of(0.5),
            of(0.99),
            of(0.999),
            n_sent - micros.len(),
        );
    }
}

/// A WebSocket through a proxy, with a key that it knows.
pub(crate) async fn open(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/", host()).into_client_request().unwrap();
    request.headers_mut().insert(KEY_HEADER, "k5".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

/// Each message holds when it was due, so that whoever is late shows it.
async fn send(sinks: &mut [Sink], start: Instant) -> usize {
    let (begun, mut n_sent) = (Instant::now(), 0);
    for ms in 0..FOR_MS {
        let due = begun + Duration::from_millis(ms.into());
        sleep_until(due).await;
        let stamp = u64::try_from((due - start).as_nanos()).unwrap().to_be_bytes();
        for _ in 0..MESSAGES_PER_MS {
            let sink = &mut sinks[n_sent % SOCKETS];
            sink.send(Message::binary(stamp.to_vec())).await.unwrap();
            n_sent += 1;
        }
    }
    n_sent
}

/// Closes all sockets and gathers what their readers have seen.
async fn ended(sinks: Vec<Sink>, mut readers: JoinSet<Vec<u32>>) -> Vec<u32> {
    for mut sink in sinks {
        let _the_other_side_may_be_gone = timeout(GRACE, sink.close()).await;
    }
    let mut all = Vec::new();
    while let Ok(Some(micros)) = timeout(GRACE, readers.join_next()).await {
        all.extend(micros.unwrap());
    }
    all
}
