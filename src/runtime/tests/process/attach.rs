//! Attaching to a container's own streams.

use futures::StreamExt;
use spur_runtime::{OutputStream, Runtime, Session, StdinMode, StdioPlan, Streams, TerminalSize};
use tokio::io::AsyncWriteExt;

use crate::world::{LONG, World, pod};

const ALL: Streams = Streams { stdin: true, ..Streams::OUTPUT };

async fn start(world: &World, script: &str, stdio: StdioPlan) {
    let mut plan = world.plan("app", &["sh", "-c", script]);
    plan.stdio = stdio;
    world.runtime.start(&pod("p"), plan).await.unwrap();
}

async fn attach(world: &World, streams: Streams) -> Session {
    world.runtime.attach(&pod("p"), "app", streams).await.unwrap()
}

/// Reads on until its output holds `wanted`.
async fn until(session: &mut Session, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let next = tokio::time::timeout(LONG, session.output.next()).await;
        let (_, bytes) = next.ok().flatten().unwrap_or_else(|| panic!("no {wanted:?} after {text:?}"));
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
}

async fn write(session: &mut Session, text: &str) {
    session.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
}

const OPEN: StdioPlan = StdioPlan { stdin: StdinMode::Open, tty: false };

#[tokio::test]
async fn who_attaches_reads_both_streams_from_then_on_until_the_end() {
    let world = World::new().await;
    start(&world, "echo before; read a; echo out $a; echo err $a >&2; exit 4", OPEN).await;
    world.wait_for_text(&pod("p"), "app", "before\n").await;
    let mut session = attach(&world, ALL).await;
    write(&mut session, "x\n").await;
    let mut pieces: Vec<_> = (&mut session.output).collect().await;
    pieces.sort_by_key(|(stream, _)| *stream == OutputStream::Stderr);
    let pieces: Vec<_> = pieces.into_iter().map(|(stream, bytes)| (stream, bytes.to_vec())).collect();
    let wanted = [(OutputStream::Stdout, b"out x\n".to_vec()), (OutputStream::Stderr, b"err x\n".to_vec())];
    assert_eq!(pieces, wanted);
    assert_eq!(session.exit.await, 4);
    assert_eq!(world.text(&pod("p"), "app").await.len(), "before\nout x\nerr x\n".len());
    assert!(world.runtime.attach(&pod("p"), "app", ALL).await.is_err());
}

#[tokio::test]
async fn an_open_input_goes_from_one_client_to_the_next() {
    let world = World::new().await;
    start(&world, "while read a; do echo got $a; done; echo end", OPEN).await;
    for name in ["one", "two"] {
        let mut session = attach(&world, ALL).await;
        assert!(session.ends_with_stdin);
        write(&mut session, &format!("{name}\n")).await;
        until(&mut session, &format!("got {name}\n")).await;
    }
    assert!(world.runtime.state(&pod("p"), "app").unwrap().is_running());
}

#[tokio::test]
async fn an_input_for_once_ends_with_its_first_client() {
    let world = World::new().await;
    let once = StdioPlan { stdin: StdinMode::Once, tty: false };
    start(&world, "while read a; do echo got $a; done; echo end", once).await;
    let mut first = attach(&world, ALL).await;
    assert!(!first.ends_with_stdin);
    let mut second = attach(&world, ALL).await;
    assert!(second.stdin.is_none());
    write(&mut first, "one\n").await;
    drop(first);
    until(&mut second, "end\n").await;
    assert_eq!(second.exit.await, 0);
}

#[tokio::test]
async fn without_an_input_there_is_nothing_to_write_to() {
    let world = World::new().await;
    start(&world, "cat; sleep 600", StdioPlan::default()).await;
    assert!(attach(&world, ALL).await.stdin.is_none());
}

#[tokio::test]
async fn only_the_streams_that_are_wanted_are_read() {
    let world = World::new().await;
    start(&world, "read a; echo out; echo err >&2", OPEN).await;
    let mut session = attach(&world, Streams { stdin: true, stderr: true, ..Streams::default() }).await;
    write(&mut session, "\n").await;
    let pieces: Vec<_> = (&mut session.output).collect().await;
    assert_eq!(pieces, [(OutputStream::Stderr, "err\n".into())]);
}

#[tokio::test]
async fn a_container_on_a_terminal_is_typed_to_resized_and_logged() {
    let world = World::new().await;
    let tty = StdioPlan { stdin: StdinMode::Open, tty: true };
    start(&world, "stty -echo; echo ready; while read a; do echo got $a $(stty size); done", tty).await;
    world.wait_for_text(&pod("p"), "app", "ready\r\n").await;
    let terminal = Some(TerminalSize { columns: 90, rows: 30 });
    let mut session = attach(&world, Streams { terminal, ..ALL }).await;
    write(&mut session, "a\r").await;
    until(&mut session, "got a 30 90\r\n").await;
    let size_tx = session.size_tx.clone().unwrap();
    let resized = async {
        size_tx.send(TerminalSize { columns: 91, rows: 31 }).await.unwrap();
        // Applied in order, while the exit is awaited.
        size_tx.send(TerminalSize { columns: 70, rows: 20 }).await.unwrap();
        while size_tx.capacity() < size_tx.max_capacity() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = resized => {}
        _ = &mut session.exit => panic!("it runs on"),
    }
    write(&mut session, "b\r").await;
    until(&mut session, "got b 20 70\r\n").await;
    // Who is attached hears it before it is in the log.
    world.wait_for_text(&pod("p"), "app", "ready\r\ngot a 30 90\r\ngot b 20 70\r\n").await;
}
