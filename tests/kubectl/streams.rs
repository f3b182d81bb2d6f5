//! What goes both ways: `kubectl exec`, `attach`, `cp`, and the parts of a log.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::cases::Case;
use crate::harness::manifests::script;
use crate::harness::{Output, Spur, until};
use crate::kubectl::{command as kubectl, run};

/// Every test with its name.
pub(crate) const ALL: &[(&str, Case)] = &[
    ("exec_gives_both_outputs_and_the_exit_code", || Box::pin(exec())),
    ("exec_reads_its_input_to_the_end", || Box::pin(exec_input())),
    ("exec_runs_on_the_terminal_of_its_user", || Box::pin(exec_terminal())),
    ("an_exec_that_is_killed_leaves_nothing_behind", || Box::pin(exec_killed())),
    ("cp_copies_both_ways", || Box::pin(cp())),
    ("attach_talks_to_the_container", || Box::pin(attach())),
    ("run_gives_a_pods_output_and_exit_code", || Box::pin(run_attached())),
    ("what_cannot_be_streamed_says_why", || Box::pin(refused())),
    ("logs_are_cut_as_asked", || Box::pin(log_parts())),
];

/// A Spur with one pod that sleeps.
async fn sleeper() -> Spur {
    let spur = Spur::up().start().await;
    spur.api().create_all(&[script("p", "exec sleep 600")]).await;
    ready(&spur, "p").await;
    spur
}

async fn ready(spur: &Spur, pod: &str) {
    let pod = format!("pod/{pod}");
    run(spur, &["wait", "--for=condition=Ready", &pod, "--timeout=30s"]).await.ok();
}

/// Runs kubectl with this as its input.
async fn run_with(spur: &Spur, input: &[u8], args: &[&str]) -> Output {
    let mut kubectl = kubectl(spur, args);
    kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = kubectl.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = tokio::time::timeout(Duration::from_secs(60), running.wait_with_output()).await;
    let output = output.expect("kubectl ends").unwrap();
    // The command may end before it has read all.
    let _not_read = writing.await.unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

async fn exec() {
    let spur = sleeper().await;
    let script = "echo out; echo err >&2; exit 3";
    let output = run(&spur, &["exec", "p", "--", "sh", "-c", script]).await.code(3);
    assert_eq!(output.stdout, "out\n");
    output.tells(&["err\n", "command terminated with exit code 3"]);
    let missing = ["exec", "p", "--", "no-such-program"];
    let wanted = "error: Internal error occurred: error executing command in container: \
                  exec: \"no-such-program\": executable file not found in $PATH";
    run(&spur, &missing).await.code(1).tells(&[wanted]);
    spur.end().await;
}

async fn exec_input() {
    let spur = sleeper().await;
    let output = run_with(&spur, b"b\na\n", &["exec", "-i", "p", "--", "sort"]).await.ok();
    assert_eq!(output.stdout, "a\nb\n");
    let megabytes = vec![b'x'; 8_000_000];
    let output = run_with(&spur, &megabytes, &["exec", "-i", "p", "--", "cat"]).await.ok();
    assert_eq!(output.stdout.len(), megabytes.len());
    let output = run_with(&spur, &megabytes, &["exec", "-i", "p", "--", "head", "-c", "3"]).await.ok();
    assert_eq!(output.stdout, "xxx");
    spur.end().await;
}

async fn exec_terminal() {
    let spur = sleeper().await;
    let script = "stty size; tty > /dev/null && read a && echo got $a; exit 7";
    let args = ["exec", "-it", "p", "--", "sh", "-c", script];
    let command = kubectl(&spur, &args).into_std();
    let (text, code) = tokio::task::spawn_blocking(|| on_terminal(command)).await.unwrap();
    assert!(text.contains("33 101"), "{text}");
    assert!(text.contains("got typed"), "{text}");
    assert_eq!(code, Some(7), "{text}");
    spur.end().await;
}

/// Runs a command on a terminal of 101 columns and 33 rows, types a line, and reads to the end.
fn on_terminal(command: std::process::Command) -> (String, Option<i32>) {
    use std::io::{Read, Write};
    let (mut terminal, program) = pty_process::blocking::open().unwrap();
    terminal.resize(pty_process::Size::new(33, 101)).unwrap();
    let mut child = pty_process::blocking::Command::from(command).spawn(program).unwrap();
    let (mut text, mut buf, mut has_typed) = (String::new(), [0; 1024], false);
    // The end of a terminal is an error on Linux.
    while let Ok(n_bytes @ 1..) = terminal.read(&mut buf) {
        text.push_str(&String::from_utf8_lossy(&buf[..n_bytes]));
        if !has_typed && text.contains("33 101") {
            terminal.write_all(b"typed\r").unwrap();
            has_typed = true;
        }
    }
    (text, child.wait().unwrap().code())
}

async fn exec_killed() {
    let spur = sleeper().await;
    let file = spur.data().home().join("pid");
    let text = format!("trap '' TERM; echo $$ > {}; sleep 601; sleep 602", file.display());
    let mut kubectl: Command = kubectl(&spur, &["exec", "p", "--", "sh", "-c", &text]);
    let mut running = kubectl.spawn().unwrap();
    let pid = until("the command runs", async || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.trim().parse().map(|pid| Pid::from_raw(pid).unwrap())
    })
    .await;
    running.kill().await.unwrap();
    until("the command has ended", async || match test_kill_process(pid) {
        Ok(()) => Err("it runs"),
        Err(_gone) => Ok(()),
    })
    .await;
    spur.end().await;
}

async fn cp() {
    let spur = sleeper().await;
    let home = spur.data().home().to_owned();
    let at = |name: &str| home.join(name).display().to_string();
    // Every byte, and no block like another.
    let bytes: Vec<u8> =
        (0..12_500_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(at("big"), &bytes).unwrap();
    run(&spur, &["cp", &at("big"), &format!("p:{}", at("in"))]).await.ok();
    assert!(std::fs::read(at("in")).unwrap() == bytes, "what came in is not what was sent");
    run(&spur, &["cp", &format!("p:{}", at("in")), &at("out")]).await.ok();
    assert!(std::fs::read(at("out")).unwrap() == bytes, "what came out is not what was there");
    let file = spur.data().write("tree/a/b", "text").display().to_string();
    run(&spur, &["cp", &at("tree"), &format!("p:{}", at("copy"))]).await.ok();
    assert_eq!(std::fs::read(file.replace("tree", "copy")).unwrap(), b"text");
    spur.end().await;
}

/// A pod whose container has an input.
fn with_stdin(name: &str, text: &str, once: bool) -> Value {
    let mut pod = script(name, text);
    let container = &mut pod["spec"]["containers"][0];
    container["stdin"] = json!(true);
    container["stdinOnce"] = json!(once);
    pod
}

async fn attach() {
    let spur = Spur::up().start().await;
    let open = with_stdin("open", "while read a; do [ $a = end ] && exit 4; echo got $a; done", false);
    spur.api().create_all(&[open, with_stdin("once", "cat; echo end", true)]).await;
    ready(&spur, "open").await;
    ready(&spur, "once").await;
    run_with(&spur, b"one\nend\n", &["attach", "-i", "open"]).await.ok();
    run(&spur, &["wait", "--for=jsonpath={.status.phase}=Failed", "pod/open", "--timeout=30s"]).await.ok();
    run(&spur, &["logs", "open"]).await.ok().prints(&["got one\n"]);
    let output = run_with(&spur, b"a\nb\n", &["attach", "-i", "once"]).await.ok();
    assert_eq!(output.stdout, "a\nb\nend\n");
    let completed = run(&spur, &["attach", "once"]).await.code(1);
    completed.tells(&["current phase is Succeeded"]);
    spur.end().await;
}

async fn run_attached() {
    let spur = Spur::up().start().await;
    let args = ["run", "r", "-i", "--rm", "--restart=Never", "--image=none", "--command", "--"];
    let output = run_with(&spur, b"in\n", &[&args[..], &["sh", "-c", "cat; exit 3"]].concat()).await;
    assert_eq!(output.code(3).stdout.lines().next(), Some("in"));
    spur.end().await;
}

async fn refused() {
    let spur = sleeper().await;
    let mut two = script("two", "exec sleep 600");
    let mut second = two["spec"]["containers"][0].clone();
    second["name"] = json!("second");
    two["spec"]["containers"].as_array_mut().unwrap().push(second);
    spur.api().create_all(&[two, script("brief", "exit 0")]).await;
    ready(&spur, "two").await;
    let tells = async |args: &[&str], wanted: &str| {
        run(&spur, args).await.code(1).tells(&[wanted]);
    };
    tells(&["exec", "none", "--", "true"], "pods \"none\" not found").await;
    tells(&["exec", "p", "-c", "x", "--", "true"], "container x is not valid for pod p").await;
    run(&spur, &["exec", "two", "-c", "second", "--", "true"]).await.ok();
    tells(&["port-forward", "p", "9:9"], "port-forward is not supported yet").await;
    let debug = run(&spur, &["debug", "p", "--image=none"]).await.ok();
    debug.tells(&["Warning: spec.ephemeralContainers: stored and not run"]);
    let spdy = kubectl(&spur, &["exec", "p", "--", "true"])
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&spdy.stderr).into_owned();
    assert!(text.contains("SPDY/3.1 is not supported: the streams are carried by a WebSocket"), "{text}");
    run(&spur, &["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/brief", "--timeout=30s"])
        .await
        .ok();
    tells(&["exec", "brief", "--", "true"], "cannot exec into a container in a completed pod").await;
    spur.end().await;
}

async fn log_parts() {
    let spur = Spur::up().start().await;
    let mut pod = script("two", "for i in 1 2 3; do echo line $i; done; exec sleep 600");
    let mut second = pod["spec"]["containers"][0].clone();
    second["name"] = json!("second");
    second["command"][2] = json!("echo other; exec sleep 600");
    pod["spec"]["containers"].as_array_mut().unwrap().push(second);
    spur.api().create_all(&[pod]).await;
    ready(&spur, "two").await;
    let logs = async |args: &[&str]| run(&spur, &[&["logs", "two", "-c", "main"], args].concat()).await;
    let check = async |args: &[&str], wanted: &str| {
        until(&format!("{args:?} gives {wanted:?}"), async || {
            let output = logs(args).await.ok();
            if output.stdout == wanted { Ok(()) } else { Err(output.stdout) }
        })
        .await;
    };
    check(&[], "line 1\nline 2\nline 3\n").await;
    check(&["--tail=1"], "line 3\n").await;
    check(&["--limit-bytes=9"], "line 1\nli").await;
    check(&["--since=1h", "--tail=2"], "line 2\nline 3\n").await;
    check(&["--since-time=2100-01-01T00:00:00Z"], "").await;
    logs(&["--timestamps", "--tail=1"]).await.ok().prints(&["Z line 3\n", "T"]);
    let all = ["logs", "two", "--all-containers", "--prefix"];
    run(&spur, &all).await.ok().prints(&["[pod/two/main] line 3\n", "[pod/two/second] other\n"]);
    let nothing = logs(&["-p"]).await.code(1);
    nothing.tells(&["previous terminated container \"main\" in pod \"two\" not found"]);
    spur.end().await;
}
