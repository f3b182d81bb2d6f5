//! Whether every call can have taken place at one moment between its beginning and
//! its end, over all keys at once (strict serializability, which etcd promises).
//!
//! Finding an order is hard in general (Gibbons and Korach, 1997); here every write
//! tells its revision, so the order of writes is given, and what remains is easy.
//! A read, and a refusal, takes place after some revision; the earliest one that
//! explains it and is not before what had been seen when it began is as good as
//! any, since a later one only leaves less room to those that follow; it has to be
//! before the writes that began after the end. Then each write has to be past
//! everything that had been seen when *it* began.
//!
//! A write of unknown outcome took place if its value, or the deletion, is in the
//! truth, at any time after it began.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use crate::history::{Answer, Call, Change, Extent, Moment, Operation, Revision, Seen, Write};
use crate::truth::{Step, Truth};
use crate::violation::{Guarantee, Violation};

/// A revision that a watch told at a moment: who reads afterwards must see it.
pub(crate) type Sighting = (Moment, Revision);

/// Checks every operation; sightings are what watches have told.
pub(crate) fn check(operations: &[Operation], sightings: &[Sighting], truth: &Truth) -> Vec<Violation> {
    let mut order: Vec<&Operation> = operations.iter().collect();
    order.sort_by_key(|operation| operation.invoked);
    let mut findings = Findings::default();
    let Attributed { took_place, orphans } = findings.attribute(&order, truth);
    let seen = findings.check_order(&order, &took_place, sightings, truth);
    findings.explain(&orphans, &order, &seen, truth);
    findings.violations
}

#[derive(Default)]
struct Findings {
    violations: Vec<Violation>,
}

/// What became of the writes.
struct Attributed<'a> {
    /// The revision of each operation that is a write which took place.
    took_place: Vec<Option<Revision>>,
    /// Deletions that nobody was answered for.
    orphans: Vec<&'a Step>,
}

// === impl Findings ===

impl Findings {
    fn note(&mut self, what: String) {
        self.violations.push(Violation::new(Guarantee::Linearizable, what));
    }

    /// Finds the write behind each change: by its value or, for a deletion, by the
    /// uid in the answer.
    fn attribute<'a>(&mut self, order: &[&Operation], truth: &'a Truth) -> Attributed<'a> {
        let mut took_place = vec![None; order.len()];
        let mut orphans = Vec::new();
        let mut values: HashMap<&str, usize> = HashMap::new();
        let mut uids: HashMap<&str, usize> = HashMap::new();
        for (at, operation) in order.iter().enumerate() {
            if let Some(value) = value(operation) {
                values.insert(value, at);
            }
            if let Answer::Deleted(uid) = &operation.answer {
                uids.insert(uid, at);
            }
        }
        for step in truth.steps() {
            let author = match &step.content {
                Some(content) => values.get(&*content.value),
                None => uids.get(&*step.uid),
            };
            match author {
                Some(author) => {
                    if let Some(first) = took_place[*author].replace(step.revision) {
                        let again = step.revision;
                        self.note(format!("{:?} took place at {first} and at {again}", order[*author]));
                    }
                    self.check_effect(order[*author], step, truth);
                }
                None if step.content.is_none() => orphans.push(step),
                None => self.note(format!("nobody wrote {step:?}")),
            }
        }
        for (operation, took_place) in order.iter().zip(&took_place) {
            let is_acknowledged = matches!(operation.answer, Answer::Object(_) | Answer::Deleted(_));
            if operation.write().is_some() && is_acknowledged && took_place.is_none() {
                self.note(format!("{operation:?} was acknowledged and did not take place"));
            }
        }
        Attributed { took_place, orphans }
    }

    /// Finds a deletion of unknown outcome for each deletion that nobody was answered
    /// for. Those with a precondition explain this one or none and so come first; of
    /// the others the earliest, since what had been seen when it began only rises.
    fn explain(&mut self, orphans: &[&Step], order: &[&Operation], seen: &[Revision], truth: &Truth) {
        let mut unknown: Vec<usize> = (0..order.len()).filter(|at| order[*at].is_unknown_write()).collect();
        unknown.sort_by_key(|at| order[*at].write().is_some_and(|write| !has_preconditions(write)));
        for step in orphans {
            let before = truth.state(&step.key, step.revision - 1);
            let author = unknown.iter().position(|at| {
                let write = order[*at].write().expect("only writes are in the list");
                let fits = write.change == Change::Delete && write.key == step.key;
                fits && seen[*at] < step.revision && is_accepted(write, before.as_ref())
            });
            match author {
                Some(author) => {
                    unknown.remove(author);
                }
                None => self.note(format!("nobody deleted {step:?}")),
            }
        }
    }

    /// A write that took place was not refused, and found what it asked for.
    fn check_effect(&mut self, operation: &Operation, step: &Step, truth: &Truth) {
        let Some(write) = operation.write() else { return };
        match &operation.answer {
            Answer::Object(seen) if Some(seen) == step.seen().as_ref() => {}
            Answer::Deleted(uid) if *uid == step.uid && step.content.is_none() => {}
            Answer::Unknown(_) => {}
            _ => self.note(format!("{operation:?} took place as {step:?}")),
        }
        let before = truth.state(&step.key, step.revision - 1);
        if step.key != write.key || !is_accepted(write, before.as_ref()) {
            self.note(format!("{operation:?} took place at {} over {before:?}", step.revision));
        }
    }

    /// Gives every operation its place, in the order in which they began. Gives
    /// back what had been seen by then.
    fn check_order(
        &mut self,
        order: &[&Operation],
        took_place: &[Option<Revision>],
        sightings: &[Sighting],
        truth: &Truth,
    ) -> Vec<Revision> {
        let mut floor = Floor::of(sightings);
        let ceilings = ceilings(took_place);
        let mut all_seen = Vec::with_capacity(order.len());
        for (operation, took_place) in order.iter().zip(took_place) {
            let seen = floor.at(operation.invoked);
            all_seen.push(seen);
            let n_before_end = order.partition_point(|other| other.invoked <= operation.returned);
            let span = seen..ceilings[n_before_end];
            let place = match (took_place, operation.write()) {
                (Some(revision), _) => {
                    if *revision <= seen {
                        self.note(format!(
                            "{operation:?} took place at {revision}, and {seen} had been seen before it began"
                        ));
                    }
                    Some(*revision)
                }
                (None, Some(write)) => self.place_refusal(operation, write, &span, truth),
                (None, None) => self.place_read(operation, &span, truth),
            };
            // Of a write without an answer nobody knows when it ended.
            if let Some(place) = place.filter(|_| !operation.is_unknown_write()) {
                floor.raise(operation.returned, place);
            }
        }
        all_seen
    }

    fn place_refusal(
        &mut self,
        operation: &Operation,
        write: &Write,
        span: &Range<Revision>,
        truth: &Truth,
    ) -> Option<Revision> {
        let is_create = matches!(write.change, Change::Create(_));
        let place = match operation.answer {
            Answer::Exists if is_create => earliest(&write.key, span, truth, |state| state.is_some()),
            Answer::NotFound if !is_create => earliest(&write.key, span, truth, |state| state.is_none()),
            Answer::Conflict if !is_create => earliest(&write.key, span, truth, |state| {
                state.is_some_and(|state| !meets_preconditions(write, state))
            }),
            // What was acknowledged is looked for elsewhere.
            Answer::Object(_) | Answer::Deleted(_) | Answer::NotWritten(_) | Answer::Unknown(_) => {
                return None;
            }
            Answer::Exists | Answer::NotFound | Answer::Conflict => None,
            Answer::Listing(..) | Answer::Expired | Answer::Odd(_) => None,
        };
        self.placed(place, operation, span)
    }

    fn place_read(
        &mut self,
        operation: &Operation,
        span: &Range<Revision>,
        truth: &Truth,
    ) -> Option<Revision> {
        let place = match (&operation.call, &operation.answer) {
            (Call::Get(key), Answer::Object(found)) => {
                earliest(key, span, truth, |state| state == Some(found))
            }
            (Call::Get(key), Answer::NotFound) => earliest(key, span, truth, |state| state.is_none()),
            // What it holds is a matter of atomicity.
            (Call::List(_, Extent::Whole | Extent::Pages), Answer::Listing(revision, _)) => {
                Some(*revision).filter(|revision| span.contains(revision))
            }
            // The past is the same whenever it is read.
            (Call::List(_, Extent::At(at)), Answer::Listing(revision, _)) if at == revision => return None,
            (Call::List(_, Extent::At(_) | Extent::Pages), Answer::Expired) => return None,
            (_, Answer::Unknown(_)) => return None,
            _ => None,
        };
        self.placed(place, operation, span)
    }

    fn placed(
        &mut self,
        place: Option<Revision>,
        operation: &Operation,
        span: &Range<Revision>,
    ) -> Option<Revision> {
        if place.is_none() {
            let Range { start, end } = span;
            self.note(format!(
                "{operation:?}: no state explains it from {start}, which had been seen before it began, to \
                 {end}, which was written after it ended"
            ));
        }
        place
    }
}

/// For each number of operations: the first revision among the writes that began
/// after so many.
fn ceilings(took_place: &[Option<Revision>]) -> Vec<Revision> {
    let mut ceilings = vec![Revision::MAX];
    for revision in took_place.iter().rev() {
        let later = ceilings[ceilings.len() - 1];
        ceilings.push(revision.map_or(later, |revision| revision.min(later)));
    }
    ceilings.reverse();
    ceilings
}

/// The value that a write brings.
fn value(operation: &Operation) -> Option<&str> {
    operation.write()?.change.content().map(|content| &*content.value)
}

/// Whether a write takes place over this state.
fn is_accepted(write: &Write, before: Option<&Seen>) -> bool {
    match (&write.change, before) {
        (Change::Create(_), before) => before.is_none(),
        (Change::Replace(_) | Change::Patch(_) | Change::Delete, Some(before)) => {
            meets_preconditions(write, before)
        }
        (Change::Replace(_) | Change::Patch(_) | Change::Delete, None) => false,
    }
}

fn has_preconditions(write: &Write) -> bool {
    write.only_at.is_some() || write.only_uid.is_some()
}

fn meets_preconditions(write: &Write, state: &Seen) -> bool {
    write.only_at.is_none_or(|revision| revision == state.revision)
        && write.only_uid.as_ref().is_none_or(|uid| *uid == state.uid)
}

/// The earliest revision of a span after which the key is as wanted.
fn earliest(
    key: &str,
    span: &Range<Revision>,
    truth: &Truth,
    is_wanted: impl Fn(Option<&Seen>) -> bool,
) -> Option<Revision> {
    let chain = truth.chain(key).iter().map(|step| step.revision);
    let later = chain.filter(|revision| *revision > span.start);
    let mut places = std::iter::once(span.start).chain(later).take_while(|at| span.contains(at));
    places.find(|at| is_wanted(truth.state(key, *at).as_ref()))
}

/// The newest revision that anybody had seen by a moment; moments only rise.
struct Floor {
    coming: BinaryHeap<Reverse<(Moment, Revision)>>,
    seen: Revision,
}

// === impl Floor ===

impl Floor {
    fn of(sightings: &[Sighting]) -> Self {
        Self { coming: sightings.iter().copied().map(Reverse).collect(), seen: 0 }
    }

    fn raise(&mut self, at: Moment, revision: Revision) {
        self.coming.push(Reverse((at, revision)));
    }

    fn at(&mut self, moment: Moment) -> Revision {
        while let Some(Reverse((at, revision))) = self.coming.peek().copied()
            && at < moment
        {
            self.coming.pop();
            self.seen = self.seen.max(revision);
        }
        self.seen
    }
}
