//! How long frames take under a flood, and that none is drawn when nothing happens: for the example
//! `frames`, which says how it is run.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use serde_json::json;
use spur_route::{SpanId, TraceId};
use spur_trace::Trace;

use crate::draw;
use crate::event::{Ask, Event, Told};
use crate::state::{State, ThemeName};

/// Hops of each request that comes.
const HOPS: u64 = 5;

/// Frames in a second at most, as the loop has them.
const FRAMES_PER_SECOND: u64 = 15;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Hops that come in each second.
    pub hops_per_second: u64,
    /// Seconds that it goes on.
    pub seconds: u64,
    /// What is typed as a filter before.
    pub filter: &'static str,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How long each frame took to be drawn, escapes included, the shortest first.
    pub frames: Vec<Duration>,
    /// How long it took to take in what came for each frame, the shortest first.
    pub taken_in: Vec<Duration>,
    /// Bytes that were written to the terminal.
    pub n_bytes: usize,
    /// Frames that were due in a minute after the flood in which the server answered and told nothing new.
    pub n_idle_frames: usize,
}

/// Takes in a flood and draws it, as fast as it can.
///
/// # Errors
/// When a frame cannot be drawn.
pub fn measure(flood: Flood) -> Result<Measured> {
    let Flood { size: (width, height), hops_per_second, seconds, filter } = flood;
    let mut now = SystemTime::now();
    let mut state = State::new("https://127.0.0.1:7443".to_owned(), ThemeName::Ansi, now);
    state.update(Event::Size(width, height));
    state.update(Event::Told(Told::Connected));
    if !filter.is_empty() {
        state.update(Event::Key(crate::keys::Key::Char('/')));
        filter.chars().for_each(|c| drop(state.update(Event::Key(crate::keys::Key::Char(c)))));
        state.update(Event::Key(crate::keys::Key::Enter));
    }
    let template = template()?;
    let sink = Sink::default();
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, width, height)) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(sink.clone()), options)?;
    let (mut frames, mut taken_in) = (Vec::new(), Vec::new());
    let per_frame = hops_per_second / HOPS / FRAMES_PER_SECOND;
    let mut n = 0;
    for frame in 0..seconds * FRAMES_PER_SECOND {
        let traces: Vec<Arc<Trace>> = (0..per_frame)
            .map(|_| {
                n += 1;
                another(&template, n, now + Duration::from_millis(66) * (frame % FRAMES_PER_SECOND) as u32)
            })
            .collect();
        let start = Instant::now();
        for trace in traces {
            state.update(Event::Told(Told::Trace(trace)));
        }
        if frame % FRAMES_PER_SECOND == 0 {
            now += Duration::from_secs(1);
            state.update(Event::Time(now));
            state.update(Event::Told(Told::Answered(Ask::Rates, Ok(rates(n)))));
        }
        state.filter_on(&mut || false);
        taken_in.push(start.elapsed());
        if state.take_dirty() {
            let start = Instant::now();
            terminal.draw(|frame| draw::draw(&state, frame))?;
            frames.push(start.elapsed());
        }
    }
    // The second in which requests still counted is over.
    state.update(Event::Time(now + Duration::from_secs(20)));
    state.update(Event::Told(Told::Answered(Ask::Rates, Ok(rates(0)))));
    state.take_dirty();
    let mut n_idle_frames = 0;
    for second in 21..81 {
        state.update(Event::Time(now + Duration::from_secs(second)));
        state.update(Event::Told(Told::Answered(Ask::Rates, Ok(rates(0)))));
        state.update(Event::Told(Told::InFlight(Vec::new())));
        n_idle_frames += usize::from(state.take_dirty());
    }
    frames.sort_unstable();
    taken_in.sort_unstable();
    let n_bytes = sink.n_bytes();
    Ok(Measured { frames, taken_in, n_bytes, n_idle_frames })
}

/// What the server would count.
fn rates(n: u64) -> serde_json::Value {
    let rows =
        if n == 0 { json!([]) } else { json!([{"n": n, "n_failed": n / 9, "p50_us": 900, "p95_us": 9_000}]) };
    json!({"from": 1, "to": 10, "rows": rows})
}

/// A request through five services, as the server writes it.
fn template() -> Result<Trace> {
    let services = ["frontend", "checkout", "pricing", "inventory", "payments"];
    let endpoint = |service: &str| json!({"address": "127.0.0.1:32771", "pod": format!("{service}-1"), "workload": service});
    let hops: Vec<_> = services
        .iter()
        .enumerate()
        .map(|(idx, service)| {
            let caller = idx.checked_sub(1).map(|before| services[before]);
            json!({
                "trace_id": format!("{:032x}", 1), "span_id": format!("{:016x}", idx + 1),
                "parent": caller.map(|_| format!("{idx:016x}")), "joined_by": "span", "lost_key": null,
                "incoming_parent_id": null, "started": "2026-11-20T12:04:00.000000Z",
                "source": caller.map(|it| json!({"namespace": "shop", "workload": it, "pod": it, "sandbox": null})),
                "decision": {
                    "table_revision": 118,
                    "service": {"namespace": "shop", "name": service, "port": 80, "wire": "http1"},
                    "rule": {"kind": "Service", "namespace": "shop", "name": service, "revision": 7},
                    "version": "baseline", "key": null, "n_disagreeing": 0, "n_malformed": 0,
                    "fell_back": false, "reason": "no-key", "asked": null,
                },
                "endpoint": endpoint(service), "method": "GET", "target": format!("/{service}?n=1"),
                "http_version": "HTTP/1.1", "duration_us": 4_200, "served_by": endpoint(service),
                "status": if idx == 4 { 503 } else { 200 }, "grpc_status": null, "request_bytes": 0,
                "response_bytes": 1_024, "error": null,
            })
        })
        .collect();
    let trace = json!({
        "seq": 1, "trace_id": format!("{:032x}", 1), "is_finished": true,
        "started": "2026-11-20T12:04:00.000000Z", "duration_us": 9_000, "key": null, "n_dropped_hops": 0,
        "hops": hops,
    });
    serde_json::from_value(trace).context("failed to make a trace")
}

/// The same request once more.
fn another(template: &Trace, n: u64, started: SystemTime) -> Arc<Trace> {
    let mut trace = template.clone();
    let trace_id = TraceId::new(u128::from(n) + 1).unwrap_or(template.trace_id);
    (trace.seq, trace.trace_id, trace.started) = (n + 1, trace_id, started);
    for hop in &mut trace.hops {
        let start = Arc::make_mut(&mut hop.start);
        start.started = started;
        start.id.trace_id = trace_id;
        start.target = format!("/{}?n={n}", n % 97).parse().ok();
        start.id.span_id = SpanId::new(n * HOPS + 1).unwrap_or(start.id.span_id);
    }
    Arc::new(trace)
}

/// Counts what is written to it.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<std::sync::atomic::AtomicUsize>);

// === impl Sink ===

impl Sink {
    fn n_bytes(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len(), std::sync::atomic::Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
