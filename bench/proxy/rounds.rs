//! The table: rows of work, which the peers carry in turns.

use std::time::Duration;

use crate::backend::Backend;
use crate::configs::Work;
use crate::load::{self, Answers, Load, Wire};
use crate::peers::{Peer, Proxy};
use crate::tools::Tools;

/// Rounds of each row.
const ROUNDS: usize = 5;

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) section: &'static str,
    pub(crate) what: &'static str,
    wire: Wire,
    n_connections: u32,
    path: &'static str,
    n_keys: usize,
    closes: bool,
    is_tls: bool,
    /// Of one round.
    seconds: u32,
    pub(crate) is_quick: bool,
    /// What Spur's time per request may be, of each peer's.
    budgets: &'static [(Peer, f64)],
}

/// What one peer took for one round.
#[derive(Clone, Copy, Debug)]
struct Round {
    micros_per_request: f64,
    answers: Answers,
}

/// All rows, in their order. The budgets are ratios of medians of one run, since figures of two
/// machines, or of two hours, cannot be compared.
pub(crate) fn rows() -> Vec<Row> {
    const HTTP1: &[(Peer, f64)] = &[
        (Peer::Nginx, 1.0),
        (Peer::Haproxy, 1.0),
        (Peer::Envoy, 0.45),
        (Peer::Relay, 1.25),
        (Peer::Untraced, 1.05),
    ];
    const HTTP2: &[(Peer, f64)] = &[(Peer::Haproxy, 1.0), (Peer::Envoy, 0.4)];
    let main = Row {
        section: "http1",
        what: "HTTP/1.1, 64 connections, 10 keys",
        wire: Wire::Http1,
        n_connections: 64,
        path: "/",
        n_keys: 10,
        closes: false,
        is_tls: false,
        seconds: 2,
        is_quick: true,
        budgets: HTTP1,
    };
    let http2 = Row { section: "http2", wire: Wire::Http2, n_connections: 16, budgets: HTTP2, ..main };
    let other = Row { section: "connections", seconds: 1, is_quick: false, ..main };
    let bodies = Row { section: "bodies", budgets: &[], ..other };
    let keys = Row { section: "keys", ..other };
    let tls = Row { section: "tls", is_tls: true, budgets: &[], ..other };
    vec![
        main,
        Row { what: "HTTP/2, 16 connections of 10 streams", ..http2 },
        Row { what: "gRPC unary, 16 connections of 10 streams", wire: Wire::Grpc, ..http2 },
        Row { what: "HTTP/1.1, 1 connection", n_connections: 1, ..other },
        Row { what: "HTTP/1.1, 1,024 connections", n_connections: 1024, ..other },
        Row { what: "HTTP/1.1, a connection per request", closes: true, budgets: &[], ..other },
        Row { what: "HTTP/1.1 in TLS, 64 connections", ..tls },
        Row { what: "HTTP/1.1 in TLS, a connection per request", closes: true, ..tls },
        Row { what: "HTTP/1.1, bodies of 1 KiB", path: "/1k", ..bodies },
        Row { what: "HTTP/1.1, bodies of 1 MiB", path: "/1m", ..bodies },
        Row { what: "HTTP/1.1, 1,000 keys", n_keys: 1000, ..keys },
        Row { what: "HTTP/1.1, 10,000 keys", n_keys: 10_000, ..keys },
    ]
}

/// Measures and prints all `rows`.
pub(crate) fn run(tools: &Tools, backend: &Backend, rows: &[Row]) {
    for row in rows {
        if !load::is_possible(tools, row.wire) {
            println!("{}: left out, its load generator is not installed", row.what);
            continue;
        }
        let work = row.work(backend);
        let proxies: Vec<(Peer, Proxy)> =
            row.peers(tools).map(|peer| (peer, peer.start(tools, &work))).collect();
        let mut all: Vec<Vec<Round>> = vec![Vec::new(); proxies.len()];
        for _ in 0..ROUNDS {
            for ((_, proxy), rounds) in proxies.iter().zip(&mut all) {
                rounds.push(row.round(tools, proxy));
            }
        }
        let medians: Vec<(Peer, f64)> =
            proxies.iter().zip(&all).map(|((peer, _), rounds)| (*peer, median(rounds, cpu))).collect();
        println!(
            "\n{:<42} {:>8} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6}",
            row.what, "CPU µs", "req/s", "p50 µs", "p99 µs", "p99.9 µs", "peak MB", "failed"
        );
        for ((peer, proxy), rounds) in proxies.iter().zip(&all) {
            line(*peer, proxy, rounds);
        }
        row.compare(&medians);
    }
}

fn line(peer: Peer, proxy: &Proxy, rounds: &[Round]) {
    let latency = |place: usize| median(rounds, |round| round.answers.latencies[place].as_secs_f64() * 1e6);
    println!(
        "  {:<40} {:>8.1} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>8.1} {:>6}",
        peer.name(),
        median(rounds, cpu),
        median(rounds, |round| round.answers.n_requests as f64 / round.answers.took.as_secs_f64()),
        latency(0),
        latency(1),
        latency(2),
        proxy.process.peak() as f64 / 1e6,
        rounds.iter().map(|round| round.answers.n_failed).sum::<u64>(),
    );
}

fn cpu(round: &Round) -> f64 {
    round.micros_per_request
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(figure).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

// === impl Row ===

impl Row {
    /// In rounds of a second.
    pub(crate) fn short(self) -> Self {
        Self { seconds: 1, ..self }
    }

    /// Who can carry it: the relay speaks no TLS.
    fn peers(&self, tools: &Tools) -> impl Iterator<Item = Peer> {
        let is_tls = self.is_tls;
        tools.peers().into_iter().filter(move |peer| !is_tls || *peer != Peer::Relay)
    }

    fn work(&self, backend: &Backend) -> Work {
        let upstream = match self.wire {
            Wire::Http1 => backend.http1,
            Wire::Http2 | Wire::Grpc => backend.http2,
        };
        Work { wire: self.wire, n_keys: self.n_keys, upstream, is_tls: self.is_tls }
    }

    fn round(&self, tools: &Tools, proxy: &Proxy) -> Round {
        let Self { wire, n_connections, path, n_keys, closes, is_tls, seconds, .. } = *self;
        // In the middle: Envoy looks at one route after the other.
        let load = Load { wire, n_connections, path, key: n_keys / 2, closes, is_tls, seconds };
        let before = proxy.process.cpu();
        let answers = load::run(tools, &load, (proxy.address, proxy.dir.path()));
        let used: Duration = proxy.process.cpu() - before;
        assert!(answers.n_requests > 0, "{}: {answers:?}", self.what);
        Round { micros_per_request: used.as_secs_f64() * 1e6 / answers.n_requests as f64, answers }
    }

    /// Spur's processor time beside its budgets.
    fn compare(&self, medians: &[(Peer, f64)]) {
        let of = |wanted: Peer| medians.iter().find(|(peer, _)| *peer == wanted).map(|(_, micros)| *micros);
        let Some(spur) = of(Peer::Spur) else { return };
        for (peer, budget) in self.budgets {
            if let Some(other) = of(*peer) {
                let ratio = spur / other;
                let verdict = if ratio <= *budget { "reached" } else { "MISSED" };
                println!("  {ratio:.2} × {}, budget {budget:.2}: {verdict}", peer.name());
            }
        }
    }
}
