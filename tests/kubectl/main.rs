//! Plain `kubectl`, as it is on this machine, against the built binary.
//!
//! Where there is no kubectl every test is reported as ignored, with that reason;
//! with `SPUR_REQUIRE=kubectl` its absence fails them.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, unused_imports, reason = "the other test binary uses more of it")]
#[path = "../harness/harness.rs"]
mod harness;

mod cases;
mod commands;
mod kinds;
mod kubectl;
mod streams;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// What `SPUR_REQUIRE` calls it.
const NEED: &str = "kubectl";

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let is_required =
        std::env::var("SPUR_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == NEED));
    let absent = kubectl::absent();
    let trials =
        cases::ALL.iter().chain(streams::ALL).chain(commands::ALL).map(|(name, case)| match &absent {
            None => Trial::test(*name, || {
                run(case);
                Ok(())
            }),
            Some(why) if is_required => {
                let why = format!("SPUR_REQUIRE asks for kubectl, and {why}");
                Trial::test(*name, move || Err(why.into()))
            }
            Some(why) => Trial::test(format!("{name} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
        });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

fn run(case: &cases::Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(case());
}
