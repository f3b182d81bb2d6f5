//! Somebody at the container's own streams: what it writes from now on, and its
//! standard input where it has one. The container does not notice.

use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt, empty};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

use super::container::Container;
use super::session::SIZES_MAX;
use super::terminal::Terminal;
use crate::container::{ContainerState, StdinMode};
use crate::interface::ExecError;
use crate::log::TapPoint;
use crate::session::{OutputStream, Session, Stdin, Streams, TerminalSize, UNKNOWN_EXIT};

/// A running container as somebody attaches to it.
pub(super) struct Attachable {
    pub(super) running: ContainerState,
    pub(super) state_rx: watch::Receiver<ContainerState>,
    pub(super) tap: TapPoint,
    pub(super) stdin: Option<Stdin>,
    pub(super) stdin_mode: StdinMode,
    pub(super) terminal: Option<Terminal>,
}

/// Attaches.
pub(super) fn open(container: &Arc<Container>, streams: &Streams) -> Result<Session, ExecError> {
    let Attachable { running, state_rx, tap, stdin, stdin_mode, terminal } =
        container.attach(streams.stdin)?;
    if let (Some(terminal), Some(size)) = (&terminal, streams.terminal) {
        // A size that the system refuses changes nothing.
        let _ = terminal.resize(size);
    }
    let (size_tx, size_rx) = mpsc::channel(SIZES_MAX);
    // Where input goes on without this client, the conversation is over when the client's
    // input is (containerd's `ContainerIO.Attach`).
    let belongs_to_client = stdin_mode == StdinMode::Once && terminal.is_none();
    Ok(Session {
        ends_with_stdin: stdin.is_some() && !belongs_to_client,
        stdin,
        output: output(&tap, streams, terminal.is_some()),
        size_tx: terminal.is_some().then_some(size_tx),
        exit: exit(running, state_rx, terminal, size_rx).boxed(),
    })
}

fn output(tap: &TapPoint, streams: &Streams, is_terminal: bool) -> BoxStream<'static, (OutputStream, Bytes)> {
    let notes = if streams.stderr && !is_terminal { OutputStream::Stderr } else { OutputStream::Stdout };
    let Streams { stdout, stderr, .. } = *streams;
    let is_wanted = move |stream: OutputStream| match stream {
        OutputStream::Stdout => stdout,
        OutputStream::Stderr => stderr,
    };
    let Some(output) = tap.join(notes).filter(|_| stdout || stderr) else { return empty().boxed() };
    output.filter(move |(stream, _)| std::future::ready(is_wanted(*stream))).boxed()
}

/// Applies sizes until the container has ended.
async fn exit(
    running: ContainerState,
    mut state_rx: watch::Receiver<ContainerState>,
    terminal: Option<Terminal>,
    mut size_rx: mpsc::Receiver<TerminalSize>,
) -> i32 {
    let state = loop {
        tokio::select! {
            state = state_rx.wait_for(|state| *state != running) => {
                break state.map(|state| state.clone());
            }
            Some(size) = size_rx.recv() => {
                if let Some(terminal) = &terminal {
                    // As above.
                    let _ = terminal.resize(size);
                }
            }
        }
    };
    match state {
        Ok(ContainerState::Terminated { exit_code, .. }) => exit_code,
        // It was started again already, or is removed.
        Ok(ContainerState::Waiting { .. } | ContainerState::Running { .. }) | Err(_) => UNKNOWN_EXIT,
    }
}
