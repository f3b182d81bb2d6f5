//! The one history of changes behind everything that was told: the union of what
//! acknowledged writes, reads and all watches say about each revision.
//!
//! A store gives each write a revision of its own, so whoever speaks of a revision
//! has to say the same of it, and the changes of a key have to follow from each
//! other: made where there was nothing, changed and deleted under one uid.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Answer, Content, EventKind, History, Notice, Revision, Seen, Shade};
use crate::violation::{Guarantee, Violation};

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) revision: Revision,
    pub(crate) key: String,
    pub(crate) uid: String,
    /// `None`: the object was deleted.
    pub(crate) content: Option<Content>,
}

/// Every change that anybody was told of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// By revision.
    steps: Vec<Step>,
    /// The same, by key and then revision.
    chains: BTreeMap<String, Vec<Step>>,
}

// === impl Truth ===

impl Truth {
    /// Puts together what everybody was told; what does not fit is a violation.
    pub(crate) fn of(history: &History) -> (Self, Vec<Violation>) {
        let mut told = Told::default();
        for operation in &history.operations {
            match &operation.answer {
                Answer::Object(seen) => told.hear(seen),
                Answer::Listing(_, items) => items.iter().for_each(|seen| told.hear(seen)),
                _ => {}
            }
        }
        for watching in &history.watchings {
            for (_, notice) in &watching.notices {
                match notice {
                    Notice::State(_, items) => items.iter().for_each(|seen| told.hear(seen)),
                    Notice::Event(EventKind::Added | EventKind::Modified, seen) => told.hear(seen),
                    // With a selection it may only have left that.
                    Notice::Event(EventKind::Deleted, seen) if watching.shade.is_none() => {
                        told.hear_deleted(seen);
                    }
                    _ => {}
                }
            }
        }
        let Told { steps, mut violations } = told;
        let truth = Self::from_steps(steps.into_values().collect());
        truth.chains.values().for_each(|chain| follow(chain, &mut violations));
        (truth, violations)
    }

    fn from_steps(steps: Vec<Step>) -> Self {
        let mut chains: BTreeMap<String, Vec<Step>> = BTreeMap::new();
        for step in &steps {
            chains.entry(step.key.clone()).or_default().push(step.clone());
        }
        Self { steps, chains }
    }

    /// All changes, by revision.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The changes after one revision up to another.
    pub(crate) fn between(&self, after: Revision, to: Revision) -> &[Step] {
        let start = self.steps.partition_point(|step| step.revision <= after);
        let end = self.steps.partition_point(|step| step.revision <= to);
        &self.steps[start..end.max(start)]
    }

    /// A key's changes, by revision.
    pub(crate) fn chain(&self, key: &str) -> &[Step] {
        self.chains.get(key).map_or(&[], Vec::as_slice)
    }

    /// A key right after a revision.
    pub(crate) fn state(&self, key: &str, at: Revision) -> Option<Seen> {
        let chain = self.chain(key);
        let n_before = chain.partition_point(|step| step.revision <= at);
        chain[..n_before].last()?.seen()
    }

    /// All keys right after a revision, or those of one shade.
    pub(crate) fn states(&self, at: Revision, shade: Option<Shade>) -> Vec<Seen> {
        let all = self.chains.keys().filter_map(|key| self.state(key, at));
        all.filter(|seen| shade.is_none_or(|shade| seen.content.shade == shade)).collect()
    }

    /// The newest revision of all.
    pub(crate) fn newest(&self) -> Revision {
        self.steps.last().map_or(0, |step| step.revision)
    }
}

// === impl Step ===

impl Step {
    /// The object that the change leaves.
    pub(crate) fn seen(&self) -> Option<Seen> {
        let Self { revision, key, uid, content } = self;
        let content = content.clone()?;
        Some(Seen { key: key.clone(), uid: uid.clone(), revision: *revision, content })
    }
}

#[derive(Default)]
struct Told {
    steps: BTreeMap<Revision, Step>,
    violations: Vec<Violation>,
}

// === impl Told ===

impl Told {
    fn hear(&mut self, seen: &Seen) {
        let Seen { key, uid, revision, content } = seen.clone();
        self.note(Step { revision, key, uid, content: Some(content) });
    }

    fn hear_deleted(&mut self, seen: &Seen) {
        let Seen { key, uid, revision, content: _ } = seen.clone();
        self.note(Step { revision, key, uid, content: None });
    }

    fn note(&mut self, step: Step) {
        let known = self.steps.entry(step.revision).or_insert_with(|| step.clone());
        if *known != step {
            let what = format!("revision {} is told as {known:?} and as {step:?}", step.revision);
            self.violations.push(Violation::new(Guarantee::Linearizable, what));
        }
    }
}

/// Whether a key's changes follow from each other.
fn follow(chain: &[Step], violations: &mut Vec<Violation>) {
    let mut uids = BTreeSet::new();
    let mut before: Option<&Step> = None;
    for step in chain {
        let living = before.filter(|before| before.content.is_some());
        let fits = match living {
            Some(living) => living.uid == step.uid,
            // What is made anew has a uid that none had before.
            None => step.content.is_some() && !uids.contains(&step.uid),
        };
        if !fits {
            let what = format!("nobody was told what lies between {before:?} and {step:?}");
            violations.push(Violation::new(Guarantee::Linearizable, what));
        }
        uids.insert(&step.uid);
        before = Some(step);
    }
}
