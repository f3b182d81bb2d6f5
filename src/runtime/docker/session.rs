//! Commands in a container, and the container's own streams, through the daemon.
//!
//! The daemon cannot end a command that it has started (moby issue 9098): one whose client goes
//! reads the end of its input, and one that takes too long runs on.
//!
//! bollard tells a terminal's output from the framed one by its first byte, so that output of a
//! terminal that begins with a byte of 0, 1 or 2 is taken for a frame.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder,
};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, future};
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::engine::Engine;
use super::world::Known;
use crate::container::{ContainerState, StdinMode, StdioPlan};
use crate::interface::ExecOutput;
use crate::session::{OutputStream, Session, Stdin, Streams, TerminalSize, UNKNOWN_EXIT};

/// What the daemon gives of a command that runs.
type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Sizes that wait for the daemon: a window that is drawn larger sends tens a second, and only the
/// last matters.
const SIZES_MAX: usize = 16;

/// Why a command gave no output.
#[derive(Debug)]
pub(super) enum Failure {
    Engine(Error),
    TimedOut,
}

/// Runs a command to its end.
pub(super) async fn run(
    engine: &Engine,
    known: &Known,
    (command, within): (Vec<String>, Duration),
) -> Result<ExecOutput, Failure> {
    let ran = timeout(within, async {
        let (id, mut output, _input) = start(engine, known, (command, Streams::OUTPUT)).await?;
        let (mut stdout, mut stderr) = (Kept::default(), Kept::default());
        while let Some(piece) = output.next().await {
            match side(piece?) {
                Some((OutputStream::Stdout, bytes)) => stdout.add(&bytes),
                Some((OutputStream::Stderr, bytes)) => stderr.add(&bytes),
                None => {}
            }
        }
        let exit_code = exit_code(engine, &id).await?;
        let is_truncated = stdout.is_truncated || stderr.is_truncated;
        let (stdout, stderr) = (stdout.bytes.freeze(), stderr.bytes.freeze());
        Ok(ExecOutput { exit_code, stdout, stderr, is_truncated })
    });
    match ran.await {
        Ok(ran) => ran.map_err(Failure::Engine),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Starts a command with its streams.
pub(super) async fn exec(
    engine: &Engine,
    known: &Known,
    (command, streams): (Vec<String>, Streams),
) -> Result<Session, Error> {
    let (id, output, input) = start(engine, known, (command, streams)).await?;
    let (output, over_rx) = told_when_over(output);
    let size_tx = streams.terminal.map(|first| {
        let (engine, id) = (engine.clone(), id.clone());
        sizes(Some(first), move |TerminalSize { columns, rows }| {
            let options = ResizeExecOptionsBuilder::new().w(columns.into()).h(rows.into()).build();
            let (engine, id) = (engine.clone(), id.clone());
            async move { engine.docker().resize_exec(&id, options).await }.boxed()
        })
    });
    let engine = engine.clone();
    let exit = async move {
        // Dropped with the output: then its client has gone.
        let _ = over_rx.await;
        exit_code(&engine, &id).await.unwrap_or(UNKNOWN_EXIT)
    };
    let stdin = streams.stdin.then(|| Box::new(input) as Stdin);
    Ok(Session { stdin, output, size_tx, exit: exit.boxed(), ends_with_stdin: false })
}

/// The streams of the container itself, from now on.
pub(super) async fn attach(engine: &Engine, known: &Known, streams: Streams) -> Result<Session, Error> {
    let StdioPlan { stdin, tty } = known.stdio;
    let writes = streams.stdin && stdin != StdinMode::Closed;
    let options = AttachContainerOptionsBuilder::new().stream(true).stdin(writes);
    let options = options.stdout(streams.stdout || tty).stderr(streams.stderr && !tty).build();
    let attached = engine.docker().attach_container(&known.id, Some(options)).await?;
    let (output, _over_rx) = told_when_over(attached.output);
    let size_tx = tty.then(|| {
        let (engine, id) = (engine.clone(), known.id.clone());
        sizes(streams.terminal, move |TerminalSize { columns, rows }| {
            let options = ResizeContainerTTYOptionsBuilder::new().w(columns.into()).h(rows.into()).build();
            let (engine, id) = (engine.clone(), id.clone());
            async move { engine.docker().resize_container_tty(&id, options).await }.boxed()
        })
    });
    let known = known.clone();
    let exit = async move {
        match known.ended().await {
            ContainerState::Terminated { exit_code, .. } => exit_code,
            ContainerState::Waiting { .. } | ContainerState::Running { .. } => UNKNOWN_EXIT,
        }
    };
    let stdin_of_client = writes.then(|| Box::new(attached.input) as Stdin);
    // As with processes: where input goes on without this client, the conversation is over when
    // the client's input is.
    let ends_with_stdin = writes && (tty || stdin != StdinMode::Once);
    Ok(Session { stdin: stdin_of_client, output, size_tx, exit: exit.boxed(), ends_with_stdin })
}

async fn start(
    engine: &Engine,
    known: &Known,
    (command, streams): (Vec<String>, Streams),
) -> Result<(String, Output, Input), Error> {
    let has_terminal = streams.terminal.is_some();
    let options = CreateExecOptions {
        attach_stdin: Some(streams.stdin),
        attach_stdout: Some(streams.stdout || has_terminal),
        attach_stderr: Some(streams.stderr && !has_terminal),
        tty: Some(has_terminal),
        cmd: Some(command),
        ..CreateExecOptions::default()
    };
    let made = engine.docker().create_exec(&known.id, options).await?;
    let options = StartExecOptions { tty: has_terminal, ..StartExecOptions::default() };
    match engine.docker().start_exec(&made.id, Some(options)).await? {
        StartExecResults::Attached { output, input } => Ok((made.id, output, input)),
        StartExecResults::Detached => unreachable!("it was not asked to detach"),
    }
}

async fn exit_code(engine: &Engine, id: &str) -> Result<i32, Error> {
    let inspected = engine.docker().inspect_exec(id).await?;
    Ok(inspected.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(UNKNOWN_EXIT))
}

/// Which stream a piece is of; a terminal's is one.
fn side(piece: LogOutput) -> Option<(OutputStream, Bytes)> {
    match piece {
        LogOutput::StdOut { message } | LogOutput::Console { message } => {
            Some((OutputStream::Stdout, message))
        }
        LogOutput::StdErr { message } => Some((OutputStream::Stderr, message)),
        LogOutput::StdIn { .. } => None,
    }
}

/// The output, and a word when it is over or dropped.
fn told_when_over(output: Output) -> (BoxStream<'static, (OutputStream, Bytes)>, oneshot::Receiver<()>) {
    let (over_tx, over_rx) = oneshot::channel();
    // A connection that breaks off ends it.
    let pieces = output
        .take_while(|piece| future::ready(piece.is_ok()))
        .filter_map(|piece| future::ready(piece.ok().and_then(side)));
    let pieces = pieces.chain(futures::stream::once(async move {
        let _ = over_tx.send(());
        (OutputStream::Stdout, Bytes::new())
    }));
    (pieces.filter(|(_, bytes)| future::ready(!bytes.is_empty())).boxed(), over_rx)
}

/// Takes sizes for as long as there is somebody to give them; one that cannot be set is passed over,
/// as with a terminal that has just gone.
fn sizes(
    first: Option<TerminalSize>,
    set: impl Fn(TerminalSize) -> futures::future::BoxFuture<'static, Result<(), Error>> + Send + 'static,
) -> mpsc::Sender<TerminalSize> {
    let (size_tx, mut size_rx) = mpsc::channel(SIZES_MAX);
    tokio::spawn(async move {
        if let Some(first) = first {
            let _ = set(first).await;
        }
        while let Some(size) = size_rx.recv().await {
            let _ = set(size).await;
        }
    });
    size_tx
}

/// The first bytes of an output.
#[derive(Default)]
struct Kept {
    bytes: BytesMut,
    is_truncated: bool,
}

// === impl Kept ===

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = ExecOutput::MAX_BYTES - self.bytes.len();
        self.is_truncated |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
