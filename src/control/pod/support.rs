//! What a pod asks for that the process runtime cannot give.
//!
//! Two lists. What would make the pod something else than it says (volumes,
//! another network, no command) is refused: nothing is started, and the state
//! names the field and the next step. What only bounds or decorates it (limits,
//! capabilities, an image) is left out, and one event says so.

use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod, PodSpec};
use kube::ResourceExt;
use spur_api::labels;

/// The reason of a container that cannot be run here.
pub(super) const REASON: &str = "NotSupported";

/// Why a pod, or one container of it, is not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The container; every one of the pod where it is the pod's own doing.
    pub(super) container: Option<String>,
    /// Field, reason and next step.
    pub(super) message: String,
}

/// Everything that keeps the pod from being started.
pub(super) fn refusals(pod: &Pod) -> Vec<Refusal> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let mut refusals = Vec::new();
    for (is_asked, field, next) in of_pod(pod, spec) {
        if is_asked {
            refusals.push(Refusal { container: None, message: refused(field, next) });
        }
    }
    for container in &spec.containers {
        let faults = of_container(container);
        refusals.extend(
            faults.into_iter().map(|message| Refusal { container: Some(container.name.clone()), message }),
        );
    }
    refusals
}

/// The fields that are left out, by their paths.
pub(super) fn ignored(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let security = spec.security_context.as_ref();
    let of_pod = [
        (spec.host_aliases.as_ref().is_some_and(|list| !list.is_empty()), "hostAliases"),
        (spec.dns_config.is_some(), "dnsConfig"),
        (security.is_some_and(|context| *context != Default::default()), "securityContext"),
        (spec.share_process_namespace == Some(true), "shareProcessNamespace"),
        (spec.hostname.is_some(), "hostname"),
        (spec.subdomain.is_some(), "subdomain"),
        (spec.resources.is_some(), "resources"),
    ];
    let mut ignored: Vec<String> = of_pod
        .into_iter()
        .filter(|(is_asked, _)| *is_asked)
        .map(|(_, field)| format!("spec.{field}"))
        .collect();
    for container in &spec.containers {
        let fields = of_container_ignored(container);
        ignored
            .extend(fields.into_iter().map(|field| format!("spec.containers{{{}}}.{field}", container.name)));
    }
    ignored
}

fn of_pod<'a>(pod: &Pod, spec: &PodSpec) -> [(bool, &'a str, &'a str); 9] {
    let wants_docker = pod.annotations().get(labels::RUNTIME).is_some_and(|runtime| runtime != "process");
    let has_init = spec.init_containers.as_ref().is_some_and(|list| !list.is_empty());
    let has_volumes = spec.volumes.as_ref().is_some_and(|list| !list.is_empty());
    [
        (wants_docker, "annotation `spur.dev/runtime`", "take the annotation away or set it to `process`"),
        (has_init, "`spec.initContainers`", "do their work in the container's `command`"),
        (
            has_volumes,
            "`spec.volumes`",
            "pass configuration through `env` and `envFrom`; files are this machine's own",
        ),
        (spec.host_network == Some(true), "`spec.hostNetwork`", "take it away: ports are given by `PORT`"),
        (spec.host_pid == Some(true), "`spec.hostPID`", "take it away"),
        (spec.host_ipc == Some(true), "`spec.hostIPC`", "take it away"),
        (spec.runtime_class_name.is_some(), "`spec.runtimeClassName`", "take it away"),
        (
            spec.active_deadline_seconds.is_some(),
            "`spec.activeDeadlineSeconds`",
            "end the program by itself, as with `timeout`",
        ),
        (
            spec.resource_claims.as_ref().is_some_and(|list| !list.is_empty()),
            "`spec.resourceClaims`",
            "take them away",
        ),
    ]
}

fn refused(field: &str, next: &str) -> String {
    format!(
        "{field} is not supported by the process runtime, and the Docker runtime is not supported yet; next: {next}"
    )
}

fn of_container(container: &Container) -> Vec<String> {
    let name = &container.name;
    let mut faults = Vec::new();
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        faults.push(format!(
            "container `{name}` has an image and no `command`: the process runtime runs commands, and the Docker runtime, which runs images, is not supported yet; next: give `command`"
        ));
    }
    let security = container.security_context.as_ref();
    let sources = || container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let ports = || container.ports.iter().flatten();
    let hooks = container.lifecycle.as_ref();
    let asked = [
        (
            container.volume_mounts.as_ref().is_some_and(|list| !list.is_empty()),
            "volumeMounts",
            "pass configuration through `env`; files are this machine's own",
        ),
        (
            container.volume_devices.as_ref().is_some_and(|list| !list.is_empty()),
            "volumeDevices",
            "take them away",
        ),
        (
            security.and_then(|context| context.privileged) == Some(true),
            "securityContext.privileged",
            "take it away: processes run with your own rights",
        ),
        (
            ports().any(|port| port.host_port.is_some_and(|port| port != 0)),
            "ports[].hostPort",
            "take it away and reach the Service through the entry address",
        ),
        (ports().any(|port| port.protocol.as_deref() == Some("SCTP")), "ports[].protocol SCTP", "use TCP"),
        (
            sources().any(|from| from.resource_field_ref.is_some()),
            "env[].valueFrom.resourceFieldRef",
            "write the value itself",
        ),
        (
            sources().any(|from| from.file_key_ref.is_some()),
            "env[].valueFrom.fileKeyRef",
            "use a ConfigMap or a Secret",
        ),
        (
            hooks.is_some_and(|hooks| hooks.post_start.is_some()),
            "lifecycle.postStart",
            "do its work in `command`",
        ),
        (container.restart_policy_rules.is_some(), "restartPolicyRules", "use the pod's `restartPolicy`"),
        (container.restart_policy.is_some(), "restartPolicy", "use the pod's `restartPolicy`"),
    ];
    for (is_asked, field, next) in asked {
        if is_asked {
            faults.push(refused(&format!("`{field}` of container `{name}`"), next));
        }
    }
    faults
}

fn of_container_ignored(container: &Container) -> Vec<&'static str> {
    let has_udp = container.ports.iter().flatten().any(|port| port.protocol.as_deref() == Some("UDP"));
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let hooks = container.lifecycle.as_ref();
    let is_set = |handler: Option<&LifecycleHandler>| handler.is_some();
    [
        (has_udp, "ports[].protocol UDP"),
        (limits.is_some_and(|limits| !limits.is_empty()), "resources.limits"),
        (container.security_context.is_some(), "securityContext"),
        (is_set(hooks.and_then(|hooks| hooks.pre_stop.as_ref())), "lifecycle.preStop"),
        (hooks.is_some_and(|hooks| hooks.stop_signal.is_some()), "lifecycle.stopSignal"),
        (
            container.termination_message_path.as_deref().is_some_and(|path| path != "/dev/termination-log"),
            "terminationMessagePath",
        ),
        (
            container.termination_message_policy.as_deref().is_some_and(|policy| policy != "File"),
            "terminationMessagePolicy",
        ),
    ]
    .into_iter()
    .filter(|(is_asked, _)| *is_asked)
    .map(|(_, field)| field)
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
    }

    /// Each refusal begins with what it speaks of.
    fn check_spec(field: &str, value: Value, wanted: &str) {
        let mut spec = json!({"containers": [{"name": "a", "command": ["x"]}]});
        assert_eq!(refusals(&pod(spec.clone())), []);
        spec[field] = value;
        let found = refusals(&pod(spec));
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(found[0].message.starts_with(wanted), "{field}: {}", found[0].message);
        assert!(found[0].message.contains("next: "), "{field}: {}", found[0].message);
        assert_eq!(found[0].container, None, "{field}");
    }

    fn check_container(field: &str, value: Value, wanted: &str) {
        let mut container = json!({"name": "a", "command": ["x"]});
        container[field] = value;
        let found = refusals(&pod(json!({"containers": [container]})));
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(found[0].message.starts_with(wanted), "{field}: {}", found[0].message);
        assert!(found[0].message.contains("next: "), "{field}: {}", found[0].message);
        assert_eq!(found[0].container.as_deref(), Some("a"), "{field}");
    }

    #[test]
    fn what_would_change_the_pod_is_refused_by_name() {
        check_spec(
            "initContainers",
            json!([{"name": "i", "command": ["x"]}]),
            "`spec.initContainers` is not",
        );
        check_spec("volumes", json!([{"name": "v", "emptyDir": {}}]), "`spec.volumes` is not");
        check_spec("hostNetwork", json!(true), "`spec.hostNetwork` is not");
        check_spec("hostPID", json!(true), "`spec.hostPID` is not");
        check_spec("activeDeadlineSeconds", json!(5), "`spec.activeDeadlineSeconds` is not");
        let mount = json!([{"name": "v", "mountPath": "/v"}]);
        check_container("volumeMounts", mount, "`volumeMounts` of container `a` is not");
        check_container("securityContext", json!({"privileged": true}), "`securityContext.privileged` of");
        check_container("ports", json!([{"containerPort": 80, "hostPort": 80}]), "`ports[].hostPort` of");
        let from = json!([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]);
        check_container("env", from, "`env[].valueFrom.resourceFieldRef` of");
    }

    #[test]
    fn every_handler_of_a_probe_is_carried_out() {
        let probes = [
            json!({"grpc": {"port": 1}}),
            json!({"httpGet": {"port": 1, "scheme": "HTTPS"}}),
            json!({"tcpSocket": {"port": 1}}),
            json!({"exec": {"command": ["x"]}}),
        ];
        for probe in probes {
            let container = json!({"name": "a", "command": ["x"],
                "startupProbe": probe, "livenessProbe": probe, "readinessProbe": probe});
            assert_eq!(refusals(&pod(json!({"containers": [container]}))), [], "{probe}");
        }
    }

    #[test]
    fn an_image_without_a_command_names_docker() {
        let found = refusals(&pod(json!({"containers": [{"name": "db", "image": "postgres"}]})));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("Docker runtime"), "{}", found[0].message);
        assert_eq!(found[0].container.as_deref(), Some("db"));
    }

    #[test]
    fn docker_is_refused_where_it_is_asked_for() {
        let mut asked = pod(json!({"containers": [{"name": "a", "command": ["x"]}]}));
        asked.annotations_mut().insert(labels::RUNTIME.to_owned(), "docker".to_owned());
        assert_eq!(refusals(&asked).len(), 1);
        asked.annotations_mut().insert(labels::RUNTIME.to_owned(), "process".to_owned());
        assert_eq!(refusals(&asked), []);
    }

    #[test]
    fn what_only_bounds_a_container_is_listed() {
        let found = ignored(&pod(json!({
            "securityContext": {"runAsNonRoot": true},
            "containers": [{
                "name": "a", "command": ["x"], "image": "a:1",
                "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}},
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
        })));
        assert_eq!(
            found,
            [
                "spec.securityContext",
                "spec.containers{a}.resources.limits",
                "spec.containers{a}.lifecycle.preStop"
            ]
        );
        let plain =
            json!({"securityContext": {}, "containers": [{"name": "a", "command": ["x"], "resources": {}}]});
        assert_eq!(ignored(&pod(plain)), Vec::<String>::new());
    }
}
