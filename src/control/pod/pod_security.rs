//! Pod security levels: what a pod may ask of the machine it shares with others.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>; names and words of the
//! checks: `pod-security-admission/policy/check_*.go`. On Docker nothing above `baseline` is given unless
//! the pod's namespace says so by its label, where Kubernetes leaves every namespace `privileged`: here
//! containers share a developer's own machine.

use k8s_openapi::api::core::v1::{Container, Namespace, PodSpec, SecurityContext};
use kube::ResourceExt;

/// The label by which a namespace allows more, or less.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// How much pods of a namespace may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing that is not needed.
    Restricted,
    /// What needs no special rights.
    Baseline,
    /// Everything.
    Privileged,
}

/// Capabilities that are the engine's usual ones (`check_capabilities_baseline.go`).
const BASELINE_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "NET_RAW",
];

// === impl Level ===

impl Level {
    /// What the namespace's label says; `baseline` where it says nothing that we know.
    pub(super) fn of(namespace: Option<&Namespace>) -> Self {
        match namespace.and_then(|namespace| namespace.labels().get(ENFORCE)).map(String::as_str) {
            Some("privileged") => Self::Privileged,
            Some("restricted") => Self::Restricted,
            Some(_) | None => Self::Baseline,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
            Self::Privileged => "privileged",
        }
    }
}

/// Why a pod is above the level, in one text; `None` where it is not.
pub(super) fn violation(spec: &PodSpec, level: Level) -> Option<String> {
    let faults = match level {
        Level::Privileged => return None,
        Level::Baseline => baseline(spec),
        Level::Restricted => [baseline(spec), restricted(spec)].concat(),
    };
    if faults.is_empty() {
        return None;
    }
    let (level, faults) = (level.as_str(), faults.join(", "));
    Some(format!(
        "violates PodSecurity \"{level}:latest\": {faults}; next: ask for less, or allow more by the label `{ENFORCE}: privileged` on the namespace"
    ))
}

fn baseline(spec: &PodSpec) -> Vec<String> {
    let mut faults = Vec::new();
    let host = [(spec.host_network, "hostNetwork"), (spec.host_pid, "hostPID"), (spec.host_ipc, "hostIPC")];
    let host: Vec<String> = host
        .into_iter()
        .filter(|(is_set, _)| *is_set == Some(true))
        .map(|(_, name)| format!("{name}=true"))
        .collect();
    if !host.is_empty() {
        faults.push(format!("host namespaces ({})", host.join(", ")));
    }
    let paths = spec.volumes.iter().flatten().filter(|volume| volume.host_path.is_some());
    let paths: Vec<String> = paths.map(|volume| format!("\"{}\"", volume.name)).collect();
    if !paths.is_empty() {
        faults.push(format!("hostPath volumes ({} {})", plural("volume", paths.len()), paths.join(", ")));
    }
    of_containers(
        &mut faults,
        spec,
        "privileged",
        "must not set securityContext.privileged=true",
        |container| context(container).and_then(|context| context.privileged) == Some(true),
    );
    let adds_too_much = |container: &Container| {
        let added = context(container).and_then(|context| context.capabilities.as_ref()?.add.as_ref());
        added
            .into_iter()
            .flatten()
            .any(|name| !BASELINE_CAPABILITIES.contains(&name.trim_start_matches("CAP_")))
    };
    of_containers(
        &mut faults,
        spec,
        "non-default capabilities",
        "must not include capabilities beyond the usual ones in securityContext.capabilities.add",
        adds_too_much,
    );
    of_containers(&mut faults, spec, "hostPort", "must not use hostPorts", |container| {
        container.ports.iter().flatten().any(|port| port.host_port.is_some_and(|port| port != 0))
    });
    of_containers(
        &mut faults,
        spec,
        "procMount",
        "must not set securityContext.procMount to \"Unmasked\"",
        |container| context(container).and_then(|context| context.proc_mount.as_deref()) == Some("Unmasked"),
    );
    let is_unconfined = |container: &Container| {
        let own = context(container).and_then(|context| context.seccomp_profile.as_ref());
        let of_pod = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
        own.or(of_pod).is_some_and(|profile| profile.type_ == "Unconfined")
    };
    of_containers(
        &mut faults,
        spec,
        "seccompProfile",
        "must not set securityContext.seccompProfile.type to \"Unconfined\"",
        is_unconfined,
    );
    faults
}

fn restricted(spec: &PodSpec) -> Vec<String> {
    let mut faults = Vec::new();
    let of_pod = spec.security_context.as_ref();
    of_containers(
        &mut faults,
        spec,
        "allowPrivilegeEscalation != false",
        "must set securityContext.allowPrivilegeEscalation=false",
        |container| context(container).and_then(|context| context.allow_privilege_escalation) != Some(false),
    );
    let drops_all = |container: &Container| {
        let dropped = context(container).and_then(|context| context.capabilities.as_ref()?.drop.as_ref());
        dropped.into_iter().flatten().any(|name| name == "ALL")
    };
    of_containers(
        &mut faults,
        spec,
        "unrestricted capabilities",
        "must set securityContext.capabilities.drop=[\"ALL\"]",
        |container| !drops_all(container),
    );
    of_containers(
        &mut faults,
        spec,
        "runAsNonRoot != true",
        "must set securityContext.runAsNonRoot=true",
        |container| {
            let own = context(container).and_then(|context| context.run_as_non_root);
            own.or(of_pod.and_then(|context| context.run_as_non_root)) != Some(true)
        },
    );
    faults
}

/// One fault for all containers that have it.
fn of_containers(
    faults: &mut Vec<String>,
    spec: &PodSpec,
    what: &str,
    must: &str,
    has_it: impl Fn(&Container) -> bool,
) {
    let named = super::support::containers(spec).filter(|container| has_it(container));
    let named: Vec<String> = named.map(|container| format!("\"{}\"", container.name)).collect();
    if !named.is_empty() {
        faults.push(format!("{what} ({} {} {must})", plural("container", named.len()), named.join(", ")));
    }
}

fn plural(word: &str, n: usize) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn context(container: &Container) -> Option<&SecurityContext> {
    container.security_context.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn violated(pod: Value, container: Value, level: Level) -> Option<String> {
        let mut spec = json!({"containers": [{"name": "a"}]});
        spec.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
        spec["containers"][0].as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        violation(&spec, level)
    }

    #[test]
    fn baseline_refuses_what_reaches_out_of_the_container() {
        let check = |pod: Value, container: Value, wanted: &str| {
            let found = violated(pod.clone(), container.clone(), Level::Baseline).expect(wanted);
            assert!(
                found.starts_with(&format!("violates PodSecurity \"baseline:latest\": {wanted}")),
                "{found}"
            );
            assert_eq!(violated(pod, container, Level::Privileged), None);
        };
        check(
            json!({"hostPID": true, "hostIPC": true}),
            json!({}),
            "host namespaces (hostPID=true, hostIPC=true)",
        );
        let docker = json!([{"name": "d", "hostPath": {"path": "/var/run/docker.sock"}}]);
        check(json!({"volumes": docker}), json!({}), "hostPath volumes (volume \"d\")");
        let context = |fields: Value| json!({"securityContext": fields});
        check(
            json!({}),
            context(json!({"privileged": true})),
            "privileged (container \"a\" must not set securityContext.privileged=true)",
        );
        check(
            json!({}),
            context(json!({"capabilities": {"add": ["NET_ADMIN"]}})),
            "non-default capabilities",
        );
        check(json!({}), json!({"ports": [{"containerPort": 1, "hostPort": 1}]}), "hostPort");
        check(json!({}), context(json!({"procMount": "Unmasked"})), "procMount");
        check(
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            json!({}),
            "seccompProfile",
        );
    }

    #[test]
    fn what_needs_no_special_right_is_baseline() {
        let capabilities = json!({"securityContext": {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}}});
        assert_eq!(violated(json!({}), capabilities, Level::Baseline), None);
        let found = violated(json!({}), json!({}), Level::Restricted).unwrap();
        assert!(found.contains("must set securityContext.runAsNonRoot=true"), "{found}");
        let careful = json!({"securityContext": {
            "runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }});
        assert_eq!(violated(json!({}), careful, Level::Restricted), None);
    }

    #[test]
    fn a_namespace_says_how_much_it_allows() {
        let level = |label: &str| {
            let namespace = json!({"metadata": {"name": "n", "labels": {ENFORCE: label}}});
            Level::of(Some(&serde_json::from_value(namespace).unwrap()))
        };
        assert_eq!(level("privileged"), Level::Privileged);
        assert_eq!(level("restricted"), Level::Restricted);
        assert_eq!((level("other"), Level::of(None)), (Level::Baseline, Level::Baseline));
    }
}
