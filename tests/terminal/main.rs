//! `spur ui` on a real terminal, which is tmux, and without one.
//!
//! A terminal is a tmux server of the test's own, with a shell in it that runs the built binary as
//! a user's does. What is seen is what tmux has on its screen. Where tmux is absent these tests are
//! ignored and say so; with `SPUR_REQUIRE=tmux` its absence fails them.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, unused_imports, reason = "the other test binary uses more of it")]
#[path = "../harness/harness.rs"]
mod harness;
#[path = "../harness/needs.rs"]
mod needs;

mod ends;
mod exchange;
mod screens;
mod scripts;
mod tmux;
mod work;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let tmux = tmux::need();
    let mut trials = screens::trials(&tmux);
    trials.extend(work::trials(&tmux));
    trials.extend(exchange::trials(&tmux));
    trials.extend(ends::trials(&tmux));
    trials.extend(scripts::trials());
    libtest_mimic::run(&args, trials).exit_code()
}
