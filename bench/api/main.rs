//! The API server's figures, from outside: start, memory, writes, lists, watches, route changes.
//!
//! ```sh
//! cargo bench --bench api                  # all
//! cargo bench --bench api -- writes lists  # some
//! ```
//!
//! Figures are taken of what is published: `--profile dist`.
//!
//! Everything goes over TLS on loopback, with the clients on the same cores as the server, as in
//! the figures to compare with: a real kube-apiserver 1.36.2 with etcd 3.6 on this kind of machine
//! (two cores), measured with wrk. Each line says the figure and the budget, or that peer's.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/harness/harness.rs"]
mod harness;

mod changes;
mod figures;
#[path = "../installed.rs"]
mod installed;
mod lists;
mod peer;
mod process;
mod start;
mod streams;
mod watches;
mod writes;

use std::time::Duration;

/// The sections, in the order in which they run.
const SECTIONS: [&str; 6] = ["start", "idle", "writes", "lists", "watches", "changes"];

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|asked| !SECTIONS.contains(&asked.as_str())) {
        eprintln!("error: no section `{unknown}`, want {}", SECTIONS.join(", "));
        std::process::exit(2);
    }
    let is_asked = |section: &str| asked.is_empty() || asked.iter().any(|asked| asked == section);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if is_asked("start") {
            start::run().await;
        }
        if is_asked("idle") {
            start::idle(Duration::from_secs(10)).await;
        }
        if is_asked("writes") {
            writes::run().await;
        }
        if is_asked("lists") {
            lists::run().await;
        }
        if is_asked("watches") {
            watches::idle().await;
            watches::busy().await;
        }
        if is_asked("changes") {
            changes::run().await;
        }
    });
}
