//! The data plane beside its peers: what a request costs, and how long it takes.
//!
//! ```sh
//! cargo bench --bench proxy              # all, about ten minutes
//! cargo bench --bench proxy -- http2     # some
//! cargo bench --bench proxy -- quick     # the main rows in short rounds, about 90 s
//! ```
//!
//! Figures are taken of what is published: `--profile dist`.
//!
//! ```text
//!  core 1: wrk, h2load, or `load` ──► core 0: one proxy, one thread ──► core 1: `backend`
//! ```
//!
//! One peer carries one kind of work at a time; then the next does, and again, so that whatever
//! else the machine does falls on all of them. A line is the median of the rounds. The peers do
//! what Spur does as far as they can: all of them choose the upstream by a key in a header, but
//! none of them records hops, and a TCP relay of ours only copies. What is not installed is left
//! out, and said.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

mod backend;
mod certificate;
mod configs;
mod echoes;
mod idle;
#[path = "../installed.rs"]
mod installed;
mod load;
mod peers;
mod process;
mod relay;
mod rounds;
mod sockets;
mod spur_rules;
mod tools;

use crate::rounds::{Row, rows};

/// Sections that are no rows of the table.
const OTHERS: [&str; 3] = ["streams", "idle", "sockets"];

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    match asked[..] {
        ["backend"] => backend::run(),
        ["relay", upstream] => relay::run(upstream.parse().unwrap()),
        _ => bench(&asked),
    }
}

fn bench(asked: &[&str]) {
    let mut sections: Vec<&str> = rows().iter().map(|row| row.section).chain(OTHERS).collect();
    sections.dedup();
    if let Some(unknown) = asked.iter().find(|asked| **asked != "quick" && !sections.contains(asked)) {
        eprintln!("error: no section `{unknown}`, want quick or some of {}", sections.join(", "));
        std::process::exit(2);
    }
    let is_quick = asked.contains(&"quick");
    let is_asked = |section: &str| !is_quick && (asked.is_empty() || asked.contains(&section));
    process::make_room();
    let backend = backend::Backend::start();
    let tools = tools::Tools::find();
    let chosen: Vec<Row> = rows()
        .into_iter()
        .filter(|row| is_asked(row.section) || (is_quick && row.is_quick))
        .map(|row| if is_quick { row.short() } else { row })
        .collect();
    rounds::run(&tools, &backend, &chosen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if is_asked("streams") {
        runtime.block_on(echoes::run(&tools, &backend));
    }
    if is_asked("idle") {
        runtime.block_on(idle::run(&tools, &backend));
    }
    if is_asked("sockets") {
        runtime.block_on(sockets::run(&tools, &backend));
    }
}
