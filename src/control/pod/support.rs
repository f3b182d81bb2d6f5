//! What a pod may ask for, and which runtime gives it: one table, from which the page
//! `docs/runtimes.md` is made.
//!
//! What would make the pod something else than it says (volumes, another network, no command) is
//! refused: nothing is started, and the state names the field and the next step. What only bounds or
//! decorates it (limits, capabilities) is left out, and one event says so.

mod table;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

pub(super) use table::CAPABILITIES;

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

/// A field, or a value of it, and what the runtimes make of it.
pub(super) struct Capability {
    /// As a path, such as `securityContext.privileged`.
    pub(super) field: &'static str,
    pub(super) is_asked: Asks,
    pub(super) process: Support,
    pub(super) private: Support,
    pub(super) docker: Support,
}

/// What runs a pod, as far as that decides what it may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Processes on the machine's own network.
    Process,
    /// Processes on a network of the pod's own.
    Private,
    /// Containers.
    Docker,
}

/// Whether the field is used.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    OfPod(fn(&PodSpec) -> bool),
    OfContainer(fn(&Container) -> bool),
}

/// What a runtime makes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    Works,
    /// It is obeyed as far as the words go, which follow "works ".
    Partly(&'static str),
    /// One event says so.
    LeftOut,
    /// Nothing is started; with the next step for whoever wrote it.
    Refused(&'static str),
}

/// Everything that keeps the pod from being started by this runtime.
pub(super) fn refusals(pod: &Pod, place: Place) -> Vec<Refusal> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let mut refusals = Vec::new();
    for capability in &CAPABILITIES {
        let Support::Refused(next) = capability.support(place) else { continue };
        let name = runtime_name(place);
        let refused = |what: String| format!("{what} is not supported by the {name} runtime; next: {next}");
        let field = capability.field;
        match capability.is_asked {
            Asks::OfPod(is_asked) if is_asked(spec) => {
                refusals.push(Refusal { container: None, message: refused(format!("`spec.{field}`")) });
            }
            Asks::OfPod(_) => {}
            Asks::OfContainer(is_asked) => {
                let asking = containers(spec).filter(|container| is_asked(container));
                refusals.extend(asking.map(|Container { name, .. }| Refusal {
                    container: Some(name.clone()),
                    message: refused(format!("`{field}` of container `{name}`")),
                }));
            }
        }
    }
    refusals.extend(containers(spec).filter_map(|container| nothing_to_run(container, place)));
    refusals
}

/// The fields that this runtime leaves out, by their paths.
pub(super) fn left_out(pod: &Pod, place: Place) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let left_out = CAPABILITIES.iter().filter(|capability| capability.support(place) == Support::LeftOut);
    let mut fields = Vec::new();
    for Capability { field, is_asked, .. } in left_out {
        match is_asked {
            // Names that a controller gives: nobody has asked for them.
            Asks::OfPod(_) if matches!(*field, "hostname" | "subdomain") && is_named_by_controller(pod) => {}
            Asks::OfPod(is_asked) if is_asked(spec) => fields.push(format!("spec.{field}")),
            Asks::OfPod(_) => {}
            Asks::OfContainer(is_asked) => {
                let asking = containers(spec).filter(|container| is_asked(container));
                fields
                    .extend(asking.map(|container| format!("spec.containers{{{}}}.{field}", container.name)));
            }
        }
    }
    fields
}

/// Whether its host name comes from a StatefulSet or an indexed Job.
fn is_named_by_controller(pod: &Pod) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true))
        .any(|owner| matches!(&*owner.kind, "StatefulSet" | "Job"))
}

/// As sentences have it.
pub(super) fn runtime_name(place: Place) -> &'static str {
    match place {
        Place::Process | Place::Private => "process",
        Place::Docker => "Docker",
    }
}

/// Init containers, then the others.
pub(super) fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// A container needs what its runtime runs.
fn nothing_to_run(container: &Container, place: Place) -> Option<Refusal> {
    let name = &container.name;
    let has_command = container.command.as_ref().is_some_and(|command| !command.is_empty());
    let has_image = container.image.as_ref().is_some_and(|image| !image.is_empty());
    let message = match place {
        Place::Process | Place::Private if !has_command => format!(
            "container `{name}` has no `command`, which is what the process runtime runs; next: give `command`, or run it on Docker (annotation `spur.dev/runtime: docker`, or `spur up --runtime auto` where an engine answers)"
        ),
        Place::Docker if !has_image => format!(
            "container `{name}` has no `image`, which is what the Docker runtime runs; next: give `image`, or run it as a process (annotation `spur.dev/runtime: process`)"
        ),
        Place::Process | Place::Private | Place::Docker => return None,
    };
    Some(Refusal { container: Some(name.clone()), message })
}

// === impl Capability ===

impl Capability {
    pub(super) fn support(&self, place: Place) -> Support {
        match place {
            Place::Process => self.process,
            Place::Private => self.private,
            Place::Docker => self.docker,
        }
    }
}

#[cfg(test)]
mod page;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PROCESS: Place = Place::Process;

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
    }

    /// Each refusal begins with what it speaks of.
    fn check_spec(field: &str, value: Value, wanted: &str) {
        let mut spec = json!({"containers": [{"name": "a", "command": ["x"]}]});
        assert_eq!(refusals(&pod(spec.clone()), PROCESS), []);
        spec[field] = value;
        let found = refusals(&pod(spec), PROCESS);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(found[0].message.starts_with(wanted), "{field}: {}", found[0].message);
        assert!(found[0].message.contains("next: "), "{field}: {}", found[0].message);
        assert_eq!(found[0].container, None, "{field}");
    }

    fn check_container(field: &str, value: Value, wanted: &str) {
        let mut container = json!({"name": "a", "command": ["x"]});
        container[field] = value;
        let found = refusals(&pod(json!({"containers": [container]})), PROCESS);
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(found[0].message.starts_with(wanted), "{field}: {}", found[0].message);
        assert!(found[0].message.contains("next: "), "{field}: {}", found[0].message);
        assert_eq!(found[0].container.as_deref(), Some("a"), "{field}");
    }

    #[test]
    fn what_would_change_the_pod_is_refused_by_name() {
        check_spec("hostNetwork", json!(true), "`spec.hostNetwork` is not");
        check_spec("hostPID", json!(true), "`spec.hostPID` is not");
        check_container("securityContext", json!({"privileged": true}), "`securityContext.privileged` of");
        check_container("ports", json!([{"containerPort": 80, "hostPort": 80}]), "`ports[].hostPort` of");
        let from =
            json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]);
        check_container("env", from, "`env[].valueFrom.fileKeyRef` of");
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
            assert_eq!(refusals(&pod(json!({"containers": [container]})), PROCESS), [], "{probe}");
        }
    }

    #[test]
    fn a_container_needs_what_its_runtime_runs() {
        let check = |container: Value, place, wanted: Option<&str>| {
            let found = refusals(&pod(json!({"containers": [container]})), place);
            let message = found.first().map(|refusal| refusal.message.as_str());
            assert_eq!(message.is_some(), wanted.is_some(), "{found:?}");
            assert!(message.unwrap_or_default().contains(wanted.unwrap_or_default()), "{found:?}");
        };
        let (image, command) =
            (json!({"name": "db", "image": "postgres"}), json!({"name": "a", "command": ["x"]}));
        check(image.clone(), PROCESS, Some("has no `command`"));
        check(image, Place::Docker, None);
        check(command.clone(), Place::Docker, Some("has no `image`"));
        check(command, PROCESS, None);
    }

    #[test]
    fn what_only_bounds_a_container_is_listed() {
        let found = left_out(
            &pod(json!({
                "securityContext": {"runAsNonRoot": true},
                "containers": [{
                    "name": "a", "command": ["x"], "image": "a:1",
                    "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}},
                    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
            })),
            PROCESS,
        );
        assert_eq!(found, ["spec.securityContext", "spec.containers{a}.resources.limits"]);
        let plain =
            json!({"securityContext": {}, "containers": [{"name": "a", "command": ["x"], "resources": {}}]});
        assert_eq!(left_out(&pod(plain), PROCESS), Vec::<String>::new());
    }

    #[test]
    fn a_private_pod_has_a_hosts_file_of_its_own() {
        let aliases = json!([{"ip": "10.0.0.1", "hostnames": ["a"]}]);
        let pod = pod(json!({"hostAliases": aliases, "containers": [{"name": "a", "command": ["x"]}]}));
        assert_eq!(left_out(&pod, PROCESS), ["spec.hostAliases"]);
        assert_eq!(left_out(&pod, Place::Private), Vec::<String>::new());
    }
}
