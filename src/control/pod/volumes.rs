//! What each volume of a pod is, and where its containers see it.
//!
//! ```text
//!  pod ─┬─► token_asks ─► (the API) ─► tokens ─┐
//!       └─► references ─► ConfigMaps, Secrets ─┴─► planned: per volume EmptyDir | Files | HostPath | Claim
//!                                                   │                        or a fault
//!  container, its variables ─► mounts               └─► spur_runtime::volumes, again whenever they change
//! ```
//!
//! Pure. Source: `pkg/volume/{configmap,secret,downwardapi,projected,emptydir,hostpath}`, whose
//! wording the faults have. Files and directories are made by `spur_runtime::volumes`.

pub(super) mod mounts;

mod files;
mod ownership;
mod projected;
mod unsupported;

pub(super) use ownership::group;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, HostPathVolumeSource, Pod, Volume as Spec, VolumeProjection,
};
use spur_api::quantity;
use spur_runtime::volumes::host_path::HostPathKind;
use spur_runtime::volumes::{Medium, PathError, Payload};

use super::environment::Sources;
use super::place::Place;
use super::resource::ResourceError;

/// A byte in billionths, as [`quantity::nanos`] counts, and what makes a part of one a whole.
const ONE: i128 = 1_000_000_000;
const ROUND_UP: i128 = ONE - 1;

/// What volumes are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct VolumeSources<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) place: &'a Place,
    /// For each of [`token_asks`].
    pub(super) tokens: &'a BTreeMap<TokenAsk, String>,
}

/// A service account token that a volume holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenAsk {
    /// The API server where none is named.
    pub(super) audience: Option<String>,
    pub(super) expiration_seconds: i64,
}

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    EmptyDir {
        medium: Medium,
        /// A pod that has more in it is evicted (`worker/eviction.rs`).
        size_limit_bytes: Option<u64>,
        group: Option<u32>,
    },
    Files {
        medium: Medium,
        payload: Payload,
    },
    HostPath {
        path: PathBuf,
        kind: HostPathKind,
    },
    Claim {
        name: String,
        is_read_only: bool,
    },
}

/// Why a volume cannot be made, for now or at all; the wording is the kubelet's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("configmap \"{name}\" not found")]
    NoConfigMap { name: String },
    #[error("secret \"{name}\" not found")]
    NoSecret { name: String },
    #[error("configmap references non-existent config key: {key}")]
    NoConfigMapKey { key: String },
    #[error("references non-existent secret key: {key}")]
    NoSecretKey { key: String },
    #[error("unsupported fieldPath: {path}")]
    Field { path: String },
    #[error("{0}")]
    Resource(String),
    #[error("{0}")]
    Path(String),
    #[error("no token for audience {audience:?} has been given yet")]
    NoToken { audience: String },
    #[error("quantity {text:?} of sizeLimit cannot be read")]
    SizeLimit { text: String },
    #[error("[{}]", list(.0))]
    Several(Vec<Fault>),
    #[error("`{field}` is not supported")]
    NotSupported { field: String },
}

/// The tokens that the pod's volumes hold, each once.
pub(super) fn token_asks(pod: &Pod) -> BTreeSet<TokenAsk> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let projected = volumes.filter_map(|volume| volume.projected.as_ref());
    let sources = projected.flat_map(|projected| projected.sources.iter().flatten());
    sources.filter_map(|source| Some(projected::ask(source.service_account_token.as_ref()?))).collect()
}

/// Every volume of the pod by its name, in the pod's order.
pub(super) fn planned(sources: VolumeSources<'_>) -> Vec<(String, Result<Volume, Fault>)> {
    let spec = sources.sources.pod.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    volumes.map(|volume| (volume.name.clone(), planned_one(volume, sources))).collect()
}

/// The message of the event `FailedMount`
/// (`pkg/volume/util/operationexecutor`, `GenerateMountVolumeFunc`).
pub(super) fn set_up_failed(volume: &str, fault: &dyn std::fmt::Display) -> String {
    format!("MountVolume.SetUp failed for volume \"{volume}\" : {fault}")
}

/// Whether it is the volume that admission gives every pod: a token, how to check the API's
/// certificate, and the namespace. What cannot mount it leaves it and its mounts out: programs that
/// never speak to the API do not miss it.
pub(super) fn is_service_account_volume(volume: &Spec) -> bool {
    let projected = volume.projected.as_ref().filter(|_| volume.name.starts_with("kube-api-access-"));
    let sources = projected.and_then(|projected| projected.sources.as_ref()).into_iter().flatten();
    let is_token = |source: &VolumeProjection| {
        source.service_account_token.as_ref().is_some_and(|token| token.path == "token")
    };
    sources.into_iter().any(is_token)
}

fn planned_one(volume: &Spec, sources: VolumeSources<'_>) -> Result<Volume, Fault> {
    let pod = sources.sources.pod;
    if let Some(source) = &volume.empty_dir {
        return empty_dir(volume, source, pod);
    }
    if let Some(source) = &volume.host_path {
        return host_path(volume, source);
    }
    if let Some(source) = &volume.persistent_volume_claim {
        let is_read_only = source.read_only == Some(true);
        return Ok(Volume::Claim { name: source.claim_name.clone(), is_read_only });
    }
    let (medium, files) = if let Some(source) = &volume.config_map {
        (Medium::Disk, files::of_config_map(&source.into(), source.default_mode, sources.sources)?)
    } else if let Some(source) = &volume.secret {
        (Medium::Memory, files::of_secret(&source.into(), source.default_mode, sources.sources)?)
    } else if let Some(source) = &volume.downward_api {
        (Medium::Disk, files::downward(source.items.iter().flatten(), source.default_mode, sources)?)
    } else if let Some(source) = &volume.projected {
        (Medium::Memory, projected::files(source, &volume.name, sources)?)
    } else {
        return match unsupported::kind(volume) {
            Some(kind) => Err(not_supported(&volume.name, kind)),
            // What the API stores as `emptyDir: {}`.
            None => empty_dir(volume, &EmptyDirVolumeSource::default(), pod),
        };
    };
    let mut payload = Payload::default();
    payload.group = ownership::group(pod);
    for (path, file) in files {
        payload.insert(&path, file)?;
    }
    Ok(Volume::Files { medium, payload })
}

fn empty_dir(volume: &Spec, source: &EmptyDirVolumeSource, pod: &Pod) -> Result<Volume, Fault> {
    let medium = match source.medium.as_deref() {
        None | Some("") => Medium::Disk,
        Some("Memory") => Medium::Memory,
        Some(other) => return Err(not_supported(&volume.name, &format!("emptyDir.medium {other}"))),
    };
    let size_limit_bytes = match &source.size_limit {
        None => None,
        Some(size) => {
            let bytes =
                quantity::nanos(&size.0).and_then(|nanos| u64::try_from((nanos + ROUND_UP) / ONE).ok());
            Some(bytes.ok_or_else(|| Fault::SizeLimit { text: size.0.clone() })?)
        }
    };
    Ok(Volume::EmptyDir { medium, size_limit_bytes, group: ownership::group(pod) })
}

fn host_path(volume: &Spec, source: &HostPathVolumeSource) -> Result<Volume, Fault> {
    let kind = match source.type_.as_deref().unwrap_or("") {
        "" => HostPathKind::Any,
        "DirectoryOrCreate" => HostPathKind::DirectoryOrCreate,
        "Directory" => HostPathKind::Directory,
        "FileOrCreate" => HostPathKind::FileOrCreate,
        "File" => HostPathKind::File,
        "Socket" => HostPathKind::Socket,
        "CharDevice" => HostPathKind::CharDevice,
        "BlockDevice" => HostPathKind::BlockDevice,
        other => return Err(not_supported(&volume.name, &format!("hostPath.type {other}"))),
    };
    // `ValidateHostPathVolumeSource`: what the path says is where it is.
    if source.path.split('/').any(|name| name == "..") {
        return Err(Fault::Path(format!("hostPath must not contain '..': {}", source.path)));
    }
    Ok(Volume::HostPath { path: PathBuf::from(&source.path), kind })
}

fn not_supported(volume: &str, field: &str) -> Fault {
    Fault::NotSupported { field: format!("spec.volumes{{{volume}}}.{field}") }
}

fn list(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

// === impl Volume ===

impl Volume {
    /// The same for whoever makes it: no other group, no other owners.
    pub(super) fn own(self) -> Self {
        match self {
            Self::EmptyDir { medium, size_limit_bytes, group: _ } => {
                Self::EmptyDir { medium, size_limit_bytes, group: None }
            }
            Self::Files { medium, payload } => Self::Files { medium, payload: payload.own() },
            other @ (Self::HostPath { .. } | Self::Claim { .. }) => other,
        }
    }
}

// === impl Fault ===

impl Fault {
    /// Whether waiting changes nothing.
    pub(super) fn is_not_supported(&self) -> bool {
        match self {
            Self::NotSupported { .. } => true,
            Self::Several(faults) => faults.iter().any(Self::is_not_supported),
            Self::NoConfigMap { .. }
            | Self::NoSecret { .. }
            | Self::NoConfigMapKey { .. }
            | Self::NoSecretKey { .. }
            | Self::Field { .. }
            | Self::Resource(_)
            | Self::Path(_)
            | Self::NoToken { .. }
            | Self::SizeLimit { .. } => false,
        }
    }

    /// One fault as itself, more of them as a list (`apimachinery/pkg/util/errors`, `Aggregate`).
    fn of(mut faults: Vec<Self>) -> Option<Self> {
        match faults.len() {
            0 => None,
            1 => faults.pop(),
            _ => Some(Self::Several(faults)),
        }
    }
}

impl From<PathError> for Fault {
    fn from(error: PathError) -> Self {
        Self::Path(error.to_string())
    }
}

impl From<ResourceError> for Fault {
    fn from(error: ResourceError) -> Self {
        Self::Resource(error.to_string())
    }
}

#[cfg(test)]
mod tests;
