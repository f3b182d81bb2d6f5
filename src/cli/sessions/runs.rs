//! `spur test` with a stand-in for `spur up`: a script that says where this
//! process's API server is. Everything else is real.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::world::{Said, World};

const SETTINGS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}";

const NEVER_READY: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, command: [sleep, '1']}]}
";

/// Makes `spur` in the world's directory a script.
fn stand_in(world: &World, script: &str) {
    let path = world.environment().executable;
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A kubeconfig of the world's server, which asks for no credentials.
fn kubeconfig(url: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "w",
        "clusters": [{"name": "w", "cluster": {"server": url}}],
        "contexts": [{"name": "w", "context": {"cluster": "w", "user": "w"}}],
        "users": [{"name": "w", "user": {}}],
    });
    config.to_string()
}

/// The script that serves until it is told to end.
fn serving(world: &World) -> String {
    let kubeconfig = world.file("up.kubeconfig", &kubeconfig(&world.url));
    let line = format!(
        r#"{{"pid":1,"api":"{}","kubeconfig":"{kubeconfig}","entry":"http://127.0.0.1:8080"}}"#,
        world.url
    );
    format!("echo 'up says hello' >&2; echo '{line}'; exec cat >/dev/null")
}

async fn test(world: &World, objects: &str, flags: &str, command: &[&str]) -> (Said, PathBuf) {
    let file = world.file("objects.yaml", objects);
    let artifacts = world.directory().join("artifacts");
    let artifacts_word = artifacts.display().to_string();
    let mut words = vec!["test", "-f", &file, "--artifacts", &artifacts_word];
    words.extend(flags.split_whitespace());
    words.push("--");
    words.extend(command);
    (world.run_words(&words).await, artifacts)
}

fn summary(artifacts: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(artifacts.join("summary.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_command_that_succeeds_has_found_its_environment_and_left_evidence() {
    let world = World::start().await;
    stand_in(&world, &serving(&world));
    let script = r#"test "$SPUR_ENTRY" = http://127.0.0.1:8080 && test -n "$KUBECONFIG""#;
    let (said, artifacts) = test(&world, SETTINGS, "", &["sh", "-c", script]).await;
    assert_eq!(said.exit, 0, "{}", said.talk);
    let summary = summary(&artifacts);
    assert_eq!((&summary["exit"], &summary["outcome"]), (&0.into(), &"the command succeeded".into()));
    assert_eq!(summary["teardown"], "in time");
    let read = |name: &str| std::fs::read_to_string(artifacts.join(name)).unwrap();
    assert!(read("objects.yaml").contains("name: settings"));
    assert_eq!(read("spur.log"), "up says hello\n");
    assert_eq!((read("traces.jsonl").as_str(), read("events.jsonl").as_str()), ("", ""));
    assert!(read("summary.txt").contains("the command succeeded"));
}

#[tokio::test]
async fn the_exit_code_says_how_it_ended() {
    let world = World::start().await;
    stand_in(&world, &serving(&world));
    let cases: [(&str, &[&str], u8); 6] = [
        ("", &["sh", "-c", "exit 7"], 7),
        ("", &["sh", "-c", "kill -KILL $$"], 137),
        ("--timeout 1s", &["sh", "-c", "sleep 600 & wait"], 124),
        ("", &["no-such-command-anywhere"], 127),
        ("", &["/etc/passwd"], 126),
        ("--ready-timeout 1s", &["true"], 0),
    ];
    for (flags, command, exit) in cases {
        let (said, artifacts) = test(&world, SETTINGS, flags, command).await;
        assert_eq!(said.exit, exit, "{command:?}: {}", said.talk);
        assert_eq!(summary(&artifacts)["exit"], exit, "{command:?}");
    }
}

#[tokio::test]
async fn an_environment_that_never_becomes_ready_is_explained() {
    let world = World::start().await;
    stand_in(&world, &serving(&world));
    let (said, artifacts) = test(&world, NEVER_READY, "--ready-timeout 1s", &["true"]).await;
    let talk = said.all().replace(&artifacts.display().to_string(), "ARTIFACTS");
    insta::assert_snapshot!(talk, @"
    ! applied 1 objects; waiting until they are ready
    !   ✗ deployment.apps/web in default is not ready
    !       its controller has not seen it yet
    ! error: 1 of 1 objects did not become ready within 1s
    ! hint: the reasons stand above; --ready-timeout gives slow ones more time
    ! exit 125: the environment failed; evidence in ARTIFACTS
    exit 125
    ");
    let summary = summary(&artifacts);
    assert_eq!(summary["unready"][0]["name"], "deployment.apps/web");
}

#[tokio::test]
async fn an_environment_that_does_not_start_says_what_it_said() {
    let world = World::start().await;
    stand_in(&world, "echo 'error: port 1 is taken' >&2; exit 1");
    let (said, artifacts) = test(&world, SETTINGS, "", &["true"]).await;
    let talk = said.all().replace(&artifacts.display().to_string(), "ARTIFACTS");
    insta::assert_snapshot!(talk, @"
    ! error: `spur up` ended before it was ready: exit status: 1; it said:
    !   error: port 1 is taken
    ! exit 125: the environment failed; evidence in ARTIFACTS
    exit 125
    ");
    assert_eq!(std::fs::read_to_string(artifacts.join("spur.log")).unwrap(), "error: port 1 is taken\n");
}

#[tokio::test]
async fn a_bad_file_fails_before_anything_starts() {
    let world = World::start().await;
    stand_in(&world, "echo started >&2; exit 1");
    let (said, artifacts) = test(&world, "a: [1,", "", &["true"]).await;
    assert_eq!(said.exit, 125, "{}", said.talk);
    assert!(said.talk.contains("objects.yaml:"), "{}", said.talk);
    assert!(!artifacts.join("spur.log").exists());
    assert!(summary(&artifacts)["outcome"].as_str().unwrap().contains("objects.yaml:"));
}

#[tokio::test]
async fn an_environment_that_ends_under_the_command_ends_the_command() {
    let world = World::start().await;
    let line = serving(&world).replace("exec cat >/dev/null", "sleep 1");
    stand_in(&world, &line);
    let (said, _) = test(&world, SETTINGS, "", &["sleep", "600"]).await;
    assert_eq!(said.exit, 125, "{}", said.talk);
    assert!(said.talk.contains("the environment ended before the command"), "{}", said.talk);
}
