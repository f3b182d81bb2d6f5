//! Whether each watch, over all its interruptions, was told exactly what happened:
//! etcd's guarantees (ordered, unique, reliable, atomic, resumable, bookmarkable).

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Answer, Call, EventKind, Notice, Operation, Revision, Seen, Shade, Watching};
use crate::truth::{Step, Truth};
use crate::violation::{Guarantee, Violation};

/// So many changes the server keeps for those who come back (the store's
/// `window_max_changes`); a 410 for anything younger breaks the promise.
const KEPT_CHANGES: Revision = 10_000;

/// Checks one watcher, who has to have been told of everything up to `until`.
pub(crate) fn check(watching: &Watching, until: Revision, truth: &Truth) -> Vec<Violation> {
    let mut following = Following::new(watching, truth);
    for (_, notice) in &watching.notices {
        following.hear(notice);
    }
    following.end(until);
    following.violations
}

/// Checks that every list is the whole state of its revision.
pub(crate) fn check_lists(operations: &[Operation], truth: &Truth) -> Vec<Violation> {
    let wrong = operations.iter().filter(|operation| match (&operation.call, &operation.answer) {
        (Call::List(shade, _), Answer::Listing(revision, items)) => *items != truth.states(*revision, *shade),
        _ => false,
    });
    wrong.map(|operation| Violation::new(Guarantee::Atomic, format!("{operation:?}"))).collect()
}

/// What one watcher knows.
struct Following<'a> {
    watching: &'a Watching,
    truth: &'a Truth,
    /// Everything up to here was told; `None` before a state was read.
    position: Option<Revision>,
    /// What the state and the events since make.
    known: BTreeMap<String, Seen>,
    told: BTreeSet<Revision>,
    last_bookmark: Revision,
    is_resuming: bool,
    violations: Vec<Violation>,
}

// === impl Following ===

impl<'a> Following<'a> {
    fn new(watching: &'a Watching, truth: &'a Truth) -> Self {
        Self {
            watching,
            truth,
            position: None,
            known: BTreeMap::new(),
            told: BTreeSet::new(),
            last_bookmark: 0,
            is_resuming: false,
            violations: Vec::new(),
        }
    }

    fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::State(revision, items) => self.begin(*revision, items),
            Notice::Resumed(after) => self.resume(*after),
            Notice::Event(kind, seen) => self.follow(*kind, seen),
            Notice::Bookmark(revision) => self.mark(*revision),
            Notice::Broken(_) => {}
            Notice::Expired(asked) => self.expire(*asked),
            Notice::Odd(what) => self.note(Guarantee::Resumable, format!("was told {what}")),
        }
    }

    fn begin(&mut self, revision: Revision, items: &[Seen]) {
        if let Some(position) = self.position.filter(|position| revision < *position) {
            self.note(Guarantee::Ordered, format!("a state at {revision} came after {position}"));
        }
        if items != self.truth.states(revision, self.watching.shade) {
            self.note(Guarantee::Atomic, format!("the state at {revision} is told as {items:?}"));
        }
        self.know(revision);
    }

    fn resume(&mut self, after: Revision) {
        if self.position != Some(after) {
            let what = format!("goes on after {after}, and was told up to {:?}", self.position);
            self.note(Guarantee::Resumable, what);
            self.know(after);
        }
        self.is_resuming = true;
    }

    fn follow(&mut self, kind: EventKind, seen: &Seen) {
        let revision = seen.revision;
        let Some(position) = self.position else {
            return self.note(Guarantee::Reliable, format!("{kind:?} {seen:?} came before any state"));
        };
        if revision <= position {
            let guarantee = match () {
                () if self.told.contains(&revision) => Guarantee::Unique,
                () if revision <= self.last_bookmark => Guarantee::Bookmarkable,
                () if self.is_resuming => Guarantee::Resumable,
                () => Guarantee::Ordered,
            };
            return self.note(guarantee, format!("{kind:?} {seen:?} came after {position}"));
        }
        let left_out = if self.is_resuming { Guarantee::Resumable } else { Guarantee::Reliable };
        self.miss(left_out, position, revision - 1, &format!("before {kind:?} {seen:?}"));
        let expected = self.truth.between(revision - 1, revision).first();
        let expected = expected.and_then(|step| event(step, self.watching.shade, self.truth));
        if expected.as_ref() != Some(&(kind, seen.clone())) {
            let what = format!("was told {kind:?} {seen:?} where {expected:?} happened");
            self.note(Guarantee::Reliable, what);
        }
        match kind {
            EventKind::Added | EventKind::Modified => self.known.insert(seen.key.clone(), seen.clone()),
            EventKind::Deleted => self.known.remove(&seen.key),
        };
        self.told.insert(revision);
        self.position = Some(revision);
        self.is_resuming = false;
        self.compare(revision);
    }

    fn mark(&mut self, revision: Revision) {
        let Some(position) = self.position else {
            return self.note(Guarantee::Bookmarkable, format!("bookmark {revision} came before any state"));
        };
        if revision < position {
            return self.note(Guarantee::Bookmarkable, format!("bookmark {revision} came after {position}"));
        }
        self.miss(Guarantee::Bookmarkable, position, revision, &format!("before bookmark {revision}"));
        self.last_bookmark = revision;
        self.position = Some(revision);
        self.is_resuming = false;
    }

    fn expire(&mut self, asked: Revision) {
        let n_since = self.truth.newest().saturating_sub(asked);
        if n_since < KEPT_CHANGES {
            let what = format!("revision {asked} was refused as too old, with {n_since} changes since");
            self.note(Guarantee::Resumable, what);
        }
    }

    fn end(&mut self, until: Revision) {
        let Some(position) = self.position else {
            return self.note(Guarantee::Reliable, "was told nothing at all");
        };
        self.miss(Guarantee::Reliable, position, until, "to the end");
    }

    /// Notes the events after one revision up to another, none of which was told.
    fn miss(&mut self, guarantee: Guarantee, after: Revision, to: Revision, when: &str) {
        let steps = self.truth.between(after, to);
        let missed: Vec<_> =
            steps.iter().filter_map(|step| event(step, self.watching.shade, self.truth)).collect();
        if !missed.is_empty() {
            self.note(guarantee, format!("was not told {missed:?} {when}"));
            // What follows is held against the truth, not against this gap again.
            self.know(to);
        }
    }

    /// What the events made has to be what a list at this revision would show.
    fn compare(&mut self, revision: Revision) {
        let known: Vec<Seen> = self.known.values().cloned().collect();
        let state = self.truth.states(revision, self.watching.shade);
        if known != state {
            let what = format!("the events up to {revision} make {known:?}, and the state is {state:?}");
            self.note(Guarantee::Atomic, what);
            self.know(revision);
        }
    }

    fn know(&mut self, revision: Revision) {
        let state = self.truth.states(revision, self.watching.shade);
        self.known = state.into_iter().map(|seen| (seen.key.clone(), seen)).collect();
        self.position = Some(revision);
        self.is_resuming = false;
    }

    fn note(&mut self, guarantee: Guarantee, what: impl Into<String>) {
        let what = format!("watcher {}: {}", self.watching.name, what.into());
        self.violations.push(Violation::new(guarantee, what));
    }
}

/// What a watcher of a selection is to be told of a change: an object that enters
/// the selection is added, and one that leaves it is deleted, shown as it was in
/// it (`apiserver/pkg/storage/cacher/cache_watcher.go`, `convertToWatchEvent`).
fn event(step: &Step, shade: Option<Shade>, truth: &Truth) -> Option<(EventKind, Seen)> {
    let is_selected = |seen: &Seen| shade.is_none_or(|shade| seen.content.shade == shade);
    let before = truth.state(&step.key, step.revision - 1).filter(is_selected);
    let now = step.seen().filter(is_selected);
    match (before, now) {
        (None, None) => None,
        (None, Some(now)) => Some((EventKind::Added, now)),
        (Some(_), Some(now)) => Some((EventKind::Modified, now)),
        (Some(before), None) => Some((EventKind::Deleted, Seen { revision: step.revision, ..before })),
    }
}
