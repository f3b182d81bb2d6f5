//! All listeners on one thread; each accepted socket goes to the least loaded worker.
//!
//! Not one listener per worker with SO_REUSEPORT: macOS does not balance those,
//! and a long gRPC connection would stay wherever chance put it.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use spur_net::{Caller, Callers, DatagramInlet, Destination, Inlet, accept};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    datagrams,
    stats::{WorkerStats, count},
};

/// Accepted sockets that may wait for one worker. A worker takes them within one
/// turn of its loop; beyond this the acceptor waits, and the kernel queues.
pub(crate) const N_ACCEPTED_WAITING: usize = 256;

/// Sockets for datagrams that may wait for one worker, likewise.
pub(crate) const N_SOCKETS_WAITING: usize = 16;

/// Inlets that may wait for the acceptor: what a hundred starting pods bring at
/// once; beyond it whoever hands them over waits.
pub(crate) const N_INLETS_WAITING: usize = 256;

/// A client's connection on its way to a worker.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) inlet: Arc<Facts>,
    pub(crate) open: Open,
}

/// What is known of every connection of an inlet.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) caller: Option<Caller>,
    pub(crate) destination: Destination,
    /// Cancelled when the inlet goes away or the proxy drains. One per worker, so
    /// that its lock is nobody else's.
    pub(crate) closing: CancellationToken,
}

/// One open connection in a worker's count, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<WorkerStats>);

/// A worker as the acceptor sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// acceptor -- accepted sockets --> worker
    pub(crate) accepted_tx: mpsc::Sender<Accepted>,
    /// acceptor -- sockets for datagrams --> worker
    pub(crate) sockets_tx: mpsc::Sender<datagrams::Given>,
    pub(crate) stats: Arc<WorkerStats>,
}

/// What the acceptor's thread is started with.
#[derive(Debug)]
pub(crate) struct Seed {
    /// runtimes -- listeners --> acceptor
    pub(crate) inlets_rx: mpsc::Receiver<Inlet>,
    /// runtimes -- sockets for datagrams --> acceptor
    pub(crate) datagrams_rx: mpsc::Receiver<DatagramInlet>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) n_connections_max: usize,
    pub(crate) n_refused: Arc<AtomicU64>,
    /// Cancelled to stop accepting.
    pub(crate) drain: CancellationToken,
    /// Dropped when the thread has ended.
    pub(crate) done: mpsc::Sender<()>,
}

/// Who gets the next connection.
#[derive(Debug)]
struct Dispatch {
    seats: Vec<Seat>,
    n_connections_max: usize,
    n_refused: Arc<AtomicU64>,
}

/// Starts the thread. It ends when `drain` is cancelled, and closes all listeners.
pub(crate) fn start(seed: Seed) -> io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("spur-proxy-accept".to_owned()).spawn(move || runtime.block_on(run(seed)))
}

async fn run(seed: Seed) {
    let Seed { mut inlets_rx, mut datagrams_rx, seats, n_connections_max, n_refused, drain, done: _done } =
        seed;
    // Each worker gets as many sockets as any other.
    let mut turns = (0..seats.len()).cycle();
    let dispatch = Arc::new(Dispatch { seats, n_connections_max, n_refused });
    // One task per listener; as many as runtimes open, which is their bound.
    let mut listeners = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = drain.cancelled() => break,
            inlet = inlets_rx.recv() => match inlet {
                Some(inlet) => {
                    listeners.spawn(listen(inlet, Arc::clone(&dispatch), drain.clone()));
                }
                // Nobody can bring more; those that are there go on.
                None => {
                    drain.cancelled().await;
                    break;
                }
            },
            Some(inlet) = datagrams_rx.recv() => {
                let seat = &dispatch.seats[turns.next().expect("there is a worker")];
                listeners.spawn(keep(inlet, seat.sockets_tx.clone(), drain.clone()));
            }
            Some(_) = listeners.join_next() => {}
        }
    }
    while listeners.join_next().await.is_some() {}
}

/// Accepts on one inlet until it is closed or the proxy drains; then its
/// connections are told.
async fn listen(inlet: Inlet, dispatch: Arc<Dispatch>, drain: CancellationToken) {
    let Inlet { listener, callers, destination, closed } = inlet;
    let mut known = Known::new(callers, destination, dispatch.seats.len());
    match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => loop {
            tokio::select! {
                biased;
                () = closed.cancelled() => break,
                () = drain.cancelled() => break,
                (stream, peer) = accept(&listener) => dispatch.give(stream, peer, known.of(peer)).await,
            }
        },
        Err(error) => {
            let destination = &known.destination;
            warn!(error.message = %error, "cannot listen on an inlet for {destination:?}");
        }
    }
    known.close();
}

/// Gives a socket to a worker, until the inlet is closed or the proxy drains.
async fn keep(inlet: DatagramInlet, sockets_tx: mpsc::Sender<datagrams::Given>, drain: CancellationToken) {
    let DatagramInlet { socket, callers, destination, closed } = inlet;
    let closing = CancellationToken::new();
    let given = datagrams::Given { socket, callers, destination, closing: closing.clone() };
    // Fails only when the worker has ended, which closes the socket.
    let _ = sockets_tx.send(given).await;
    tokio::select! {
        () = closed.cancelled() => {}
        () = drain.cancelled() => {}
    }
    closing.cancel();
}

/// What is known of the connections of one inlet.
struct Known {
    callers: Callers,
    destination: Destination,
    /// One per worker, so that its lock is nobody else's.
    closing: Vec<CancellationToken>,
    /// Of the one caller, or of those that are not known; one per worker.
    usual: Vec<Arc<Facts>>,
    /// Of callers that are known by their addresses: at most as many as the network has pods.
    by_address: HashMap<IpAddr, (Arc<Caller>, Vec<Arc<Facts>>)>,
}

// === impl Known ===

impl Known {
    fn new(callers: Callers, destination: Destination, n_workers: usize) -> Self {
        let closing: Vec<CancellationToken> = (0..n_workers).map(|_| CancellationToken::new()).collect();
        let caller = match &callers {
            Callers::One(caller) => Some(caller.clone()),
            Callers::Anybody | Callers::ByAddress(_) => None,
        };
        let usual = facts(caller, &destination, &closing);
        Self { callers, destination, closing, usual, by_address: HashMap::new() }
    }

    /// The facts of a connection from this peer, one per worker.
    fn of(&mut self, peer: SocketAddr) -> &[Arc<Facts>] {
        let Callers::ByAddress(callers) = &self.callers else { return &self.usual };
        let address = peer.ip();
        let Some(caller) = callers.at(address) else {
            self.by_address.remove(&address);
            return &self.usual;
        };
        let made = || (caller.clone(), facts(Some((*caller).clone()), &self.destination, &self.closing));
        let (of, known) = self.by_address.entry(address).or_insert_with(made);
        // The address has passed on to another pod.
        if !Arc::ptr_eq(of, &caller) {
            (*of, *known) = made();
        }
        known
    }

    fn close(self) {
        self.closing.iter().for_each(CancellationToken::cancel);
    }
}

fn facts(
    caller: Option<Caller>,
    destination: &Destination,
    closing: &[CancellationToken],
) -> Vec<Arc<Facts>> {
    let fact = |closing: &CancellationToken| {
        Arc::new(Facts { caller: caller.clone(), destination: destination.clone(), closing: closing.clone() })
    };
    closing.iter().map(fact).collect()
}

// === impl Dispatch ===

impl Dispatch {
    async fn give(&self, stream: TcpStream, peer: SocketAddr, facts: &[Arc<Facts>]) {
        let n_open = |seat: &Seat| seat.stats.n_connections_open.load(Relaxed);
        let Some((seat, facts)) = self
            .seats
            .iter()
            .zip(facts)
            .min_by_key(|(seat, _)| n_open(seat))
            .filter(|(seat, _)| n_open(seat) < self.n_connections_max)
        else {
            // Closed at once: an error that is seen beats a queue that is not.
            count(&self.n_refused);
            return;
        };
        let Ok(stream) = stream.into_std() else {
            return;
        };
        count(&seat.stats.n_connections);
        let accepted = Accepted { stream, peer, inlet: Arc::clone(facts), open: Open::new(&seat.stats) };
        // Fails only when the worker has ended, which closes the connection.
        let _ = seat.accepted_tx.send(accepted).await;
    }
}

// === impl Open ===

impl Open {
    fn new(stats: &Arc<WorkerStats>) -> Self {
        stats.n_connections_open.fetch_add(1, Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.n_connections_open.fetch_sub(1, Relaxed);
    }
}
