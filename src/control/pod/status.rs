//! A pod's whole status, from what its worker knows.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodCondition,
    PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::container::{self, Container, State};
use super::exit::RestartPolicy;
use super::phase::Phase;
use super::{ADDRESS, conditions};

/// What the status is made from.
pub(super) struct Facts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) containers: &'a [Container],
    pub(super) policy: RestartPolicy,
    /// When the worker first saw the pod.
    pub(super) start_time: &'a Time,
    /// Whether the pod is being deleted.
    pub(super) is_ending: bool,
    /// The conditions as they were last written, for the times of their changes.
    pub(super) before: &'a [PodCondition],
    pub(super) now: &'a Time,
}

/// The pod's status.
pub(super) fn status(facts: &Facts<'_>) -> PodStatus {
    let pod_spec = facts.pod.spec.clone().unwrap_or_default();
    let statuses: Vec<ContainerStatus> = pod_spec
        .containers
        .iter()
        .zip(facts.containers)
        .map(|(spec, container)| container_status(container, spec.image.as_deref(), facts.is_ending))
        .collect();
    let phase = phase(facts, &statuses);
    let gates: Vec<&str> =
        pod_spec.readiness_gates.iter().flatten().map(|gate| gate.condition_type.as_str()).collect();
    let init: Vec<&str> = pod_spec.init_containers.iter().flatten().map(|init| init.name.as_str()).collect();
    let seen = conditions::Seen {
        phase,
        is_ending: facts.is_ending,
        statuses: &statuses,
        gates: &gates,
        init_containers: &init,
    };
    PodStatus {
        phase: Some(phase.as_str().to_owned()),
        observed_generation: facts.pod.metadata.generation,
        conditions: Some(conditions::conditions(&seen, facts.before, facts.now)),
        container_statuses: Some(statuses),
        host_ip: Some(ADDRESS.to_owned()),
        host_ips: Some(vec![HostIP { ip: ADDRESS.to_owned() }]),
        pod_ip: Some(ADDRESS.to_owned()),
        pod_ips: Some(vec![PodIP { ip: ADDRESS.to_owned() }]),
        qos_class: facts.pod.status.as_ref().and_then(|status| status.qos_class.clone()),
        start_time: Some(facts.start_time.clone()),
        ..PodStatus::default()
    }
}

/// A deleted pod is over with its last container, whatever its policy says; what a process
/// returned after we have stopped it is no failure.
fn phase(facts: &Facts<'_>, statuses: &[ContainerStatus]) -> Phase {
    let ended = |container: &Container| match &container.state {
        State::Ended(ended) => Some(ended.exit_code == 0 || container.was_stopped),
        State::Waiting { .. } | State::Running(_) => None,
    };
    let ends: Option<Vec<bool>> = facts.containers.iter().map(ended).collect();
    match ends {
        Some(ends) if facts.is_ending && !ends.is_empty() => {
            if ends.into_iter().all(|is_success| is_success) { Phase::Succeeded } else { Phase::Failed }
        }
        Some(_) | None => Phase::of(statuses, facts.policy),
    }
}

fn container_status(container: &Container, image: Option<&str>, is_ending: bool) -> ContainerStatus {
    let (state, has_started, is_ready) = match &container.state {
        State::Waiting { reason, message, due: _ } => {
            let waiting = ContainerStateWaiting {
                reason: Some(reason.clone()),
                message: Some(message.clone()).filter(|message| !message.is_empty()),
            };
            (ContainerState { waiting: Some(waiting), ..ContainerState::default() }, false, false)
        }
        State::Running(running) => {
            let started_at = Some(container::time(running.started_at));
            let state = ContainerState {
                running: Some(ContainerStateRunning { started_at }),
                ..ContainerState::default()
            };
            (state, running.has_started_up, running.is_ready())
        }
        State::Ended(ended) => {
            (ContainerState { terminated: Some(ended.clone()), ..ContainerState::default() }, false, false)
        }
    };
    ContainerStatus {
        name: container.name.clone(),
        image: image.unwrap_or_default().to_owned(),
        // No image was pulled: a process has none.
        image_id: String::new(),
        container_id: container.id.clone(),
        ready: is_ready && !is_ending,
        started: Some(has_started),
        restart_count: container.n_restarts,
        state: Some(state),
        last_state: Some(ContainerState { terminated: container.last.clone(), ..ContainerState::default() }),
        ..ContainerStatus::default()
    }
}
