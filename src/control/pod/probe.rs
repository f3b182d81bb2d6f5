//! A container's probes: what to ask, how often, and when an answer counts.
//!
//! `schedule` says when, `verdict` what results mean together, `plan` reads the
//! spec, `guess` what a port speaks where the spec does not say how to ask; here is the
//! task that joins them. Killing a container that fails, and what ready means for the
//! pod, is the worker's.

mod guess;
mod plan;
mod schedule;
mod verdict;

use std::sync::Arc;

use spur_net::Dial;
use spur_runtime::probe::{ProbeResult, grpc_health, http_get, speaks, tcp_connect};
use spur_runtime::{ExecError, PodId, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::plan::Check;
use self::schedule::{Schedule, Try};
use self::verdict::Verdict;

pub(super) use plan::{Plan, http_target};

/// Which question a probe answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Startup,
    Liveness,
    Readiness,
}

/// What a probe's task tells its worker.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) container: usize,
    /// Which start of the container was probed: a late finding about an earlier one is none.
    pub(super) start: u64,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A try that counts has failed; the words are the event's.
    Unhealthy(String),
    /// The answer has changed: often enough the same.
    Is(bool),
}

/// Whom a probe asks, and for which start of which container.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) dial: Dial,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) pod: PodId,
    pub(super) name: String,
    pub(super) container: usize,
    pub(super) start: u64,
    pub(super) started_at: Instant,
}

/// Asks until it is dropped, or the worker is gone, or the first success was all that is wanted.
pub(super) async fn run(plan: Plan, target: Target, findings_tx: mpsc::Sender<Finding>) {
    let mut schedule = Schedule::new(&plan, target.started_at, Instant::now());
    let mut verdict = Verdict::new(&plan);
    loop {
        let (at, which) = schedule.next();
        sleep_until(at).await;
        let Some(result) = once(&plan, &target).await else { return };
        let is_success = result.is_success();
        schedule.tried(which, is_success, Instant::now());
        let unhealthy = match result {
            ProbeResult::Failure(why) if which == Try::Counted => Some(Outcome::Unhealthy(plan.failed(&why))),
            ProbeResult::Failure(_) | ProbeResult::Success(_) => None,
        };
        let changed = verdict.count(which, is_success).map(Outcome::Is);
        for outcome in unhealthy.into_iter().chain(changed) {
            let Target { container, start, .. } = target;
            let finding = Finding { container, start, kind: plan.kind, outcome };
            if findings_tx.send(finding).await.is_err() {
                return;
            }
        }
        if is_success && plan.ends_with_success() {
            return;
        }
    }
}

/// One try; `None` where the container does not run any more.
async fn once(plan: &Plan, target: &Target) -> Option<ProbeResult> {
    match &plan.check {
        Check::Http(get) => Some(http_get(&target.dial, get, plan.timeout).await),
        Check::Tcp { host, port } => Some(tcp_connect(&target.dial, (host, *port), plan.timeout).await),
        Check::Speaks { protocol, host, port } => {
            Some(speaks(&target.dial, *protocol, (host, *port), plan.timeout).await)
        }
        Check::Grpc(health) => Some(grpc_health(&target.dial, health, plan.timeout).await),
        Check::Impossible(why) => Some(ProbeResult::Failure(why.clone())),
        Check::Exec(command) => {
            let done = target.runtime.exec(&target.pod, &target.name, command.clone(), plan.timeout).await;
            match done {
                Ok(output) if output.exit_code == 0 => Some(ProbeResult::Success(String::new())),
                // The kubelet shows what the command printed.
                Ok(output) => {
                    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
                    text.push_str(&String::from_utf8_lossy(&output.stderr));
                    Some(ProbeResult::Failure(text))
                }
                Err(ExecError::NotRunning { .. }) => None,
                Err(error @ (ExecError::TimedOut(_) | ExecError::Start(_))) => {
                    Some(ProbeResult::Failure(error.to_string()))
                }
            }
        }
    }
}

// === impl Kind ===

impl Kind {
    /// As events begin.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}
