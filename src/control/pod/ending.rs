//! The end of running containers: `preStop`, their turn, SIGTERM, SIGKILL; all within one grace.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `killContainer`, and
//! `kuberuntime_termination_order.go`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use spur_net::Dial;
use spur_runtime::{PodId, Runtime, StopError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::container::Role;
use super::hook::Hook;
use super::notices::Notices;
use crate::events::EventType;

/// What SIGTERM is given where everything before it has used the grace up
/// (`minimumGracePeriodInSeconds`).
const LEAST: Duration = Duration::from_secs(2);

/// A grace of years, which a manifest may ask for, is beyond what a clock can add.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// By when containers are to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    at: Instant,
    /// What SIGTERM is given in any case.
    least: Duration,
}

/// A running container that is to end.
pub(super) struct Ending {
    /// How its hook reaches it.
    pub(super) dial: Dial,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) id: PodId,
    pub(super) name: String,
    pub(super) pre_stop: Option<Hook>,
    /// Those that have to have ended before it gets SIGTERM.
    pub(super) after: Vec<CancellationToken>,
    pub(super) has_ended: CancellationToken,
    /// For the event of a hook that fails.
    pub(super) notices: Notices,
    pub(super) pod: Arc<Pod>,
}

// === impl Limit ===

impl Limit {
    /// A grace that begins now.
    pub(super) fn after(grace: Duration) -> Self {
        let now = Instant::now();
        let least = if grace.is_zero() { Duration::ZERO } else { LEAST };
        Self { at: now.checked_add(grace).unwrap_or(now + DAY), least }
    }

    /// What is left of it for SIGTERM.
    fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now()).max(self.least)
    }
}

/// When it is over, whatever it is set to meanwhile.
async fn over(mut limit_rx: watch::Receiver<Limit>) {
    loop {
        let at = limit_rx.borrow_and_update().at;
        tokio::select! {
            () = sleep_until(at) => return,
            Ok(()) = limit_rx.changed() => {}
        }
    }
}

/// For each of a pod's containers, given by role and whether it runs, those that end before it: the
/// others before the sidecars, and of these the last before the first.
pub(super) fn order(containers: &[(Role, bool)]) -> Vec<Vec<usize>> {
    let before = |idx: usize| {
        let ends_first = |other: &usize| match containers[*other] {
            (_, false) | (Role::Init, true) => false,
            (Role::Main, true) => true,
            (Role::Sidecar, true) => *other > idx,
        };
        match containers[idx].0 {
            Role::Sidecar => (0..containers.len()).filter(ends_first).collect(),
            Role::Init | Role::Main => Vec::new(),
        }
    };
    (0..containers.len()).map(before).collect()
}

/// Ends them all within one grace. Failures are logged: their containers are seen to run.
pub(super) async fn end_all(endings: Vec<Ending>, grace: Duration) {
    let (_limit_tx, limit_rx) = watch::channel(Limit::after(grace));
    let end = async |ending: Ending| {
        let (id, name) = (ending.id.clone(), ending.name.clone());
        if let Err(error) = ending.end(limit_rx.clone()).await {
            tracing::warn!(pod.name = %id, %error, "failed to stop container `{name}` of pod `{id}`");
        }
    };
    join_all(endings.into_iter().map(end)).await;
}

// === impl Ending ===

impl Ending {
    /// Ends it by `limit_rx`, which may come nearer meanwhile.
    pub(super) async fn end(self, limit_rx: watch::Receiver<Limit>) -> Result<(), StopError> {
        let has_grace = !limit_rx.borrow().least.is_zero();
        if let Some(hook) = self.pre_stop.as_ref().filter(|_| has_grace) {
            tokio::select! {
                biased;
                // A program that its hook has ended needs no more of it.
                () = self.ended() => {}
                () = over(limit_rx.clone()) => {
                    let (id, name) = (&self.id, &self.name);
                    tracing::info!(pod.name = %id, "preStop of container `{name}` of pod `{id}` has taken all of the grace");
                }
                ran = hook.run((&self.dial, &*self.runtime), (&self.id, &self.name)) => if let Err(why) = ran {
                    self.hook_has_failed(&why);
                }
            }
        }
        tokio::select! {
            _ = join_all(self.after.iter().map(CancellationToken::cancelled)) => {}
            () = over(limit_rx.clone()) => {}
        }
        let stopped = self.stop(limit_rx).await;
        if let Ok(()) | Err(StopError::NotFound { .. }) = stopped {
            self.has_ended.cancel();
        }
        stopped
    }

    /// SIGTERM, and SIGKILL when the limit is over.
    async fn stop(&self, mut limit_rx: watch::Receiver<Limit>) -> Result<(), StopError> {
        loop {
            let limit = *limit_rx.borrow_and_update();
            tokio::select! {
                stopped = self.runtime.stop(&self.id, &self.name, limit.left()) => return stopped.map(|_| ()),
                // Of two stops the earlier end counts, and the one that nobody waits for goes on.
                Ok(()) = limit_rx.changed() => {}
            }
        }
    }

    /// When it has ended, for whatever reason.
    async fn ended(&self) {
        let mut events = self.runtime.events();
        let is_running = || self.runtime.state(&self.id, &self.name).is_some_and(|state| state.is_running());
        while is_running() {
            // That some were missed is one more reason to look.
            let _ = events.recv().await;
        }
    }

    /// The event keeps silent about why, since the words of a hook may be secret; so does the
    /// kubelet's.
    fn hook_has_failed(&self, why: &str) {
        let (id, name) = (&self.id, &self.name);
        tracing::info!(pod.name = %id, "preStop of container `{name}` of pod `{id}` has failed: {why}");
        let message = "PreStopHook failed".to_owned();
        self.notices.container((&self.pod, name), EventType::Warning, "FailedPreStopHook", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_end_last_and_the_last_of_them_first() {
        use Role::{Init, Main, Sidecar};
        let check = |containers: &[(Role, bool)], wanted: &[&[usize]]| {
            assert_eq!(order(containers), wanted, "{containers:?}");
        };
        check(&[(Main, true), (Main, true)], &[&[], &[]]);
        check(&[(Init, false), (Main, true)], &[&[], &[]]);
        check(
            &[(Sidecar, true), (Init, false), (Sidecar, true), (Main, true), (Main, false)],
            &[&[2, 3], &[], &[3], &[], &[]],
        );
        check(&[(Sidecar, true), (Sidecar, false), (Sidecar, true), (Main, false)], &[&[2], &[2], &[], &[]]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_grace_is_two_seconds_unless_there_was_none() {
        let left_after = async |grace: u64, used: u64| {
            let limit = Limit::after(Duration::from_secs(grace));
            tokio::time::advance(Duration::from_secs(used)).await;
            limit.left().as_secs()
        };
        for (grace, used, wanted) in
            [(30, 0, 30), (30, 10, 20), (30, 29, 2), (5, 60, 2), (1, 0, 2), (0, 0, 0)]
        {
            assert_eq!(left_after(grace, used).await, wanted, "{grace} {used}");
        }
        assert_eq!(left_after(u64::MAX, 0).await, DAY.as_secs());
    }
}
