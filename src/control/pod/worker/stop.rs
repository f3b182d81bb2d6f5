//! Stopping containers while the worker goes on, and what is needed for it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::container::Role;
use super::super::ending::{self, Ending};
use super::super::hook::Hook;
use super::super::ports::PodPorts;
use super::{EndedBy, Worker, eviction};
use crate::events::EventType;

// === impl Worker ===

impl Worker {
    /// What the pod's containers are given to end, where nobody says otherwise.
    pub(super) fn grace(&self) -> Duration {
        if let Some(EndedBy::Eviction(_)) = self.ended_by {
            return eviction::GRACE;
        }
        let of_pod = self.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        Duration::from_secs(of_pod.and_then(|n| u64::try_from(n).ok()).unwrap_or(30))
    }

    /// Stops these of the running containers, in their order; their ends are seen as any other.
    pub(super) fn stop_by_themselves(&mut self, which: &[usize], grace: Duration) {
        for idx in which {
            if let Some(running) = self.containers[*idx].running_mut() {
                running.is_killed = true;
                running.tasks.abort_all();
            }
        }
        let endings = self.endings().into_iter().filter(|(idx, _)| which.contains(idx));
        let endings = endings.map(|(_, ending)| ending).collect();
        self.stops.spawn(ending::end_all(endings, grace));
    }

    /// Stops everything of these roles that runs and is not being stopped already.
    pub(super) fn stop_all_of(&mut self, roles: &[Role]) {
        let is_asked = |idx: &usize| {
            let container = &self.containers[*idx];
            roles.contains(&container.role) && container.running().is_some_and(|running| !running.is_killed)
        };
        let which: Vec<usize> = (0..self.containers.len()).filter(is_asked).collect();
        if which.is_empty() {
            return;
        }
        for idx in &which {
            let name = self.containers[*idx].name.clone();
            self.tell(&name, EventType::Normal, "Killing", format!("Stopping container {name}"));
        }
        self.stop_by_themselves(&which, self.grace());
    }

    /// For each running container, by its place, what its end takes.
    pub(in crate::pod) fn endings(&self) -> Vec<(usize, Ending)> {
        let containers = &self.containers;
        let seen: Vec<_> = containers.iter().map(|c| (c.role, c.running().is_some())).collect();
        let ended: Vec<_> = containers.iter().map(|_| CancellationToken::new()).collect();
        let ending = |(idx, after): (usize, Vec<usize>)| {
            let ending = Ending {
                dial: self.shared.ctx.dial.clone(),
                runtime: self.runtime.clone(),
                id: self.id.clone(),
                name: containers[idx].name.clone(),
                pre_stop: self.pre_stop(idx),
                after: after.into_iter().map(|other| ended[other].clone()).collect(),
                has_ended: ended[idx].clone(),
                notices: self.shared.notices.clone(),
                pod: self.pod.clone(),
            };
            (idx, ending)
        };
        let all = ending::order(&seen).into_iter().enumerate();
        all.filter(|(idx, _)| seen[*idx].1).map(ending).collect()
    }

    fn pre_stop(&self, idx: usize) -> Option<Hook> {
        let spec = self.spec(idx)?;
        let handler = spec.lifecycle.as_ref()?.pre_stop.as_ref()?;
        Some(Hook::new(handler, &spec, self.ports.as_ref().unwrap_or(&PodPorts::default())))
    }
}
