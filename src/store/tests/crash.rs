//! Kill -9 at any moment: nothing acknowledged is lost, no revision is given twice.
//!
//! The parent starts this executable again as a writer that prints what it tries and what was
//! acknowledged, kills it after a random number of lines, opens the directory and compares.
//! ST-1. `SPUR_STORE_CRASH_ROUNDS` sets how often; `SPUR_STORE_CRASH_SEED` repeats a run.

#![expect(clippy::unwrap_used, reason = "a test, which clippy cannot tell without libtest")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use spur_store::{Change, ChangeKind, Expect, Key, ListRange, OpenError, Options, Revision, Store};

const CHILD: &str = "SPUR_STORE_CRASH_CHILD";
const CLIENTS: usize = 6;
/// Few keys per client, so that most are updated, deleted and created again.
const KEYS_PER_CLIENT: u64 = 5;
/// As many as ST-1 asks for.
const DEFAULT_ROUNDS: u64 = 40;
/// The most lines read before the kill, two for a write: from before the first commit to 1,000.
const MAX_LINES: u64 = 2_000;

fn main() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&directory));
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        // ST-1: at any moment of up to 1,000 writes.
        Trial::test("kill_9_loses_nothing_acknowledged_and_reuses_no_revision", || {
            kill_rounds(number("SPUR_STORE_CRASH_ROUNDS").unwrap_or(DEFAULT_ROUNDS));
            Ok(())
        }),
        read_only_directory(),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: expected a number")))
}

fn options() -> Options {
    // Small enough that the log is trimmed many times, and that the kills meet the file both below
    // and above the size from which commits save the free pages.
    Options { window_max_changes: 500, fast_recovery_bytes: 3 << 20, ..Options::default() }
}

// === the child ===

fn write_until_killed(directory: &Path) {
    let store = Arc::new(Store::open(directory, options()).expect("opens after any kill"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| tokio::spawn(write_on(store.clone(), client))).collect();
        for client in clients {
            client.await.unwrap();
        }
    });
}

/// One client with keys of its own, one write at a time: so at most one of its writes is without
/// an answer when the kill comes.
async fn write_on(store: Arc<Store>, client: usize) {
    for n in 0.. {
        let name = format!("{client}-{}", n % KEYS_PER_CLIENT);
        let key = Key::namespaced("pods", "shop", &name);
        let found = store.get(&key).expect("reads");
        let text = format!("{}:{n}", store.revision());
        // Sizes from a few bytes to several pages.
        let value = Bytes::from(format!("{text}:{}", "v".repeat((n * 997 % 9_000) as usize)));
        match found {
            Some(found) if n % 3 == 0 => {
                say(&format!("try {name} -"));
                let expect = Expect::Revision(found.revision);
                let (revision, _) = store.delete(key, expect, None).await.expect("deletes");
                say(&format!("ack {name} - {revision}"));
            }
            found => {
                say(&format!("try {name} {text}"));
                let expect = found.map_or(Expect::Absent, |found| Expect::Revision(found.revision));
                let revision = store.put(key, expect, value).await.expect("puts");
                say(&format!("ack {name} {text} {revision}"));
            }
        }
    }
}

/// One line in one write, so that the kill cuts none of the others.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent reads on after the kill; a closed pipe only comes with the parent's own end.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

// === the parent ===

/// What is known of each key: the acknowledged value (none: absent) and one tried since.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, (Option<String>, u64)>,
    tried: BTreeMap<String, Option<String>>,
    revisions: BTreeSet<u64>,
}

fn kill_rounds(n_rounds: u64) {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let seed = number("SPUR_STORE_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("{n_rounds} rounds with SPUR_STORE_CRASH_SEED={seed}");
    let mut random = seed;
    let mut known = Known::default();
    for round in 0..n_rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        run_and_kill(&directory, (random >> 33) % MAX_LINES, &mut known);
        let store =
            Store::open(&directory, options()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        check_state(&store, &mut known, round);
        check_history(&store, round);
    }
    assert!(known.revisions.len() as u64 > n_rounds, "next to nothing was written");
}

fn run_and_kill(directory: &Path, n_lines: u64, known: &mut Known) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..n_lines {
        known.hear(&lines.next().expect("the child writes on").unwrap());
    }
    // SIGKILL; the child has no chance to finish anything.
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        known.hear(&line.unwrap());
    }
}

fn check_state(store: &Store, known: &mut Known, round: u64) {
    let listing = store.list("pods", ListRange::default()).unwrap();
    assert_eq!(listing.corrupt, [], "round {round}");
    let mut found: BTreeMap<_, _> = listing
        .items
        .iter()
        .map(|stored| {
            let text = std::str::from_utf8(&stored.value).unwrap();
            let (text, _) = text.rsplit_once(':').unwrap();
            (stored.key.name.to_string(), (Some(text.to_owned()), stored.revision.0))
        })
        .collect();
    for (name, (value, revision)) in &mut known.acknowledged {
        let (now, at) = found.remove(name).unwrap_or((None, *revision));
        if now == *value {
            assert!(value.is_none() || at == *revision, "round {round}: {name} at {at}");
        } else {
            let tried = known.tried.get(name);
            assert_eq!(tried, Some(&now), "round {round}: {name} was {value:?} at {revision}");
            // The write that the kill caught was durable after all: it counts from here on.
            (*value, *revision) = (now, at.max(*revision));
        }
    }
    for (name, (now, at)) in found {
        assert_eq!(known.tried.get(&name), Some(&now), "round {round}: {name} out of nowhere");
        known.acknowledged.insert(name, (now, at));
    }
    known.tried.clear();
    let newest = known.revisions.last().copied().unwrap_or(1);
    assert!(store.revision() >= Revision(newest), "round {round}: revisions went back");
}

/// The log leads from the oldest list it allows to the newest, without a gap.
fn check_history(store: &Store, round: u64) {
    let newest = store.list("pods", ListRange::default()).unwrap();
    let mut at = store.revision();
    let list = |at| store.list("pods", ListRange { at: Some(at), ..ListRange::default() });
    while at > Revision(1) && list(Revision(at.0 - 1)).is_ok() {
        at = Revision(at.0 - 1);
    }
    let mut state: BTreeMap<_, _> =
        list(at).unwrap().items.into_iter().map(|item| (item.key.clone(), item)).collect();
    let mut watch = store.watch("pods", None, at).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    while watch.position() < store.revision() {
        for change in runtime.block_on(watch.next()).unwrap() {
            assert_eq!(change.revision.0, at.0 + 1, "round {round}: a gap");
            at = change.revision;
            let Change { revision, key, kind, value, .. } = Arc::unwrap_or_clone(change);
            state.remove(&key);
            if kind != ChangeKind::Deleted {
                state.insert(key.clone(), spur_store::Stored { key, revision, value });
            }
        }
    }
    assert_eq!(state.into_values().collect::<Vec<_>>(), newest.items, "round {round}");
}

// === impl Known ===

impl Known {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let value = |text: &str| (text != "-").then(|| text.to_owned());
        match words[..] {
            ["try", name, text] => {
                self.tried.insert(name.to_owned(), value(text));
            }
            ["ack", name, text, revision] => {
                let revision = revision.parse().unwrap();
                assert!(self.revisions.insert(revision), "revision {revision} was given twice");
                self.tried.remove(name);
                self.acknowledged.insert(name.to_owned(), (value(text), revision));
            }
            _ => panic!("{line:?}"),
        }
    }
}

// === a need ===

fn read_only_directory() -> Trial {
    use std::os::unix::fs::PermissionsExt;
    // The superuser may write wherever the permissions say no.
    let is_root = rustix::process::geteuid().is_root();
    let trial = Trial::test("a_read_only_directory_is_refused", || {
        let parent = tempfile::tempdir()?;
        let path = parent.path().join("data");
        drop(Store::open(&path, Options::default())?);
        let permit = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
        permit(0o500)?;
        std::fs::remove_file(path.join("lock")).expect_err("it is read-only");
        let lock = std::fs::File::open(path.join("lock"))?;
        lock.set_permissions(PermissionsExt::from_mode(0o400))?;
        let refused = Store::open(&path, Options::default());
        permit(0o700)?;
        match refused {
            Err(OpenError::ReadOnly { .. }) => Ok(()),
            other => Err(Failed::from(format!("{other:?}"))),
        }
    });
    trial.with_ignored_flag(is_root).with_kind(if is_root { "needs a user that is not root" } else { "" })
}
