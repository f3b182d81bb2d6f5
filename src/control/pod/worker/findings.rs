//! What the probes find, and what follows: events, readiness, a restart.

use super::super::probe::{self, Finding, Kind, Outcome, Target};
use super::Worker;
use crate::events::EventType;

// === impl Worker ===

impl Worker {
    /// What a probe has found.
    pub(super) fn found(&mut self, finding: Finding) {
        let Finding { container: idx, start, kind, outcome } = finding;
        let Some(running) = self.containers[idx].running_mut().filter(|running| running.start == start)
        else {
            return;
        };
        match (kind, outcome) {
            (_, Outcome::Unhealthy(message)) => {
                let name = self.containers[idx].name.clone();
                self.tell(&name, EventType::Warning, "Unhealthy", message);
            }
            (Kind::Startup, Outcome::Is(true)) => {
                running.has_started_up = true;
                self.probe(idx, &[Kind::Liveness, Kind::Readiness]);
            }
            (Kind::Readiness, Outcome::Is(is_ready)) => running.answers_ready = is_ready,
            (Kind::Liveness, Outcome::Is(true)) => {}
            (Kind::Startup | Kind::Liveness, Outcome::Is(false)) => self.kill(idx, kind),
        }
    }

    /// Starts a running container's probes of these kinds.
    pub(super) fn probe(&mut self, idx: usize, kinds: &[Kind]) {
        let name = self.containers[idx].name.clone();
        let Some(running) = self.containers[idx].running_mut() else { return };
        let target = Target {
            dial: self.shared.ctx.dial.clone(),
            runtime: self.runtime.clone(),
            pod: self.id.clone(),
            name,
            container: idx,
            start: running.start,
            started_at: running.since,
        };
        for plan in running.plans.iter().filter(|plan| kinds.contains(&plan.kind)) {
            running.tasks.spawn(probe::run(plan.clone(), target.clone(), self.findings_tx.clone()));
        }
    }

    /// Ends a container that a probe has failed; it is restarted as its policy says.
    fn kill(&mut self, idx: usize, kind: Kind) {
        let of_pod = self.grace();
        let name = self.containers[idx].name.clone();
        let Some(running) = self.containers[idx].running_mut() else { return };
        let grace = running.plans.iter().find(|plan| plan.kind == kind).and_then(|plan| plan.grace);
        self.stop_by_themselves(&[idx], grace.unwrap_or(of_pod));
        let word = kind.word().to_lowercase();
        let message = format!("Container {name} failed {word} probe, will be restarted");
        self.tell(&name, EventType::Normal, "Killing", message);
    }
}
