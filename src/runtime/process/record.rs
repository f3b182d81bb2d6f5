//! What is remembered of a container on disk, so that the next Spur knows what
//! this one left behind. One small file per container, replaced whole.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::identity::Mark;
use crate::container::{ContainerState, PodId};

/// A container as of its last change. It holds no environment: that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) container: String,
    pub(super) attempt: u32,
    /// Tells the process from a later one of the same number; `None` where the process had
    /// ended before it could be looked at.
    pub(super) mark: Option<Mark>,
    pub(super) state: ContainerState,
}

const FILE: &str = "record.json";

// === impl Record ===

impl Record {
    pub(super) fn pod_id(&self) -> PodId {
        PodId::new(&self.namespace, &self.pod, &self.uid)
    }

    /// Replaces the record in `dir`. Not synced to the disk: what a power failure loses it
    /// also kills.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join(format!("{FILE}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(new, dir.join(FILE))
    }

    /// Reads the record in `dir`.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(dir.join(FILE))?)?)
    }
}
