//! `spur test`: exit codes, what is kept, and that runs never meet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::manifests::{cheaper, sample};
use crate::harness::{Data, Output, Site, command, until};

/// One `spur test` in a home of its own.
struct Run {
    home: Data,
    args: Vec<String>,
}

/// What is kept of a run.
struct Kept(PathBuf);

// === impl Run ===

impl Run {
    /// A run with pricing and inventory.
    fn of_two() -> Self {
        let mut objects = sample("pricing", "pricing", &[]);
        objects.extend(sample("inventory", "inventory", &[]));
        Self::of(&objects)
    }

    fn of(objects: &[Value]) -> Self {
        let home = Data::new();
        let documents: Vec<String> = objects.iter().map(|object| format!("---\n{object}\n")).collect();
        let file = home.write("objects.yaml", &documents.concat());
        Self { home, args: vec!["-f".to_owned(), file.display().to_string()] }
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    fn artifacts(&self) -> Kept {
        Kept(self.home.home().join("kept"))
    }

    fn command(&self, shell: &str) -> Command {
        let mut test = command::spur(self.home.home());
        test.current_dir(self.home.home());
        test.arg("test").args(&self.args).args(["--artifacts", "kept", "--", "sh", "-c", shell]);
        test
    }

    #[track_caller]
    fn sh(&self, shell: &str) -> impl Future<Output = Output> + use<> {
        command::run(self.command(shell))
    }

    /// Runs a command that tells its environment and waits; asks meanwhile.
    async fn meanwhile<T>(&self, ask: impl AsyncFnOnce(BTreeMap<String, String>) -> T) -> (Output, T) {
        let (told, gate) = (self.home.home().join("told"), self.home.home().join("gate"));
        let shell = "env > telling; mv telling told; while [ ! -e gate ]; do sleep 0.02; done";
        let running = tokio::spawn(self.sh(shell));
        let env = until("the command runs", async || std::fs::read_to_string(&told)).await;
        let pairs = env.lines().filter_map(|line| line.split_once('='));
        let asked = ask(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()).await;
        std::fs::write(&gate, "").unwrap();
        (running.await.unwrap(), asked)
    }

    /// No scratch directory of the environment is left.
    fn left_nothing(&self) {
        let entries = std::fs::read_dir(self.home.home()).unwrap();
        let names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.starts_with("spur-test-")), "{names:?}");
    }
}

// === impl Kept ===

impl Kept {
    fn read(&self, file: &str) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn summary(&self) -> Value {
        serde_json::from_str(&self.read("summary.json")).unwrap()
    }

    fn log_of(&self, app: &str) -> String {
        let logs = std::fs::read_dir(self.0.join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |path: &Path| path.file_name().unwrap().to_string_lossy().contains(app);
        let found = logs.into_iter().find(|path| is_of(path)).unwrap_or_else(|| panic!("no log of {app}"));
        std::fs::read_to_string(found).unwrap()
    }
}

#[tokio::test]
async fn a_passing_run_exits_with_0_and_keeps_the_evidence() {
    let run = Run::of_two();
    let shell = "set -e; echo asked $PRICING_URL $SPUR_ENTRY; test -f \"$KUBECONFIG\"; test -z \"$SPUR_KEY\"; \
                 spur get deployments -o name; echo to stderr >&2";
    let path = Path::new(env!("CARGO_BIN_EXE_spur")).parent().unwrap().display().to_string();
    let mut test = run.command(shell);
    test.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap_or_default()));
    let output = command::run(test).await.ok();
    let output =
        output.prints(&["asked http://127.0.0.1:", "deployment.apps/inventory\ndeployment.apps/pricing\n"]);
    output.tells(&["to stderr", "exit 0", "evidence in kept"]);
    let kept = run.artifacts();
    let summary = kept.summary();
    assert_eq!((&summary["exit"], &summary["teardown"]), (&json!(0), &json!("in time")));
    assert!(summary["variables"]["PRICING_URL"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(kept.read("summary.txt").contains("the command succeeded"));
    assert!(kept.read("objects.yaml").contains("kind: Deployment\n"), "objects");
    assert!(kept.read("events.jsonl").contains("\"Started\""), "events");
    assert!(kept.log_of("pricing").contains("pricing"), "logs");
    kept.read("traces.jsonl");
    kept.read("spur.log");
    run.left_nothing();
}

#[tokio::test]
async fn the_commands_own_code_and_signal_are_passed_on() {
    let run = Run::of_two();
    run.sh("exit 7").await.code(7).tells(&["exit 7"]);
    assert_eq!(run.artifacts().summary()["exit"], 7);
    // 128 and the signal, as a shell has it.
    run.sh("kill -KILL $$").await.code(137);
    run.left_nothing();
}

#[tokio::test]
async fn a_hanging_command_is_ended_with_all_it_started() {
    let run = Run::of_two().args(&["--timeout", "1s"]);
    let since = Instant::now();
    let pids = run.home.home().join("pids");
    let shell = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    run.sh(&shell).await.code(124).tells(&["ended after 1s"]);
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        assert!(!crate::harness::processes::is_alive(pid.parse().unwrap()), "{pid} is left");
    }
    assert_eq!(run.artifacts().summary()["exit"], 124);
    assert!(run.artifacts().log_of("pricing").contains("pricing"));
    run.left_nothing();
}

#[tokio::test]
async fn an_environment_that_is_never_ready_is_explained() {
    let mut objects = sample("pricing", "pricing", &[]);
    objects[1]["spec"]["template"]["spec"]["containers"][0]["command"] =
        json!(["sh", "-c", "echo cannot reach the database; exit 9"]);
    let run = Run::of(&objects).args(&["--ready-timeout", "2s"]);
    let output = run.sh("echo ran").await.code(125).prints_nothing();
    output.tells(&["deployment.apps/pricing", "cannot reach the database", "exit code 9"]);
    let summary = run.artifacts().summary();
    assert_eq!(summary["exit"], 125);
    assert!(summary["unready"].to_string().contains("pricing"), "{summary:#}");
    assert!(run.artifacts().log_of("pricing").contains("cannot reach the database"));
    run.left_nothing();
}

#[tokio::test]
async fn a_broken_file_fails_the_environment_before_anything_starts() {
    let home = Data::new();
    home.write("broken.yaml", "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: x\nspec: [\n");
    let run = Run { args: vec!["-f".to_owned(), "broken.yaml".to_owned()], home };
    run.sh("echo ran").await.code(125).prints_nothing().tells(&["broken.yaml:4:"]);
    run.left_nothing();
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_126_and_a_missing_one_127() {
    let run = Run::of(&sample("pricing", "pricing", &[]));
    let file = run.home.write("not-executable", "#!/bin/sh\n").display().to_string();
    for (program, code) in [(&*file, 126), ("no-such-program-42", 127)] {
        let mut test = command::spur(run.home.home());
        test.current_dir(run.home.home()).arg("test").args(&run.args).args([
            "--artifacts",
            "kept",
            "--",
            program,
        ]);
        command::run(test).await.code(code).tells(&[program]);
    }
    run.left_nothing();
}

#[tokio::test]
async fn with_a_sandbox_the_command_gets_its_key() {
    let mut run = Run::of(&sample("pricing", "pricing", &[]));
    let mut sandbox = cheaper("cheaper", "ignored");
    sandbox["spec"].as_object_mut().unwrap().remove("routingKey");
    sandbox["spec"].as_object_mut().unwrap().remove("endpoints");
    let file = run.home.write("sandbox.yaml", &sandbox.to_string());
    run = run.args(&["--sandbox", &file.display().to_string()]);
    let (output, key) = run
        .meanwhile(async |env| {
            let (pricing, key) = (Site::of(&env["PRICING_URL"]), &env["SPUR_KEY"]);
            let without = pricing.get("/price/mug").send().await.ok().json();
            let with = pricing.get("/price/mug").key(key).send().await.ok().json();
            assert_eq!((&without["cents"], &with["cents"]), (&json!(1200), &json!(1080)));
            key.clone()
        })
        .await;
    output.ok();
    assert_eq!(key.len(), 12, "{key}");
    // The traces say which request the fork took.
    let traces = run.artifacts().read("traces.jsonl");
    let forked: Vec<&str> = traces.lines().filter(|line| line.contains("\"forked\"")).collect();
    assert!(forked.len() == 1 && forked[0].contains(&key), "{traces}");
    run.left_nothing();
}

#[tokio::test]
async fn ctrl_c_ends_the_command_and_keeps_the_evidence() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let run = Run::of(&sample("pricing", "pricing", &[]));
        let started = run.home.home().join("started");
        let shell = format!("echo > {}; exec sleep 1000", started.display());
        let mut child = run.command(&shell);
        let child =
            child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        until("the command runs", async || if started.exists() { Ok(()) } else { Err("it does not") }).await;
        kill_process(pid, signal).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
        let ended = ended.expect("it ends").unwrap();
        assert_eq!(ended.status.code(), Some(code), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(run.artifacts().summary()["exit"], code);
        assert!(run.artifacts().log_of("pricing").contains("pricing"));
        run.left_nothing();
    }
}

#[tokio::test]
async fn two_runs_at_once_never_meet() {
    // Each has its own version of one and the same Service, and asks it many times.
    let runs: Vec<Run> =
        ["one", "two"].map(|version| Run::of(&sample("pricing", "pricing", &[("VERSION", version)]))).into();
    let ask = async |env: BTreeMap<String, String>| {
        let mut versions = BTreeSet::new();
        for _ in 0..20 {
            let price = Site::of(&env["PRICING_URL"]).get("/price/mug").send().await.ok().json();
            versions.insert(price["version"].as_str().unwrap().to_owned());
        }
        (versions, env["SPUR_ENTRY"].clone())
    };
    let ((first, one), (second, two)) = tokio::join!(runs[0].meanwhile(ask), runs[1].meanwhile(ask));
    first.ok();
    second.ok();
    assert_eq!((one.0, two.0), (BTreeSet::from(["one".to_owned()]), BTreeSet::from(["two".to_owned()])));
    assert_ne!(one.1, two.1, "each has its own entry");
    // Into one directory they do not write at the same time.
    let held = runs[0].home.home().join("held");
    let shell = format!("echo > {}; exec sleep 1000", held.display());
    let mut waiting = runs[0].command(&shell);
    let mut waiting = waiting.spawn().unwrap();
    until("the first one runs", async || if held.exists() { Ok(()) } else { Err("it does not") }).await;
    runs[0].sh("echo ran").await.code(125).tells(&["another run is writing into it"]);
    kill_process(Pid::from_raw(waiting.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(waiting.wait().await.unwrap().code(), Some(130));
}
