//! Fetching images: what is asked, what is told meanwhile, and why there is none.

use std::time::Duration;

use tokio::sync::mpsc;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageAsk {
    /// As the container names it.
    pub image: String,
    /// When it is fetched.
    pub policy: crate::PullPolicy,
    /// With what registries may be asked, beside what the user's own configuration has.
    pub credentials: Vec<RegistryCredential>,
}

/// Who asks a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryCredential {
    /// The registry, as configuration files name it: `ghcr.io`, `https://index.docker.io/v1/`.
    pub registry: String,
    /// The user's name.
    pub username: String,
    /// The password or token; never shown.
    pub password: String,
}

/// What is told while an image is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageNews {
    /// A registry is asked.
    Pulling,
    /// So many bytes of so many are here; both grow.
    Progress {
        /// Here.
        n_bytes: u64,
        /// In all, as far as is known.
        of_bytes: u64,
    },
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// This runtime has none.
    Needless,
    /// It was there.
    Present,
    /// It was fetched just now.
    Pulled {
        /// How long it took.
        took: Duration,
        /// How large it is.
        size_bytes: u64,
    },
    /// It was to be fetched and could not, and one of this name was there.
    Kept {
        /// Why it could not be fetched.
        found: String,
    },
}

/// Why an image is not there; the wording is the kubelet's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No registry can have an image of such a name.
    #[error("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {found}")]
    InvalidName {
        /// As it was given.
        image: String,
        /// What is wrong with it.
        found: String,
    },
    /// It is not there, and is not to be fetched.
    #[error("Container image \"{image}\" is not present with pull policy of Never")]
    NeverPull {
        /// As it was given.
        image: String,
    },
    /// The registry, or the engine, refuses.
    #[error("{found}")]
    Pull {
        /// What it said.
        found: String,
    },
}

/// Where news goes; nobody waits for whoever reads it.
pub type ImageNewsSender = mpsc::Sender<ImageNews>;

// === impl RegistryCredential ===

impl std::fmt::Debug for RegistryCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { registry, username, password: _ } = self;
        f.debug_struct("RegistryCredential")
            .field("registry", registry)
            .field("username", username)
            .finish_non_exhaustive()
    }
}

// === impl ImageError ===

impl ImageError {
    /// The reason of a container that waits for it, as the kubelet has it
    /// (`pkg/kubelet/images/types.go`).
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "InvalidImageName",
            Self::NeverPull { .. } => "ErrImageNeverPull",
            Self::Pull { .. } => "ErrImagePull",
        }
    }
}
