//! Two traces side by side: which hops are the same call, and in what they differ.
//!
//! A pure function of both. A call is told by its service, method, path and how often it came
//! before; where no path is the same, numbers and ids in it may differ. The entry requests are the
//! same call whatever they ask for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use spur_route::{SpanId, Version};

use crate::trace::{Hop, Trace};

/// Deeper calls are compared at this depth: nobody reads further, and walking stays flat.
const DEPTH_MAX: usize = 64;

/// Two traces, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceDiff {
    /// Calls in the order of A's, with those that only B has after what they came after.
    pub rows: Vec<DiffRow>,
    /// How long each took.
    pub durations: (Duration, Duration),
    /// Their keys.
    pub keys: (Option<Arc<str>>, Option<Arc<str>>),
}

/// A call, in one of them or in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRow {
    /// How deep it stands.
    pub depth: usize,
    /// The service that was asked for.
    pub service: String,
    /// The method.
    pub method: String,
    /// The path without its query; of A where both have it.
    pub path: String,
    /// Which of the calls that are the same but for their time it is, counted from 1.
    pub ordinal: usize,
    /// In A.
    pub a: Option<DiffSide>,
    /// In B.
    pub b: Option<DiffSide>,
}

/// A call in one of the traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffSide {
    /// Its place in the trace.
    pub hop_idx: usize,
    /// From the trace's start.
    pub starts: Duration,
    /// How long it took; `None` while it goes on.
    pub duration: Option<Duration>,
    /// The status that the caller got.
    pub status: Option<u16>,
    /// Whether it failed.
    pub is_failed: bool,
    /// The sandbox whose fork took it.
    pub fork: Option<String>,
    /// Whether its caller lost the key.
    pub is_lost: bool,
}

/// In what a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only A has it.
    Gone,
    /// Only B has it.
    New,
    /// The status, the failure, the version or the key is another one.
    Changed,
    /// It took so much longer or shorter that it is no chance.
    Slower,
    /// See above.
    Faster,
    /// None that is worth a word.
    Same,
}

/// Less is chance: two requests that do the same differ by some milliseconds.
const CHANCE: Duration = Duration::from_millis(5);

/// What tells a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    service: String,
    method: String,
    path: String,
}

/// What tells a hop from others, where that can be asked of it.
type Told = dyn Fn(&Placed<'_>) -> Option<Call>;

/// A hop in the order in which it is drawn.
struct Placed<'a> {
    hop_idx: usize,
    depth: usize,
    is_entry: bool,
    call: Call,
    hop: &'a Hop,
}

/// Compares two traces.
#[must_use]
pub fn diff(a: &Trace, b: &Trace) -> TraceDiff {
    let (placed_a, placed_b) = (placed(a), placed(b));
    let partners = aligned(&placed_a, &placed_b);
    let mut of_b: Vec<Option<usize>> = vec![None; placed_b.len()];
    for (idx_a, idx_b) in partners.iter().enumerate().filter_map(|(idx, partner)| Some((idx, (*partner)?))) {
        of_b[idx_b] = Some(idx_a);
    }
    // Those that only B has come after the partner of the one that they came after in B.
    let mut after: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut last = None;
    for (idx_b, partner) in of_b.iter().enumerate() {
        match partner {
            Some(idx_a) => last = Some(*idx_a),
            None => after.entry(last).or_default().push(idx_b),
        }
    }
    let mut rows = Vec::new();
    let mut ordinals: HashMap<Call, usize> = HashMap::new();
    let mut push = |of_a: Option<usize>, of_b: Option<usize>| {
        let (at_a, at_b) = (of_a.map(|idx| &placed_a[idx]), of_b.map(|idx| &placed_b[idx]));
        let Some(shown) = at_a.or(at_b) else { return };
        let ordinal = ordinals.entry(shown.call.clone()).or_default();
        *ordinal += 1;
        let Call { service, method, path } = shown.call.clone();
        rows.push(DiffRow {
            depth: shown.depth,
            service,
            method,
            path,
            ordinal: *ordinal,
            a: at_a.map(|placed| side(a, placed)),
            b: at_b.map(|placed| side(b, placed)),
        });
    };
    let only_b = |place: Option<usize>| after.get(&place).map_or(&[][..], Vec::as_slice);
    only_b(None).iter().for_each(|idx_b| push(None, Some(*idx_b)));
    for (idx_a, partner) in partners.iter().enumerate() {
        push(Some(idx_a), *partner);
        only_b(Some(idx_a)).iter().for_each(|idx_b| push(None, Some(*idx_b)));
    }
    TraceDiff { rows, durations: (a.duration, b.duration), keys: (a.key.clone(), b.key.clone()) }
}

/// Of these traces the ones that a trace may be compared with: finished, without a key, and with
/// the same request at the entry, numbers and ids in its path aside. At most `max`, in their order.
pub fn baselines<'a, T: AsRef<Trace>>(
    of: &Trace,
    traces: impl IntoIterator<Item = &'a T>,
    max: usize,
) -> Vec<&'a T> {
    let Some(wanted) = route(of) else { return Vec::new() };
    traces
        .into_iter()
        .filter(|trace| {
            let trace = (*trace).as_ref();
            trace.is_finished
                && trace.key.is_none()
                && trace.trace_id != of.trace_id
                && route(trace).as_ref() == Some(&wanted)
        })
        .take(max)
        .collect()
}

/// How long each hop of a trace usually takes: the median of the same calls in other traces, and how
/// many there are of them. By the hop's place; `None` where none of the others has such a call.
pub fn usual<'a, T: AsRef<Trace> + 'a>(
    of: &Trace,
    others: impl IntoIterator<Item = &'a T>,
) -> Vec<Option<(Duration, usize)>> {
    let mut durations: Vec<Vec<Duration>> = vec![Vec::new(); of.hops.len()];
    for other in others {
        for row in diff(of, other.as_ref()).rows {
            if let (Some(a), Some(duration)) = (row.a, row.b.and_then(|b| b.duration)) {
                durations[a.hop_idx].push(duration);
            }
        }
    }
    let median = |mut durations: Vec<Duration>| {
        durations.sort_unstable();
        Some((*durations.get(durations.len().checked_sub(1)? / 2)?, durations.len()))
    };
    durations.into_iter().map(median).collect()
}

/// The request at the entry as it is told from others.
fn route(trace: &Trace) -> Option<Call> {
    let call = call(trace.entry()?);
    Some(Call { path: without_ids(&call.path), ..call })
}

/// The place in B of each of A's: by the same path, then by the same path but for ids; the entry by
/// being the entry.
fn aligned(a: &[Placed<'_>], b: &[Placed<'_>]) -> Vec<Option<usize>> {
    let mut partners: Vec<Option<usize>> = vec![None; a.len()];
    let mut is_taken = vec![false; b.len()];
    let passes: [&Told; 3] = [
        &|placed| Some(placed.call.clone()),
        &|placed| Some(Call { path: without_ids(&placed.call.path), ..placed.call.clone() }),
        &|placed| {
            let nothing = String::new;
            placed.is_entry.then(|| Call { service: nothing(), method: nothing(), path: nothing() })
        },
    ];
    for told in passes {
        let mut free: HashMap<Call, Vec<usize>> = HashMap::new();
        for (idx, placed) in b.iter().enumerate().rev().filter(|(idx, _)| !is_taken[*idx]) {
            if let Some(call) = told(placed) {
                free.entry(call).or_default().push(idx);
            }
        }
        for (idx, placed) in a.iter().enumerate() {
            if partners[idx].is_some() {
                continue;
            }
            // The last of these is the first of B.
            let partner = told(placed).and_then(|call| free.get_mut(&call)?.pop());
            if let Some(partner) = partner {
                is_taken[partner] = true;
                partners[idx] = Some(partner);
            }
        }
    }
    partners
}

/// The hops, callers before what they call.
fn placed(trace: &Trace) -> Vec<Placed<'_>> {
    let places: HashMap<SpanId, usize> =
        trace.hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (idx, hop) in trace.hops.iter().enumerate() {
        let parent = hop.parent.and_then(|span| places.get(&span).copied());
        children.entry(parent).or_default().push(idx);
    }
    let entry = trace.entry().map(|hop| hop.start.id.span_id);
    let roots = children.get(&None).cloned().unwrap_or_default();
    let mut is_placed = vec![false; trace.hops.len()];
    let mut placed = Vec::with_capacity(trace.hops.len());
    // After the roots those that are each other's parents, to which nothing leads.
    for root in roots.into_iter().chain(0..trace.hops.len()) {
        let mut waiting = vec![(root, 0)];
        while let Some((idx, depth)) = waiting.pop() {
            if std::mem::replace(&mut is_placed[idx], true) {
                continue;
            }
            let hop = &trace.hops[idx];
            let is_entry = Some(hop.start.id.span_id) == entry;
            placed.push(Placed { hop_idx: idx, depth, is_entry, call: call(hop), hop });
            let below = children.get(&Some(idx)).map_or(&[][..], Vec::as_slice);
            waiting.extend(below.iter().rev().map(|child| (*child, (depth + 1).min(DEPTH_MAX))));
        }
    }
    placed
}

fn call(hop: &Hop) -> Call {
    let path = hop.start.target.as_ref().map_or("", |target| target.path());
    Call { service: hop.name().to_owned(), method: hop.start.method.to_string(), path: path.to_owned() }
}

/// With `*` for each part that is a number or looks like an id: eight or more hexadecimal digits,
/// of which one is a digit.
fn without_ids(path: &str) -> String {
    let is_id = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_hex = part.len() >= 8
            && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && part.bytes().any(|byte| byte.is_ascii_digit());
        is_number || is_hex
    };
    path.split('/').map(|part| if is_id(part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}

fn side(trace: &Trace, placed: &Placed<'_>) -> DiffSide {
    let hop = placed.hop;
    let end = hop.end.as_deref();
    DiffSide {
        hop_idx: placed.hop_idx,
        starts: hop.start.started.duration_since(trace.started).unwrap_or_default(),
        duration: end.map(|end| end.duration),
        status: end.and_then(|end| end.status),
        is_failed: hop.is_failed(),
        fork: match &hop.start.decision.version {
            Version::Sandbox(sandbox) => Some(sandbox.name.to_string()),
            Version::Baseline => None,
        },
        is_lost: hop.lost_key.is_some(),
    }
}

// === impl DiffRow ===

impl DiffRow {
    /// In what it differs, the weightiest first.
    #[must_use]
    pub fn difference(&self) -> Difference {
        let (a, b) = match (&self.a, &self.b) {
            (Some(a), Some(b)) => (a, b),
            (Some(_), None) => return Difference::Gone,
            (None, _) => return Difference::New,
        };
        let told = |side: &DiffSide| (side.status, side.is_failed, side.fork.clone(), side.is_lost);
        if told(a) != told(b) {
            return Difference::Changed;
        }
        match (a.duration, b.duration) {
            (Some(a), Some(b)) if b > a + a / 2 + CHANCE => Difference::Slower,
            (Some(a), Some(b)) if a > b + b / 2 + CHANCE => Difference::Faster,
            _ => Difference::Same,
        }
    }

    /// How much longer B took, in microseconds; `None` where one of them has no end.
    #[must_use]
    pub fn longer_us(&self) -> Option<i64> {
        let micros = |side: &Option<DiffSide>| {
            let duration = side.as_ref()?.duration?;
            i64::try_from(duration.as_micros()).ok()
        };
        Some(micros(&self.b)? - micros(&self.a)?)
    }
}
