//! What a Sandbox says about routing: its key, and what happens while a fork
//! is not ready. Its forks come from the Services that name it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use spur_api::sandbox::{self, Sandbox};
use spur_route::{Fallback, ForkSpec, SandboxSpec};

/// A Sandbox with a key, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SandboxFragment {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) uid: Option<Arc<str>>,
    pub(super) key: Arc<str>,
    created: Option<Timestamp>,
    revision: u64,
    fallback: Fallback,
}

// === impl SandboxFragment ===

impl SandboxFragment {
    /// The key in the status counts, since only the owner of a key has it there.
    /// A sandbox that is being deleted routes nothing any more.
    pub(super) fn of(sandbox: &Sandbox) -> Option<Self> {
        if sandbox.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let key = sandbox.status.as_ref()?.routing_key.as_deref()?;
        let (namespace, name) = super::place(sandbox);
        Some(Self {
            namespace,
            name,
            uid: sandbox.uid().map(Arc::from),
            key: key.into(),
            created: sandbox.creation_timestamp().map(|time| time.0),
            revision: super::revision(&sandbox.metadata),
            fallback: match sandbox.spec.fallback {
                sandbox::Fallback::Baseline => Fallback::Baseline,
                sandbox::Fallback::Fail => Fallback::Fail,
            },
        })
    }

    /// The order in which sandboxes get a key that several ask for.
    pub(super) fn seniority(&self) -> (Option<Timestamp>, Arc<str>, Arc<str>) {
        (self.created, self.namespace.clone(), self.name.clone())
    }

    pub(super) fn spec(&self, forks: Vec<ForkSpec>) -> SandboxSpec {
        SandboxSpec {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            revision: self.revision,
            key: self.key.clone(),
            fallback: self.fallback,
            forks,
        }
    }
}
