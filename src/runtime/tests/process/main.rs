//! The process runtime with real processes on this machine.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../shared/patience.rs"]
mod patience;
mod world;

mod attach;
mod exec;
mod logs;
mod restart;
mod sessions;
mod start;
#[cfg(target_os = "linux")]
mod stats;
mod stop;
