//! Pod security levels: what a pod may ask of the machine it shares with others.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>; names and words of the
//! checks: `pod-security-admission/policy/check_*.go`. On Docker nothing above `baseline` is given unless
//! the pod's namespace says so by its label, where Kubernetes leaves every namespace `privileged`: here
//! containers share a developer's own machine. The checks are `baseline`'s and `restricted`'s.

mod baseline;
mod restricted;

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
        Level::Baseline => baseline::faults(spec),
        Level::Restricted => [baseline::faults(spec), restricted::faults(spec)].concat(),
    };
    if faults.is_empty() {
        return None;
    }
    let (level, faults) = (level.as_str(), faults.join(", "));
    Some(format!(
        "violates PodSecurity \"{level}:latest\": {faults}; next: ask for less, or allow more by the label `{ENFORCE}: privileged` on the namespace"
    ))
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
        check(json!({}), context(json!({"capabilities": {"add": ["NET_RAW"]}})), "non-default capabilities");
        let sysctls = json!([{"name": "net.core.somaxconn", "value": "1"}, {"name": "kernel.shm_rmid_forced", "value": "1"}]);
        check(context(json!({"sysctls": sysctls})), json!({}), "forbidden sysctls (net.core.somaxconn)");
        check(
            context(json!({"seLinuxOptions": {"type": "spc_t"}})),
            json!({}),
            "seLinuxOptions (pod must not set a type of SELinux beyond the usual ones, a user or a role)",
        );
        check(
            json!({}),
            context(json!({"appArmorProfile": {"type": "Unconfined"}})),
            "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
        );
        check(
            json!({}),
            json!({"livenessProbe": {"tcpSocket": {"port": 1, "host": "example.com"}}}),
            "hostProbesAndHostLifecycle (container \"a\" must not set `host` of a probe or a hook)",
        );
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
        let found = violated(json!({}), careful.clone(), Level::Restricted).unwrap();
        assert!(found.contains("seccompProfile (pod or container \"a\" must set"), "{found}");
        let profile = json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}});
        assert_eq!(violated(profile, careful, Level::Restricted), None);
    }

    #[test]
    fn restricted_wants_less_of_everything() {
        let check = |pod: Value, container: Value, wanted: &str| {
            let found = violated(pod, container, Level::Restricted).expect(wanted);
            assert!(found.contains(wanted), "{found}");
        };
        let context = |fields: Value| json!({"securityContext": fields});
        check(
            json!({"volumes": [{"name": "n", "nfs": {"server": "s", "path": "/"}}]}),
            json!({}),
            "restricted volume types (volume \"n\" uses restricted volume type \"nfs\")",
        );
        check(context(json!({"runAsUser": 0})), json!({}), "runAsUser=0 (pod must not set runAsUser=0)");
        check(
            json!({}),
            context(json!({"runAsUser": 0})),
            "runAsUser=0 (container \"a\" must not set runAsUser=0)",
        );
        check(
            json!({}),
            context(json!({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}})),
            "unrestricted capabilities (container \"a\" must not include capabilities other than \"NET_BIND_SERVICE\"",
        );
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
