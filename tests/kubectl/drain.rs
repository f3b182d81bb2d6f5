//! `kubectl drain` against a PodDisruptionBudget: evictions wait for each other, and the Deployment
//! never has less than the budget wants.

use crate::cases::Case;
use crate::harness::until;
use crate::kubectl::run;

/// Every test with its name.
pub(crate) const ALL: &[(&str, Case)] = &[
    ("drain_takes_what_the_budget_gives", || Box::pin(within_budget())),
    ("drain_waits_where_the_budget_gives_nothing", || Box::pin(without_budget())),
];

const SELECTOR: &str = "--pod-selector=app=pricing";
const ALLOWED: &[&str] = &["get", "pdb", "pricing", "-o", "jsonpath={.status.disruptionsAllowed}"];

/// Two pods of pricing, and a budget that wants so many of them.
async fn two_with_budget(min_available: &str, allowed: &str) -> crate::harness::Spur {
    let spur = crate::cases::pricing().await;
    run(&spur, &["scale", "deployment/pricing", "--replicas=2"]).await.ok();
    run(&spur, &["rollout", "status", "deployment/pricing", "--timeout=30s"]).await.ok();
    let min_available = format!("--min-available={min_available}");
    run(&spur, &["create", "pdb", "pricing", "--selector=app=pricing", &min_available]).await.ok();
    until("the budget is counted", async || match run(&spur, ALLOWED).await.ok().stdout {
        found if found == allowed => Ok(()),
        found => Err(format!("{found:?} disruptions allowed")),
    })
    .await;
    spur
}

async fn within_budget() {
    let spur = two_with_budget("50%", "1").await;
    let drained = run(&spur, &["drain", "spur", SELECTOR, "--timeout=60s"]).await.ok();
    assert_eq!(drained.stdout.matches(" evicted").count(), 2, "{}", drained.stdout);
    // One went at once, the other when the first one's successor was ready.
    assert!(drained.stderr.contains("would violate the pod's disruption budget"), "{}", drained.stderr);
    run(&spur, &["uncordon", "spur"]).await.ok().prints(&["node/spur uncordoned"]);
    run(&spur, &["rollout", "status", "deployment/pricing", "--timeout=30s"]).await.ok();
    run(&spur, &["get", "pdb", "pricing"]).await.ok().prints(&["MIN AVAILABLE", "50%"]);
    spur.end().await;
}

async fn without_budget() {
    let spur = two_with_budget("2", "0").await;
    let before = run(&spur, &["get", "pods", "-o", "name"]).await.ok().stdout;
    let drained = run(&spur, &["drain", "spur", SELECTOR, "--timeout=1s"]).await;
    assert_ne!(drained.code, 0);
    assert!(drained.stderr.contains("Cannot evict pod as it would violate"), "{}", drained.stderr);
    assert_eq!(run(&spur, &["get", "pods", "-o", "name"]).await.ok().stdout, before);
    let shown = ["get", "pdb", "pricing", "-o", "jsonpath={.status.conditions[0].reason}"];
    assert_eq!(run(&spur, &shown).await.ok().stdout, "InsufficientPods");
    spur.end().await;
}
