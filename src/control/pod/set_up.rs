//! A pod's volumes on this machine's disk: made as planned, again whenever what they are made of
//! has changed. What they are is decided in `volumes`, how they are written in
//! `spur_runtime::volumes`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spur_runtime::volumes::host_path::{self, HostPathError};
use spur_runtime::volumes::sub_path::{self, SubPathError};
use spur_runtime::volumes::{VolumeError, VolumeId, Volumes};

use super::volumes::mounts::Mount;
use super::volumes::{Fault, Volume};

/// Where each volume lies, by its name.
pub(super) type Places = BTreeMap<String, PathBuf>;

/// A file or directory of this machine as a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    pub(super) mount_path: String,
    pub(super) is_read_only: bool,
}

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetUpError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    HostPath(#[from] HostPathError),
    #[error(transparent)]
    SubPath(#[from] SubPathError),
    #[error("volume `{name}` has not been made")]
    NotMade { name: String },
    /// The thread that writes has panicked, or the runtime is shutting down.
    #[error("writing was broken off")]
    BrokenOff,
}

/// Makes all volumes of a pod; the first that fails is named. It is right twice: what is as it
/// should be stays as it is.
pub(super) async fn set_up(
    store: &Arc<Volumes>,
    pod_uid: &str,
    planned: Vec<(String, Result<Volume, Fault>)>,
) -> Result<Places, (String, SetUpError)> {
    let (store, pod_uid) = (store.clone(), pod_uid.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let made =
            |(name, volume): (String, Result<Volume, Fault>)| match make(&store, &pod_uid, &name, volume) {
                Ok(place) => Ok((name, place)),
                Err(error) => Err((name, error)),
            };
        planned.into_iter().map(made).collect()
    });
    made.await.unwrap_or_else(|_| Err((String::new(), SetUpError::BrokenOff)))
}

/// Where the mounts of a container lead, to be asked right before it is started.
pub(super) async fn binds(places: &Places, mounts: Vec<Mount>) -> Result<Vec<Bind>, SetUpError> {
    let places = places.clone();
    let found =
        tokio::task::spawn_blocking(move || mounts.into_iter().map(|mount| bind(&places, mount)).collect());
    found.await.unwrap_or(Err(SetUpError::BrokenOff))
}

fn make(
    store: &Volumes,
    pod_uid: &str,
    name: &str,
    volume: Result<Volume, Fault>,
) -> Result<PathBuf, SetUpError> {
    let id = VolumeId::new(pod_uid, name)?;
    match volume? {
        Volume::EmptyDir { medium, size_limit_bytes: _, group } => {
            Ok(store.empty_dir(&id, medium, group)?.path)
        }
        Volume::Files { medium, payload } => Ok(store.files(&id, medium, &payload)?.0.path),
        Volume::HostPath { path, kind } => {
            host_path::check(&path, kind)?;
            Ok(path)
        }
        Volume::Claim { .. } => {
            let field = format!("spec.volumes{{{name}}}.persistentVolumeClaim");
            Err(Fault::NotSupported { field }.into())
        }
    }
}

fn bind(places: &Places, mount: Mount) -> Result<Bind, SetUpError> {
    let Mount { volume, mount_path, sub_path, is_read_only } = mount;
    let Some(place) = places.get(&volume) else { return Err(SetUpError::NotMade { name: volume }) };
    let source = match sub_path {
        Some(sub_path) => sub_path::resolve(Path::new(place), &sub_path)?,
        None => place.clone(),
    };
    Ok(Bind { source, mount_path, is_read_only })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use spur_runtime::volumes::host_path::HostPathKind;
    use spur_runtime::volumes::{File, Medium, Payload};

    use super::*;

    fn files(text: &str) -> Volume {
        let mut payload = Payload::default();
        payload.insert("level", File { bytes: text.into(), mode: 0o644, owner: None }).unwrap();
        Volume::Files { medium: Medium::Disk, payload }
    }

    fn named(name: &str, volume: Volume) -> (String, Result<Volume, Fault>) {
        (name.to_owned(), Ok(volume))
    }

    fn mount(volume: &str, sub_path: Option<&str>) -> Mount {
        let sub_path = sub_path.map(str::to_owned);
        Mount { volume: volume.to_owned(), mount_path: "/x".to_owned(), sub_path, is_read_only: true }
    }

    #[tokio::test]
    async fn what_has_changed_is_seen_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Volumes::open(&dir.path().join("volumes"), None).unwrap());
        let empty = Volume::EmptyDir { medium: Medium::Disk, size_limit_bytes: None, group: None };
        let planned = |text: &str| vec![named("cfg", files(text)), named("tmp", empty.clone())];
        let places = set_up(&store, "uid-1", planned("debug")).await.unwrap();
        let binds = binds(&places, vec![mount("cfg", None), mount("tmp", Some("a/b"))]).await.unwrap();
        assert!(binds[1].source.is_dir());
        let level = || fs::read_to_string(binds[0].source.join("level")).unwrap();
        assert_eq!(level(), "debug");
        assert_eq!(set_up(&store, "uid-1", planned("info")).await.unwrap(), places);
        assert_eq!(level(), "info");
        store.remove_pod("uid-1").unwrap();
        assert!(!binds[0].source.exists());
    }

    #[tokio::test]
    async fn the_volume_that_fails_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Volumes::open(&dir.path().join("volumes"), None).unwrap());
        let check = async |volume: Result<Volume, Fault>, wanted: &str| {
            let planned = vec![named("cfg", files("debug")), ("bad".to_owned(), volume)];
            let (name, error) = set_up(&store, "uid-1", planned).await.unwrap_err();
            assert_eq!((name.as_str(), error.to_string().as_str()), ("bad", wanted));
        };
        check(Err(Fault::NoSecret { name: "s".to_owned() }), "secret \"s\" not found").await;
        let claim = Volume::Claim { name: "c".to_owned(), is_read_only: false };
        check(Ok(claim), "`spec.volumes{bad}.persistentVolumeClaim` is not supported").await;
        let path = dir.path().join("none");
        let wanted = format!("hostPath type check failed: {} is not a file", path.display());
        check(Ok(Volume::HostPath { path, kind: HostPathKind::File }), &wanted).await;
        let error = binds(&Places::new(), vec![mount("tmp", None)]).await.unwrap_err();
        assert_eq!(error.to_string(), "volume `tmp` has not been made");
    }
}
