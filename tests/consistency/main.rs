//! Whether the built binary keeps what it promises about its data while it is killed,
//! stopped, and its disk fills up and fails.
//!
//! ```text
//!   clients ── random creates, updates, deletes, reads ──►  spur up  ◄── nemesis: kill -9,
//!   watchers ── lists, watches, resumed after each break ─►             SIGSTOP, ENOSPC, EIO
//!       │
//!       └─► history ──► truth: revision → change ──► linearizable? ordered? unique? …
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `history` | what happened, as plain data |
//! | `truth` | the one history of changes behind it |
//! | `linearizable` | every call takes place at one moment between its ends |
//! | `watches` | ordered, unique, reliable, atomic, resumable, bookmarkable |
//! | `verdict` | all checks together, and the line that is printed |
//! | `story`, `planted` | the checkers' own tests: each guarantee broken by hand, and found |
//! | `wire` | between calls and HTTP |
//! | `client`, `watcher`, `site` | who writes the history, and where the server is now |
//! | `disk`, `disk.c` | a disk that fails on demand, loaded before the C library |
//! | `nemesis` | what is done to the server |
//! | `run` | one trial |
//!
//! The promises are etcd's (<https://etcd.io/docs/v3.5/learning/api_guarantees/>): calls
//! are strictly serializable, also over a crash, and watches have its six guarantees. A
//! write without an answer, or with one that says so, may have taken place or not; one
//! that was refused, or of which the server says that nothing was written, may not.
//!
//! `SPUR_CONSISTENCY_SECONDS` (4) is how long the faults of each trial go on;
//! `SPUR_CONSISTENCY_SEED` repeats what is tried, though not when. A trial that fails
//! keeps its history in a file and prints where. Faults of the disk need Linux and a C
//! compiler, `cc` or `$CC`; where there is none, trials with them are ignored with that
//! reason, and with `SPUR_REQUIRE=cc` they fail.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, unused_imports, reason = "the other test binaries use more of it")]
#[path = "../harness/harness.rs"]
mod harness;

mod history;
mod truth;
mod violation;

mod linearizable;
mod verdict;
mod watches;

mod planted;
mod story;

mod client;
mod disk;
mod nemesis;
mod random;
mod run;
mod site;
mod watcher;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use crate::nemesis::Fault;
use crate::run::Plan;

/// What `SPUR_REQUIRE` calls a C compiler.
const NEED: &str = "cc";

/// Faults for so long in each trial: several of each, and plain `cargo test` stays quick.
const DEFAULT_SECONDS: u64 = 4;

/// Trials with the name that their verdict bears.
const TRIALS: [(&str, &str, &[Fault]); 5] = [
    ("nothing_breaks_under_kill_9", "kill-9", &[Fault::Kill]),
    ("nothing_breaks_under_sigstop", "SIGSTOP", &[Fault::Pause]),
    ("nothing_breaks_on_a_full_disk", "ENOSPC", &[Fault::DiskFull]),
    ("nothing_breaks_on_a_failing_disk", "EIO", &[Fault::DiskError]),
    (
        "nothing_breaks_under_all_faults_mixed",
        "mixed",
        &[Fault::Kill, Fault::Pause, Fault::DiskFull, Fault::DiskError],
    ),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let absent = disk::absent();
    let mut trials: Vec<Trial> = planted::TESTS
        .iter()
        .chain(wire::TESTS)
        .map(|(name, test)| {
            Trial::test(*name, || {
                test();
                Ok(())
            })
        })
        .collect();
    trials.extend(planted::FAULTS.iter().map(|(name, guarantee, plant)| {
        Trial::test(format!("found: {name}"), || {
            planted::find(*guarantee, *plant);
            Ok(())
        })
    }));
    trials.extend(TRIALS.iter().map(|(test, name, faults)| {
        let needs_a_disk = faults.iter().any(|fault| fault.needs_a_disk());
        match absent.clone().filter(|_| needs_a_disk) {
            None => Trial::test(*test, || start(name, faults)),
            Some(why) if is_required() => {
                Trial::test(*test, move || Err(format!("SPUR_REQUIRE asks for cc, and {why}").into()))
            }
            Some(why) => Trial::test(format!("{test} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
        }
    }));
    libtest_mimic::run(&args, trials).exit_code()
}

fn is_required() -> bool {
    std::env::var("SPUR_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == NEED))
}

fn start(name: &'static str, faults: &'static [Fault]) -> Result<(), libtest_mimic::Failed> {
    let seed = number("SPUR_CONSISTENCY_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let lasts = Duration::from_secs(number("SPUR_CONSISTENCY_SECONDS").unwrap_or(DEFAULT_SECONDS));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run::run(Plan { name, faults, lasts, seed }))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}: expected a number")))
}
