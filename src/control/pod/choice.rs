//! Which runtime runs a pod, and on which network. Pure.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use spur_api::labels;
use spur_runtime::{AskedNetwork, RuntimeKind};

/// What runs pods that do not say; the flag `--runtime` of `spur up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsualRuntime {
    /// Docker where an engine answers and every container names an image, else processes.
    Auto,
    /// Processes.
    Process,
    /// Docker.
    Docker,
}

/// The runtime of a pod: that which has run it before, else that which its annotation names, else
/// the usual one.
///
/// # Errors
/// The annotation names none; for people.
pub(super) fn runtime(pod: &Pod, usual: UsualRuntime, has_docker: bool) -> Result<RuntimeKind, String> {
    if let Some(earlier) = earlier(pod) {
        return Ok(earlier);
    }
    match pod.annotations().get(labels::RUNTIME).map(String::as_str) {
        Some("process") => return Ok(RuntimeKind::Process),
        Some("docker") => return Ok(RuntimeKind::Docker),
        Some(other) => {
            let name = labels::RUNTIME;
            return Err(format!(
                "annotation `{name}` is {other:?}; next: set it to `process` or `docker`, or take it away"
            ));
        }
        None => {}
    }
    Ok(match usual {
        UsualRuntime::Process => RuntimeKind::Process,
        UsualRuntime::Docker => RuntimeKind::Docker,
        UsualRuntime::Auto if has_docker && has_images(pod) => RuntimeKind::Docker,
        UsualRuntime::Auto => RuntimeKind::Process,
    })
}

/// The network that the pod's annotation asks for. Containers have addresses of their own anyway.
///
/// # Errors
/// The annotation names none; for people.
pub(super) fn network(pod: &Pod, runtime: RuntimeKind) -> Result<AskedNetwork, String> {
    let name = labels::NETWORK;
    match (pod.annotations().get(name).map(String::as_str), runtime) {
        (Some("private"), RuntimeKind::Process) => Ok(AskedNetwork::Private),
        (None | Some("shared" | "private"), _) => Ok(AskedNetwork::Usual),
        (Some(other), _) => Err(format!(
            "annotation `{name}` is {other:?}; next: set it to `shared` or `private`, or take it away"
        )),
    }
}

/// The runtime that has run a container of it: a pod does not move.
fn earlier(pod: &Pod) -> Option<RuntimeKind> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let mut all = init.chain(status.container_statuses.iter().flatten());
    all.find_map(|status| match status.container_id.as_deref()?.split_once("://")?.0 {
        "docker" => Some(RuntimeKind::Docker),
        "process" => Some(RuntimeKind::Process),
        _ => None,
    })
}

fn has_images(pod: &Pod) -> bool {
    let has_image = |container: &Container| container.image.as_ref().is_some_and(|image| !image.is_empty());
    pod.spec.as_ref().is_some_and(|spec| {
        spec.containers.iter().chain(spec.init_containers.iter().flatten()).all(has_image)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(annotation: Option<&str>, containers: Value) -> Pod {
        let annotations: Value = annotation.map_or(json!({}), |runtime| json!({"spur.dev/runtime": runtime}));
        serde_json::from_value(
            json!({"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": containers}}),
        )
        .unwrap()
    }

    #[test]
    fn images_run_on_docker_where_it_answers_unless_somebody_says_otherwise() {
        use RuntimeKind::{Docker, Process};
        let images = json!([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1", "command": ["x"]}]);
        let mixed = json!([{"name": "a", "image": "a:1"}, {"name": "b", "command": ["x"]}]);
        let check = |pod: &Pod, usual, has_docker, wanted| {
            assert_eq!(runtime(pod, usual, has_docker), Ok(wanted), "{usual:?} {has_docker}");
        };
        check(&pod(None, images.clone()), UsualRuntime::Auto, true, Docker);
        check(&pod(None, images.clone()), UsualRuntime::Auto, false, Process);
        check(&pod(None, mixed.clone()), UsualRuntime::Auto, true, Process);
        check(&pod(None, images.clone()), UsualRuntime::Process, true, Process);
        check(&pod(None, mixed.clone()), UsualRuntime::Docker, false, Docker);
        check(&pod(Some("process"), images.clone()), UsualRuntime::Docker, true, Process);
        check(&pod(Some("docker"), mixed), UsualRuntime::Process, false, Docker);
        assert!(
            runtime(&pod(Some("podman"), images), UsualRuntime::Auto, true).unwrap_err().contains("podman")
        );
    }

    #[test]
    fn a_network_is_asked_for_by_an_annotation() {
        let check = |annotation: Option<&str>, runtime| {
            let annotations: Value =
                annotation.map_or(json!({}), |network| json!({"spur.dev/network": network}));
            let pod = json!({"metadata": {"name": "p", "annotations": annotations}});
            network(&serde_json::from_value(pod).unwrap(), runtime)
        };
        assert_eq!(check(None, RuntimeKind::Process), Ok(AskedNetwork::Usual));
        assert_eq!(check(Some("shared"), RuntimeKind::Process), Ok(AskedNetwork::Usual));
        assert_eq!(check(Some("private"), RuntimeKind::Process), Ok(AskedNetwork::Private));
        assert_eq!(check(Some("private"), RuntimeKind::Docker), Ok(AskedNetwork::Usual));
        let refused = check(Some("bridge"), RuntimeKind::Process).unwrap_err();
        assert!(refused.contains("\"bridge\"; next: "), "{refused}");
    }

    #[test]
    fn a_pod_stays_where_it_has_been() {
        let mut pod = pod(None, json!([{"name": "a", "image": "a:1"}]));
        let status = json!({"containerStatuses": [{
            "name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 0, "containerID": "process://7",
        }]});
        pod.status = Some(serde_json::from_value(status).unwrap());
        assert_eq!(runtime(&pod, UsualRuntime::Docker, true), Ok(RuntimeKind::Process));
    }
}
