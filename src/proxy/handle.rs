//! Starting a proxy, feeding it listeners, watching it and ending it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use spur_net::{DatagramInlet, Inlet};
use spur_trace::Ring;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    acceptor::{self, N_ACCEPTED_WAITING, N_INLETS_WAITING, N_SOCKETS_WAITING, Seat},
    access_log::AccessLog,
    affinity::Affinities,
    cluster::Registry,
    config::Config,
    metrics::{Meters, Metrics},
    stats::{Stats, WorkerStats},
    tls::Configs,
    worker,
};

/// The data plane.
#[derive(Debug)]
pub struct Proxy;

/// A running proxy. Dropped, it ends at once, without a drain.
#[derive(Debug)]
pub struct Handle {
    inlets_tx: mpsc::Sender<Inlet>,
    datagrams_tx: mpsc::Sender<DatagramInlet>,
    rings: Vec<Arc<Ring>>,
    stats: Vec<Arc<WorkerStats>>,
    n_refused: Arc<AtomicU64>,
    n_unlogged: Arc<AtomicU64>,
    registry: Arc<Registry>,
    meters: Arc<Meters>,
    drain: DropGuard,
    cut: DropGuard,
    /// threads -- nothing, until all have ended --> handle
    done_rx: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// A thread that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start the proxy's threads")]
pub struct StartError(#[source] io::Error);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything that had begun was finished.
    Finished,
    /// This many connections were cut at the deadline.
    Cut {
        /// How many.
        n_connections: u64,
    },
}

// === impl Proxy ===

impl Proxy {
    /// Starts the threads; they wait for inlets.
    ///
    /// # Errors
    /// [`StartError`] when the system gives no thread or no event queue.
    pub fn start(config: Config) -> Result<Handle, StartError> {
        let Config { workers, limits, trusted, dial, table, records_hops, capture, redaction, access_log } =
            config;
        let (drain, cut) = (CancellationToken::new(), CancellationToken::new());
        // What was started before an error ends when these guards are dropped.
        let (drain_guard, cut_guard) = (drain.clone().drop_guard(), cut.clone().drop_guard());
        let (inlets_tx, inlets_rx) = mpsc::channel(N_INLETS_WAITING);
        let (datagrams_tx, datagrams_rx) = mpsc::channel(N_INLETS_WAITING);
        // Nothing is ever sent: it closes when the last sender is dropped.
        let (done_tx, done_rx) = mpsc::channel(1);
        let mut handle = Handle {
            inlets_tx,
            datagrams_tx,
            rings: Vec::new(),
            stats: Vec::new(),
            n_refused: Arc::default(),
            n_unlogged: access_log.as_ref().map(AccessLog::lost).unwrap_or_default(),
            registry: Arc::default(),
            meters: Arc::default(),
            drain: drain_guard,
            cut: cut_guard,
            done_rx,
            threads: Vec::new(),
        };
        let (tls, affinities) = (Arc::new(Configs::default()), Arc::new(Affinities::default()));
        let mut seats = Vec::new();
        for idx in 0..workers.max(1) {
            let (accepted_tx, accepted_rx) = mpsc::channel(N_ACCEPTED_WAITING);
            let (sockets_tx, sockets_rx) = mpsc::channel(N_SOCKETS_WAITING);
            let ring = records_hops.then(|| Arc::new(Ring::default()));
            let stats = Arc::new(WorkerStats::default());
            handle.rings.extend(ring.clone());
            handle.stats.push(Arc::clone(&stats));
            seats.push(Seat { accepted_tx, sockets_tx, stats: Arc::clone(&stats) });
            let thread = worker::start(worker::Seed {
                idx,
                table: Arc::clone(&table),
                ring,
                capture,
                redaction: Arc::clone(&redaction),
                stats,
                limits: limits.clone(),
                trusted: trusted.clone(),
                dial: dial.clone(),
                registry: Arc::clone(&handle.registry),
                affinities: Arc::clone(&affinities),
                meters: Arc::clone(&handle.meters),
                tls: Arc::clone(&tls),
                access_log: access_log.clone(),
                accepted_rx,
                sockets_rx,
                cut: cut.clone(),
                done: done_tx.clone(),
            });
            handle.threads.push(thread.map_err(StartError)?);
        }
        let thread = acceptor::start(acceptor::Seed {
            inlets_rx,
            datagrams_rx,
            seats,
            n_connections_max: limits.n_connections_max,
            n_refused: Arc::clone(&handle.n_refused),
            drain,
            done: done_tx,
        });
        handle.threads.push(thread.map_err(StartError)?);
        Ok(handle)
    }
}

// === impl Handle ===

impl Handle {
    /// Where to bring listeners. Bounded: whoever brings too many waits.
    pub fn inlets(&self) -> mpsc::Sender<Inlet> {
        self.inlets_tx.clone()
    }

    /// Where to bring sockets for datagrams, likewise.
    pub fn datagrams(&self) -> mpsc::Sender<DatagramInlet> {
        self.datagrams_tx.clone()
    }

    /// The rings that the workers write hops into, one each, for the collector.
    pub fn rings(&self) -> &[Arc<Ring>] {
        &self.rings
    }

    /// What was done so far, over all workers.
    pub fn stats(&self) -> Stats {
        let mut sum = Stats {
            n_connections_refused: self.n_refused.load(Relaxed),
            n_unlogged: self.n_unlogged.load(Relaxed),
            ..Stats::default()
        };
        for stats in &self.stats {
            stats.add_to(&mut sum);
        }
        sum
    }

    /// The way to what was counted, which outlives the handle.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            meters: Arc::clone(&self.meters),
            workers: self.stats.clone(),
            n_refused: Arc::clone(&self.n_refused),
            n_unlogged: Arc::clone(&self.n_unlogged),
            registry: Arc::clone(&self.registry),
        }
    }

    /// Closes all listeners, lets requests and upgraded connections finish until
    /// `deadline` (requests no longer than `limits.drain_timeout`), and cuts the rest. When it returns, all threads have ended.
    pub async fn drain(self, deadline: Duration) -> Drained {
        let Self {
            inlets_tx: _,
            datagrams_tx: _,
            rings: _,
            stats,
            n_refused: _,
            n_unlogged: _,
            registry: _,
            meters: _,
            drain,
            cut,
            mut done_rx,
            threads,
        } = self;
        drain.disarm().cancel();
        let n_cut_before = sum(&stats).n_connections_cut;
        let mut n_cut = 0;
        if timeout(deadline, done_rx.recv()).await.is_err() {
            n_cut = sum(&stats).n_connections_open as u64;
            cut.disarm().cancel();
            done_rx.recv().await;
        }
        n_cut += sum(&stats).n_connections_cut - n_cut_before;
        for thread in threads {
            // They have let go of everything, so this does not wait; a panic was
            // reported when it happened.
            let _ = thread.join();
        }
        match n_cut {
            0 => Drained::Finished,
            n_connections => Drained::Cut { n_connections },
        }
    }
}

fn sum(workers: &[Arc<WorkerStats>]) -> Stats {
    let mut sum = Stats::default();
    for stats in workers {
        stats.add_to(&mut sum);
    }
    sum
}
