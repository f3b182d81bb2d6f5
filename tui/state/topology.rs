//! Who calls whom, from the traces that were seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spur_route::Version;
use spur_trace::Trace;

use super::cursor::Rows;
use super::traces::quantile;

/// What the figures are of: long enough for a quantile, short enough to see a change.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Calls of one version of a service by one workload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) id: EdgeId,
    pub(crate) service: String,
    /// The sandbox whose fork is called, if one is.
    pub(crate) sandbox: Option<String>,
    pub(crate) n_calls: usize,
    pub(crate) n_failed: usize,
    pub(crate) n_lost_key: usize,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
}

/// The two ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EdgeId {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// All edges, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topology {
    pub(crate) edges: Vec<Edge>,
}

#[derive(Default)]
struct Calls {
    service: String,
    sandbox: Option<String>,
    n_failed: usize,
    n_lost_key: usize,
    durations: Vec<Duration>,
}

/// The edges of the hops that began in the window, or since all traces are
/// kept, where that is later; traces come newest first.
pub(crate) fn topology<'a>(
    traces: impl Iterator<Item = &'a Arc<Trace>>,
    now: SystemTime,
    complete_since: Option<SystemTime>,
) -> Topology {
    let since = complete_since.unwrap_or(now - WINDOW).max(now - WINDOW);
    let seconds = now.duration_since(since).unwrap_or_default().as_secs_f64().max(1.0);
    let mut all: HashMap<EdgeId, Calls> = HashMap::new();
    for hop in traces.flat_map(|trace| &trace.hops).filter(|hop| hop.start.started >= since) {
        let from = hop.start.source.as_ref().map_or("gw", |source| &source.workload).to_owned();
        let service = hop.name().to_owned();
        let (to, sandbox) = match &hop.start.decision.version {
            Version::Baseline => (service.clone(), None),
            Version::Sandbox(sandbox) => {
                (format!("{service} ({})", sandbox.name), Some(sandbox.name.to_string()))
            }
        };
        let calls = all.entry(EdgeId { from, to }).or_default();
        (calls.service, calls.sandbox) = (service, sandbox);
        calls.n_failed += usize::from(hop.is_failed());
        calls.n_lost_key += usize::from(hop.lost_key.is_some());
        calls.durations.extend(hop.end.as_ref().map(|end| end.duration));
    }
    let mut edges: Vec<Edge> = all.into_iter().map(|(id, calls)| edge(id, calls, seconds)).collect();
    edges.sort_by(|one, other| one.id.cmp(&other.id));
    Topology { edges }
}

fn edge(id: EdgeId, mut calls: Calls, seconds: f64) -> Edge {
    calls.durations.sort_unstable();
    Edge {
        id,
        service: calls.service,
        sandbox: calls.sandbox,
        n_calls: calls.durations.len(),
        n_failed: calls.n_failed,
        n_lost_key: calls.n_lost_key,
        per_second: calls.durations.len() as f64 / seconds,
        p50: quantile(&calls.durations, 0.5),
        p95: quantile(&calls.durations, 0.95),
    }
}

// === impl Edge ===

impl Edge {
    /// A filter that wants the requests with such calls.
    pub(crate) fn filter(&self) -> String {
        let sandbox = self.sandbox.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{}{sandbox}", self.service)
    }
}

impl Rows for Topology {
    type Id = EdgeId;

    fn n_rows(&self) -> usize {
        self.edges.len()
    }

    fn id_at(&self, idx: usize) -> Option<EdgeId> {
        self.edges.get(idx).map(|edge| edge.id.clone())
    }

    fn idx_of(&self, id: &EdgeId) -> Option<usize> {
        self.edges.iter().position(|edge| edge.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{at, hop, trace};

    #[test]
    fn edges_are_counted_by_caller_service_and_version() {
        let one = || {
            vec![
                hop("gw", "front"),
                hop("front", "cart").lasting(9000),
                hop("front", "cart").fork("pr-1").status(503),
            ]
        };
        let traces = [trace(1, one()), trace(2, one())];
        let found = topology(traces.iter(), at(30), None);
        let shown: Vec<_> = found
            .edges
            .iter()
            .map(|edge| {
                (
                    edge.id.from.as_str(),
                    edge.id.to.as_str(),
                    edge.sandbox.is_some(),
                    edge.n_calls,
                    edge.n_failed,
                    edge.p95,
                )
            })
            .collect();
        let ms = |us| Duration::from_micros(us);
        assert_eq!(
            shown,
            [
                ("front", "cart", false, 2, 0, ms(9000)),
                ("front", "cart (pr-1)", true, 2, 2, ms(4200)),
                ("gw", "front", false, 2, 0, ms(4200)),
            ]
        );
        assert_eq!(topology(traces.iter(), at(90), None), Topology::default());
        // Two calls in the four seconds of which all are kept.
        let found = topology(traces.iter(), at(4), Some(at(0)));
        assert_eq!(found.edges[0].per_second, 0.5);
    }
}
