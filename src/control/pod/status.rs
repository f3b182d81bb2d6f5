//! A pod's whole status, from what its worker knows.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodCondition,
    PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use spur_runtime::PodNetwork;
use spur_runtime::reason::CONTAINER_CREATING;

use super::container::{self, Container, PostStart, Role, State};
use super::exit::RestartPolicy;
use super::phase::{Initialization, Phase};
use super::{LOOPBACK, conditions, support};

/// The reason of a container that is ended because its `postStart` has failed
/// (`ErrPostStartHook` of the kubelet).
const POST_START_FAILED: &str = "PostStartHookError";

/// What the status is made from.
pub(super) struct Facts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) containers: &'a [Container],
    pub(super) policy: RestartPolicy,
    /// Where it is, as far as that is known.
    pub(super) network: Option<PodNetwork>,
    /// When the worker first saw the pod.
    pub(super) start_time: &'a Time,
    /// Whether the pod is being deleted.
    pub(super) is_ending: bool,
    /// Why it is ended that would go on: reason and message.
    pub(super) ended_by: Option<(&'static str, &'a str)>,
    /// The conditions as they were last written, for the times of their changes.
    pub(super) before: &'a [PodCondition],
    pub(super) now: &'a Time,
}

/// The pod's status.
pub(super) fn status(facts: &Facts<'_>) -> PodStatus {
    let pod_spec = facts.pod.spec.clone().unwrap_or_default();
    let n_init = pod_spec.init_containers.as_ref().map_or(0, Vec::len);
    let mut init_statuses: Vec<ContainerStatus> = support::containers(&pod_spec)
        .zip(facts.containers)
        .map(|(spec, container)| container_status(container, spec.image.as_deref(), facts))
        .collect();
    let statuses = init_statuses.split_off(n_init.min(init_statuses.len()));
    let phase = phase(facts, &statuses);
    let gates: Vec<&str> =
        pod_spec.readiness_gates.iter().flatten().map(|gate| gate.condition_type.as_str()).collect();
    let incomplete = facts.containers.iter().filter(|container| !container.has_done_its_part());
    let incomplete: Vec<&str> = incomplete.map(|container| container.name.as_str()).collect();
    let seen = conditions::Seen {
        phase,
        is_ending: facts.is_ending,
        statuses: &statuses,
        gates: &gates,
        incomplete: &incomplete,
    };
    let (address, host) = match facts.network {
        None => (None, LOOPBACK.to_owned()),
        Some(PodNetwork::Shared) => (Some(LOOPBACK.to_owned()), LOOPBACK.to_owned()),
        Some(PodNetwork::Own { address, host }) => (Some(address.to_string()), host.to_string()),
    };
    let ended_by = facts.ended_by.filter(|_| phase == Phase::Failed);
    PodStatus {
        reason: ended_by.map(|(reason, _)| reason.to_owned()),
        message: ended_by.map(|(_, message)| message.to_owned()),
        phase: Some(phase.as_str().to_owned()),
        observed_generation: facts.pod.metadata.generation,
        conditions: Some(conditions::conditions(&seen, facts.before, facts.now)),
        container_statuses: Some(statuses),
        init_container_statuses: Some(init_statuses).filter(|statuses| !statuses.is_empty()),
        host_ip: Some(host.clone()),
        host_ips: Some(vec![HostIP { ip: host }]),
        pod_ips: address.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: address,
        qos_class: facts.pod.status.as_ref().and_then(|status| status.qos_class.clone()),
        start_time: Some(facts.start_time.clone()),
        ..PodStatus::default()
    }
}

/// A deleted pod is over with its last container, whatever its policy says; what a process
/// returned after we have stopped it is no failure.
fn phase(facts: &Facts<'_>, statuses: &[ContainerStatus]) -> Phase {
    if facts.ended_by.is_some() {
        return ended(facts, statuses);
    }
    let ended = |container: &Container| match &container.state {
        State::Ended(ended) => Some(ended.exit_code == 0 || container.was_stopped),
        State::Waiting { .. } | State::Running(_) => None,
    };
    let main = facts.containers.iter().filter(|container| container.role == Role::Main);
    let ends: Option<Vec<bool>> = main.map(ended).collect();
    match ends {
        Some(ends) if facts.is_ending && !ends.is_empty() => {
            if ends.into_iter().all(|is_success| is_success) { Phase::Succeeded } else { Phase::Failed }
        }
        Some(_) | None => Phase::of(initialization(facts.containers), statuses, facts.policy),
    }
}

/// Such a pod has failed, but nothing is over while something of it runs
/// (`pkg/kubelet/status/status_manager.go`, `mergePodStatus`).
fn ended(facts: &Facts<'_>, statuses: &[ContainerStatus]) -> Phase {
    if !facts.containers.iter().any(|container| container.running().is_some()) {
        return Phase::Failed;
    }
    match Phase::of(initialization(facts.containers), statuses, facts.policy) {
        Phase::Pending => Phase::Pending,
        Phase::Running | Phase::Succeeded | Phase::Failed => Phase::Running,
    }
}

/// Source: `getPhase` of the kubelet.
fn initialization(containers: &[Container]) -> Initialization {
    let has_failed = |container: &Container| match &container.state {
        State::Ended(ended) => container.role == Role::Init && ended.exit_code != 0,
        State::Waiting { .. } | State::Running(_) => false,
    };
    if containers.iter().any(has_failed) {
        Initialization::Failed
    } else if containers.iter().all(Container::has_done_its_part) {
        Initialization::Done
    } else {
        Initialization::Pending
    }
}

/// A container that waits for those before it is initializing, in the kubelet's words.
fn reason<'a>(container: &Container, reason: &'a str, facts: &Facts<'_>) -> &'a str {
    let before = facts.containers.iter().take_while(|other| other.name != container.name);
    let waits_for_others = before.filter(|other| other.role != Role::Main).any(|c| !c.has_done_its_part());
    let is_untold = reason == CONTAINER_CREATING;
    if waits_for_others && is_untold { "PodInitializing" } else { reason }
}

fn container_status(container: &Container, image: Option<&str>, facts: &Facts<'_>) -> ContainerStatus {
    let is_ending = facts.is_ending;
    let (state, has_started, is_ready) = match &container.state {
        State::Waiting { reason: why, message, due: _ } => {
            let waiting = ContainerStateWaiting {
                reason: Some(reason(container, why, facts).to_owned()),
                message: Some(message.clone()).filter(|message| !message.is_empty()),
            };
            (ContainerState { waiting: Some(waiting), ..ContainerState::default() }, false, false)
        }
        State::Running(running) if !running.has_begun() => {
            let (why, message) = match &running.post_start {
                PostStart::UnderWay | PostStart::Done => (CONTAINER_CREATING, None),
                PostStart::Failed(why) => (POST_START_FAILED, Some(why.clone())),
            };
            let waiting = ContainerStateWaiting { reason: Some(why.to_owned()), message };
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
            // An init container that has done its part is ready (`prober_manager.go`, `UpdatePodStatus`).
            let is_done = container.role == Role::Init && ended.exit_code == 0;
            (ContainerState { terminated: Some(ended.clone()), ..ContainerState::default() }, false, is_done)
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
