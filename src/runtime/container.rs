//! The plain data of a container: which pod, what to run, what became of it.
//! Kubernetes' own types stay with the caller.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Which pod. Equality and hashing go by all three parts; files and records go by `uid`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodId {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub name: Arc<str>,
    /// The pod's `metadata.uid`: a pod made anew under the same name is another pod.
    pub uid: Arc<str>,
}

/// What to run, with everything resolved by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlan {
    /// The container's name in its pod.
    pub name: String,
    /// The image; a process has none.
    pub image: Option<String>,
    /// The program and its first arguments; empty: what the image says.
    ///
    /// A bare name is looked up in the `PATH` of the container's environment; a
    /// process' relative path counts from `working_dir`.
    pub command: Vec<String>,
    /// Its further arguments. Where both are empty, the image's own count.
    pub args: Vec<String>,
    /// Where it runs; `None` is the image's, for a process the directory in which Spur itself
    /// runs. For a process a directory that is missing is an error; none is made.
    pub working_dir: Option<PathBuf>,
    /// Added to, and winning over, the runtime's base environment. Among equal
    /// names the last wins, as in a pod's `env`.
    pub env: Vec<(String, String)>,
    /// How its standard streams are set up.
    pub stdio: StdioPlan,
    /// When its image is fetched; processes have none.
    pub pull: PullPolicy,
    /// What its host name is; `None`: its pod's name. Processes have the machine's.
    pub hostname: Option<String>,
    /// What ends it in the place of SIGTERM, such as `SIGINT`; for processes SIGTERM does.
    pub stop_signal: Option<String>,
    /// Whether the pod has other containers, with which it shares the pod's network.
    pub shares_network: bool,
    /// What it sees of files outside of it; processes see the machine's.
    pub mounts: Vec<Mount>,
    /// What it may use; processes are not bounded.
    pub bounds: Bounds,
    /// Whose rights it has; processes have Spur's own.
    pub security: Security,
}

/// When an image is fetched; the names are those of `imagePullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Before each start.
    Always,
    /// Where it is not there.
    #[default]
    IfNotPresent,
    /// By nobody here.
    Never,
}

/// Files from outside that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is seen.
    pub source: MountSource,
    /// Where, in the container.
    pub path: PathBuf,
    /// Whether it may not be written.
    pub is_read_only: bool,
}

/// What a [`Mount`] shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A file or directory of this machine.
    Path(PathBuf),
    /// A volume of the runtime's own that outlives pods.
    Volume {
        /// Its name.
        name: String,
        /// Whom it is given to (`fsGroup`).
        group: Option<u32>,
    },
}

/// What a container may use; `None`: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory; it is killed when it wants more.
    pub memory: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
}

/// Whose rights a container has, in the words of `securityContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// `runAsUser` and `runAsGroup`, as `uid` or `uid:gid`; `None`: the image's user.
    pub user: Option<String>,
    /// Further groups by number.
    pub groups: Vec<u32>,
    /// Capabilities beside the engine's usual ones, without `CAP_`; `ALL` is all of them.
    pub added: Vec<String>,
    /// Capabilities that it does not have.
    pub dropped: Vec<String>,
    /// `privileged`.
    pub is_privileged: bool,
    /// `readOnlyRootFilesystem`.
    pub has_read_only_root: bool,
    /// `allowPrivilegeEscalation: false`.
    pub forbids_escalation: bool,
    /// `seccompProfile.type: Unconfined`; otherwise the engine's profile holds.
    pub is_unconfined: bool,
    /// `runAsNonRoot`: refused where its user is root.
    pub must_not_be_root: bool,
}

/// How a container's standard streams are set up, beyond being read for its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StdioPlan {
    /// Its standard input.
    pub stdin: StdinMode,
    /// Whether it runs on a terminal, which is then its input and both outputs in one.
    pub tty: bool,
}

/// A container's standard input; the names in a container are `stdin` and `stdinOnce`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinMode {
    /// Empty.
    #[default]
    Closed,
    /// Open for every client that attaches, one after the other or together.
    Open,
    /// Open until the first client that attaches to it has gone.
    Once,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// It is about to start.
    Waiting {
        /// A CamelCase word, one of [`reason`].
        reason: String,
        /// For people; may be empty.
        message: String,
    },
    /// It runs.
    Running {
        /// The process id of the group's leader.
        pid: u32,
        /// When it was started.
        started_at: SystemTime,
    },
    /// It ended, or could not be started.
    Terminated {
        /// What the process returned, or 128 + the signal's number, as Kubernetes shows it;
        /// 128 when it could not be started.
        exit_code: i32,
        /// The signal that ended it.
        signal: Option<i32>,
        /// A CamelCase word, one of [`reason`].
        reason: String,
        /// For people; may be empty.
        message: String,
        /// When it was started.
        started_at: SystemTime,
        /// When it ended.
        finished_at: SystemTime,
    },
}

/// The answer to a successful start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// What the runtime knows it by: a process' id, or the engine's own.
    pub id: String,
    /// The process id of the group's leader; 0 where it is not known.
    pub pid: u32,
    /// When it was started.
    pub started_at: SystemTime,
    /// Which start of this container it is, counted from 0 over Spur's own restarts.
    pub attempt: u32,
}

/// One container as `list` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its pod.
    pub pod: PodId,
    /// Its name in the pod.
    pub container: String,
    /// What it is doing.
    pub state: ContainerState,
}

/// A container's state has changed. Events of one container come in order; a reader
/// that lags reads `list` again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// Its pod.
    pub pod: PodId,
    /// Its name in the pod.
    pub container: String,
    /// The new state.
    pub state: ContainerState,
}

/// The words in `reason`, spelled as the kubelet and containerd spell them.
///
/// <https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/kubelet/images/types.go>,
/// <https://github.com/containerd/containerd/blob/v2.0.0/internal/cri/server/helpers.go>
pub mod reason {
    /// Waiting: the start is under way.
    pub const CONTAINER_CREATING: &str = "ContainerCreating";
    /// Waiting: what was asked for cannot be a container.
    pub const CREATE_CONTAINER_CONFIG_ERROR: &str = "CreateContainerConfigError";
    /// Waiting: Spur could not prepare its own files.
    pub const CREATE_CONTAINER_ERROR: &str = "CreateContainerError";
    /// Waiting: the program could not be started.
    pub const RUN_CONTAINER_ERROR: &str = "RunContainerError";
    /// Waiting: the image is not there.
    pub const ERR_IMAGE_PULL: &str = "ErrImagePull";
    /// Terminated: exit code 0.
    pub const COMPLETED: &str = "Completed";
    /// Terminated: it used more memory than it may.
    pub const OOM_KILLED: &str = "OOMKilled";
    /// Terminated: another exit code, or a signal.
    pub const ERROR: &str = "Error";
    /// Terminated: it never ran; the exit code is 128.
    pub const START_ERROR: &str = "StartError";
    /// Terminated: Spur was gone when it ended, so how it ended is not known.
    pub const CONTAINER_STATUS_UNKNOWN: &str = "ContainerStatusUnknown";
}

// === impl PodId ===

impl PodId {
    /// Names a pod.
    pub fn new(namespace: &str, name: &str, uid: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into(), uid: uid.into() }
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl ContainerPlan ===

impl ContainerPlan {
    /// A command with nothing around it: where Spur runs, with the base environment, its
    /// output read and its input empty.
    pub fn new(name: &str, command: &[&str]) -> Self {
        Self {
            name: name.into(),
            image: None,
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            args: Vec::new(),
            working_dir: None,
            env: Vec::new(),
            stdio: StdioPlan::default(),
            pull: PullPolicy::default(),
            hostname: None,
            stop_signal: None,
            shares_network: false,
            mounts: Vec::new(),
            bounds: Bounds::default(),
            security: Security::default(),
        }
    }

    /// `command` and `args` joined, the program first.
    pub(crate) fn command_line(&self) -> Vec<String> {
        [&*self.command, &*self.args].concat()
    }
}

// === impl ContainerState ===

impl ContainerState {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Whether it has ended, or could not be started.
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated { .. })
    }

    pub(crate) fn creating() -> Self {
        Self::Waiting { reason: reason::CONTAINER_CREATING.into(), message: String::new() }
    }
}
