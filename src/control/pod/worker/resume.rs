//! Taking up a pod that went on while no Spur was there: its Service addresses, then its probes.

use spur_runtime::with_causes;

use super::super::probe::{Kind, Plan};
use super::Worker;

// === impl Worker ===

impl Worker {
    /// Does for containers that were found running what is done for others when they start.
    pub(super) async fn resume(&mut self) {
        let is_resumed =
            |idx: &usize| self.containers[*idx].running().is_some_and(|running| running.start == 0);
        let resumed: Vec<usize> = (0..self.containers.len()).filter(is_resumed).collect();
        if resumed.is_empty() {
            return;
        }
        if let Err(error) = self.connect().await {
            return self.failed("take up the network", &with_causes(&error));
        }
        for idx in resumed {
            let Some(spec) = self.spec(idx) else { continue };
            let plans =
                self.ports.as_ref().map(|ports| Plan::all(&self.pod, &spec, ports)).unwrap_or_default();
            self.n_starts += 1;
            let start = self.n_starts;
            let Some(running) = self.containers[idx].running_mut() else { continue };
            let has = |kind| plans.iter().any(|plan| plan.kind == kind);
            running.start = start;
            running.has_started_up |= !has(Kind::Startup);
            running.answers_ready |= !has(Kind::Readiness);
            running.plans = plans;
            self.probe_from_the_start(idx);
        }
    }
}
