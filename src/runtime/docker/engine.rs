//! A connection to a Docker engine, and what is wrong where there is none.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use tokio::net::UnixStream;

use super::address::{EngineAddress, Way};
use super::transport::Transport;

/// How long the daemon may take for an answer that asks for no waiting. As bollard has it: making a
/// container of a large image on a slow disk takes tens of seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// The oldest API that has all we send: Docker 20.10, of December 2020.
const OLDEST_API: (usize, usize) = (1, 41);

/// An engine that has answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    host: String,
}

/// What an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its own version, such as `20.10.24`.
    pub version: String,
    /// The version of the API that is spoken.
    pub api: String,
    /// The release of its kernel.
    pub kernel: String,
}

/// Why there is no engine to work with.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address names no way to it that we have.
    #[error("cannot talk to Docker at `{host}`: {found}")]
    Host {
        /// As it was given.
        host: String,
        /// What is wrong with it.
        found: String,
    },
    /// Nobody answers there, or not to us.
    #[error("cannot talk to Docker at `{host}`: {found}")]
    Unreachable {
        /// As it was given.
        host: String,
        /// What the system said.
        found: String,
    },
    /// It is older than what we need.
    #[error(
        "the Docker engine at `{host}` speaks API {found}, and 1.41 (Docker 20.10) is the oldest that has everything"
    )]
    TooOld {
        /// As it was given.
        host: String,
        /// What it speaks.
        found: String,
    },
    /// It runs containers on another kernel than ours, where neither files nor sockets are shared.
    #[error("the Docker engine at `{host}` runs on another kernel ({found}), which is not supported yet")]
    OtherKernel {
        /// As it was given.
        host: String,
        /// Its kernel beside ours.
        found: String,
    },
}

// === impl Engine ===

impl Engine {
    /// Connects to the engine at an address, as `DOCKER_HOST` has it, or to the usual one.
    ///
    /// # Errors
    /// There is none, or it cannot be worked with.
    pub async fn connect(address: impl Into<EngineAddress>) -> Result<Self, EngineError> {
        let address = address.into();
        let host = address.shown();
        let way = address.way().map_err(|found| EngineError::Host { host: host.clone(), found })?;
        if way.is_open_to_others() {
            tracing::warn!(
                docker.host = %host,
                "the Docker engine at `{host}` is spoken with in plain text: whoever is in between can act as you; \
                 set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
            );
        }
        let docker = open(&host, way).await?;
        // bollard calls itself newer than most engines are, and those refuse what is newer.
        let docker = docker.negotiate_version().await;
        let docker =
            docker.map_err(|error| EngineError::Unreachable { host: host.clone(), found: words(&error) })?;
        let version = docker.client_version();
        if (version.major_version, version.minor_version) < OLDEST_API {
            let found = format!("{}.{}", version.major_version, version.minor_version);
            return Err(EngineError::TooOld { host, found });
        }
        let engine = Self { docker, host };
        engine.check_kernel().await?;
        Ok(engine)
    }

    /// As it was given.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it says of itself: its version, the API that is spoken with it, and its kernel.
    ///
    /// # Errors
    /// It does not say.
    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let version = self.docker.version().await.map_err(|error| self.unreachable(&error))?;
        let spoken = self.docker.client_version();
        Ok(EngineFacts {
            version: version.version.unwrap_or_default(),
            api: format!("{}.{}", spoken.major_version, spoken.minor_version),
            kernel: version.kernel_version.unwrap_or_default(),
        })
    }

    pub(super) fn unreachable(&self, error: &Error) -> EngineError {
        EngineError::Unreachable { host: self.host.clone(), found: words(error) }
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The same, for a request that the daemon may take `more` time to answer.
    pub(super) fn patient(&self, more: Duration) -> Docker {
        self.docker.clone().with_timeout(ANSWER_WITHIN + more)
    }

    /// What it says of its kernel has to be what ours says: containers in a virtual machine have
    /// another. A socket that leads to another machine of the very same kernel is not found out.
    async fn check_kernel(&self) -> Result<(), EngineError> {
        let info = self.docker.info().await;
        let info = info.map_err(|error| self.unreachable(&error))?;
        let theirs = info.kernel_version.unwrap_or_default();
        let ours = rustix::system::uname().release().to_string_lossy().into_owned();
        if theirs == ours {
            return Ok(());
        }
        let found = format!("{theirs}, ours is {ours}");
        Err(EngineError::OtherKernel { host: self.host.clone(), found })
    }
}

// === impl EngineError ===

impl EngineError {
    /// What somebody can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Host { found, .. } if found.contains(".pem`") || found.starts_with("certificates") => {
                "DOCKER_CERT_PATH names the folder with `ca.pem`, `cert.pem` and `key.pem`"
            }
            Self::Host { .. } => {
                "set DOCKER_HOST to `unix://` and the path of the engine's socket, or to `tcp://` and its address"
            }
            Self::Unreachable { found, .. } if found.contains("certificate") => {
                "compare `ca.pem` in DOCKER_CERT_PATH with the engine's certificate"
            }
            Self::Unreachable { found, .. } if found.contains("ermission denied") => {
                "add your user to the group `docker`, or set DOCKER_HOST to an engine of your own"
            }
            Self::Unreachable { .. } => "start it, or set DOCKER_HOST to where it is",
            Self::TooOld { .. } => "install a newer Docker engine",
            Self::OtherKernel { .. } => "use an engine on this machine, or run pods as processes",
        }
    }
}

/// A client of it; somebody has answered at its address.
async fn open(host: &str, way: Way) -> Result<Docker, EngineError> {
    let wrong = |found: String| EngineError::Host { host: host.to_owned(), found };
    let silent =
        |error: std::io::Error| EngineError::Unreachable { host: host.to_owned(), found: error.to_string() };
    let opened = match way {
        Way::Unix { path } => {
            // bollard says of everything that it found no socket.
            UnixStream::connect(path).await.map_err(silent)?;
            Docker::connect_with_unix(host, ANSWER_WITHIN.as_secs(), bollard::API_DEFAULT_VERSION)
        }
        Way::Tcp { host, port, certificates } => {
            let transport = Transport::new(&host, port, certificates.as_deref()).map_err(wrong)?;
            drop(transport.connect().await.map_err(silent)?);
            transport.client(ANSWER_WITHIN)
        }
    };
    opened.map_err(|error| wrong(words(&error)))
}

/// The innermost cause: bollard's own words are those of its HTTP client.
pub(super) fn words(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.trim().to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Whether the daemon says that there is no such thing.
pub(super) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// The status of the daemon's answer, where it gave one.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
