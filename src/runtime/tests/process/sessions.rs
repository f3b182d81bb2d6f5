//! Commands with somebody at the other end of their streams.

use bytes::Bytes;
use futures::StreamExt;
use spur_runtime::{ExecError, OutputStream, Runtime, Session, Stdin, Streams, TerminalSize};
use tokio::io::AsyncWriteExt;

use crate::world::{LONG, World, all_gone, pod, wait_for};

const ALL: Streams = Streams { stdin: true, ..Streams::OUTPUT };

async fn world() -> World {
    let world = World::new().await;
    let mut plan = world.plan("app", &["sleep", "600"]);
    plan.working_dir = Some(world.tmp.path().canonicalize().unwrap());
    plan.env = vec![("A".into(), "1".into())];
    world.runtime.start(&pod("p"), plan).await.unwrap();
    world
}

async fn try_sh(world: &World, script: &str, streams: Streams) -> Result<Session, ExecError> {
    let command = ["sh", "-c", script].map(String::from).to_vec();
    world.runtime.exec_session(&pod("p"), "app", command, streams).await
}

async fn sh(world: &World, script: &str, streams: Streams) -> Session {
    try_sh(world, script, streams).await.unwrap()
}

/// All it says on each of its outputs, and its exit code.
async fn end_of(session: Session) -> (String, String, i32) {
    let Session { stdin: _stdin, output, exit, .. } = session;
    let all = async {
        let pieces: Vec<(OutputStream, Bytes)> = output.collect().await;
        let text = |of| {
            let own: Vec<Bytes> =
                pieces.iter().filter(|(stream, _)| *stream == of).map(|p| p.1.clone()).collect();
            String::from_utf8(own.concat()).unwrap()
        };
        (text(OutputStream::Stdout), text(OutputStream::Stderr), exit.await)
    };
    tokio::time::timeout(LONG, all).await.expect("the command ends")
}

#[tokio::test]
async fn a_command_has_its_own_streams_and_exit_code_beside_the_container() {
    let world = world().await;
    let session = sh(&world, "pwd; echo $A >&2; cat; exit 3", ALL).await;
    let (mut stdin, rest) = take_stdin(session);
    stdin.write_all(b"in\xc3\xa4\n").await.unwrap();
    drop(stdin);
    let dir = world.tmp.path().canonicalize().unwrap();
    let wanted = (format!("{}\nin\u{e4}\n", dir.display()), "1\n".to_owned(), 3);
    assert_eq!(end_of(rest).await, wanted);
}

fn take_stdin(session: Session) -> (Stdin, Session) {
    (session.stdin.unwrap(), Session { stdin: None, ..session })
}

#[tokio::test]
async fn a_stream_that_is_not_wanted_is_empty() {
    let world = world().await;
    let streams = Streams { stdout: true, ..Streams::default() };
    let session = sh(&world, "cat; echo out; echo err >&2", streams).await;
    assert!(session.stdin.is_none());
    assert_eq!(end_of(session).await, ("out\n".to_owned(), String::new(), 0));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let world = world().await;
    let pod = pod("p");
    let exec = |container: &'static str| {
        world.runtime.exec_session(&pod, container, vec!["none".into()], Streams::OUTPUT)
    };
    let error = exec("app").await.unwrap_err().to_string();
    assert_eq!(error, "exec: \"none\": executable file not found in $PATH");
    assert!(matches!(exec("other").await, Err(ExecError::NotRunning { .. })));
}

#[tokio::test]
async fn a_megabyte_goes_in_and_out_unchanged() {
    let world = world().await;
    let (mut stdin, session) = take_stdin(sh(&world, "cat", ALL).await);
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
    let writing = async {
        stdin.write_all(&sent).await.unwrap();
        drop(stdin);
    };
    let reading = session.output.map(|(_, bytes)| bytes).collect::<Vec<_>>();
    let ((), got) = tokio::join!(writing, reading);
    assert_eq!(got.concat(), sent);
    assert_eq!(session.exit.await, 0);
}

#[tokio::test]
async fn a_command_waits_for_a_slow_reader() {
    let world = world().await;
    let script = "i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > progress; done";
    let mut session = sh(&world, script, Streams::OUTPUT).await;
    let progress = || std::fs::read_to_string(world.tmp.path().join("progress")).unwrap_or_default();
    let mut n_read = 0;
    for _ in 0..50 {
        n_read += session.output.next().await.unwrap().1.len();
        let n_written = progress().trim().parse::<usize>().unwrap_or(0) * 65_536;
        // A full pipe, and what the reader has in its hands.
        assert!(n_written <= n_read + 2 * 65_536, "{n_written} written, {n_read} read");
    }
}

#[tokio::test]
async fn hanging_up_ends_the_whole_group_and_on_linux_what_left_it() {
    let world = world().await;
    // The leader refuses SIGTERM, one child is in its group, one has left it.
    let leave = if cfg!(target_os = "linux") { "setsid" } else { "" };
    let script = format!(
        "trap '' TERM; sleep 600 & echo $$ $! > near; \
         {leave} sh -c 'echo $$ > far; exec sleep 600' & wait; wait; wait"
    );
    let session = sh(&world, &script, Streams::OUTPUT).await;
    let pids = |name: &str| std::fs::read_to_string(world.tmp.path().join(name)).unwrap_or_default();
    wait_for("the numbers", async || pids("near").ends_with('\n') && pids("far").ends_with('\n')).await;
    drop(session);
    all_gone(pids("near").split_whitespace()).await;
    all_gone([pids("far").as_str()]).await;
    assert!(world.runtime.state(&pod("p"), "app").unwrap().is_running());
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let world = world().await;
    let session = sh(&world, "sleep 600 & echo $!", Streams::OUTPUT).await;
    let (pid, _, code) = end_of(session).await;
    assert_eq!(code, 0);
    all_gone([pid.as_str()]).await;
}

#[tokio::test]
async fn a_command_ends_with_its_container() {
    let world = world().await;
    let session = sh(&world, "echo $$ > pid; exec sleep 600", Streams::OUTPUT).await;
    let path = world.tmp.path().join("pid");
    let has_begun = || std::fs::read_to_string(&path).unwrap_or_default().ends_with('\n');
    wait_for("the number", async || has_begun()).await;
    let pid = std::fs::read_to_string(&path).unwrap();
    let pod = pod("p");
    let stop = world.runtime.stop(&pod, "app", LONG);
    let ((_, _, code), stopped) = tokio::join!(end_of(session), stop);
    stopped.unwrap();
    assert_eq!(code, 137);
    all_gone([pid.as_str()]).await;
    assert!(matches!(try_sh(&world, "true", ALL).await, Err(ExecError::NotRunning { .. })));
}

#[test]
fn a_command_ends_with_the_tasks_that_see_to_it() {
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tmp, session) = tasks.block_on(async {
        let world = world().await;
        let session = sh(&world, "echo $$ > pid; exec sleep 600", Streams::OUTPUT).await;
        let path = world.tmp.path().join("pid");
        let has_begun = || std::fs::read_to_string(&path).unwrap_or_default().ends_with('\n');
        wait_for("the number", async || has_begun()).await;
        (world.tmp, session)
    });
    let pid = std::fs::read_to_string(tmp.path().join("pid")).unwrap();
    drop(tasks);
    drop(session);
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tasks.block_on(all_gone([pid.as_str()]));
}

#[tokio::test]
async fn a_terminal_is_the_commands_own_and_changes_its_size() {
    let world = world().await;
    let terminal = Some(TerminalSize { columns: 100, rows: 40 });
    // A signal that is trapped cuts `read` short.
    let script = "stty -echo; trap 'stty size' WINCH; stty size; test -t 2 && echo on /dev/tty > /dev/tty; \
                  echo ready; until [ \"$line\" ]; do read line; done; echo got $line; echo $TERM";
    let session = sh(&world, script, Streams { stdin: true, terminal, ..Streams::default() }).await;
    let Session { stdin, mut output, size_tx, exit, .. } = session;
    let mut text = String::new();
    let mut until = async |wanted: &str| {
        while !text.contains(wanted) {
            let next = tokio::time::timeout(LONG, output.next()).await;
            let (stream, bytes) =
                next.ok().flatten().unwrap_or_else(|| panic!("no {wanted:?} after {text:?}"));
            assert_eq!(stream, OutputStream::Stdout);
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    until("40 100\r\non /dev/tty\r\nready\r\n").await;
    size_tx.unwrap().send(TerminalSize { columns: 81, rows: 25 }).await.unwrap();
    until("25 81\r\n").await;
    let mut stdin = stdin.unwrap();
    stdin.write_all(b"typed\r").await.unwrap();
    until("got typed\r\nxterm\r\n").await;
    assert_eq!(exit.await, 0);
}

#[tokio::test]
async fn hanging_up_a_terminal_ends_an_interactive_shell() {
    let world = world().await;
    let terminal = Some(TerminalSize::default());
    let command = ["sh", "-i"].map(String::from).to_vec();
    let streams = Streams { stdin: true, terminal, ..Streams::default() };
    let mut session = world.runtime.exec_session(&pod("p"), "app", command, streams).await.unwrap();
    session.stdin.as_mut().unwrap().write_all(b"echo pid=$$\r").await.unwrap();
    let mut text = String::new();
    // What was typed is echoed; the number is only in the answer.
    let number = |text: &str| {
        let mut answers = text.split("pid=").skip(1).filter_map(|rest| rest.split_once("\r\n"));
        answers.find(|(pid, _)| pid.parse::<u32>().is_ok()).map(|(pid, _)| pid.to_owned())
    };
    let pid = loop {
        let (_, bytes) = tokio::time::timeout(LONG, session.output.next()).await.unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes));
        if let Some(pid) = number(&text) {
            break pid;
        }
    };
    drop(session);
    all_gone([pid.as_str()]).await;
}
