//! Why a container could not be started, in Kubernetes' words with a hint for people.

use std::io;
use std::path::PathBuf;

use crate::container::reason;
use crate::interface::NetworkError;

/// Why a container could not be started.
///
/// [`StartError::reason`] is what a waiting container shows, [`StartError::hint`]
/// what to change. The wording of the first four is runc's, which users search for.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No directory of `PATH` holds the program.
    #[error("exec: \"{program}\": executable file not found in $PATH")]
    NotInPath {
        /// As it was given.
        program: String,
        /// The container's `PATH`, empty where it has none.
        path: String,
    },
    /// No directory of the image's `PATH` holds the program.
    #[error("exec: \"{program}\": executable file not found in $PATH")]
    NotInImage {
        /// As it was given.
        program: String,
    },
    /// The program was given as a path, and nothing is there.
    #[error("exec: \"{program}\": stat {}: no such file or directory", .resolved.display())]
    NotFound {
        /// As it was given.
        program: String,
        /// Where it was looked for.
        resolved: PathBuf,
    },
    /// The file is there but may not be run: no `x` permission, or a directory.
    #[error("exec: \"{program}\": permission denied")]
    NotExecutable {
        /// As it was given.
        program: String,
        /// The file that was found.
        resolved: PathBuf,
    },
    /// The working directory is missing or not a directory, or may not be entered.
    #[error("chdir to cwd (\"{}\"): {found}", .dir.display())]
    WorkingDir {
        /// What `workingDir` says.
        dir: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The script's first line names a program that is missing.
    #[error("exec: \"{program}\": interpreter `{interpreter}` of {}: no such file or directory", .resolved.display())]
    NoInterpreter {
        /// As it was given.
        program: String,
        /// The file that was found.
        resolved: PathBuf,
        /// What its `#!` line names.
        interpreter: String,
    },
    /// Neither a script with a `#!` line nor a program for this machine.
    #[error("exec: \"{program}\": exec format error")]
    Format {
        /// As it was given.
        program: String,
        /// The file that was found.
        resolved: PathBuf,
    },
    /// The command is empty.
    #[error("container `{container}` has no command")]
    NoCommand {
        /// The container's name.
        container: String,
    },
    /// The plan names no image.
    #[error("container `{container}` has no image")]
    NoImage {
        /// The container's name.
        container: String,
    },
    /// The runtime cannot do it.
    #[error("container `{container}`: {what}")]
    NotSupported {
        /// The container's name.
        container: String,
        /// What it cannot do.
        what: &'static str,
    },
    /// The engine does not have the image.
    #[error("image `{image}`: {found}")]
    NoSuchImage {
        /// As it was given.
        image: String,
        /// What the engine said.
        found: String,
    },
    /// The engine refused, or cannot be reached.
    #[error("container `{container}`: {found}")]
    Engine {
        /// The container's name.
        container: String,
        /// What it said.
        found: String,
    },
    /// The engine's disk is full, which is nothing of the container's: it is tried again.
    #[error("container `{container}`: {found}")]
    NoSpace {
        /// The container's name.
        container: String,
        /// What the engine said.
        found: String,
    },
    /// A name that cannot be a file name, a variable or an argument.
    #[error("{what} {value:?} cannot be used: {found}")]
    Invalid {
        /// Which part of the plan.
        what: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// It runs already, or is being started.
    #[error("container `{container}` of pod `{pod}` runs already")]
    AlreadyRunning {
        /// The pod, `namespace/name`.
        pod: String,
        /// The container's name.
        container: String,
    },
    /// The pod was removed while the start was under way, or the runtime is shutting down.
    #[error("container `{container}` was not started: {found}")]
    Withdrawn {
        /// The container's name.
        container: String,
        /// Which of the two.
        found: &'static str,
    },
    /// The machine refuses: too many processes or open files, no memory.
    #[error("start `{program}`")]
    Spawn {
        /// As it was given.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The pod's network is not there.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Spur's own log or record could not be written.
    #[error("prepare {}", .path.display())]
    Prepare {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

// === impl StartError ===

impl StartError {
    /// The exit code that containerd gives a container that never ran.
    pub const EXIT_CODE: i32 = 128;

    /// The reason of the waiting container, one of [`crate::reason`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotInPath { .. }
            | Self::NotInImage { .. }
            | Self::NotFound { .. }
            | Self::NotExecutable { .. }
            | Self::WorkingDir { .. }
            | Self::NoInterpreter { .. }
            | Self::Format { .. }
            | Self::Engine { .. }
            | Self::Spawn { .. } => reason::RUN_CONTAINER_ERROR,
            Self::NoCommand { .. }
            | Self::NoImage { .. }
            | Self::NotSupported { .. }
            | Self::Invalid { .. } => reason::CREATE_CONTAINER_CONFIG_ERROR,
            Self::NoSuchImage { .. } => reason::ERR_IMAGE_PULL,
            Self::AlreadyRunning { .. }
            | Self::Withdrawn { .. }
            | Self::Network(_)
            | Self::NoSpace { .. }
            | Self::Prepare { .. } => reason::CREATE_CONTAINER_ERROR,
        }
    }

    /// What the user can change, where we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotInPath { program, path } if path.is_empty() => Some(format!(
                "the container has no `PATH`; set it in `env`, or give the full path of `{program}`"
            )),
            Self::NotInPath { program, path } => Some(format!(
                "looked in {path}; install `{program}`, give its full path, or set `PATH` in `env`"
            )),
            Self::NotInImage { .. } => {
                Some("the image has no such program in its `PATH`; give its full path".into())
            }
            Self::NotFound { program, .. } if program.starts_with('/') => {
                Some("the path is one of this machine, not of an image".into())
            }
            Self::NotFound { .. } => {
                Some("a relative path counts from `workingDir`; is the program built?".into())
            }
            Self::NotExecutable { resolved, .. } if resolved.is_dir() => {
                Some(format!("{} is a directory", resolved.display()))
            }
            Self::NotExecutable { resolved, .. } => Some(format!("chmod +x {}", resolved.display())),
            Self::WorkingDir { .. } => {
                Some("`workingDir` is a directory of this machine and is not made for you".into())
            }
            Self::NoInterpreter { resolved, .. } => {
                Some(format!("install it, or correct the first line of {}", resolved.display()))
            }
            Self::Format { resolved, .. } => Some(format!(
                "a script needs a first line such as `#!/bin/sh`; otherwise {} was built for another system",
                resolved.display()
            )),
            Self::NoCommand { .. } => Some("a process needs `command`; an image alone needs Docker".into()),
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
                Some("the limit of processes is reached: see `ulimit -u`".into())
            }
            Self::NoImage { .. } => Some("set `image`, or run the pod as processes".into()),
            Self::NoSpace { .. } => Some(
                "the engine's disk is full: `docker system df` shows what has it; pods that are deleted give theirs back"
                    .into(),
            ),
            Self::NoSuchImage { .. } => Some("build it, or load it into the engine (`docker load`)".into()),
            Self::Spawn { .. }
            | Self::Engine { .. }
            | Self::NotSupported { .. }
            | Self::Invalid { .. }
            | Self::AlreadyRunning { .. }
            | Self::Withdrawn { .. }
            | Self::Network(_)
            | Self::Prepare { .. } => None,
        }
    }

    /// The whole text for a condition, an event or a terminal: message, cause, hint.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        if let Some(source) = std::error::Error::source(self) {
            text = format!("{text}: {source}");
        }
        match self.hint() {
            Some(hint) => format!("{text}\nhint: {hint}"),
            None => text,
        }
    }
}
