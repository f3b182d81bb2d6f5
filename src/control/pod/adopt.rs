//! What a worker takes over when it first sees a pod: from the pod's status,
//! which may tell of an earlier server, and from the runtime, which knows what
//! has become of it.

use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::{Container as Spec, ContainerStateTerminated, ContainerStatus, PodSpec};
use spur_runtime::{ContainerState, PodId, Runtime};

use super::container::{self, Container, PodNames, Role, State};
use super::exit::RestartPolicy;
use super::termination_message::LastWords;

/// How long a process is given that runs without a worker: its listeners are gone, so it
/// has to be started anew. As long as the kubelet's shortest grace.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);

/// The containers of a pod: its init containers, then the others, each in the order of its spec.
///
/// What goes on without Spur is taken over as it runs; its probes are the worker's.
pub(super) async fn containers(words: &LastWords<'_>, policy: RestartPolicy) -> Vec<Container> {
    let LastWords { pod, id, runtime, volumes: _ } = *words;
    let names = (&*id.name, &*id.namespace, &*id.uid);
    let status = pod.status.as_ref();
    let known = status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    });
    let known: Vec<&ContainerStatus> = known.collect();
    let mut containers = Vec::new();
    for (spec, role) in pod.spec.iter().flat_map(roles) {
        let status = known.iter().find(|status| status.name == spec.name).copied();
        let fresh =
            Container::fresh(&spec.name, (role, policy), status.map_or(0, |status| status.restart_count));
        let state = runtime.state(id, &spec.name);
        containers.push(match state {
            Some(ContainerState::Running { started_at, .. }) if runtime.outlives_spur() => {
                let known_as =
                    runtime.id(id, &spec.name).map(|known| format!("{}://{known}", runtime.name()));
                running(fresh, status, (known_as, started_at))
            }
            _ => {
                let end = match end(id, &spec.name, runtime).await {
                    Some(end) => Some(words.added_to(end, spec).await),
                    None => None,
                };
                adopted(fresh, status, end, names)
            }
        });
    }
    containers
}

fn roles(spec: &PodSpec) -> impl Iterator<Item = (&Spec, Role)> {
    let init = spec.init_containers.iter().flatten().map(|spec| match spec.restart_policy.as_deref() {
        Some("Always") => (spec, Role::Sidecar),
        _ => (spec, Role::Init),
    });
    init.chain(spec.containers.iter().map(|spec| (spec, Role::Main)))
}

/// How the runtime says that a container ended; a container that still runs is ended.
async fn end(id: &PodId, name: &str, runtime: &dyn Runtime) -> Option<ContainerStateTerminated> {
    let state = runtime.state(id, name)?;
    if state.is_running() {
        let stopped = runtime.stop(id, name, ORPHAN_GRACE).await;
        return stopped.ok().and_then(|state| container::terminated(&state, None));
    }
    container::terminated(&state, None)
}

/// A container that runs: it is what its status told, if that was of this run.
fn running(
    mut container: Container,
    status: Option<&ContainerStatus>,
    (known_as, started_at): (Option<String>, SystemTime),
) -> Container {
    let of_this_run = status.filter(|status| known_as.is_none() || status.container_id == known_as);
    container.last = status.and_then(|status| status.last_state.as_ref()?.terminated.clone());
    container.id = known_as.or_else(|| status?.container_id.clone());
    container.has_run = true;
    if of_this_run.is_none() && status.is_some_and(|status| status.container_id.is_some()) {
        // It was started again, and nobody has written it down.
        container.n_restarts = container.n_restarts.saturating_add(1);
    }
    container.runs((0, started_at), Vec::new());
    if let Some(running) = container.running_mut() {
        running.has_started_up = of_this_run.is_some_and(|status| status.started == Some(true));
        running.answers_ready = of_this_run.is_some_and(|status| status.ready);
    }
    container
}

/// A container as its status and the runtime tell it together.
fn adopted(
    mut container: Container,
    status: Option<&ContainerStatus>,
    end: Option<ContainerStateTerminated>,
    names: PodNames<'_>,
) -> Container {
    let state = status.and_then(|status| status.state.as_ref());
    let ended = state.and_then(|state| state.terminated.clone());
    let last = status.and_then(|status| status.last_state.as_ref()?.terminated.clone());
    let was_running = state.is_some_and(|state| state.running.is_some());
    container.id = status.and_then(|status| status.container_id.clone());
    let known = |end: ContainerStateTerminated| ContainerStateTerminated {
        container_id: end.container_id.or_else(|| container.id.clone()),
        ..end
    };
    let end = match (ended, end) {
        (Some(ended), _) => ended,
        (None, Some(end)) => known(end),
        (None, None) if was_running => container::unknown_end(container.id.as_ref()),
        (None, None) => match last {
            Some(last) => last,
            None => return container,
        },
    };
    container.has_run = true;
    container.has_ended(end, names);
    if let State::Waiting { .. } = container.state {
        // A new server is a new chance, whatever was waited for under the old one.
        container.state = State::creating();
    }
    container
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn adopt(status: Value, end: Option<i32>, policy: RestartPolicy) -> Container {
        let status: Option<ContainerStatus> = (!status.is_null()).then(|| {
            let mut all = json!({"name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 2});
            all.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
            serde_json::from_value(all).unwrap()
        });
        let end = end.map(|exit_code| ContainerStateTerminated { exit_code, ..Default::default() });
        let n_restarts = status.as_ref().map_or(0, |status| status.restart_count);
        let fresh = Container::fresh("a", (Role::Main, policy), n_restarts);
        adopted(fresh, status.as_ref(), end, ("p", "shop", "u"))
    }

    #[tokio::test]
    async fn a_pod_that_was_never_started_is_started_for_the_first_time() {
        let container = adopt(Value::Null, None, RestartPolicy::Always);
        assert!(!container.has_run);
        assert!(container.is_due(tokio::time::Instant::now()));
        let waiting =
            adopt(json!({"state": {"waiting": {"reason": "NotSupported"}}}), None, RestartPolicy::Always);
        assert!(!waiting.has_run);
        assert_eq!(waiting.n_restarts, 2);
    }

    #[tokio::test]
    async fn a_process_that_is_gone_has_ended_in_an_unknown_way() {
        let was_running = json!({"state": {"running": {}}, "containerID": "process://7"});
        let mut container = adopt(was_running, None, RestartPolicy::Always);
        let last = container.last.clone().unwrap();
        assert_eq!((last.exit_code, last.reason.as_deref()), (137, Some("ContainerStatusUnknown")));
        assert_eq!(last.container_id.as_deref(), Some("process://7"));
        container.begin();
        assert_eq!(container.n_restarts, 3);
    }

    #[tokio::test]
    async fn the_runtime_knows_better_how_it_ended() {
        let container = adopt(json!({"state": {"running": {}}}), Some(3), RestartPolicy::Always);
        assert_eq!(container.last.unwrap().exit_code, 3);
    }

    #[tokio::test]
    async fn what_had_ended_for_good_stays_ended() {
        let done = json!({"state": {"terminated": {"exitCode": 0}}});
        let container = adopt(done, Some(0), RestartPolicy::OnFailure);
        assert!(matches!(container.state, State::Ended(_)));
        let gone = adopt(json!({"state": {"running": {}}}), None, RestartPolicy::Never);
        assert!(matches!(&gone.state, State::Ended(end) if end.exit_code == 137));
    }

    #[tokio::test]
    async fn a_crash_loop_begins_anew_at_once() {
        let looping = json!({
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 9}},
        });
        let container = adopt(looping, None, RestartPolicy::Always);
        assert_eq!(container.last.as_ref().unwrap().exit_code, 9);
        assert!(container.is_due(tokio::time::Instant::now()));
    }
}
