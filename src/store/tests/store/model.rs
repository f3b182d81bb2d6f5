//! Any sequence of writes against a plain map that remembers every revision.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use spur_store::{
    Change, ChangeKind, Expect, Key, ListRange, Options, Previous, ReadError, Revision, Store, Stored,
    WatchError, WriteError,
};

use crate::{bytes, drain, key};

const RESOURCES: [&str; 2] = ["pods", "pods.x"];
const PATHS: [&str; 6] = ["a/1", "a/2", "aa/1", "b/1", "node", "a/1\u{0}"];

#[derive(Clone, Debug)]
enum Step {
    Put { target: usize, expect: Expectation, size: usize },
    Delete { target: usize, expect: Expectation, has_last: bool },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Expectation {
    Absent,
    Any,
    Current,
    /// So many revisions off the current one.
    Stale(u64),
}

fn expectation() -> impl Strategy<Value = Expectation> {
    prop_oneof![
        2 => Just(Expectation::Absent),
        4 => Just(Expectation::Any),
        3 => Just(Expectation::Current),
        1 => (1..4u64).prop_map(Expectation::Stale),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let target = 0..RESOURCES.len() * PATHS.len();
    prop_oneof![
        8 => (target.clone(), expectation(), 0..3_000usize)
            .prop_map(|(target, expect, size)| Step::Put { target, expect, size }),
        4 => (target, expectation(), any::<bool>())
            .prop_map(|(target, expect, has_last)| Step::Delete { target, expect, has_last }),
        1 => Just(Step::Reopen),
    ]
}

/// Every state since the beginning.
struct Model {
    /// The state right after each revision; index 0 and 1 are the empty store.
    states: Vec<BTreeMap<Key, Previous>>,
    changes: Vec<Change>,
}

impl Model {
    fn new() -> Self {
        Self { states: vec![BTreeMap::new(); 2], changes: Vec::new() }
    }

    fn now(&self) -> &BTreeMap<Key, Previous> {
        self.states.last().unwrap()
    }

    fn revision(&self) -> Revision {
        Revision(self.states.len() as u64 - 1)
    }

    fn expect(&self, target: &Key, expectation: Expectation) -> Expect {
        let current = self.now().get(target).map_or(Revision(1), |stored| stored.revision);
        match expectation {
            Expectation::Absent => Expect::Absent,
            Expectation::Any => Expect::Any,
            Expectation::Current => Expect::Revision(current),
            Expectation::Stale(off) => Expect::Revision(Revision(current.0 + off)),
        }
    }

    fn refusal(&self, target: &Key, expect: Expect, kind: ChangeKind) -> Option<WriteError> {
        let key = target.clone();
        match (self.now().get(target), expect) {
            (None, Expect::Revision(_)) => Some(WriteError::NotFound { key }),
            (None, _) if kind == ChangeKind::Deleted => Some(WriteError::NotFound { key }),
            (Some(found), Expect::Absent) => Some(WriteError::Exists { key, found: found.revision }),
            (Some(found), Expect::Revision(expected)) if found.revision != expected => {
                Some(WriteError::Conflict { key, expected, found: found.revision })
            }
            _ => None,
        }
    }

    fn apply(&mut self, target: &Key, kind: ChangeKind, value: bytes::Bytes) -> Revision {
        let revision = Revision(self.states.len() as u64);
        let mut state = self.now().clone();
        let previous = state.remove(target);
        if kind != ChangeKind::Deleted {
            state.insert(target.clone(), Previous { revision, value: value.clone() });
        }
        let kind = match (kind, &previous) {
            (ChangeKind::Deleted, _) => ChangeKind::Deleted,
            (_, None) => ChangeKind::Created,
            (_, Some(_)) => ChangeKind::Updated,
        };
        self.states.push(state);
        self.changes.push(Change { revision, key: target.clone(), kind, value, previous });
        revision
    }

    fn list(&self, at: usize, resource: &str, namespace: Option<&str>) -> Vec<Stored> {
        self.states[at]
            .iter()
            .filter(|(key, _)| concerns(key, resource, namespace))
            .map(|(key, stored)| Stored {
                key: key.clone(),
                revision: stored.revision,
                value: stored.value.clone(),
            })
            .collect()
    }

    fn changes(&self, after: usize, resource: &str, namespace: Option<&str>) -> Vec<Change> {
        let is_later = |change: &&Change| change.revision.0 > after as u64;
        let concerns = |change: &&Change| concerns(&change.key, resource, namespace);
        self.changes.iter().filter(is_later).filter(concerns).cloned().collect()
    }
}

fn concerns(key: &Key, resource: &str, namespace: Option<&str>) -> bool {
    *key.resource == *resource && (namespace.is_none() || key.namespace.as_deref() == namespace)
}

async fn step_through(store: &Store, model: &mut Model, step: &Step) {
    match *step {
        Step::Put { target, expect, size } => {
            let target = target_of(target);
            let expect = model.expect(&target, expect);
            let value = bytes(&format!("{}:{}", model.states.len(), "v".repeat(size)));
            let put = store.put(target.clone(), expect, value.clone()).await;
            let expected = match model.refusal(&target, expect, ChangeKind::Updated) {
                Some(refusal) => Err(refusal),
                None => Ok(model.apply(&target, ChangeKind::Updated, value)),
            };
            assert_eq!(put, expected);
        }
        Step::Delete { target, expect, has_last } => {
            let target = target_of(target);
            let expect = model.expect(&target, expect);
            let last = has_last.then(|| bytes("last"));
            let deleted = store.delete(target.clone(), expect, last.clone()).await;
            let expected = match model.refusal(&target, expect, ChangeKind::Deleted) {
                Some(refusal) => Err(refusal),
                None => {
                    let Previous { revision, value } = model.now()[&target].clone();
                    let told = last.unwrap_or_else(|| value.clone());
                    let removed = Stored { key: target.clone(), revision, value };
                    Ok((model.apply(&target, ChangeKind::Deleted, told), removed))
                }
            };
            assert_eq!(deleted, expected);
        }
        Step::Reopen => unreachable!("the caller holds the store"),
    }
    assert_eq!(store.revision(), model.revision());
}

fn target_of(index: usize) -> Key {
    key(RESOURCES[index % RESOURCES.len()], PATHS[index / RESOURCES.len()])
}

/// Every list and every watch at every revision says what the model says, or that it is too old,
/// which it may not be while the window covers it.
async fn compare(store: &Store, model: &Model, window: usize) {
    let current = model.states.len() - 1;
    for target in (0..RESOURCES.len() * PATHS.len()).map(target_of) {
        let found = store.get(&target).unwrap();
        let found = found.map(|stored| (stored.revision, stored.value));
        let expected = model.now().get(&target);
        assert_eq!(found, expected.map(|stored| (stored.revision, stored.value.clone())));
    }
    for resource in RESOURCES {
        for namespace in [None, Some("a"), Some("aa"), Some("none")] {
            for at in 0..=current {
                let is_covered = current - at <= window;
                let at_revision = Some(Revision(at as u64));
                let range = ListRange { namespace, at: at_revision, ..ListRange::default() };
                match store.list(resource, range) {
                    Ok(listing) => {
                        assert_eq!(listing.items, model.list(at, resource, namespace), "at {at}");
                        assert_eq!(Some(listing.revision), at_revision);
                    }
                    Err(ReadError::Compacted { .. }) if !is_covered => {}
                    Err(error) => panic!("at {at} of {current}: {error}"),
                }
                match store.watch(resource, namespace, Revision(at as u64)) {
                    Ok(mut watch) => {
                        let told = drain(&mut watch, store.revision()).await;
                        assert_eq!(told, model.changes(at, resource, namespace), "after {at}");
                    }
                    Err(WatchError::Compacted { .. }) if !is_covered => {}
                    Err(error) => panic!("after {at} of {current}: {error}"),
                }
            }
            compare_pages(store, model, resource, namespace);
        }
    }
}

/// Pages at an older revision join up to that revision's list.
fn compare_pages(store: &Store, model: &Model, resource: &str, namespace: Option<&str>) {
    let at = model.states.len() - model.states.len().min(3);
    let whole = model.list(at, resource, namespace);
    let mut joined: Vec<Stored> = Vec::new();
    loop {
        let last = joined.last().map(|stored| stored.key.clone());
        let range = ListRange {
            namespace,
            after: last.as_ref().map(|key| (key.namespace.as_deref().unwrap_or_default(), &*key.name)),
            limit: Some(2),
            at: Some(Revision(at as u64)),
        };
        let page = store.list(resource, range).unwrap();
        joined.extend(page.items);
        assert_eq!(page.remaining, Some((whole.len() - joined.len()) as u64));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(joined, whole);
}

fn run(steps: &[Step], options: &Options, directory: Option<&Path>) {
    let open = || match directory {
        Some(path) => Store::open(path, options.clone()).unwrap(),
        None => Store::in_memory(options.clone()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut store = open();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Reopen if directory.is_some() => {
                    drop(store);
                    store = open();
                }
                Step::Reopen => {}
                step => step_through(&store, &mut model, step).await,
            }
        }
        compare(&store, &model, options.window_max_changes).await;
        if directory.is_some() {
            drop(store);
            compare(&open(), &model, options.window_max_changes).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_store_in_memory_is_the_map_that_remembers(
        steps in proptest::collection::vec(step(), 1..60),
        window in prop_oneof![Just(4usize), Just(1_000)],
    ) {
        let options = Options { window_max_changes: window, ..Options::default() };
        run(&steps, &options, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_on_disk_is_the_map_that_remembers_across_restarts(
        steps in proptest::collection::vec(step(), 1..40),
        window in prop_oneof![Just(4usize), Just(1_000)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { window_max_changes: window, ..Options::default() };
        run(&steps, &options, Some(&directory.path().join("data")));
    }
}
