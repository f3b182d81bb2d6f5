//! The commands beside `demo` and `test`: their data, their words, their codes.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::harness::manifests::{cheaper, sample, script};
use crate::harness::{DEADLINE, Data, Spur, command, until};

#[tokio::test]
async fn up_tells_scripts_where_everything_is() {
    let spur = Spur::up().start().await;
    let ready = spur.ready_line();
    let keys: BTreeSet<&str> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["api", "entry", "kubeconfig", "pid"]));
    assert_eq!(ready["pid"], spur.pid());
    for (field, scheme) in [("api", "https"), ("entry", "http")] {
        assert!(ready[field].as_str().unwrap().starts_with(&format!("{scheme}://127.0.0.1:")), "{ready}");
    }
    let config = std::fs::read_to_string(spur.kubeconfig()).unwrap();
    assert!(config.contains(ready["api"].as_str().unwrap()), "{config}");
    let status = spur.run(&["status", "-o", "json"]).await.ok().json();
    assert_eq!(
        (&status["api"], &status["entry"], &status["pid"]),
        (&ready["api"], &ready["entry"], &ready["pid"])
    );
    spur.run(&["status"])
        .await
        .ok()
        .prints(&[ready["api"].as_str().unwrap(), ready["entry"].as_str().unwrap()]);
    assert_eq!(spur.run(&["kubeconfig"]).await.ok().stdout, config);
    assert_eq!(spur.run(&["kubeconfig", "--path"]).await.ok().stdout.trim(), spur.kubeconfig());
    spur.end().await;
}

/// AP-16: for people, too.
#[tokio::test]
async fn up_on_its_usual_ports_names_who_holds_one() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    for (flag, other) in [("--port", "--entry-port"), ("--entry-port", "--port")] {
        let home = Data::new();
        let mut up = command::spur(home.home());
        up.args(["up", flag, &port, other, "0", "--data"]).arg(home.path());
        let refused = command::run(up).await.code(1).prints_nothing();
        let me = format!("process {}", std::process::id());
        refused.tells(&[
            &format!("127.0.0.1:{port}"),
            &me,
            &format!("hint: choose another port with {flag}"),
        ]);
    }
}

#[tokio::test]
async fn up_for_people_says_what_to_do_next_and_ends_on_ctrl_c() {
    let home = Data::new();
    let mut up = command::spur(home.home());
    up.args(["up", "--port", "0", "--entry-port", "0", "--data"]).arg(home.path());
    up.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = up.spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        text += &lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended after\n{text}"));
        text.push('\n');
    }
    assert!(text.contains("export KUBECONFIG=") && text.contains("entry"), "{text}");
    kill_process(pid, Signal::INT).unwrap();
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await.expect("it ends");
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn up_ends_with_whoever_started_it_when_told_to() {
    let home = Data::new();
    let mut up = command::spur(home.home());
    up.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--until-stdin-ends", "--data"])
        .arg(home.path());
    up.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = up.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().expect("a line when it is ready");
    drop(child.stdin.take());
    let ended = tokio::time::timeout(DEADLINE, child.wait()).await.expect("it ends");
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn objects_are_shown_in_every_format() {
    let spur = Spur::up().start().await;
    spur.api().create_all(&sample("web", "pricing", &[])).await;
    spur.api().until_condition(("deployments", "web"), "Available").await;
    let pods = spur.run(&["get", "pods"]).await.ok().stdout;
    let lines: Vec<&str> = pods.lines().collect();
    assert!(
        lines[0].starts_with("NAME") && lines[0].contains("READY") && lines[0].contains("STATUS"),
        "{pods}"
    );
    assert!(
        lines[1].starts_with("web-") && lines[1].contains("1/1") && lines[1].contains("Running"),
        "{pods}"
    );
    assert_eq!(spur.run(&["get", "pods", "--no-headers"]).await.ok().stdout.lines().count(), 1);
    let wide = spur.run(&["get", "pods", "-o", "wide"]).await.ok().stdout;
    assert!(wide.lines().next().unwrap().contains("IP"), "{wide}");
    let json = spur.run(&["get", "deploy/web", "-o", "json"]).await.ok().json();
    assert_eq!((&json["kind"], &json["metadata"]["name"]), (&json!("Deployment"), &json!("web")));
    let list = spur.run(&["get", "deploy,svc", "-o", "json"]).await.ok().json();
    let kinds: BTreeSet<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["Deployment", "Service"]));
    let yaml = spur.run(&["get", "deployment", "web", "-o", "yaml"]).await.ok().stdout;
    assert!(yaml.contains("kind: Deployment\n") && yaml.contains("  name: web\n"), "{yaml}");
    assert_eq!(spur.run(&["get", "deploy", "-o", "name"]).await.ok().stdout, "deployment.apps/web\n");
    let phase =
        spur.run(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.phase}"]).await.ok();
    assert_eq!(phase.stdout.trim(), "Running");
    spur.run(&["get", "pods", "-l", "app=other"]).await.ok().prints_nothing();
    spur.run(&["get", "pods", "--field-selector", "status.phase=Running", "-A", "-o", "name"])
        .await
        .ok()
        .prints(&["pod/web-"]);
    spur.run(&["get", "pod", "nothing"]).await.code(1).prints_nothing().tells(&["nothing"]);
    spur.run(&["get", "pod", "nothing", "--ignore-not-found"]).await.ok().prints_nothing();
    spur.run(&["get", "nonsense"]).await.code(2).tells(&["nonsense"]);
    spur.end().await;
}

#[tokio::test]
async fn apply_creates_changes_and_leaves_and_delete_takes_away() {
    let spur = Spur::up().start().await;
    let file = |text: &str| spur.data().write("map.yaml", text).display().to_string();
    let map = |value: &str| {
        file(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: '{value}'\n"
        ))
    };
    let path = map("1");
    spur.run(&["apply", "-f", &path, "--dry-run"]).await.ok();
    assert!(spur.api().find("configmaps", "settings").await.is_none(), "a dry run changes nothing");
    spur.run(&["apply", "-f", &path]).await.ok().prints(&["configmap/settings created"]);
    spur.run(&["apply", "-f", &path]).await.ok().prints(&["configmap/settings unchanged"]);
    spur.run(&["apply", "-f", &map("2")]).await.ok().prints(&["configmap/settings configured"]);
    assert_eq!(spur.api().get("configmaps", "settings").await["data"]["a"], "2");

    // Standard input, several documents, and a namespace that comes after its objects.
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: late}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: late}\n";
    let mut apply = spur.command(&["apply", "-f", "-"]);
    let mut child = apply.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "namespace/late created\nconfigmap/x created\n");

    spur.run(&["delete", "-f", &path]).await.ok().prints(&["configmap", "settings", "deleted"]);
    assert!(spur.api().find("configmaps", "settings").await.is_none());
    spur.run(&["delete", "configmap", "settings"]).await.code(1).tells(&["settings"]);
    spur.run(&["delete", "configmap/settings", "--ignore-not-found"]).await.ok();
    spur.end().await;
}

#[tokio::test]
async fn a_field_of_somebody_else_is_a_conflict_until_it_is_forced() {
    let spur = Spur::up().start().await;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "theirs"}});
    let path = "/api/v1/namespaces/default/configmaps/m?fieldManager=them";
    let api = spur.api();
    let applied = api.ask(http::Method::PATCH, path).body("application/apply-patch+yaml", map.to_string());
    applied.send().await.ok();
    let file = spur
        .data()
        .write("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: ours}\n");
    let file = file.display().to_string();
    spur.run(&["apply", "-f", &file]).await.code(1).tells(&["them", ".data.a", "--force-conflicts"]);
    spur.run(&["apply", "-f", &file, "--force-conflicts"]).await.ok();
    assert_eq!(api.get("configmaps", "m").await["data"]["a"], "ours");
    spur.end().await;
}

#[tokio::test]
async fn logs_and_wait_work_without_kubectl() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("web", "pricing", &[])).await;
    spur.run(&["wait", "--for=condition=Available", "deploy/web"])
        .await
        .ok()
        .prints(&["deployment.apps/web condition met"]);
    spur.run(&["logs", "deploy/web"]).await.ok().prints(&["pricing"]);
    spur.run(&["logs", "nothing"]).await.code(1).tells(&["nothing"]);
    api.create_all(&[script("talks", "echo one; echo two; echo three")]).await;
    spur.run(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/talks"]).await.ok();
    assert_eq!(spur.run(&["logs", "talks", "--tail", "2"]).await.ok().stdout, "two\nthree\n");
    assert_eq!(spur.run(&["logs", "talks", "-f"]).await.ok().stdout, "one\ntwo\nthree\n");
    let stamped = spur.run(&["logs", "talks", "--timestamps"]).await.ok().stdout;
    assert!(stamped.lines().all(|line| line.starts_with("20") && line.contains('Z')), "{stamped}");
    spur.run(&["wait", "--for=condition=Ready", "pod/talks", "--timeout", "1s"])
        .await
        .code(124)
        .tells(&["talks"]);
    let waiting = tokio::spawn(command::run(spur.command(&["wait", "--for=delete", "pod/talks"])));
    spur.run(&["delete", "pod", "talks"]).await.ok();
    waiting.await.unwrap().ok();
    spur.end().await;
}

#[tokio::test]
async fn watching_prints_every_change() {
    let spur = Spur::up().start().await;
    let mut get = spur.command(&["get", "configmaps", "-w", "-o", "name"]);
    let mut watching = get.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut name = 0;
    until("the watch shows a new object", async || {
        name += 1;
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m-{name}")}});
        spur.api().create(&map).await.ok();
        let soon = std::time::Duration::from_millis(300);
        match tokio::time::timeout(soon, lines.next_line()).await {
            Ok(line) if line.as_ref().unwrap().as_deref().unwrap_or_default().starts_with("configmap/m-") => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    kill_process(Pid::from_raw(watching.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
    let status = watching.wait().await.unwrap();
    // It need not catch the signal: to a shell its end by it is 130, too.
    assert!(status.code() == Some(130) || status.signal() == Some(2), "{status}");
    spur.end().await;
}

#[tokio::test]
async fn sandboxes_are_made_listed_and_deleted_in_one_line_each() {
    let spur = Spur::shop().await;
    let create =
        ["sandbox", "create", "cheaper", "--fork", "deployment/pricing", "--env", "PRICE_PERCENT=90"];
    let flags =
        ["--env", "VERSION=v2-cheaper", "--key", "k-1", "--ttl", "8h", "--endpoint", "frontend", "--wait"];
    let made = spur.run(&[&create[..], &flags[..]].concat()).await.ok();
    let made = made.prints(&["k-1"]);
    assert!(
        format!("{}{}", made.stdout, made.stderr).contains("http://cheaper--frontend.default.localhost:"),
        "{made:?}"
    );
    let cart = spur.service("frontend").get("/api/cart").key("k-1").send().await.ok().json();
    assert_eq!(cart["total_cents"], 1080);
    let object = spur.api().get("sandboxes", "cheaper").await;
    assert_eq!(object["spec"]["ttl"]["duration"], "8h");

    // Once more is a mistake, and not a change.
    spur.run(&create).await.code(1).tells(&["cheaper", "exists"]);
    spur.run(&["sandbox", "list"]).await.ok().prints(&["NAME", "cheaper", "k-1", "Ready"]);
    assert_eq!(spur.run(&["sandbox", "list", "-o", "name"]).await.ok().stdout, "sandbox.spur.dev/cheaper\n");
    let json = spur.run(&["sandbox", "ls", "-o", "json"]).await.ok().json();
    assert_eq!(json["items"][0]["status"]["routingKey"], "k-1");
    spur.run(&["sandbox", "delete", "cheaper"]).await.ok();
    assert!(spur.api().find("sandboxes", "cheaper").await.is_none());
    spur.run(&["sandbox", "delete", "cheaper"]).await.code(1).tells(&["cheaper"]);

    let file = spur.data().write("sandbox.yaml", &cheaper("from-file", "k-2").to_string());
    let made = spur
        .run(&["sandbox", "create", "-f", &file.display().to_string(), "--wait", "-o", "json"])
        .await
        .ok();
    assert_eq!(made.json()["status"]["routingKey"], "k-2");
    let nothing = ["sandbox", "create", "lost", "--fork", "nothing", "--wait", "--timeout", "1s"];
    let failed = spur.run(&nothing).await;
    assert!([1, 124].contains(&failed.code), "{failed:?}");
    failed.tells(&["nothing"]);
    spur.end().await;
}

#[tokio::test]
async fn version_completion_and_help_need_no_server() {
    let home = Data::new();
    let run = async |args: &[&str]| {
        let mut command = command::spur(home.home());
        command.args(args);
        command::run(command).await
    };
    let version = env!("CARGO_PKG_VERSION");
    run(&["version"]).await.ok().prints(&["spur", version]);
    run(&["--version"]).await.ok().prints(&["spur", version]);
    assert_eq!(run(&["version", "-o", "json"]).await.ok().json()["version"], version);
    run(&["version", "-o", "yaml"]).await.ok().prints(&[&format!("version: \"{version}\"")]);
    for (shell, part) in [("bash", "_spur"), ("zsh", "#compdef spur"), ("fish", "complete -c spur")] {
        run(&["completion", shell]).await.ok().prints(&[part, "sandbox"]);
    }
    let help = run(&["--help"]).await.ok().prints(&["Exit codes:", "demo", "sandbox", "124"]);
    assert!(!help.stdout.contains("sample"), "what is hidden is not listed");
    run(&["nonsense"]).await.code(2).tells(&["nonsense"]);
    run(&["get"]).await.code(2);
    // Who is the server asks none.
    for (flag, args) in [
        ("--kubeconfig", &["up", "--kubeconfig", "x"][..]),
        ("--context", &["up", "--context", "x"]),
        ("--server", &["proxy", "-f", "x", "--server", "http://x"]),
    ] {
        run(args).await.code(2).tells(&[flag, "which server to ask"]);
    }
    // No server anywhere: what was tried, and what to do.
    run(&["get", "pods"]).await.code(3).prints_nothing().tells(&["spur up"]);
    run(&["get", "pods", "--server", "http://127.0.0.1:1"]).await.code(3).tells(&["127.0.0.1:1"]);
}

#[tokio::test]
async fn there_is_no_colour_unless_somebody_looks() {
    let spur = Spur::shop().await;
    spur.service("frontend").get("/api/cart").send().await.ok();
    for args in [&["get", "pods"][..], &["status"], &["trace"], &["sandbox", "list"]] {
        let output = spur.run(args).await.ok();
        let text = output.stdout + &output.stderr;
        assert!(!text.contains('\u{1b}'), "{args:?}: {text:?}");
    }
    // On a terminal there is, unless NO_COLOR says no.
    let on_terminal = async |no_colour: &str| {
        let spur_get = format!("{} trace", env!("CARGO_BIN_EXE_spur"));
        let mut script = tokio::process::Command::new("script");
        script
            .args(["-qec", &spur_get, "/dev/null"])
            .env("KUBECONFIG", spur.kubeconfig())
            .env("TERM", "xterm");
        script.env("NO_COLOR", no_colour).stdin(Stdio::null());
        script.output().await
    };
    // util-linux' `script` is the terminal; without it there is none to be had.
    if let Ok(output) = on_terminal("").await {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("\u{1b}["), "{text:?}");
        let text = String::from_utf8_lossy(&on_terminal("1").await.unwrap().stdout).into_owned();
        assert!(text.contains("frontend") && !text.contains("\u{1b}["), "{text:?}");
    }
    spur.end().await;
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_failure() {
    let spur = Spur::up().start().await;
    let mut maps = Vec::new();
    for n in 0..50 {
        maps.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m-{n}")}, "data": {"x": "y".repeat(4000)}}));
    }
    spur.api().create_all(&maps).await;
    let mut get = spur.command(&["get", "configmaps", "-o", "json"]);
    let mut child = get.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let _: Value = spur.run(&["get", "configmaps", "-o", "json"]).await.ok().json();
    spur.end().await;
}
