//! Plain `kubectl`, as it is on this machine, against the built binary.
//!
//! Where there is no kubectl every test is reported as ignored, with that reason;
//! with `SPUR_REQUIRE=kubectl` its absence fails them.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, unused_imports, reason = "the other test binary uses more of it")]
#[path = "../harness/harness.rs"]
mod harness;
#[path = "../harness/needs.rs"]
mod needs;

mod bundled;
mod cases;
mod commands;
mod drain;
mod kinds;
mod kubectl;
mod streams;
mod top;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::needs::Need;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let need = Need::new("kubectl", kubectl::absent());
    let all = cases::ALL.iter().chain(streams::ALL).chain(top::ALL).chain(commands::ALL).chain(drain::ALL);
    let trials = all.map(|(name, case)| need.trial(name, case)).collect();
    libtest_mimic::run(&args, trials).exit_code()
}
