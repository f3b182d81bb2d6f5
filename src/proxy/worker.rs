//! One worker: a thread with its own runtime, connections, pool, counters and ring.

use std::{io, rc::Rc, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwap;
use spur_net::{Dial, Limits};
use spur_route::RoutingTable;
use spur_trace::{CapturePolicy, Redaction, Ring};
use tokio::{
    runtime,
    sync::mpsc,
    task::LocalSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    acceptor::Accepted,
    access_log::AccessLog,
    affinity::Affinities,
    cluster::{Clusters, Registry},
    connection,
    datagrams::{self, Room},
    metrics::{Meter, Meters},
    pool::Pool,
    stats::WorkerStats,
    tls::Configs,
    trust::Network,
};

/// How often idle upstream connections are looked through. A quarter of the time
/// they may idle, so none lives much longer; four wake-ups a minute cost nothing.
/// What a policy lets idle for less is not used again, and closed then.
const SWEEP_EVERY: Duration = Duration::from_secs(15);

/// What a worker's connections share. Nothing of it is locked.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    /// Where hops are recorded.
    pub(crate) ring: Option<Arc<Ring>>,
    /// Of which hops heads and bodies are captured.
    pub(crate) capture: CapturePolicy,
    /// What is taken out of what is recorded.
    pub(crate) redaction: Arc<Redaction>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<Network>,
    /// How endpoints are reached.
    pub(crate) dial: Dial,
    pub(crate) pool: Pool,
    pub(crate) clusters: Clusters,
    pub(crate) affinities: Arc<Affinities>,
    pub(crate) meter: Meter,
    pub(crate) tls: Arc<Configs>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) room: Room,
    /// Client connections and what they were upgraded to. Upstream connections
    /// end with the thread.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when what has not finished must end.
    pub(crate) cut: CancellationToken,
}

/// What a worker's thread is started with.
#[derive(Debug)]
pub(crate) struct Seed {
    pub(crate) idx: usize,
    pub(crate) table: Arc<ArcSwap<RoutingTable>>,
    pub(crate) ring: Option<Arc<Ring>>,
    /// Of which hops heads and bodies are captured.
    pub(crate) capture: CapturePolicy,
    /// What is taken out of what is recorded.
    pub(crate) redaction: Arc<Redaction>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<Network>,
    pub(crate) dial: Dial,
    pub(crate) registry: Arc<Registry>,
    pub(crate) affinities: Arc<Affinities>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) tls: Arc<Configs>,
    pub(crate) access_log: Option<AccessLog>,
    /// acceptor -- accepted sockets --> worker
    pub(crate) accepted_rx: mpsc::Receiver<Accepted>,
    /// acceptor -- sockets for datagrams --> worker
    pub(crate) sockets_rx: mpsc::Receiver<datagrams::Given>,
    pub(crate) cut: CancellationToken,
    /// Dropped when the thread has ended.
    pub(crate) done: mpsc::Sender<()>,
}

/// Starts the thread. It ends when the acceptor is gone and its connections are
/// done, or at once when `cut` is cancelled.
pub(crate) fn start(seed: Seed) -> io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name(format!("spur-proxy-{}", seed.idx))
        .spawn(move || LocalSet::new().block_on(&runtime, run(seed)))
}

async fn run(seed: Seed) {
    let Seed {
        idx,
        table,
        ring,
        capture,
        redaction,
        stats,
        limits,
        trusted,
        dial,
        registry,
        affinities,
        meters,
        tls,
        access_log,
        mut accepted_rx,
        mut sockets_rx,
        cut,
        done: _done,
    } = seed;
    let worker = Rc::new(Worker {
        table,
        ring,
        capture,
        redaction,
        pool: Pool::new(&stats, &dial),
        dial,
        limits,
        trusted,
        stats,
        clusters: Clusters::new(idx, registry),
        affinities,
        meter: Meter::new(meters),
        tls,
        access_log,
        room: Room::default(),
        tasks: TaskTracker::new(),
        cut,
    });
    let mut sweep = interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = worker.cut.cancelled() => return,
            accepted = accepted_rx.recv() => match accepted {
                Some(accepted) => {
                    let serving = connection::serve(Rc::clone(&worker), accepted);
                    worker.tasks.spawn_local(serving);
                }
                None => break,
            },
            Some(given) = sockets_rx.recv() => {
                worker.tasks.spawn_local(datagrams::carry(Rc::clone(&worker), given));
            }
            _ = sweep.tick() => worker.pool.sweep(Instant::now()),
        }
    }
    worker.tasks.close();
    tokio::select! {
        () = worker.tasks.wait() => {}
        () = worker.cut.cancelled() => {}
    }
}
