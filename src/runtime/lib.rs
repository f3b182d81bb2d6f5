//! What runs a pod.
//!
//! ```text
//!  control ── start / stop / remove / exec ──► trait Runtime ──┬── ProcessRuntime   groups of local processes
//!     ▲                                                        ├── DockerRuntime    containers on an engine
//!     │                                                        └── FakeRuntime      scripted, for controller tests
//!     └── events (a change) + list (the truth) ◄──────────────────┘
//!  server ── logs / exec_session / attach ──► streams of both
//!         └─ stats ──► what running containers use, read when it is asked for
//!
//!  ProcessRuntime:  dir/pods/<uid>/<container>/record.json       who runs, to be found again after kill -9
//!                                             /<attempt>/<n>.log  stdout and stderr in CRI format, bounded
//! ```
//!
//! The crate knows plain structs, no Kubernetes types: the caller resolves the
//! environment, chooses ports and restarts what ended. It opens no listener
//! and routes nothing. Beside the runtimes stand the things a pod worker
//! needs with them: [`ports`] (a loopback port nobody else gets) and [`probe`]
//! (one try of a readiness or liveness check); and [`volumes`], the directories and
//! files that containers are given.
//!
//! | | process runtime | Docker runtime |
//! |---|---|---|
//! | ends what it started | the whole process group; on Linux also what left it with `setsid` | the container |
//! | a command whose client has gone | is ended | reads the end of its input, and runs on |
//! | a command that takes too long | is killed | runs on |
//! | `OOMKilled` | not told apart from another SIGKILL: there is no cgroup to ask | told |
//! | what a container uses | the sum over its processes, on Linux | its cgroup's |
//! | bounds and rights | Spur's own | as `resources.limits` and `securityContext` say |
//! | network | `shared`: the machine's own; ports come from the caller; on Linux also `private`: one for each pod that asks, with an address and real ports | one for each namespace; an address and real ports for each pod |

mod causes;
mod container;
mod image;
mod interface;
mod runtimes;
mod service_network;
mod session;
mod start_error;
mod stats;

pub mod docker;
pub mod fake;
pub mod machine;
pub mod ports;
pub mod probe;
pub mod process;
pub mod volumes;

mod log;

pub use causes::with_causes;
pub use container::{
    Bounds, ContainerPlan, ContainerState, Listed, Mount, MountSource, PodId, PullPolicy, RuntimeEvent,
    Security, Started, StdinMode, StdioPlan, reason,
};
pub use fake::{FakeRuntime, FakeUsage};
pub use image::{Fetched, ImageAsk, ImageError, ImageNews, ImageNewsSender, RegistryCredential};
pub use interface::{
    AskedNetwork, ExecError, ExecOutput, LogError, LogOptions, LogStream, NetworkError, PodNetwork,
    RemoveError, Runtime, StopError,
};
pub use process::ProcessRuntime;
pub use runtimes::{RuntimeKind, Runtimes, RuntimesEvents};
pub use service_network::{
    Egress, Scope, ServedService, ServiceId, ServiceNetwork, ServiceSocket, Transport, WantedService,
};
pub use session::{OutputStream, Session, Stdin, Streams, TerminalSize};
pub use start_error::StartError;
pub use stats::{Stats, StatsError};
