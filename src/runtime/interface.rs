//! `trait Runtime`: what the pod worker asks of whatever runs a pod, with the
//! options, answers and errors of its methods. How it is done stays with the
//! implementations.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::broadcast;

use crate::container::{ContainerPlan, ContainerState, Listed, PodId, RuntimeEvent, Started};
use crate::image::{Fetched, ImageAsk, ImageError, ImageNewsSender};
use crate::session::{Session, Streams};
use crate::start_error::StartError;
use crate::stats::{Stats, StatsError};

/// What runs a pod. What a method says by itself is true of processes on the machine's own network.
///
/// All work goes on when the returned future is dropped: a start that has begun
/// ends in a state that `list` shows. Every method may be called at any time and
/// twice.
pub trait Runtime: Send + Sync + 'static {
    /// `process`, `docker` or `fake`.
    fn name(&self) -> &'static str;

    /// Whether pods may have networks of their own where they ask for one
    /// ([`AskedNetwork::Private`]), or why not, for people.
    fn isolates(&self) -> BoxFuture<'_, Result<(), Arc<str>>>;

    /// Where the pod is, or will be when a container of it is started; the same until it is removed.
    fn network<'a>(
        &'a self,
        _pod: &'a PodId,
        _asked: AskedNetwork,
    ) -> BoxFuture<'a, Result<PodNetwork, NetworkError>> {
        async { Ok(PodNetwork::Shared) }.boxed()
    }

    /// Whether the network that the pod's containers have together is there. Where it is lost they run
    /// on without one, and have to be ended and started again. Asked of pods of several containers
    /// only, after one was started.
    fn has_shared_network(&self, pod: &PodId) -> bool;

    /// Whether containers go on as they are, and are reached as before, while Spur is gone.
    fn outlives_spur(&self) -> bool {
        false
    }

    /// Makes sure that a container's image is there. News go to `news_tx` meanwhile.
    fn fetch<'a>(
        &'a self,
        _ask: &'a ImageAsk,
        _news_tx: &'a ImageNewsSender,
    ) -> BoxFuture<'a, Result<Fetched, ImageError>> {
        async { Ok(Fetched::Needless) }.boxed()
    }

    /// Starts a container, for the first time or again.
    ///
    /// After an error that comes from the program or its directory the container
    /// is listed as terminated with reason `StartError` and exit code 128.
    fn start<'a>(&'a self, pod: &'a PodId, plan: ContainerPlan)
    -> BoxFuture<'a, Result<Started, StartError>>;

    /// SIGTERM to all its processes, SIGKILL to what is left after `grace`; gives the
    /// final state. A container that has ended already keeps its state.
    fn stop<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        grace: Duration,
    ) -> BoxFuture<'a, Result<ContainerState, StopError>>;

    /// Kills what is left of the pod and deletes its logs and records. A pod that is not
    /// known counts as removed.
    fn remove<'a>(&'a self, pod: &'a PodId) -> BoxFuture<'a, Result<(), RemoveError>>;

    /// What the runtime knows a container by, where it can tell of one that it was not asked to
    /// start; as in [`Started`].
    fn id(&self, _pod: &PodId, _container: &str) -> Option<String> {
        None
    }

    /// Deletes what containers have stored in a claim ([`crate::MountSource::Volume`]); what is not there
    /// counts as deleted.
    fn remove_claim<'a>(
        &'a self,
        _namespace: &'a str,
        _name: &'a str,
    ) -> BoxFuture<'a, Result<(), RemoveError>> {
        async { Ok(()) }.boxed()
    }

    /// The state of one container, if it was ever started and not removed.
    fn state(&self, pod: &PodId, container: &str) -> Option<ContainerState>;

    /// Every container that was started and not removed, in the order of pod and name.
    fn list(&self) -> Vec<Listed>;

    /// The container's output.
    fn logs<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>>;

    /// What running containers use, each in its place of the answer. Together, since one look at the
    /// machine's processes does for all of them.
    fn stats<'a>(&'a self, of: &'a [(PodId, String)]) -> BoxFuture<'a, Vec<Result<Stats, StatsError>>>;

    /// The bytes that a container has written over its image, where it has one and is still there.
    fn written_bytes<'a>(&'a self, _pod: &'a PodId, _container: &'a str) -> BoxFuture<'a, Option<u64>> {
        async { None }.boxed()
    }

    /// Runs a command in the container's environment and directory and waits for its end,
    /// at most `timeout`; what is left of it then is killed, where the runtime can (Docker cannot).
    fn exec<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutput, ExecError>>;

    /// Starts a command in the container's environment and directory, with its streams.
    fn exec_session<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        command: Vec<String>,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>>;

    /// The streams of the container itself: its output from now on, and its input where it
    /// has one. Whether it has a terminal is the container's own matter.
    fn attach<'a>(
        &'a self,
        pod: &'a PodId,
        container: &'a str,
        streams: Streams,
    ) -> BoxFuture<'a, Result<Session, ExecError>>;

    /// Every change from now on. The channel is bounded; a reader that gets `Lagged`
    /// reads [`Runtime::list`] again.
    fn events(&self) -> broadcast::Receiver<RuntimeEvent>;
}

/// Which network a pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedNetwork {
    /// The runtime's usual one.
    Usual,
    /// One of its own, where [`Runtime::isolates`].
    Private,
}

/// Where a pod is, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodNetwork {
    /// On this machine's own network, on which each port can be had once: the caller gives them out.
    Shared,
    /// On a network with an address for each pod, at which it has its real ports.
    Own {
        /// The pod's address.
        address: Ipv4Addr,
        /// This machine's on that network.
        host: Ipv4Addr,
    },
}

/// Why a pod has no network.
#[derive(Debug, thiserror::Error)]
#[error("no network for pod `{pod}`: {found}")]
pub struct NetworkError {
    /// The pod, `namespace/name`.
    pub pod: String,
    /// What is wrong.
    pub found: String,
}

/// Pieces of a container's output, split anywhere.
pub type LogStream = BoxStream<'static, io::Result<Bytes>>;

/// Which part of the output; the names are those of `kubectl logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// Only lines read at or after this time. Applied after `tail_lines`, as the kubelet does.
    pub since: Option<SystemTime>,
    /// Put the time, RFC 3339 with nanoseconds, before each line.
    pub timestamps: bool,
    /// The start before the current one.
    pub previous: bool,
    /// End after so many bytes.
    pub limit_bytes: Option<u64>,
}

/// What a command in a container did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it returned, or 128 + the signal's number.
    pub exit_code: i32,
    /// The first [`ExecOutput::MAX_BYTES`] of its standard output.
    pub stdout: Bytes,
    /// The first [`ExecOutput::MAX_BYTES`] of its standard error.
    pub stderr: Bytes,
    /// Whether either of them was longer.
    pub is_truncated: bool,
}

/// Why a container could not be stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// It was never started, or removed.
    #[error("no container `{container}` in pod `{pod}`")]
    NotFound {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// The engine cannot be reached, or refuses.
    #[error("stop container `{container}` of pod `{pod}`: {found}")]
    Engine {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
        /// What it said.
        found: String,
    },
    /// It is still there after SIGKILL: a process in an uninterruptible wait.
    #[error("container `{container}` of pod `{pod}` is still there after SIGKILL")]
    Unkillable {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
    },
}

/// Why a pod could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A process outlived SIGKILL; the pod stays listed.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// Its files could not be deleted.
    #[error("delete {path}")]
    Delete {
        /// Which directory.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why there is no output to show; the wording is the kubelet's.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It was never started, or removed.
    #[error("container \"{container}\" in pod \"{pod}\" not found")]
    NotFound {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// It has not been started twice.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious {
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// The log could not be read.
    #[error("read the log of container `{container}`")]
    Read {
        /// The container's name.
        container: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a command did not run to its end in a container.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The container does not run, or ended first.
    #[error("container `{container}` of pod `{pod}` is not running")]
    NotRunning {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// It took too long and was killed, where the runtime can. The wording is the kubelet's.
    #[error("command timed out after {0:?}")]
    TimedOut(Duration),
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
}

// === impl ExecOutput ===

impl ExecOutput {
    /// 10 KiB, as the kubelet reads of an exec probe
    /// (<https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/probe/exec/exec.go>, `maxReadLength`).
    pub const MAX_BYTES: usize = 10 * 1024;
}
