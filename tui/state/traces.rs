//! The traces that were seen: the newest, those in flight, and which of them the filter wants.
//!
//! Rows are the wanted ones in the order of their first publication, then
//! those in flight. A trace that is published again changes in place.
//!
//! Another filter is looked for in slices, so that keys are answered meanwhile; until it has seen
//! all, the rows are those of the filter before.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use spur_route::TraceId;
use spur_trace::{Filter, Trace};

use super::cursor::Rows;

/// Most traces that are kept: an hour at one a second, and 10 times what
/// anybody scrolls through. The server keeps more, and `spur trace` has them.
pub(crate) const TRACES_MAX: usize = 5_000;

/// Most hops in them; a hop is about 0.7 KB, so that all stay under 50 MB.
const HOPS_MAX: usize = 60_000;

/// Traces that are filtered between two looks at the clock: some 50 µs.
const AT_ONCE: usize = 32;

/// Where a trace stands: which server told of it, counted, and the number of its publication there.
pub(crate) type Place = (u32, u64);

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    kept: BTreeMap<Place, Arc<Trace>>,
    places: HashMap<TraceId, Place>,
    /// A server that was lost may count from 1 when it is back.
    server: u32,
    n_hops: usize,
    in_flight: Vec<Arc<Trace>>,
    filter: Arc<Filter>,
    /// Ages are counted from here.
    now: SystemTime,
    /// The places of those that are wanted, rising.
    shown: VecDeque<Place>,
    /// The places of those in flight that are wanted.
    shown_in_flight: Vec<usize>,
    next: Option<Box<Next>>,
}

/// What another filter wants, as far as it has looked.
#[derive(Clone, Debug)]
struct Next {
    filter: Arc<Filter>,
    /// The first that was not looked at.
    from: Option<Place>,
    n_seen: usize,
    shown: VecDeque<Place>,
}

// === impl Traces ===

impl Default for Traces {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            places: HashMap::new(),
            server: 0,
            n_hops: 0,
            in_flight: Vec::new(),
            filter: Arc::default(),
            now: SystemTime::UNIX_EPOCH,
            shown: VecDeque::new(),
            shown_in_flight: Vec::new(),
            next: None,
        }
    }
}

impl Traces {
    /// Takes in a trace that was published; whether it is a new one.
    pub(crate) fn put(&mut self, trace: Arc<Trace>) -> bool {
        let id = trace.trace_id;
        if self.in_flight.iter().any(|other| other.trace_id == id) {
            self.in_flight.retain(|other| other.trace_id != id);
            self.choose_in_flight();
        }
        if let Some(place) = self.places.get(&id).copied() {
            self.replace(place, trace);
            return false;
        }
        let place = (self.server, trace.seq);
        if self.kept.contains_key(&place) {
            self.drop_at(place);
        }
        if self.wants(&self.filter, &trace) {
            put_in(&mut self.shown, place);
        }
        if self.next.as_ref().is_some_and(|next| next.has_seen(place)) {
            self.judge_for_next(place, &trace);
        }
        self.places.insert(id, place);
        self.n_hops += trace.hops.len();
        self.kept.insert(place, trace);
        while self.kept.len() > TRACES_MAX || (self.n_hops > HOPS_MAX && self.kept.len() > 1) {
            let Some((oldest, _)) = self.kept.first_key_value() else { break };
            self.drop_at(*oldest);
        }
        true
    }

    /// Takes in all that are in flight.
    pub(crate) fn set_in_flight(&mut self, traces: Vec<Arc<Trace>>) {
        let (known, new): (Vec<_>, Vec<_>) =
            traces.into_iter().partition(|trace| self.places.contains_key(&trace.trace_id));
        for trace in known {
            let place = self.places[&trace.trace_id];
            // An answer from before its end may come after the end.
            if self.kept.get(&place).is_some_and(|kept| trace.hops.len() > kept.hops.len()) {
                self.replace(place, trace);
            }
        }
        self.in_flight = new;
        self.choose_in_flight();
    }

    /// From here on another server tells, or the same one again.
    pub(crate) fn begin_anew(&mut self) {
        self.server += 1;
    }

    pub(crate) fn set_now(&mut self, now: SystemTime) {
        self.now = now;
    }

    /// Begins to look for what another filter wants.
    pub(crate) fn set_filter(&mut self, filter: Arc<Filter>) {
        let from = self.kept.first_key_value().map(|(place, _)| *place);
        self.next = Some(Box::new(Next { filter, from, n_seen: 0, shown: VecDeque::new() }));
    }

    /// Looks on until it is time to stop; whether anything has changed.
    pub(crate) fn filter_on(&mut self, is_time: &mut dyn FnMut() -> bool) -> bool {
        let Some(mut next) = self.next.take() else { return false };
        while let Some(from) = next.from {
            let mut rest = self.kept.range(from..);
            for (place, trace) in rest.by_ref().take(AT_ONCE) {
                if self.wants(&next.filter, trace) {
                    next.shown.push_back(*place);
                }
                next.n_seen += 1;
            }
            next.from = rest.next().map(|(place, _)| *place);
            if next.from.is_some() && is_time() {
                self.next = Some(next);
                return true;
            }
        }
        let Next { filter, shown, .. } = *next;
        (self.filter, self.shown) = (filter, shown);
        self.choose_in_flight();
        true
    }

    /// How far another filter has looked, in percent, while it looks.
    pub(crate) fn filtered_percent(&self) -> Option<usize> {
        let next = self.next.as_ref()?;
        Some(100 * next.n_seen.min(self.kept.len()) / self.kept.len().max(1))
    }

    /// The trace in a row.
    pub(crate) fn row(&self, idx: usize) -> Option<&Arc<Trace>> {
        match self.shown.get(idx) {
            Some(place) => self.kept.get(place),
            None => self.in_flight.get(*self.shown_in_flight.get(idx - self.shown.len())?),
        }
    }

    /// A trace, whether or not the filter wants it.
    pub(crate) fn get(&self, id: &TraceId) -> Option<&Arc<Trace>> {
        match self.places.get(id) {
            Some(place) => self.kept.get(place),
            None => self.in_flight.iter().find(|trace| trace.trace_id == *id),
        }
    }

    pub(crate) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn n_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// All that are kept, the newest first.
    pub(crate) fn all_newest_first(&self) -> impl Iterator<Item = &Arc<Trace>> {
        self.kept.values().rev()
    }

    fn wants(&self, filter: &Filter, trace: &Trace) -> bool {
        filter.matches(&trace.at(self.now))
    }

    fn replace(&mut self, place: Place, trace: Arc<Trace>) {
        if self.next.as_ref().is_some_and(|next| next.has_seen(place)) {
            self.judge_for_next(place, &trace);
        }
        let is_wanted = self.wants(&self.filter, &trace);
        let Some(kept) = self.kept.get_mut(&place) else { return };
        self.n_hops = self.n_hops + trace.hops.len() - kept.hops.len();
        *kept = trace;
        let judge = if is_wanted { put_in } else { take_out };
        judge(&mut self.shown, place);
    }

    fn judge_for_next(&mut self, place: Place, trace: &Trace) {
        let Some(mut next) = self.next.take() else { return };
        let judge = if self.wants(&next.filter, trace) { put_in } else { take_out };
        judge(&mut next.shown, place);
        self.next = Some(next);
    }

    fn drop_at(&mut self, place: Place) {
        let Some(trace) = self.kept.remove(&place) else { return };
        self.n_hops -= trace.hops.len();
        self.places.remove(&trace.trace_id);
        take_out(&mut self.shown, place);
        if let Some(next) = &mut self.next {
            take_out(&mut next.shown, place);
        }
    }

    fn choose_in_flight(&mut self) {
        let wanted = self.in_flight.iter().enumerate().filter(|(_, trace)| self.wants(&self.filter, trace));
        self.shown_in_flight = wanted.map(|(idx, _)| idx).collect();
    }
}

/// Puts a place into a rising list. Nearly always that is at its end.
fn put_in(places: &mut VecDeque<Place>, place: Place) {
    if let Err(idx) = places.binary_search(&place) {
        places.insert(idx, place);
    }
}

/// Takes a place out. Nearly always that is at its beginning.
fn take_out(places: &mut VecDeque<Place>, place: Place) {
    if let Ok(idx) = places.binary_search(&place) {
        places.remove(idx);
    }
}

// === impl Next ===

impl Next {
    fn has_seen(&self, place: Place) -> bool {
        self.from.is_none_or(|from| place < from)
    }
}

impl Rows for Traces {
    type Id = TraceId;

    fn n_rows(&self) -> usize {
        self.shown.len() + self.shown_in_flight.len()
    }

    fn id_at(&self, idx: usize) -> Option<TraceId> {
        self.row(idx).map(|trace| trace.trace_id)
    }

    fn idx_of(&self, id: &TraceId) -> Option<usize> {
        if let Some(place) = self.places.get(id) {
            return self.shown.binary_search(place).ok();
        }
        let place = self.shown_in_flight.iter().position(|idx| self.in_flight[*idx].trace_id == *id)?;
        Some(self.shown.len() + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace, unfinished};

    fn filter(traces: &mut Traces, text: &str) {
        traces.set_filter(Arc::new(Filter::parse(text).unwrap()));
        traces.filter_on(&mut || false);
    }

    fn ids(traces: &Traces) -> Vec<TraceId> {
        (0..traces.n_rows()).filter_map(|idx| traces.id_at(idx)).collect()
    }

    #[test]
    fn a_trace_that_is_published_again_changes_in_place() {
        let mut traces = Traces::default();
        assert!(traces.put(trace(1, vec![hop("gw", "front")])));
        assert!(traces.put(trace(2, vec![hop("gw", "front")])));
        let before = ids(&traces);
        assert!(!traces.put(trace(1, vec![hop("gw", "front"), hop("front", "cart")])));
        assert_eq!(ids(&traces), before);
        assert_eq!(traces.row(0).unwrap().hops.len(), 2);
    }

    #[test]
    fn the_filter_holds_for_what_comes_and_what_changes() {
        let mut traces = Traces::default();
        traces.put(trace(1, vec![hop("gw", "front")]));
        filter(&mut traces, "cart");
        assert_eq!(traces.n_rows(), 0);
        traces.put(trace(2, vec![hop("gw", "cart")]));
        traces.put(trace(1, vec![hop("gw", "front"), hop("front", "cart")]));
        let both = [trace(1, vec![]).trace_id, trace(2, vec![]).trace_id];
        assert_eq!(ids(&traces), both);
        assert_eq!(traces.idx_of(&both[1]), Some(1));
        traces.put(trace(1, vec![hop("gw", "front")]));
        assert_eq!(ids(&traces), both[1..]);
        filter(&mut traces, "");
        assert_eq!(ids(&traces), both);
    }

    #[test]
    fn the_oldest_go() {
        let mut traces = Traces::default();
        for n in 0..TRACES_MAX + 10 {
            traces.put(trace(n as u32 + 1, vec![hop("gw", "front")]));
        }
        assert_eq!((traces.n_kept(), traces.n_rows()), (TRACES_MAX, TRACES_MAX));
        assert_eq!(traces.id_at(0), Some(trace(11, vec![]).trace_id));
        assert_eq!(traces.idx_of(&trace(12, vec![]).trace_id), Some(1));
        assert_eq!(traces.get(&trace(1, vec![]).trace_id), None);
    }

    #[test]
    fn one_in_flight_becomes_the_finished_one() {
        let mut traces = Traces::default();
        traces.put(trace(1, vec![hop("gw", "front")]));
        traces.set_in_flight(vec![unfinished(2, vec![hop("gw", "slow").open()])]);
        assert_eq!((traces.n_rows(), traces.n_in_flight()), (2, 1));
        assert_eq!(traces.idx_of(&trace(2, vec![]).trace_id), Some(1));
        traces.put(trace(2, vec![hop("gw", "slow")]));
        assert_eq!((traces.n_rows(), traces.n_in_flight()), (2, 0));
        // The answer of before.
        traces.set_in_flight(vec![unfinished(2, vec![hop("gw", "slow").open()])]);
        assert!(traces.row(1).unwrap().is_finished);
        assert_eq!(traces.n_rows(), 2);
    }

    #[test]
    fn a_filter_looks_in_slices_and_sees_what_changes_meanwhile() {
        let mut traces = Traces::default();
        (1..=200).for_each(|id| assert!(traces.put(trace(id, vec![hop("gw", "front")]))));
        traces.set_filter(Arc::new(Filter::parse("svc:cart").unwrap()));
        assert!(traces.filter_on(&mut || true));
        // Rows are those of before until all were looked at.
        assert_eq!((traces.n_rows(), traces.filtered_percent()), (200, Some(16)));
        traces.put(trace(1, vec![hop("gw", "front"), hop("front", "cart")]));
        traces.put(trace(199, vec![hop("gw", "cart")]));
        traces.put(trace(300, vec![hop("gw", "cart")]));
        while traces.filtered_percent().is_some() {
            traces.filter_on(&mut || true);
        }
        let expected = [1, 199, 300].map(|id| trace(id, vec![]).trace_id);
        assert_eq!(ids(&traces), expected);
        assert!(!traces.filter_on(&mut || true));
    }

    #[test]
    fn what_the_server_tells_late_stands_where_it_belongs() {
        let mut traces = Traces::default();
        let put = |traces: &mut Traces, id| traces.put(trace(id, vec![hop("gw", "front")]));
        put(&mut traces, 5);
        put(&mut traces, 2);
        traces.begin_anew();
        put(&mut traces, 1);
        assert_eq!(ids(&traces), [2, 5, 1].map(|id| trace(id, vec![]).trace_id));
    }
}
