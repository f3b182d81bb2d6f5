//! `postStart`: run beside a container that has just started. Until it is done the container is not
//! shown to run, is not probed, and holds back those after it.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `startContainer`.

use k8s_openapi::api::core::v1::Container as Spec;

use super::super::container::PostStart;
use super::super::hook::Hook;
use super::super::ports::PodPorts;
use super::Worker;
use crate::events::EventType;

/// What has become of a hook.
#[derive(Debug)]
pub(super) struct Done {
    container: usize,
    /// Which start of the container it was for.
    start: u64,
    outcome: Result<(), String>,
}

// === impl Worker ===

impl Worker {
    /// Begins what follows a start: the hook where there is one, else the probes.
    pub(super) fn follow_start(&mut self, idx: usize, spec: &Spec) {
        let handler = spec.lifecycle.as_ref().and_then(|hooks| hooks.post_start.as_ref());
        let Some(handler) = handler else { return self.probe_from_the_start(idx) };
        let hook = Hook::new(handler, spec, self.ports.as_ref().unwrap_or(&PodPorts::default()));
        let (runtime, id, name) = (self.runtime.clone(), self.id.clone(), spec.name.clone());
        let (dial, hooks_tx) = (self.shared.ctx.dial.clone(), self.hooks_tx.clone());
        let Some(running) = self.containers[idx].running_mut() else { return };
        running.post_start = PostStart::UnderWay;
        let start = running.start;
        running.tasks.spawn(async move {
            let outcome = hook.run((&dial, &*runtime), (&id, &name)).await;
            // Without a worker nobody has to know.
            let _ = hooks_tx.send(Done { container: idx, start, outcome }).await;
        });
    }

    /// What a hook has come to. A container whose hook has failed is ended, and restarted as its
    /// policy says.
    pub(super) fn post_start_done(&mut self, done: Done) {
        let Done { container: idx, start, outcome } = done;
        let name = self.containers[idx].name.clone();
        // A container that has ended meanwhile tells its end by itself.
        let still_runs = self.runtime.state(&self.id, &name).is_some_and(|state| state.is_running());
        let running = self.containers[idx].running_mut();
        let Some(running) = running.filter(|running| running.start == start && still_runs) else { return };
        match outcome {
            Ok(()) => {
                running.post_start = PostStart::Done;
                self.probe_from_the_start(idx);
            }
            Err(why) => {
                running.post_start = PostStart::Failed(why);
                // As with the kubelet no event says why, since the words of a hook may be secret.
                let message = "PostStartHook failed".to_owned();
                self.tell(&name, EventType::Warning, "FailedPostStartHook", message);
                self.tell(&name, EventType::Normal, "Killing", "FailedPostStartHook".to_owned());
                self.stop_by_themselves(&[idx], self.grace());
            }
        }
    }
}
