//! Requests that are there after a restart.

use serde_json::Value;

use crate::harness::{Spur, until};

async fn traced(spur: &Spur, path: &str) -> Value {
    until(&format!("`{path}` is recorded"), async || {
        let output = spur.run(&["trace", "--filter", &format!("path:{path}"), "-o", "json"]).await.ok();
        output.stdout.lines().next().map(|line| serde_json::from_str(line).unwrap()).ok_or(output.stderr)
    })
    .await
}

#[tokio::test]
async fn requests_survive_kill_9_without_their_secrets() {
    let spur = Spur::up().flags(&["--keep-on-disk", "8MiB"]).start().await;
    let asked =
        spur.service("nobody").get("/first?token=t0p").key("k-1").header("authorization", "Bearer s3cret");
    asked.send().await;
    let id = traced(&spur, "/first").await["trace_id"].as_str().unwrap().to_owned();
    until("it is on disk", async || {
        let status = spur.run(&["status", "-o", "json"]).await.ok().json();
        let disk = status["telemetry"]["disk"].clone();
        if disk["written"].as_u64() >= Some(1) { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let data = spur.kill().await;

    let spur = Spur::up().on(&data).flags(&["--keep-on-disk", "8MiB"]).start().await;
    traced(&spur, "/first").await;
    let shown = spur.run(&["trace", "show", &id, "--reveal"]).await.ok().stdout;
    assert!(
        shown.contains("Bearer REDACTED") && !shown.contains("s3cret") && !shown.contains("t0p"),
        "{shown}"
    );
    spur.run(&["replay", &id]).await.code(1).tells(&["secrets are not kept on disk"]);
    spur.run(&["replay", &id, "--without-credentials"]).await.ok();
    let data = spur.end().await;

    // Nobody asked for it: nothing is read, and nothing is gone.
    let spur = Spur::up().on(&data).start().await;
    spur.run(&["trace", "assert", "--count", "0"]).await.ok();
    spur.end().await;
}

#[tokio::test]
async fn a_size_that_is_none_is_told() {
    let output = Spur::up().flags(&["--keep-on-disk", "many"]).try_start().await;
    let told = output.err().unwrap();
    assert!(told.contains("`many` is no size"), "{told}");
}
