//! A sandbox's status from what was found: pure.

use jiff::Timestamp;
use spur_api::meta;
use spur_api::sandbox::{Condition, EndpointStatus, ForkStatus, Sandbox, SandboxStatus, WorkloadRef};

use super::key::Claim;
use super::lifetime::Lifetime;
use super::observe::ForkState;

/// The condition of a sandbox.
const READY: &str = "Ready";

/// Everything that was found out about a sandbox.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    pub(super) claim: Claim,
    pub(super) forks: Vec<ForkFinding>,
    pub(super) endpoints: Vec<EndpointStatus>,
    /// What is wrong with endpoints of the spec; they do not keep the sandbox from being ready.
    pub(super) endpoint_faults: Vec<String>,
    /// Whether the routing table has yet to learn of the sandbox.
    pub(super) is_unrouted: bool,
    pub(super) lifetime: Lifetime,
}

/// One fork.
#[derive(Clone, Debug)]
pub(super) struct ForkFinding {
    pub(super) of: WorkloadRef,
    pub(super) workload: String,
    pub(super) services: Vec<String>,
    pub(super) state: ForkState,
}

/// The reasons of the condition; programs compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Ready,
    KeyTaken,
    BaselineNotFound,
    InvalidFork,
    ForkNotReady,
    ForksStarting,
}

/// The status of a sandbox as of now.
pub(super) fn status(sandbox: &Sandbox, findings: &Findings, now: Timestamp) -> SandboxStatus {
    let before = sandbox.status.clone().unwrap_or_default();
    let (reason, message) = verdict(&before, sandbox.metadata.generation, findings);
    let (routing_key, forks, endpoints) = match &findings.claim {
        Claim::Owned(key) => (Some(key.clone()), findings.forks.as_slice(), findings.endpoints.clone()),
        Claim::Taken { .. } => (None, &[][..], Vec::new()),
    };
    let was_ready = matches!(before.phase.as_deref(), Some("Ready" | "NotReady"));
    let phase = match reason {
        Reason::Ready => "Ready",
        _ if was_ready => "NotReady",
        _ => "Pending",
    };
    SandboxStatus {
        observed_generation: sandbox.metadata.generation,
        routing_key,
        phase: Some(phase.to_owned()),
        conditions: vec![condition(&before, sandbox.metadata.generation, (reason, message), now)],
        forks: forks.iter().map(ForkStatus::from).collect(),
        endpoints,
        deletion_time: findings.lifetime.ends.map(meta::rfc3339),
        updated_time: Some(meta::rfc3339(findings.lifetime.updated)),
    }
}

/// The status of a sandbox that is being deleted.
pub(super) fn terminating(before: &SandboxStatus) -> SandboxStatus {
    SandboxStatus { phase: Some("Terminating".to_owned()), ..before.clone() }
}

/// The sandbox's condition.
pub(super) fn ready(status: &SandboxStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == READY)
}

/// Whether a reason says that somebody should look.
pub(super) fn is_trouble(reason: &str) -> bool {
    [Reason::KeyTaken, Reason::BaselineNotFound, Reason::InvalidFork, Reason::ForkNotReady]
        .iter()
        .any(|trouble| trouble.word() == reason)
}

fn verdict(before: &SandboxStatus, generation: Option<i64>, findings: &Findings) -> (Reason, String) {
    if let Claim::Taken { key, namespace, name } = &findings.claim {
        let message = format!(
            "routing key `{key}` belongs to sandbox `{namespace}/{name}`; hint: choose another `spec.routingKey`, or delete that sandbox"
        );
        return (Reason::KeyTaken, message);
    }
    let reason =
        findings.forks.iter().filter_map(|fork| fork.state.reason()).min_by_key(|reason| *reason as u8);
    let Some(reason) = reason else {
        if findings.is_unrouted {
            return (Reason::ForksStarting, "the routing table does not hold the sandbox yet".to_owned());
        }
        return (Reason::Ready, ready_message(findings));
    };
    // A fork that was ready in this very generation has fallen, it is not starting.
    let has_fallen = ready(before).is_some_and(|condition| {
        let was_up =
            condition.reason == Reason::Ready.word() || condition.reason == Reason::ForkNotReady.word();
        was_up && condition.observed_generation == generation
    });
    let reason = if reason == Reason::ForksStarting && has_fallen { Reason::ForkNotReady } else { reason };
    (reason, not_ready_message(findings))
}

fn ready_message(findings: &Findings) -> String {
    let forks = match findings.forks.len() {
        0 => "nothing is forked".to_owned(),
        1 => "1 fork is ready".to_owned(),
        n_forks => format!("{n_forks} forks are ready"),
    };
    with_faults(vec![forks], findings)
}

fn not_ready_message(findings: &Findings) -> String {
    let messages = findings.forks.iter().filter_map(|fork| {
        let message = fork.state.message()?;
        Some(format!("fork of {}: {message}", fork.of.name))
    });
    with_faults(messages.collect(), findings)
}

fn with_faults(mut messages: Vec<String>, findings: &Findings) -> String {
    messages.extend(findings.endpoint_faults.iter().cloned());
    messages.join("; ")
}

/// The condition; its time stays while its status does.
fn condition(
    before: &SandboxStatus,
    generation: Option<i64>,
    (reason, message): (Reason, String),
    now: Timestamp,
) -> Condition {
    let status = if reason == Reason::Ready { "True" } else { "False" };
    let kept = ready(before).filter(|condition| condition.status == status);
    Condition {
        type_: READY.to_owned(),
        status: status.to_owned(),
        observed_generation: generation,
        last_transition_time: kept
            .map_or_else(|| meta::rfc3339(now), |condition| condition.last_transition_time.clone()),
        reason: reason.word().to_owned(),
        message,
    }
}

// === impl Reason ===

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::KeyTaken => "KeyTaken",
            Self::BaselineNotFound => "BaselineNotFound",
            Self::InvalidFork => "InvalidFork",
            Self::ForkNotReady => "ForkNotReady",
            Self::ForksStarting => "ForksStarting",
        }
    }
}

// === impl ForkState ===

impl ForkState {
    /// Why the sandbox is not ready because of this fork. Of several the first
    /// in the order of [`Reason`] is told.
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Ready => None,
            Self::Starting(_) => Some(Reason::ForksStarting),
            Self::Trouble(_) => Some(Reason::ForkNotReady),
            Self::BaselineNotFound(_) => Some(Reason::BaselineNotFound),
            Self::Invalid(_) => Some(Reason::InvalidFork),
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::Starting(message)
            | Self::Trouble(message)
            | Self::BaselineNotFound(message)
            | Self::Invalid(message) => Some(message),
        }
    }
}

// === impl ForkStatus ===

impl From<&ForkFinding> for ForkStatus {
    fn from(fork: &ForkFinding) -> Self {
        Self {
            of: fork.of.clone(),
            workload: fork.workload.clone(),
            ready: fork.state == ForkState::Ready,
            services: fork.services.clone(),
            message: fork.state.message().unwrap_or_default().to_owned(),
        }
    }
}
