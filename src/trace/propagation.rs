//! Which services hand their key on, and which lose it, and what of it is missing.
//!
//! The proxy sees both sides of a service: what it got, and what it called meanwhile. A call in
//! the trace of a keyed request is judged by that trace. A service that forwards nothing at all
//! calls outside of any trace; its call is put to the requests that were in flight at its pod at
//! that moment, and where all of them had one key, that key was lost with it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use spur_route::{Carrier, TraceId};

use crate::carried::{Carried, KeyHeader};
use crate::record::HopSource;
use crate::series::Place;
use crate::trace::{Hop, Trace};

/// A call on which a key was lost, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss<'a> {
    /// The workload that got the key and did not hand it on.
    pub service: Place,
    /// The call without the key.
    pub hop: &'a Hop,
    /// The key.
    pub key: &'a str,
    /// The headers in which it got the key, and which it should have sent on.
    pub missing: Vec<Missing>,
}

/// A header that should have been sent on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub header: Arc<str>,
    /// Whether the call has such a header, without the key in it.
    pub is_sent_without_key: bool,
}

/// The traces that are judged, at most [`Propagation::MAX_TRACES`].
#[derive(Debug, Default)]
pub struct Propagation {
    key: Option<Arc<str>>,
    traces: HashMap<TraceId, Arc<Trace>>,
    order: VecDeque<TraceId>,
    n_dropped: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropagationReport {
    /// For each service and what it called, in order.
    pub edges: Vec<PropagationEdge>,
    /// Traces that were judged.
    pub n_traces: u64,
    /// Those of them with a key.
    pub n_keyed_traces: u64,
    /// Traces that were too many to be judged; the oldest.
    pub n_dropped_traces: u64,
}

/// A service's calls to another while it had a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropagationEdge {
    /// The calling workload.
    pub service: Place,
    /// The Service that it called.
    pub to: Place,
    /// Calls with the key.
    pub n_handed_on: u64,
    /// Calls without it, those outside of any trace included.
    pub n_lost: u64,
    /// Those of them that were outside of any trace: `traceparent` is missing, too.
    pub n_untraced: u64,
    /// Calls that have the key because of who was calling: a fork need not hand it on.
    pub n_implied: u64,
    /// Calls with another key.
    pub n_changed: u64,
    /// Calls outside of any trace while requests with and without the key were in flight.
    pub n_unsure: u64,
    /// What the calls without it lacked, and how many of them did.
    pub missing: Vec<(Missing, u64)>,
}

/// A request as a pod got it.
struct Got<'a> {
    from: SystemTime,
    /// `None`: it is in flight still.
    to: Option<SystemTime>,
    hop: &'a Hop,
}

type Edges = BTreeMap<(Place, Place), PropagationEdge>;

// === impl Trace ===

impl Trace {
    /// The calls on which a key was lost, each with who lost it and what is missing.
    pub fn losses(&self) -> impl Iterator<Item = Loss<'_>> {
        self.hops.iter().filter_map(|hop| {
            let key = hop.lost_key.as_deref()?;
            let service = place(hop.start.source.as_ref()?);
            Some(Loss { service, hop, key, missing: missing(self.came_by(hop)?, hop) })
        })
    }

    /// The request that brought this hop's caller its key.
    fn came_by(&self, hop: &Hop) -> Option<&Hop> {
        let span = hop.key_came_by?;
        self.hops.iter().find(|hop| hop.start.id.span_id == span)
    }
}

// === impl Propagation ===

impl Propagation {
    /// As many as a store has by default; a trace that goes on is judged once, in its last form,
    /// as long as it is among them.
    pub const MAX_TRACES: usize = 10_000;

    /// Judges this key only; `None`: all keys.
    #[must_use]
    pub fn of(key: Option<Arc<str>>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Takes a trace in, in the place of an earlier form of it. Those without a key are wanted,
    /// too: they tell whose a call outside of any trace may have been.
    pub fn add(&mut self, trace: Arc<Trace>) {
        let id = trace.trace_id;
        if self.traces.insert(id, trace).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > Self::MAX_TRACES
            && let Some(oldest) = self.order.pop_front()
        {
            self.traces.remove(&oldest);
            self.n_dropped += 1;
        }
    }

    /// What is found in those that are there.
    #[must_use]
    pub fn report(&self) -> PropagationReport {
        let mut edges = Edges::new();
        let traces = || self.order.iter().filter_map(|id| self.traces.get(id));
        for trace in traces() {
            self.judge(trace, &mut edges);
        }
        let got = got(traces());
        for hop in traces().flat_map(|trace| &trace.hops).filter(|hop| is_untraced(hop)) {
            self.judge_untraced(hop, &got, &mut edges);
        }
        PropagationReport {
            edges: edges.into_values().collect(),
            n_traces: self.traces.len() as u64,
            n_keyed_traces: traces().filter(|trace| trace.key.is_some()).count() as u64,
            n_dropped_traces: self.n_dropped,
        }
    }

    fn judge(&self, trace: &Trace, edges: &mut Edges) {
        for hop in &trace.hops {
            let Some(came_by) = trace.came_by(hop) else { continue };
            let Some(key) = came_by.key().filter(|key| self.wants(key)) else { continue };
            let Some(edge) = edge(edges, hop) else { continue };
            let carrier = hop.start.decision.key.as_ref().map(|key| key.carrier);
            match (hop.key(), carrier) {
                (None, _) => edge.lost(missing(came_by, hop)),
                (Some(_), Some(Carrier::Implied)) => edge.n_implied += 1,
                (Some(found), _) if found == key => edge.n_handed_on += 1,
                (Some(_), _) => edge.n_changed += 1,
            }
        }
    }

    fn judge_untraced(&self, hop: &Hop, got: &HashMap<(&str, &str), Vec<Got<'_>>>, edges: &mut Edges) {
        let Some(source) = &hop.start.source else { return };
        let at_pod = got.get(&(&*source.namespace, &*source.pod)).map_or(&[][..], Vec::as_slice);
        let at = hop.start.started;
        let in_flight: Vec<&Hop> =
            at_pod.iter().filter(|got| got.is_in_flight_at(at)).map(|got| got.hop).collect();
        let Some(keyed) = in_flight.iter().find(|hop| hop.key().is_some_and(|key| self.wants(key))) else {
            return;
        };
        let is_sure = in_flight.iter().all(|other| other.key() == keyed.key());
        let Some(edge) = edge(edges, hop) else { return };
        if !is_sure {
            edge.n_unsure += 1;
            return;
        }
        edge.n_untraced += 1;
        let mut missing = missing(keyed, hop);
        missing.insert(0, Missing { header: "traceparent".into(), is_sent_without_key: false });
        edge.lost(missing);
    }

    fn wants(&self, key: &str) -> bool {
        self.key.as_deref().is_none_or(|wanted| wanted == key)
    }
}

// === impl PropagationReport ===

impl PropagationReport {
    /// Whether some call went without its key.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.edges.iter().any(|edge| edge.n_lost > 0)
    }
}

// === impl PropagationEdge ===

impl PropagationEdge {
    /// Of the calls that should have had the key, how many in a hundred had not; 0 where there
    /// were none.
    #[must_use]
    pub fn lost_percent(&self) -> u64 {
        let n = self.n_lost + self.n_handed_on + self.n_changed;
        // One loss of thousands is not nothing.
        if self.n_lost == 0 { 0 } else { (self.n_lost * 100 / n).max(1) }
    }

    fn lost(&mut self, missing: Vec<Missing>) {
        self.n_lost += 1;
        for one in missing {
            match self.missing.iter_mut().find(|(known, _)| *known == one) {
                Some((_, n)) => *n += 1,
                None => self.missing.push((one, 1)),
            }
        }
    }
}

// === impl Got ===

impl Got<'_> {
    fn is_in_flight_at(&self, at: SystemTime) -> bool {
        self.from <= at && self.to.is_none_or(|to| at <= to)
    }
}

/// What each pod got, by namespace and name.
fn got<'a>(traces: impl Iterator<Item = &'a Arc<Trace>>) -> HashMap<(&'a str, &'a str), Vec<Got<'a>>> {
    let mut got: HashMap<_, Vec<Got<'a>>> = HashMap::new();
    for hop in traces.flat_map(|trace| &trace.hops) {
        let (Some(service), Some(endpoint)) = (&hop.start.decision.service, hop.endpoint()) else { continue };
        let from = hop.start.started;
        let to = hop.end.as_ref().map(|end| from + end.duration);
        got.entry((&*service.namespace, &*endpoint.pod)).or_default().push(Got { from, to, hop });
    }
    got
}

/// Whether a workload made this call outside of any trace, and without a key. Connections that are
/// not read carry neither, and are not its fault.
fn is_untraced(hop: &Hop) -> bool {
    let start = &hop.start;
    let is_read = start.target.is_some();
    is_read && start.source.is_some() && start.incoming_parent_id.is_none() && hop.key().is_none()
}

fn edge<'a>(edges: &'a mut Edges, hop: &Hop) -> Option<&'a mut PropagationEdge> {
    let service = place(hop.start.source.as_ref()?);
    let to = hop.start.decision.service.as_ref()?;
    let to = Place { namespace: to.namespace.clone(), name: to.name.clone() };
    let key = (service.clone(), to.clone());
    Some(edges.entry(key).or_insert(PropagationEdge {
        service,
        to,
        n_handed_on: 0,
        n_lost: 0,
        n_untraced: 0,
        n_implied: 0,
        n_changed: 0,
        n_unsure: 0,
        missing: Vec::new(),
    }))
}

fn place(source: &HopSource) -> Place {
    Place { namespace: source.namespace.clone(), name: source.workload.clone() }
}

/// The headers in which the key came, as the service got them, against those of its call.
fn missing(came_by: &Hop, call: &Hop) -> Vec<Missing> {
    let (in_headers, elsewhere) = brought(came_by);
    let sent = call.start.carried;
    let headers = in_headers.iter().map(|header| (header.name(), sent.has(header)));
    let elsewhere = elsewhere.map(|name| (name, false));
    let missing =
        |(header, is_sent_without_key): (&str, bool)| Missing { header: header.into(), is_sent_without_key };
    headers.chain(elsewhere).map(missing).collect()
}

/// Where the service found its key: where the client had it, and where the proxy wrote it.
fn brought(hop: &Hop) -> (Carried, Option<&'static str>) {
    let decision = &hop.start.decision;
    let injected: Carried = KeyHeader::ALL.into_iter().filter(|_| decision.is_injected).collect();
    match decision.key.as_ref().map(|key| key.carrier) {
        Some(Carrier::Header) => (injected.with(KeyHeader::SpurKey), None),
        Some(Carrier::Baggage | Carrier::BaggageSdRoutingKey) => (injected.with(KeyHeader::Baggage), None),
        Some(Carrier::Tracestate | Carrier::TracestateSdRoutingKey) => {
            (injected.with(KeyHeader::Tracestate), None)
        }
        Some(Carrier::OtBaggage) => (injected, Some("ot-baggage-sd-routing-key")),
        Some(Carrier::Uberctx) => (injected, Some("uberctx-sd-routing-key")),
        Some(Carrier::CustomHeader) => (injected, Some("the configured header")),
        Some(Carrier::Cookie) => (injected, Some("cookie")),
        // These are about one request, and cannot be handed on.
        Some(Carrier::PreviewHost | Carrier::Query | Carrier::Implied) | None => (injected, None),
    }
}
