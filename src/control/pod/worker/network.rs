//! The network that the containers of a pod share, when it is lost.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `SyncPod`, where the sandbox has changed.
//! Init containers that are done are not run again, since what they have made is still there.

use super::super::container::Role;
use super::Worker;
use crate::events::EventType;

// === impl Worker ===

impl Worker {
    /// Whether containers run on without their network. Until they have ended none is started.
    pub(super) fn has_lost_network(&self) -> bool {
        let mut containers = self.containers.iter();
        self.containers.len() > 1
            && containers.any(|container| container.running().is_some())
            && !self.runtime.has_shared_network(&self.id)
    }

    /// Ends what has lost its network; it is started again as its policy says, with a new one.
    pub(super) fn heed_network(&mut self) {
        let is_news =
            self.containers.iter().filter_map(|container| container.running()).any(|run| !run.is_killed);
        if is_news && self.has_lost_network() {
            let message = "Pod sandbox changed, it will be killed and re-created.".to_owned();
            self.shared.notices.pod(&self.pod, EventType::Normal, "SandboxChanged", message);
            self.stop_all_of(&[Role::Init, Role::Sidecar, Role::Main]);
        }
    }
}
