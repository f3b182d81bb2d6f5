//! One network: its holder started, and watched until it ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use spur_holder::{CallError, Holder, Interface, Pod, PodCommand};
use spur_net::Way;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::super::cookie::{self, Cookie};
use super::super::terminal::no_terminal_is_opened;
use super::addresses::{HOST, SERVICES};
use crate::causes::with_causes;

/// This program, also where its file has been replaced meanwhile: the kernel follows the link in the
/// process that is about to execute it (proc_pid_exe(5)).
pub(in crate::process) const THIS_PROGRAM: &str = "/proc/self/exe";

/// A holder answers some 10 ms after it was started; ten seconds is for a machine that starts fifty
/// pods at once.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// As much as is read of why a holder could not start: it says one line.
const WORDS_MAX_BYTES: u64 = 4096;

/// How long a connection into a pod may take: as long as the kernel tries by default, some two minutes
/// (`tcp_syn_retries`, tcp(7)). Whoever wants it has a time of its own.
const DIAL_MAX: Duration = Duration::from_secs(130);

/// A network that is there. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Network {
    /// The process that holds it.
    pub(super) pid: u32,
    /// Its descriptor of the pod's side.
    pub(super) descriptor: i32,
    holder: Holder,
    /// Its end is ours when this has gone.
    _asked: DropGuard,
}

/// Connections from the host's side.
#[derive(Debug)]
struct ThroughHolder(Holder);

// === impl Network ===

impl Network {
    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    pub(super) fn has_ended(&self) -> bool {
        self.holder.gone().now_or_never().is_some()
    }

    pub(super) fn way(&self) -> Arc<dyn Way> {
        Arc::new(ThroughHolder(self.holder.clone()))
    }
}

impl Way for ThroughHolder {
    fn dial(&self, address: SocketAddrV4) -> BoxFuture<'_, io::Result<TcpStream>> {
        async move {
            self.0.dial(address, DIAL_MAX).await.map_err(|error| match error {
                CallError::Connect { source, .. } => source,
                CallError::Refused(refusal) => io::Error::new(refusal.kind(), refusal),
                // The pod's processes end with its network.
                CallError::Gone => io::Error::new(io::ErrorKind::ConnectionRefused, error),
                other => io::Error::other(other),
            })
        }
        .boxed()
    }
}

/// Makes a network for a pod of which every process carries the cookie.
pub(super) async fn start(
    address: Ipv4Addr,
    cookie: Cookie,
    (lost_tx, tasks): (Arc<watch::Sender<u64>>, &TaskTracker),
) -> Result<Network, String> {
    let (ours, theirs) = UnixStream::pair().map_err(|error| format!("make a pair of sockets: {error}"))?;
    let pod = Pod { address, host: HOST, services: SERVICES.to_vec() };
    let mut child = {
        let mut command = command(&PodCommand::Hold(pod));
        command.env(cookie::NAME, cookie.to_string()).stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
        let _none_is_opened = no_terminal_is_opened();
        command.spawn().map_err(|error| format!("start this program again: {error}"))?
    };
    let asked = CancellationToken::new();
    let begun = tokio::time::timeout(ANSWERS_WITHIN, begin(&mut child, ours)).await;
    let (descriptor, holder) =
        begun.unwrap_or_else(|_| Err(format!("its holder does not answer within {ANSWERS_WITHIN:?}")))?;
    let Some(pid) = child.id() else { return Err("its holder has ended at once".to_owned()) };
    // Ends with the holder, which ends when the network is dropped.
    tasks.spawn(watch(child, (asked.clone(), cookie), lost_tx));
    Ok(Network { pid, descriptor, holder, _asked: asked.drop_guard() })
}

/// This program as something else, in a group of its own: a Ctrl-C at our terminal is not for it.
pub(super) fn command(what: &PodCommand) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    command.args(what.args()).env_clear().stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command
}

async fn begin(child: &mut Child, ours: UnixStream) -> Result<(i32, Holder), String> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.map_err(|error| format!("read what its holder says: {error}"))?;
    }
    let Ok(descriptor) = line.trim().parse() else { return Err(words(child.stderr.take()).await) };
    let interface = Interface::Named(spur_holder::INTERFACE.to_owned());
    let holder = Holder::over(ours, interface).await.map_err(|error| with_causes(&error))?;
    Ok((descriptor, holder))
}

/// Why it could not start.
async fn words(stderr: Option<ChildStderr>) -> String {
    let mut words = Vec::new();
    if let Some(stderr) = stderr {
        // What could be read says more than why the rest could not.
        let _ = stderr.take(WORDS_MAX_BYTES).read_to_end(&mut words).await;
    }
    match String::from_utf8_lossy(&words).trim() {
        "" => "its holder has ended without a word".to_owned(),
        words => words.to_owned(),
    }
}

async fn watch(
    mut child: Child,
    (asked, cookie): (CancellationToken, Cookie),
    lost_tx: Arc<watch::Sender<u64>>,
) {
    tokio::select! {
        () = ended(&mut child) => {}
        // It would end by itself, but not before the last who dials has come back.
        () = asked.cancelled() => {
            // An error means that it has ended.
            let _ = child.kill().await;
            return;
        }
    }
    tracing::warn!("a pod's network has gone, and its processes with it");
    // They would listen where nobody comes. An error means that everything is shutting down.
    let _ = tokio::task::spawn_blocking(move || cookie::kill_all(&cookie)).await;
    lost_tx.send_modify(|n_lost| *n_lost += 1);
}

async fn ended(child: &mut Child) {
    // What it says now and then is read, since it ends where it cannot be said.
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            tracing::warn!("the holder of a pod's network: {line}");
        }
    }
    let _ = child.wait().await;
}
