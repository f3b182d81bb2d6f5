//! What the status says.

use jiff::Timestamp;
use serde_json::{Value, json};
use spur_api::sandbox::{EndpointStatus, Sandbox, SandboxStatus, WorkloadRef};

use crate::sandbox::key::Claim;
use crate::sandbox::lifetime::Lifetime;
use crate::sandbox::observe::ForkState;
use crate::sandbox::status::{Findings, ForkFinding, ready, status};

const THEN: &str = "2026-01-01T10:00:00Z";
const NOW: &str = "2026-01-01T12:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn findings(states: Vec<ForkState>) -> Findings {
    let forks = states.into_iter().enumerate().map(|(n, state)| ForkFinding {
        of: WorkloadRef { kind: "Deployment".to_owned(), name: format!("d{n}") },
        workload: format!("pr-1-d{n}"),
        services: vec![format!("s{n}")],
        state,
    });
    Findings {
        claim: Claim::Owned("k".to_owned()),
        forks: forks.collect(),
        endpoints: vec![EndpointStatus { name: "e".to_owned(), url: "http://x".to_owned() }],
        endpoint_faults: vec![],
        is_unrouted: false,
        lifetime: Lifetime { updated: at(THEN), ends: None },
    }
}

/// The status after one before with this phase and condition.
fn after(before: Option<(&str, &str)>, findings: &Findings) -> SandboxStatus {
    let before = before.map(|(phase, reason)| {
        let is_ready = if reason == "Ready" { "True" } else { "False" };
        json!({"phase": phase, "observedGeneration": 2, "conditions": [{
            "type": "Ready", "status": is_ready, "reason": reason, "message": "", "observedGeneration": 2,
            "lastTransitionTime": THEN,
        }]})
    });
    let sandbox: Sandbox = serde_json::from_value(json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": "pr-1", "generation": 2},
        "spec": {}, "status": before.unwrap_or(Value::Null),
    }))
    .expect("a sandbox");
    status(&sandbox, findings, at(NOW))
}

#[track_caller]
fn check(before: Option<(&str, &str)>, states: Vec<ForkState>, expected: (&str, &str, &str)) {
    let status = after(before, &findings(states));
    let condition = ready(&status).expect("there is a condition");
    let found =
        (status.phase.as_deref().unwrap_or_default(), condition.reason.as_str(), condition.message.as_str());
    assert_eq!(found, expected);
}

fn starting() -> ForkState {
    ForkState::Starting("waits".to_owned())
}

fn trouble() -> ForkState {
    ForkState::Trouble("crashed".to_owned())
}

#[test]
fn the_phase_and_reason_follow_the_forks() {
    check(None, vec![], ("Ready", "Ready", "nothing is forked"));
    check(None, vec![ForkState::Ready, ForkState::Ready], ("Ready", "Ready", "2 forks are ready"));
    check(None, vec![ForkState::Ready, starting()], ("Pending", "ForksStarting", "fork of d1: waits"));
    let both = "fork of d0: waits; fork of d1: crashed";
    check(None, vec![starting(), trouble()], ("Pending", "ForkNotReady", both));
    let invalid = ForkState::Invalid("no".to_owned());
    check(None, vec![invalid, trouble()], ("Pending", "InvalidFork", "fork of d0: no; fork of d1: crashed"));
    let missing = ForkState::BaselineNotFound("none".to_owned());
    check(
        None,
        vec![missing, starting()],
        ("Pending", "BaselineNotFound", "fork of d0: none; fork of d1: waits"),
    );
}

#[test]
fn a_fork_that_was_ready_has_fallen_and_is_not_starting() {
    check(Some(("Ready", "Ready")), vec![starting()], ("NotReady", "ForkNotReady", "fork of d0: waits"));
    check(
        Some(("NotReady", "ForkNotReady")),
        vec![starting()],
        ("NotReady", "ForkNotReady", "fork of d0: waits"),
    );
    check(
        Some(("Pending", "ForksStarting")),
        vec![starting()],
        ("Pending", "ForksStarting", "fork of d0: waits"),
    );
    check(
        Some(("NotReady", "ForksStarting")),
        vec![starting()],
        ("NotReady", "ForksStarting", "fork of d0: waits"),
    );
    check(Some(("NotReady", "ForkNotReady")), vec![ForkState::Ready], ("Ready", "Ready", "1 fork is ready"));
}

#[test]
fn the_time_of_the_condition_is_that_of_its_last_turn() {
    let time = |before, states| {
        let status = after(before, &findings(states));
        ready(&status).expect("there is a condition").last_transition_time.clone()
    };
    assert_eq!(time(Some(("Ready", "Ready")), vec![]), THEN);
    assert_eq!(time(Some(("Pending", "ForksStarting")), vec![trouble()]), THEN);
    assert_eq!(time(Some(("Ready", "Ready")), vec![trouble()]), NOW);
    assert_eq!(time(None, vec![]), NOW);
}

#[test]
fn one_whose_key_is_taken_has_no_key_and_no_forks() {
    let taken = Claim::Taken { key: "k".to_owned(), namespace: "shop".to_owned(), name: "first".to_owned() };
    let findings = Findings { claim: taken, ..findings(vec![ForkState::Ready]) };
    let status = after(Some(("Ready", "Ready")), &findings);
    assert_eq!((status.routing_key.as_deref(), status.forks.len(), status.endpoints.len()), (None, 0, 0));
    let condition = ready(&status).expect("there is a condition");
    assert_eq!((condition.reason.as_str(), status.phase.as_deref()), ("KeyTaken", Some("NotReady")));
    assert!(condition.message.contains("`k` belongs to sandbox `shop/first`"), "{}", condition.message);
}

#[test]
fn what_is_wrong_with_an_endpoint_is_told_and_does_not_hold_it_up() {
    let mut findings = findings(vec![ForkState::Ready]);
    findings.endpoint_faults = vec!["endpoint e: no such service".to_owned()];
    let status = after(None, &findings);
    let condition = ready(&status).expect("there is a condition");
    assert_eq!(
        (condition.status.as_str(), condition.message.as_str()),
        ("True", "1 fork is ready; endpoint e: no such service")
    );
    findings.is_unrouted = true;
    assert_eq!(
        ready(&after(None, &findings)).map(|condition| condition.reason.clone()),
        Some("ForksStarting".to_owned())
    );
}
