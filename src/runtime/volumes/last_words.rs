//! Files into which containers write why they end: `<pod uid>/.last-words/<container>`. No volume's
//! name begins with a dot (RFC 1123).
//!
//! A container is given the file itself and none of the directories above it, so that it may fill it
//! and cannot put anything else in its place.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::folder::Rights;
use super::store::safe_name;
use super::{VolumeError, Volumes};

const FOLDER: &str = ".last-words";

/// Whoever a container runs as may write (`kubelet_pods.go` and `makeMounts` of
/// `kuberuntime_container.go`).
const RIGHTS: Rights = Rights { mode: 0o666, owner: None, group: None };

// === impl Volumes ===

impl Volumes {
    /// An empty file for a container that is about to start; what the start before has left goes.
    ///
    /// # Errors
    /// When it can not be made.
    pub fn new_last_words(&self, pod_uid: &str, container: &str) -> Result<PathBuf, VolumeError> {
        let (pod, name) = (OsStr::new(safe_name(pod_uid)?), OsStr::new(safe_name(container)?));
        let folder = self.disk.child_or_new(pod)?.child_or_new(OsStr::new(FOLDER))?;
        folder.unlink(name)?;
        folder.write(name, &[], RIGHTS)?;
        Ok(folder.path.join(name))
    }

    /// The last bytes of what a container has written into its file, `max_bytes` at most; `None` where
    /// it has no file.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn last_words(
        &self,
        pod_uid: &str,
        container: &str,
        max_bytes: u64,
    ) -> Result<Option<Vec<u8>>, VolumeError> {
        let (pod, name) = (OsStr::new(safe_name(pod_uid)?), OsStr::new(safe_name(container)?));
        if self.disk.stat(pod)?.is_none() {
            return Ok(None);
        }
        let pod = self.disk.child(pod)?;
        if pod.stat(OsStr::new(FOLDER))?.is_none() {
            return Ok(None);
        }
        let folder = pod.child(OsStr::new(FOLDER))?;
        match folder.stat(name)? {
            Some(_) => folder.read_end(name, max_bytes).map(Some),
            None => Ok(None),
        }
    }
}
