//! The order of a pod's containers: init containers one after the other, then all others; sidecars
//! end when all others have.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`.

use super::super::container::{Role, State};
use super::Worker;

// === impl Worker ===

impl Worker {
    /// Whether all before this container have done their part.
    pub(super) fn is_next(&self, idx: usize) -> bool {
        self.containers[..idx].iter().all(|container| !container.holds_back_others())
    }

    /// Whether every container that counts has ended for good.
    pub(super) fn is_over(&self) -> bool {
        if self.ended_by.is_some() {
            return self.containers.iter().all(|container| container.running().is_none());
        }
        let has_ended = |idx: &usize| matches!(self.containers[*idx].state, State::Ended(_));
        let mut main = (0..self.containers.len()).filter(|idx| self.containers[*idx].role == Role::Main);
        let are_all_over = !self.containers.is_empty() && main.all(|idx| has_ended(&idx));
        let has_init_failed = (0..self.containers.len()).any(|idx| {
            self.containers[idx].role == Role::Init
                && has_ended(&idx)
                && !self.containers[idx].has_done_its_part()
        });
        are_all_over || has_init_failed
    }

    /// What runs beside the others ends with them.
    pub(super) fn end_sidecars(&mut self) {
        if !self.is_over() {
            return;
        }
        for container in self.containers.iter_mut().filter(|container| container.role == Role::Sidecar) {
            container.starts_no_more();
        }
        self.stop_all_of(&[Role::Sidecar]);
    }
}
