//! The order of a pod's containers: init containers one after the other, then all others; sidecars
//! end when all others have.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`.

use std::time::Duration;

use super::super::container::{Role, State};
use super::Worker;
use crate::events::EventType;

// === impl Worker ===

impl Worker {
    /// Whether all before this container have done their part.
    pub(super) fn is_next(&self, idx: usize) -> bool {
        self.containers[..idx].iter().all(|container| container.has_done_its_part())
    }

    /// Whether every container that counts has ended for good.
    pub(super) fn is_over(&self) -> bool {
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
        let grace = self.grace();
        for idx in 0..self.containers.len() {
            if self.containers[idx].role == Role::Sidecar {
                self.end_sidecar(idx, grace);
            }
        }
    }

    fn end_sidecar(&mut self, idx: usize, grace: Duration) {
        let container = &mut self.containers[idx];
        // From now on its end is its last.
        container.policy = super::RestartPolicy::Never;
        if let State::Waiting { .. } = container.state
            && let Some(last) = container.last.clone()
        {
            container.state = State::Ended(last);
        }
        let Some(running) = container.running_mut().filter(|running| !running.is_killed) else { return };
        running.is_killed = true;
        running.probes.abort_all();
        let name = container.name.clone();
        self.tell(&name, EventType::Normal, "Killing", format!("Stopping container {name}"));
        self.stop_by_itself(name, grace);
    }
}
