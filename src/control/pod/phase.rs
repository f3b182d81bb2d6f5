//! A pod's phase, from the states of its containers.
//!
//! Source: `pkg/kubelet/kubelet_pods.go`, `getPhase`.

use k8s_openapi::api::core::v1::ContainerStatus;

use super::exit::RestartPolicy;

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// How far a pod's init containers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Initialization {
    Pending,
    /// One has failed and is not started again.
    Failed,
    Done,
}

// === impl Phase ===

impl Phase {
    /// The phase of a pod whose containers stand like this; one status for each container, those of
    /// init containers apart.
    pub(super) fn of(init: Initialization, statuses: &[ContainerStatus], policy: RestartPolicy) -> Self {
        match init {
            Initialization::Failed if policy == RestartPolicy::Never => return Self::Failed,
            Initialization::Failed | Initialization::Pending => return Self::Pending,
            Initialization::Done => {}
        }
        let (mut n_waiting, mut n_running, mut n_stopped, mut n_succeeded) = (0, 0, 0, 0);
        for status in statuses {
            let state = status.state.as_ref();
            let was_run = status.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
            if state.is_some_and(|state| state.running.is_some()) {
                n_running += 1;
            } else if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
                n_stopped += 1;
                n_succeeded += usize::from(ended.exit_code == 0);
            } else if was_run {
                n_stopped += 1;
            } else {
                n_waiting += 1;
            }
        }
        if n_waiting > 0 || statuses.is_empty() {
            Self::Pending
        } else if n_running > 0 || policy == RestartPolicy::Always {
            Self::Running
        } else if n_stopped == n_succeeded {
            Self::Succeeded
        } else if policy == RestartPolicy::Never {
            Self::Failed
        } else {
            Self::Running
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether a pod's stored phase says that it is over.
    pub(super) fn is_over(phase: Option<&str>) -> bool {
        matches!(phase, Some("Succeeded" | "Failed"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(policy: RestartPolicy, states: &[(Value, Value)], wanted: Phase) {
        let status = |(state, last): &(Value, Value)| {
            let status = json!({
                "name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": state, "lastState": last,
            });
            serde_json::from_value(status).unwrap()
        };
        let statuses: Vec<ContainerStatus> = states.iter().map(status).collect();
        assert_eq!(Phase::of(Initialization::Done, &statuses, policy), wanted, "{policy:?} {states:?}");
    }

    #[test]
    fn the_phase_follows_the_kubelets_rules() {
        use RestartPolicy::{Always, Never, OnFailure};
        let running = || (json!({"running": {}}), json!({}));
        let ended = |exit_code| (json!({"terminated": {"exitCode": exit_code}}), json!({}));
        let waiting = || (json!({"waiting": {"reason": "x"}}), json!({}));
        let backing_off = || (json!({"waiting": {"reason": "x"}}), json!({"terminated": {"exitCode": 1}}));
        check(Always, &[], Phase::Pending);
        check(Always, &[waiting()], Phase::Pending);
        check(Always, &[running(), waiting()], Phase::Pending);
        check(Always, &[running()], Phase::Running);
        check(Always, &[ended(1)], Phase::Running);
        check(Always, &[backing_off()], Phase::Running);
        check(OnFailure, &[running(), ended(0)], Phase::Running);
        check(OnFailure, &[ended(0), ended(0)], Phase::Succeeded);
        check(OnFailure, &[ended(0), backing_off()], Phase::Running);
        check(Never, &[ended(0)], Phase::Succeeded);
        check(Never, &[ended(0), ended(3)], Phase::Failed);
        check(Never, &[running(), ended(3)], Phase::Running);
    }

    #[test]
    fn until_init_containers_are_done_the_pod_is_pending_or_has_failed() {
        use RestartPolicy::{Always, Never};
        let of = |init, policy| Phase::of(init, &[], policy);
        assert_eq!(of(Initialization::Pending, Never), Phase::Pending);
        assert_eq!(of(Initialization::Failed, Never), Phase::Failed);
        assert_eq!(of(Initialization::Failed, Always), Phase::Pending);
    }

    #[test]
    fn only_ended_phases_are_over() {
        assert!(Phase::is_over(Some("Succeeded")) && Phase::is_over(Some("Failed")));
        assert!(!Phase::is_over(Some("Running")) && !Phase::is_over(None));
    }
}
