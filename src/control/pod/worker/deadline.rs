//! `activeDeadlineSeconds`: how long a pod may be active, counted from its `startTime` whatever its
//! containers do.
//!
//! Source: `pkg/kubelet/active_deadline.go`, whose words these are.

use std::time::Duration;

use tokio::time::Instant;

use super::super::container::Role;
use super::{EndedBy, Worker};
use crate::events::EventType;

pub(in crate::pod) const REASON: &str = "DeadlineExceeded";
pub(in crate::pod) const MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

// === impl Worker ===

impl Worker {
    /// When the pod will have been active for too long, if it is not over before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let seconds = self.pod.spec.as_ref()?.active_deadline_seconds?;
        if self.was_over || self.ended_by.is_some() || self.is_over() {
            return None;
        }
        let allowed = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        self.first_seen.checked_add(allowed.saturating_sub(self.age_when_seen))
    }

    /// Has the pod ended when its time is over.
    pub(super) fn heed_deadline(&mut self) {
        if self.deadline().is_some_and(|at| at <= Instant::now()) {
            self.ended_by = Some(EndedBy::Deadline);
            self.shared.notices.pod(&self.pod, EventType::Normal, REASON, MESSAGE.to_owned());
        }
    }

    /// Ends what runs of a pod that is to go on no more.
    pub(super) fn heed_end(&mut self) {
        if self.ended_by.is_some() {
            for container in &mut self.containers {
                container.starts_no_more();
            }
            self.stop_all_of(&[Role::Init, Role::Sidecar, Role::Main]);
        }
    }
}
