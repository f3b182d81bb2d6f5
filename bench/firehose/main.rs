//! The terminal interface under a flood: 50,000 hops a second written into the rings of a collector
//! whose server a real `spur ui`, on a terminal of its own, follows.
//!
//! ```text
//!  a thread ─5 hops a trace─► rings ─► collector ─► server (HTTP, loopback) ─► spur ui ─► a PTY
//!                                                                    keys ───────►  ◄── what it draws
//! ```
//!
//! Prints what the interface takes of a core, how long a key takes to the screen, and whether every
//! record is accounted for. `FIREHOSE_SECONDS` and `FIREHOSE_HOPS` say for how long and how many,
//! `FIREHOSE_SPUR` which binary.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

mod made;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper_util::service::TowerToHyperService;
use serde_json::{Map, json};
use spur_runtime::{FakeRuntime, Runtimes};
use spur_store::{Options, Store};
use spur_trace::{Limits, Query, Ring, TraceReader};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::terminal::Terminal;

/// The budgets (design section 8, and the rules for the interface).
const UI_MAX_PERCENT: f64 = 15.0;
const KEY_MAX_MS: f64 = 50.0;

/// Hops of a trace.
const HOPS: u64 = 5;

/// Keys that are timed: the help is opened and closed.
const N_KEYS: usize = 40;

fn main() {
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (seconds, hops) = (number("FIREHOSE_SECONDS", 20), number("FIREHOSE_HOPS", 50_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(seconds, hops));
}

async fn run(seconds: u64, hops_per_second: u64) {
    let stop = CancellationToken::new();
    let rings = vec![Arc::new(Ring::default()), Arc::new(Ring::default())];
    let (collector, traces) = spur_trace::collector(rings.clone(), Limits::default());
    tokio::spawn(collector.run(stop.clone()));
    let url = serve(traces.clone(), stop.clone()).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = {
        let (rings, is_over) = (rings.clone(), is_over.clone());
        std::thread::spawn(move || flood(&rings, hops_per_second, &is_over))
    };
    let mut terminal = Terminal::open(&url, (200, 60));
    terminal.until(&[b"live"], Duration::from_secs(20)).expect("the interface opens");

    let (began, before) = (Instant::now(), terminal.cpu());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let ui = percent(terminal.cpu() - before, began.elapsed());
    let (rss, n_bytes) = (terminal.rss_mib(), terminal.n_bytes());
    let keys = Keys::time(&mut terminal);

    is_over.store(true, Ordering::Relaxed);
    let n_pushed = flood.join().unwrap();
    let counts = settled(&traces, &rings).await;
    let before = terminal.cpu();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = percent(terminal.cpu() - before, began.elapsed());
    let idle_keys = Keys::time(&mut terminal);
    terminal.close();
    stop.cancel();

    println!("{hops_per_second} hops/s for {seconds} s, 200x60, {HOPS} hops a trace");
    println!("  interface        {ui:5.1} % of a core   (budget {UI_MAX_PERCENT} %), {rss:.0} MiB");
    let rate = n_bytes as f64 / 1024.0 / seconds as f64;
    println!("  drawn            {rate:5.1} KiB/s");
    println!("  key to screen    {keys}   (budget p99 {KEY_MAX_MS} ms)");
    println!("  idle afterwards  {idle:5.2} % of a core   (budget 0.5 %)");
    println!("  key to screen    {idle_keys} then");
    println!(
        "  records          {} produced = {} read + {} lost in rings",
        2 * n_pushed,
        counts.n_records,
        counts.n_lost_records
    );
    assert_eq!(2 * n_pushed, counts.n_records + counts.n_lost_records, "every record is somewhere");
    println!(
        "  traces           {} begun = {} kept + {} dropped for newer ones",
        counts.n_started_traces, counts.n_traces, counts.n_evicted_traces
    );
    assert_eq!(
        counts.n_started_traces,
        counts.n_traces + counts.n_evicted_traces,
        "every trace is somewhere"
    );
}

/// How long keys took to the screen, rising.
struct Keys(Vec<Duration>);

impl Keys {
    fn time(terminal: &mut Terminal) -> Self {
        let mut took: Vec<Duration> = (0..N_KEYS).map(|_| terminal.help()).collect();
        took.sort();
        Self(took)
    }
}

impl std::fmt::Display for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |share: f64| self.0[((self.0.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms", ms(0.5), ms(0.99))
    }
}

fn percent(cpu: Duration, wall: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / wall.as_secs_f64()
}

/// Writes hops until it is over, in portions of 10 ms, and says how many.
fn flood(rings: &[Arc<Ring>], hops_per_second: u64, is_over: &AtomicBool) -> u64 {
    const PORTION: Duration = Duration::from_millis(10);
    let traces = hops_per_second / HOPS / 100;
    let (began, mut n_portions, mut n_hops) = (Instant::now(), 0_u32, 0);
    while !is_over.load(Ordering::Relaxed) {
        for n in 0..traces {
            let ring = &rings[usize::try_from(n % rings.len() as u64).unwrap()];
            n_hops += made::trace(ring, HOPS, n);
        }
        n_portions += 1;
        let due = began + PORTION * n_portions;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    n_hops
}

/// What was counted, once the rings are empty.
async fn settled(traces: &TraceReader, rings: &[Arc<Ring>]) -> spur_trace::Counts {
    let end = Instant::now() + Duration::from_secs(20);
    while rings.iter().any(|ring| !ring.is_empty()) {
        assert!(Instant::now() < end, "the collector reads what is there");
        tokio::task::yield_now().await;
    }
    traces.query(Query { limit: 0, ..Query::default() }).await.unwrap().counts
}

/// A server of these traces, without credentials, on a free port.
async fn serve(traces: TraceReader, stop: CancellationToken) -> String {
    let store = Arc::new(Store::in_memory(Options::default()));
    spur_server::bootstrap(&store).await.unwrap();
    let facts: Map<_, _> = json!({"entry": "http://127.0.0.1:8080"}).as_object().unwrap().clone();
    let server = spur_server::Server::new(spur_server::Parts {
        store,
        runtimes: Runtimes::only(Arc::new(FakeRuntime::new())),
        identity: Arc::new(spur_server::Identity::generate().unwrap()),
        table: Arc::default(),
        traces,
        logs: spur_trace::Logs::default(),
        redaction: Arc::default(),
        entry: ([127, 0, 0, 1], 0).into(),
        facts: watch::channel(facts).1,
        routes: watch::channel(0).1,
        ejected: Arc::new(Vec::new),
        telemetry: Arc::new(|| serde_json::Value::Null),
        draining: stop.clone(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = TowerToHyperService::new(server.acting_as(spur_server::User::admin()));
    let listening = spur_net::Listening { tcp: listener, tls: None };
    tokio::spawn(spur_net::serve(listening, service, spur_net::Limits::default(), stop));
    url
}
