use std::time::Duration;

use futures::StreamExt;
use spur_runtime::{
    ExecError, ExecOutput, OutputStream, Runtime, Session, StdinMode, StdioPlan, Streams, TerminalSize,
};
use tokio::io::AsyncWriteExt;

use crate::world::{LONG, World, pod, wait_for};

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

pub(crate) async fn run() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "sleep 1000").await.unwrap();
    let ran = world.runtime.exec(&of, "app", sh("echo out; echo err >&2; exit 5"), LONG).await.unwrap();
    let (stdout, stderr) = ("out\n".into(), "err\n".into());
    assert_eq!(ran, ExecOutput { exit_code: 5, stdout, stderr, is_truncated: false });
    let long = world.runtime.exec(&of, "app", sh("seq 100000"), LONG).await.unwrap();
    assert_eq!((long.stdout.len(), long.is_truncated, long.exit_code), (ExecOutput::MAX_BYTES, true, 0));
    world.runtime.stop(&of, "app", Duration::ZERO).await.unwrap();
    for pod in [of, pod("none")] {
        let error = world.runtime.exec(&pod, "app", sh("true"), LONG).await.unwrap_err();
        assert!(matches!(error, ExecError::NotRunning { .. }), "{error}");
    }
}

pub(crate) async fn too_long() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "sleep 1000").await.unwrap();
    let short = Duration::from_millis(300);
    let error = world.runtime.exec(&of, "app", sh("sleep 1000"), short).await.unwrap_err();
    assert!(matches!(error, ExecError::TimedOut(found) if found == short), "{error}");
}

async fn text(session: &mut Session, wanted: &str) {
    let mut seen = String::new();
    let read = async {
        while !seen.ends_with(wanted) {
            let (_, bytes) =
                session.output.next().await.unwrap_or_else(|| panic!("{wanted:?} after {seen:?}"));
            seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(LONG, read).await.unwrap_or_else(|_| panic!("{wanted:?}"));
}

pub(crate) async fn session() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "sleep 1000").await.unwrap();
    let streams = Streams { stdin: true, ..Streams::OUTPUT };
    let script = sh("while read line; do echo got $line; done; echo over >&2; exit 4");
    let mut session = world.runtime.exec_session(&of, "app", script, streams).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    for word in ["one", "two"] {
        stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        text(&mut session, &format!("got {word}\n")).await;
    }
    stdin.shutdown().await.unwrap();
    let (stream, bytes) = session.output.next().await.unwrap();
    assert_eq!((stream, &bytes[..]), (OutputStream::Stderr, &b"over\n"[..]));
    assert!(session.output.next().await.is_none());
    assert_eq!(tokio::time::timeout(LONG, session.exit).await.unwrap(), 4);
}

pub(crate) async fn terminal() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "sleep 1000").await.unwrap();
    let terminal = Some(TerminalSize { columns: 101, rows: 31 });
    let streams = Streams { stdin: true, terminal, ..Streams::OUTPUT };
    let script = sh("while read line; do stty size; done");
    let mut session = world.runtime.exec_session(&of, "app", script, streams).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let size_tx = session.size_tx.take().unwrap();
    // A size is set beside the streams: it is asked for until it is there.
    for (columns, rows) in [(101, 31), (77, 22)] {
        size_tx.send(TerminalSize { columns, rows }).await.unwrap();
        let wanted = format!("{rows} {columns}\r\n");
        let look = async {
            let mut seen = String::new();
            while !seen.contains(&wanted) {
                stdin.write_all(b"\n").await.unwrap();
                let (_, bytes) = session.output.next().await.unwrap();
                seen.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(LONG, look).await.unwrap_or_else(|_| panic!("{wanted:?}"));
    }
}

pub(crate) async fn attach() {
    let world = World::new().await;
    let of = pod("p");
    let mut plan = World::plan("app", &["sh", "-c", "while read line; do echo got $line; done; exit 6"]);
    plan.stdio = StdioPlan { stdin: StdinMode::Once, tty: false };
    world.runtime.start(&of, plan).await.unwrap();
    let streams = Streams { stdin: true, ..Streams::OUTPUT };
    let mut session = world.runtime.attach(&of, "app", streams).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    text(&mut session, "got hello\n").await;
    // With its only client the input ends.
    stdin.shutdown().await.unwrap();
    drop(stdin);
    assert_eq!(tokio::time::timeout(LONG, session.exit).await.unwrap(), 6);
    wait_for("its end", async || world.state(&of).is_terminated()).await;
}
