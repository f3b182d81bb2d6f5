//! The traces that were seen: the newest, those in flight, and which of them the filter wants.
//!
//! Rows are the wanted ones in the order of their first publication, then
//! those in flight. A trace that is published again changes in place.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spur_route::TraceId;
use spur_trace::Trace;

use super::cursor::Rows;
use super::filter::Filter;

/// Most traces that are kept: an hour at one a second, and 10 times what
/// anybody scrolls through. The server keeps more, and `spur trace` has them.
const TRACES_MAX: usize = 5_000;

/// Most hops in them; a hop is about 0.7 KB, so that all stay under 50 MB.
const HOPS_MAX: usize = 60_000;

/// See above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    kept: VecDeque<Arc<Trace>>,
    /// The number of the first that is kept; they are counted from 0.
    first: u64,
    numbers: HashMap<TraceId, u64>,
    n_hops: usize,
    in_flight: Vec<Arc<Trace>>,
    filter: Filter,
    /// The numbers of the kept ones that are wanted, rising.
    shown: VecDeque<u64>,
    /// The places of those in flight that are wanted.
    shown_in_flight: Vec<usize>,
}

// === impl Traces ===

impl Traces {
    /// Takes in a trace that was published; whether it is a new one.
    pub(crate) fn put(&mut self, trace: Arc<Trace>) -> bool {
        let id = trace.trace_id;
        if self.in_flight.iter().any(|other| other.trace_id == id) {
            self.in_flight.retain(|other| other.trace_id != id);
            self.choose_in_flight();
        }
        if let Some(number) = self.numbers.get(&id).copied() {
            self.replace(number, trace);
            return false;
        }
        let number = self.first + self.kept.len() as u64;
        if self.filter.wants(&trace) {
            self.shown.push_back(number);
        }
        self.numbers.insert(id, number);
        self.n_hops += trace.hops.len();
        self.kept.push_back(trace);
        while self.kept.len() > TRACES_MAX || (self.n_hops > HOPS_MAX && self.kept.len() > 1) {
            self.drop_oldest();
        }
        true
    }

    /// Takes in all that are in flight.
    pub(crate) fn set_in_flight(&mut self, traces: Vec<Arc<Trace>>) {
        let (known, new): (Vec<_>, Vec<_>) =
            traces.into_iter().partition(|trace| self.numbers.contains_key(&trace.trace_id));
        for trace in known {
            let number = self.numbers[&trace.trace_id];
            // An answer from before its end may come after the end.
            if self.at(number).is_some_and(|kept| trace.hops.len() > kept.hops.len()) {
                self.replace(number, trace);
            }
        }
        self.in_flight = new;
        self.choose_in_flight();
    }

    pub(crate) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        let numbered = (self.first..).zip(&self.kept);
        self.shown =
            numbered.filter(|(_, trace)| self.filter.wants(trace)).map(|(number, _)| number).collect();
        self.choose_in_flight();
    }

    /// The trace in a row.
    pub(crate) fn row(&self, idx: usize) -> Option<&Arc<Trace>> {
        match self.shown.get(idx) {
            Some(number) => self.at(*number),
            None => self.in_flight.get(*self.shown_in_flight.get(idx - self.shown.len())?),
        }
    }

    /// A trace, whether or not the filter wants it.
    pub(crate) fn get(&self, id: &TraceId) -> Option<&Arc<Trace>> {
        match self.numbers.get(id) {
            Some(number) => self.at(*number),
            None => self.in_flight.iter().find(|trace| trace.trace_id == *id),
        }
    }

    pub(crate) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn n_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Those that the filter wants, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<Trace>> {
        self.shown.iter().rev().filter_map(|number| self.at(*number))
    }

    /// Since when all are kept; `None` where none was dropped yet.
    pub(crate) fn complete_since(&self) -> Option<SystemTime> {
        (self.first > 0).then(|| self.kept.front().map(|oldest| oldest.started)).flatten()
    }

    fn at(&self, number: u64) -> Option<&Arc<Trace>> {
        self.kept.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn replace(&mut self, number: u64, trace: Arc<Trace>) {
        let Some(kept) = usize::try_from(number - self.first).ok().and_then(|idx| self.kept.get_mut(idx))
        else {
            return;
        };
        let is_wanted = self.filter.wants(&trace);
        self.n_hops = self.n_hops + trace.hops.len() - kept.hops.len();
        *kept = trace;
        match (self.shown.binary_search(&number), is_wanted) {
            (Ok(idx), false) => drop(self.shown.remove(idx)),
            (Err(idx), true) => self.shown.insert(idx, number),
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.kept.pop_front() else { return };
        self.n_hops -= oldest.hops.len();
        self.numbers.remove(&oldest.trace_id);
        if self.shown.front() == Some(&self.first) {
            self.shown.pop_front();
        }
        self.first += 1;
    }

    fn choose_in_flight(&mut self) {
        let wanted = self.in_flight.iter().enumerate().filter(|(_, trace)| self.filter.wants(trace));
        self.shown_in_flight = wanted.map(|(idx, _)| idx).collect();
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
        if let Some(number) = self.numbers.get(id) {
            return self.shown.binary_search(number).ok();
        }
        let place = self.shown_in_flight.iter().position(|idx| self.in_flight[*idx].trace_id == *id)?;
        Some(self.shown.len() + place)
    }
}

/// The value that a share of the sorted ones are not above.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace, unfinished};

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
        traces.set_filter(Filter::read("cart"));
        assert_eq!(traces.n_rows(), 0);
        traces.put(trace(2, vec![hop("gw", "cart")]));
        traces.put(trace(1, vec![hop("gw", "front"), hop("front", "cart")]));
        let both = [trace(1, vec![]).trace_id, trace(2, vec![]).trace_id];
        assert_eq!(ids(&traces), both);
        assert_eq!(traces.idx_of(&both[1]), Some(1));
        traces.put(trace(1, vec![hop("gw", "front")]));
        assert_eq!(ids(&traces), both[1..]);
        traces.set_filter(Filter::default());
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
}
