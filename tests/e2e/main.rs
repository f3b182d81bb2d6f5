//! End to end: the built binary from outside, with processes on loopback and
//! nothing else. Every test starts a Spur of its own.
//!
//! | module | what it holds |
//! |---|---|
//! | `durability` | nothing acknowledged is lost; one Spur a directory |
//! | `resumed`, `restored` | watches over `kill -9`, and over a backup that was put in place |
//! | `refusals` | starts that are refused, with everything left as it was |
//! | `endings` | signals, and a disk that does not come back |
//! | `pods` | processes: environment, ends, probes, restarts, no orphans |
//! | `rollouts` | Deployments: scale, rolling update, without a lost request |
//! | `sandboxes` | every field of a Sandbox; what is left when it is gone |
//! | `routing` | which version a request reaches, by every carrier and protocol |
//! | `failures` | what a client is told when nobody can answer |
//! | `traces` | `spur trace` |
//! | `lost_keys` | `spur verify propagation`, before and after a repair |
//! | `telemetry` | what applications report, and queries of Jaeger's kind |
//! | `samples` | the demo's services under Spur |
//! | `demo`, `runs` | `spur demo`, `spur test` |
//! | `alone` | `spur proxy`, and rules without a server |
//! | `commands` | the other commands and their output |
//! | `mistakes` | bad input: what is said about it |
//! | `traffic` | every request goes where its key says, while sandboxes come and go |
//!
//! `SPUR_KILL_ROUNDS` (5) and `SPUR_LOAD=full` make two of them longer.

#![expect(clippy::unwrap_used, reason = "the lint's exception knows no functions beside the tests")]

#[expect(dead_code, reason = "the other test binaries use more of it")]
#[path = "../harness/harness.rs"]
mod harness;

mod alone;
mod captures;
mod commands;
mod demo;
mod durability;
mod endings;
mod failures;
mod kept_traces;
mod lost_keys;
mod mistakes;
mod pods;
mod refusals;
mod restored;
mod resumed;
mod rollouts;
mod routing;
mod runs;
mod samples;
mod sandboxes;
mod telemetry;
mod traces;
mod traffic;
mod workload_logs;
