//! Other people's clients against the built binary: each believes that it talks to Kubernetes.
//!
//! ```text
//!   python/*.py      the `kubernetes` package      SPUR_PYTHON        or python3
//!   node/*.mjs       @kubernetes/client-node       SPUR_NODE_MODULES, a `node_modules` folder
//!   opentelemetry-python/*.py   exporters of OTLP and Zipkin, read back; of the same python
//!   opentelemetry-node/*.mjs    the same of the same folder
//!   controller.rs    kube-rs: the example of sdk/rust
//!   helm.rs          Helm 3, with a chart          SPUR_HELM          or helm
//!   exports.rs       bash and curl; har-validator  SPUR_NODE_MODULES
//!   prometheus.rs    prometheus and promtool, of PATH
//!   collector.rs     Rotel, a collector of OTLP    SPUR_ROTEL         or rotel-agent
//! ```
//!
//! A script has one subject and is one test: it gets a Spur of its own by `KUBECONFIG`, and ends
//! with 0 where everything was as a cluster does it. Every file of the folder is run. What is
//! absent is told, and fails where `SPUR_REQUIRE` lists `python-client`, `node-client`,
//! `opentelemetry-python`, `opentelemetry-node`, `helm`, `controller`, `prometheus` or `collector`;
//! `.ci/run` installs the clients and shows how.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, unused_imports, reason = "the other test binary uses more of it")]
#[path = "../harness/harness.rs"]
mod harness;
#[path = "../harness/needs.rs"]
mod needs;

mod collector;
mod controller;
mod exports;
mod forwarder;
mod helm;
mod prometheus;
mod scripts;

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// Why a program cannot be used, if it cannot; it is asked by a flag that ends it at once.
fn absent(program: &str, flag: &str) -> Option<String> {
    match std::process::Command::new(program).arg(flag).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`{program} {flag}` ended with {}", output.status)),
        Err(error) => Some(format!("`{program}` cannot be started: {error}")),
    }
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let mut trials = scripts::trials();
    trials.extend(collector::trials());
    trials.extend(controller::trials());
    trials.extend(exports::trials());
    trials.extend(helm::trials());
    trials.extend(prometheus::trials());
    libtest_mimic::run(&args, trials).exit_code()
}
