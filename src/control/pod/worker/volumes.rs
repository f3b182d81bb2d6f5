//! A pod's volumes: made before its containers start, and kept as what they are made of has it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container as Spec, Volume as VolumeSpec};
use spur_runtime::{Mount, MountSource, RuntimeKind, reason};
use tokio::time::Instant;

use super::super::container::{Due, RETRY};
use super::super::environment::{Sources, Variables};
use super::super::references::{self, References};
use super::super::set_up::{self, Bind, Places, SetUpError};
use super::super::support;
use super::super::token::{self, Token, TokenError};
use super::super::volumes::mounts::{self, MountError};
use super::super::volumes::{self, Fault, TokenAsk, Volume, VolumeSources};
use super::Worker;
use crate::events::EventType;

/// What the worker knows of its pod's volumes.
#[derive(Debug, Default)]
pub(super) struct PodVolumes {
    /// Where they are; none before they were made.
    places: Places,
    /// Claims by the names of their volumes; what they hold is the runtime's.
    claims: BTreeMap<String, Claim>,
    tokens: BTreeMap<TokenAsk, Token>,
    pub(super) are_made: bool,
    /// When they last could not be made anew.
    failed: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Claim {
    name: String,
    is_read_only: bool,
}

/// Why a pod's volumes are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoVolumes {
    #[error("{}", volumes::set_up_failed(.volume, .error))]
    SetUp { volume: String, error: SetUpError },
    #[error("{}", volumes::set_up_failed(.volume, .error))]
    Token { volume: String, error: TokenError },
}

/// When to do what is due then, and not before some time after it failed.
fn due_at(due: Timestamp, (now, clock): (Timestamp, Instant), failed: Option<Instant>) -> Instant {
    let at = clock + due.duration_since(now).try_into().unwrap_or_default();
    failed.map_or(at, |failed| at.max(failed + RETRY))
}

// === impl Worker ===

impl Worker {
    /// Makes the volumes as they are to be now.
    pub(super) async fn make_volumes(&mut self, references: &References) -> Result<(), NoVolumes> {
        let specs = self.volume_specs();
        if specs.is_empty() {
            return Ok(());
        }
        self.renew_tokens(&specs).await?;
        let tokens =
            self.volumes.tokens.iter().map(|(ask, token)| (ask.clone(), token.text.clone())).collect();
        let References { config_maps, secrets } = references;
        let sources = Sources { pod: &self.pod, config_maps, secrets };
        let place = self.place();
        let planned = volumes::planned(VolumeSources { sources: &sources, place: &place, tokens: &tokens });
        let mut others = Vec::new();
        self.volumes.claims.clear();
        for (name, volume) in planned {
            match volume {
                _ if !specs.iter().any(|spec| spec.name == name) => {}
                Ok(Volume::Claim { name: claim, is_read_only }) if self.kind == RuntimeKind::Docker => {
                    self.volumes.claims.insert(name, Claim { name: claim, is_read_only });
                }
                // Only root may give files away, and a process has Spur's own rights.
                other if self.kind == RuntimeKind::Process => others.push((name, other.map(Volume::own))),
                other => others.push((name, other)),
            }
        }
        let made = set_up::set_up(&self.shared.ctx.volumes, &self.id.uid, others).await;
        self.volumes.places = made.map_err(|(volume, error)| NoVolumes::SetUp { volume, error })?;
        self.volumes.are_made = true;
        Ok(())
    }

    /// Makes them anew after something has changed. What fails now is tried again with the next change;
    /// what was there stays.
    pub(super) async fn update_volumes(&mut self) {
        if !self.volumes.are_made || self.is_over() {
            return;
        }
        let made = match references::read(&self.shared.ctx.client, &self.pod).await {
            Ok(references) => self.make_volumes(&references).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.volumes.failed = made.is_err().then(Instant::now);
        if let Err(message) = made {
            self.shared.notices.pod(&self.pod, EventType::Warning, "FailedMount", message);
        }
    }

    /// Whether a change of ConfigMaps or Secrets may change a volume.
    pub(super) fn has_live_volumes(&self) -> bool {
        self.volumes.are_made && !self.volume_specs().is_empty()
    }

    /// When a token of theirs is to be renewed; never where nobody reads it any more.
    pub(super) fn tokens_due_at(&self) -> Option<Instant> {
        if self.was_over || self.is_over() {
            return None;
        }
        let due = self.volumes.tokens.values().map(|token| token.renew_at).min()?;
        Some(due_at(due, (Timestamp::now(), Instant::now()), self.volumes.failed))
    }

    async fn renew_tokens(&mut self, specs: &[VolumeSpec]) -> Result<(), NoVolumes> {
        let now = Timestamp::now();
        let has_tokens = |spec: &VolumeSpec| spec.projected.is_some();
        if !specs.iter().any(has_tokens) {
            return Ok(());
        }
        for ask in volumes::token_asks(&self.pod) {
            if self.volumes.tokens.get(&ask).is_some_and(|token| token.renew_at > now) {
                continue;
            }
            let token = token::request(&self.shared.ctx.client, &self.pod, &ask).await;
            let token = token.map_err(|error| {
                let of = specs.iter().find(|spec| has_tokens(spec));
                NoVolumes::Token { volume: of.map_or_else(String::new, |spec| spec.name.clone()), error }
            })?;
            self.volumes.tokens.insert(ask, token);
        }
        Ok(())
    }

    /// The volumes that the runtime gives. Nobody has written the one of the service account: programs
    /// that find no mount of it do not miss it.
    fn volume_specs(&self) -> Vec<VolumeSpec> {
        let all = self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let is_given = |volume: &&VolumeSpec| {
            self.kind == RuntimeKind::Docker || !volumes::is_service_account_volume(volume)
        };
        all.filter(is_given).cloned().collect()
    }

    /// Leaves the containers waiting with the reason, as the kubelet does.
    pub(super) fn hold_for_volumes(&mut self, due: &[usize], error: &NoVolumes) {
        let is_refused = matches!(error, NoVolumes::SetUp { error: SetUpError::Fault(fault), .. } if Fault::is_not_supported(fault));
        let message = error.to_string();
        let until = Instant::now() + RETRY;
        for idx in due {
            let (why, due) = match is_refused {
                true => (support::REASON, Due::Never),
                false => (reason::CONTAINER_CREATING, Due::Changed(until)),
            };
            self.containers[*idx].wait(why, message.clone(), due);
        }
        self.shared.notices.pod(&self.pod, EventType::Warning, "FailedMount", message);
    }

    /// Deletes them all: nothing of the pod runs any more. Whether nothing is left.
    pub(super) async fn remove_volumes(&mut self) -> bool {
        let (volumes, uid) = (self.shared.ctx.volumes.clone(), self.id.uid.clone());
        let removed = tokio::task::spawn_blocking(move || volumes.remove_pod(&uid)).await;
        if let Ok(Err(error)) = &removed {
            let pod = &self.id;
            let error: &dyn std::error::Error = error;
            tracing::warn!(pod.name = %pod, error, "failed to delete volumes of pod `{pod}`");
        }
        matches!(removed, Ok(Ok(())))
    }

    /// Where a container sees them. A process sees files where they are.
    pub(super) async fn volume_mounts(
        &self,
        spec: &Spec,
        variables: &Variables,
    ) -> Result<Vec<Mount>, NoMount> {
        let specs = self.pod.spec.as_ref().and_then(|spec| spec.volumes.clone()).unwrap_or_default();
        let asked = mounts::mounts(spec, &specs, variables)?;
        let (claims, files): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|mount| self.volumes.claims.contains_key(&mount.volume));
        let files =
            files.into_iter().filter(|mount| self.volumes.places.contains_key(&mount.volume)).collect();
        let binds = set_up::binds(&self.volumes.places, files).await?;
        let mut all: Vec<Mount> = binds.into_iter().map(bound).collect();
        for mount in claims {
            if let Some(sub_path) = mount.sub_path {
                return Err(NoMount::SubPathOfClaim { volume: mount.volume, sub_path });
            }
            let claim = &self.volumes.claims[&mount.volume];
            all.push(Mount {
                source: MountSource::Volume { name: claim.name.clone(), group: volumes::group(&self.pod) },
                path: PathBuf::from(mount.mount_path),
                is_read_only: mount.is_read_only || claim.is_read_only,
            });
        }
        Ok(all)
    }

    /// The same for a process that sees this machine's files: nothing is made for it there, so that only
    /// what is there already can be covered. What cannot be shown is told.
    pub(super) async fn mounts_over_something(
        &self,
        spec: &Spec,
        variables: &Variables,
    ) -> Result<Vec<Mount>, NoMount> {
        let (shown, hidden): (Vec<_>, Vec<_>) =
            self.volume_mounts(spec, variables).await?.into_iter().partition(covers_something);
        for Mount { path, .. } in hidden {
            let path = path.display();
            let message = format!(
                "container `{}` does not see a volume at `{path}`, which is not there on this machine; next: make it, or read the volume below $SPUR_VOLUMES",
                spec.name
            );
            self.shared.notices.pod(&self.pod, EventType::Warning, support::REASON, message);
        }
        Ok(shown)
    }

    /// The directory that has a directory for each volume, as `SPUR_VOLUMES` tells processes.
    pub(super) fn volumes_dir(&self) -> Option<PathBuf> {
        let place = self.volumes.places.values().find(|place| is_of_pod(place, &self.id.uid));
        place.and_then(|place| place.parent()).map(PathBuf::from)
    }
}

/// Why a container does not see a volume.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMount {
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Bind(#[from] SetUpError),
    #[error("subPath `{sub_path}` of volume `{volume}`, which is a claim, is not supported")]
    SubPathOfClaim { volume: String, sub_path: String },
}

/// Whether there is a file where a file is to be seen, or a directory for a directory.
fn covers_something(mount: &Mount) -> bool {
    let MountSource::Path(source) = &mount.source else { return false };
    match (std::fs::metadata(source), std::fs::metadata(&mount.path)) {
        (Ok(source), Ok(target)) => source.is_dir() == target.is_dir(),
        _ => false,
    }
}

/// Whether a place is one of the pod's own volumes, and no path of the machine's.
fn is_of_pod(place: &std::path::Path, uid: &str) -> bool {
    place.parent().and_then(|parent| parent.file_name()).is_some_and(|name| name == uid)
}

fn bound(bind: Bind) -> Mount {
    let Bind { source, mount_path, is_read_only } = bind;
    Mount { source: MountSource::Path(source), path: PathBuf::from(mount_path), is_read_only }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_not_due_at_once() {
        let (now, clock) = (Timestamp::from_second(1_000).unwrap(), Instant::now());
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(due_at(at(1_060), (now, clock), None), clock + Duration::from_secs(60));
        assert_eq!(due_at(at(900), (now, clock), None), clock);
        assert_eq!(due_at(at(900), (now, clock), Some(clock)), clock + RETRY);
        assert_eq!(due_at(at(1_060), (now, clock), Some(clock)), clock + Duration::from_secs(60));
    }
}
