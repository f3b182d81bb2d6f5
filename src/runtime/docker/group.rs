//! Whose a claim's volume is: the pod's group, where it has one (`fsGroup`).
//!
//! A volume of the engine begins as root's. As with the policy `OnRootMismatch`, only its root is looked
//! at and given to the group, with the bit by which what is made below has the group, too
//! (`pkg/volume/volume_linux.go`, `SetVolumeOwnership`). The daemon reads and writes it as an archive of
//! one entry, through a container that is never started: its own may not write to its root.

use std::path::Path;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount as DockerMount, MountType};
use bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tar::{Builder, EntryType, Header};

use super::engine::words;
use super::runtime::Shared;
use super::start::refused;
use crate::container::{ContainerPlan, Mount, MountSource};
use crate::start_error::StartError;

/// Where the volume is in the container that is never started.
const PLACE: &str = "/volume";

/// The group may read and write, and what is made belongs to it (`rwMask | os.ModeSetgid`).
const GROUPS_MODE: u32 = 0o2070;

/// Bytes of an entry's head (POSIX pax, "ustar Interchange Format").
const HEAD_BYTES: usize = 512;

// === impl Shared ===

impl Shared {
    /// Gives the claims that the container mounts to their group. The engine has them: the container
    /// was made.
    pub(super) async fn give_to_group(
        &self,
        container: &str,
        (namespace, plan, image): (&str, &ContainerPlan, &str),
    ) -> Result<(), StartError> {
        for Mount { source, path, is_read_only } in &plan.mounts {
            let MountSource::Volume { name, group: Some(group) } = source else { continue };
            let failed = |error: Error| {
                refused(format!("give volume `{name}` to group {group}: {}", words(&error)), plan)
            };
            let Some(head) = self.root_of(container, path).await.map_err(failed)? else { continue };
            if !is_read_only && let Some(entry) = with_group(&head, *group) {
                let volume = self.ours.environment.volume(namespace, name);
                self.write_root((namespace, image), &volume, entry).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The head of the entry of a directory in a container.
    async fn root_of(&self, container: &str, path: &Path) -> Result<Option<Header>, Error> {
        let options = DownloadFromContainerOptionsBuilder::new().path(&path.to_string_lossy()).build();
        let mut archive =
            Box::pin(self.ours.engine.docker().download_from_container(container, Some(options)));
        // It comes first; dropping the rest ends the answer.
        let mut read = BytesMut::with_capacity(HEAD_BYTES);
        while read.len() < HEAD_BYTES {
            let Some(bytes) = archive.next().await else { return Ok(None) };
            read.extend_from_slice(&bytes?);
        }
        let mut head = Header::new_old();
        head.as_mut_bytes().copy_from_slice(&read[..HEAD_BYTES]);
        Ok(Some(head))
    }

    async fn write_root(
        &self,
        (namespace, image): (&str, &str),
        volume: &str,
        entry: Bytes,
    ) -> Result<(), Error> {
        let docker = self.ours.engine.docker();
        let mount = DockerMount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.to_owned()),
            target: Some(PLACE.to_owned()),
            ..DockerMount::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            // Every image has some, or none is needed: it is never started.
            cmd: Some(vec!["never".to_owned()]),
            labels: Some(self.ours.environment.network_labels(namespace)),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let made = docker.create_container(None::<CreateContainerOptions>, body).await?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let written = docker.upload_to_container(&made.id, Some(options), bollard::body_full(entry)).await;
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let removed = docker.remove_container(&made.id, Some(options)).await;
        written.and(removed)
    }
}

/// An archive of the volume's root with this group; `None` where it has it already.
fn with_group(head: &Header, group: u32) -> Option<Bytes> {
    let (mode, gid) = (head.mode().unwrap_or(0o755), head.gid().unwrap_or(0));
    if gid == u64::from(group) && mode & GROUPS_MODE == GROUPS_MODE {
        return None;
    }
    let mut entry = Header::new_gnu();
    entry.set_entry_type(EntryType::Directory);
    entry.set_mode((mode & 0o7777) | GROUPS_MODE);
    entry.set_uid(head.uid().unwrap_or(0));
    entry.set_gid(group.into());
    entry.set_mtime(head.mtime().unwrap_or(0));
    entry.set_size(0);
    let mut archive = Builder::new(Vec::new());
    // Writing to memory does not fail, and the name is short.
    archive.append_data(&mut entry, PLACE.trim_start_matches('/'), std::io::empty()).ok()?;
    Some(Bytes::from(archive.into_inner().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(mode: u32, uid: u64, gid: u64) -> Header {
        let mut head = Header::new_gnu();
        head.set_mode(mode);
        head.set_uid(uid);
        head.set_gid(gid);
        head
    }

    #[test]
    fn a_root_gets_the_group_once_and_keeps_the_rest() {
        let archive = with_group(&head(0o755, 7, 0), 1001).unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let found = entry.header();
        assert_eq!(found.entry_type(), EntryType::Directory);
        assert_eq!(entry.path().unwrap().to_str(), Some("volume"));
        assert_eq!((found.uid().unwrap(), found.gid().unwrap(), found.mode().unwrap()), (7, 1001, 0o2775));
        assert!(with_group(&head(0o2775, 7, 1001), 1001).is_none());
        assert!(with_group(&head(0o700, 7, 1001), 1001).is_some());
    }
}
