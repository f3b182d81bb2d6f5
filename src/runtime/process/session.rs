//! A command in a container with somebody at the other end of its streams.
//!
//! One task owns the command and ends with it: by itself, with the container, or
//! when the other end hangs up. No process of its group is left then.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::container::Container;
use super::cookie::{self, Cookie};
use super::exec::{self, Launched};
use super::group::{Group, send};
use super::output::output;
use super::runtime::Shared;
use super::terminal::Terminal;
use crate::container::ContainerState;
use crate::interface::ExecError;
use crate::session::{Session, Streams, TerminalSize, UNKNOWN_EXIT};

/// From SIGTERM (and SIGHUP, from a terminal) to SIGKILL when nobody is at the other end
/// any more: nobody waits for what it still does.
const HANG_UP_GRACE: Duration = Duration::from_secs(2);

/// Sizes that wait to be applied: a window that is dragged sends many, and each is
/// applied within microseconds.
pub(super) const SIZES_MAX: usize = 4;

/// Starts a command.
pub(super) async fn open(
    shared: Arc<Shared>,
    container: Arc<Container>,
    command: Vec<String>,
    streams: Streams,
) -> Result<Session, ExecError> {
    let tasks = shared.tasks.clone();
    let Launched { group, ends, cookie, running, state_rx } =
        exec::launch(shared, container, command, streams).await?;
    let ended = CancellationToken::new();
    let (exit_tx, exit_rx) = oneshot::channel();
    let (size_tx, size_rx) = mpsc::channel(SIZES_MAX);
    let has_terminal = ends.terminal.is_some();
    let owner = Owner {
        group,
        cookie,
        running,
        state_rx,
        exit_tx,
        size_rx,
        terminal: ends.terminal,
        ended: ended.clone(),
    };
    tasks.spawn(owner.run());
    Ok(Session {
        stdin: ends.stdin,
        output: output(ends.stdout, ends.stderr, &ended),
        size_tx: has_terminal.then_some(size_tx),
        exit: exit_rx.map(|code| code.unwrap_or(UNKNOWN_EXIT)).boxed(),
        ends_with_stdin: false,
    })
}

/// What the task of a command needs.
struct Owner {
    group: Group,
    cookie: Cookie,
    /// The container's state when the command was started.
    running: ContainerState,
    state_rx: watch::Receiver<ContainerState>,
    /// owner -- the exit code --> the session; closed when that is dropped
    exit_tx: oneshot::Sender<i32>,
    size_rx: mpsc::Receiver<TerminalSize>,
    terminal: Option<Terminal>,
    /// owner -- the command has ended --> who reads its output
    ended: CancellationToken,
}

/// Why a command is over.
enum Over {
    ByItself,
    WithContainer,
    HungUp,
}

// === impl Owner ===

impl Owner {
    async fn run(mut self) {
        let over = self.watch().await;
        let Self { mut group, cookie, exit_tx, terminal, ended, .. } = self;
        // The terminal is hung up once the session has dropped its part too.
        drop(terminal);
        if let Over::HungUp = over {
            send(group.pid(), Signal::TERM);
            let _ = tokio::time::timeout(HANG_UP_GRACE, group.leader_ended()).await;
        }
        let exit = exec::end(group).await;
        if let Over::HungUp = over {
            // What left the group; an error means that we are shutting down.
            let _ = tokio::task::spawn_blocking(move || cookie::kill_all(&cookie)).await;
        }
        ended.cancel();
        // Nobody listening is the case of having been hung up.
        let _ = exit_tx.send(exit.map_or(UNKNOWN_EXIT, |exit| exit.code));
    }

    async fn watch(&mut self) -> Over {
        loop {
            tokio::select! {
                () = self.group.leader_ended() => return Over::ByItself,
                () = self.exit_tx.closed() => return Over::HungUp,
                _ = self.state_rx.wait_for(|state| *state != self.running) => return Over::WithContainer,
                Some(size) = self.size_rx.recv() => {
                    if let Some(terminal) = &self.terminal {
                        // A size that the system refuses changes nothing.
                        let _ = terminal.resize(size);
                    }
                }
            }
        }
    }
}
