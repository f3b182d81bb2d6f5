//! What a container may use and whose rights it has, from its spec. Pure.

use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SecurityContext};
use spur_api::quantity;
use spur_runtime::{Bounds, Security};

/// The container's limits. One that cannot be read bounds nothing; admission lets none in.
pub(super) fn bounds(container: &Container) -> Bounds {
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let amount = |resource: &str, unit: i128| {
        let nanos = quantity::nanos(&limits?.get(resource)?.0)?;
        // Kubernetes rounds up, and a limit of nothing is none.
        let units = nanos.checked_add(unit - 1)? / unit;
        u64::try_from(units).ok().filter(|units| *units > 0)
    };
    const ONE: i128 = 1_000_000_000;
    Bounds { memory: amount("memory", ONE), cpu_millis: amount("cpu", ONE / 1_000) }
}

/// The container's rights: its own `securityContext` over the pod's.
pub(super) fn security(spec: &PodSpec, container: &Container) -> Security {
    let none = (PodSecurityContext::default(), SecurityContext::default());
    let of_pod = spec.security_context.as_ref().unwrap_or(&none.0);
    let own = container.security_context.as_ref().unwrap_or(&none.1);
    let user = own.run_as_user.or(of_pod.run_as_user);
    let group = own.run_as_group.or(of_pod.run_as_group);
    let groups = of_pod.supplemental_groups.iter().flatten().chain(of_pod.fs_group.iter());
    let capabilities = own.capabilities.as_ref();
    let list = |names: Option<&Vec<String>>| names.cloned().unwrap_or_default();
    let profile = own.seccomp_profile.as_ref().or(of_pod.seccomp_profile.as_ref());
    Security {
        user: match (user, group) {
            (Some(user), Some(group)) => Some(format!("{user}:{group}")),
            (Some(user), None) => Some(user.to_string()),
            // Docker has no way to say a group alone; root is who an image runs as unless it says otherwise.
            (None, Some(group)) => Some(format!("0:{group}")),
            (None, None) => None,
        },
        groups: groups.filter_map(|group| u32::try_from(*group).ok()).collect(),
        added: list(capabilities.and_then(|capabilities| capabilities.add.as_ref())),
        dropped: list(capabilities.and_then(|capabilities| capabilities.drop.as_ref())),
        is_privileged: own.privileged == Some(true),
        has_read_only_root: own.read_only_root_filesystem == Some(true),
        forbids_escalation: own.allow_privilege_escalation == Some(false),
        is_unconfined: profile.is_some_and(|profile| profile.type_ == "Unconfined"),
        must_not_be_root: own.run_as_non_root.or(of_pod.run_as_non_root) == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(pod: Value, container: Value, wanted: Security) {
        let mut own = json!({"name": "a"});
        own["securityContext"] = container;
        let spec = json!({"securityContext": pod, "containers": [own]});
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(security(&spec, &spec.containers[0]), wanted);
    }

    #[test]
    fn limits_are_bytes_and_thousandths_of_a_core_rounded_up() {
        let check = |limits: Value, memory, cpu_millis| {
            let container = json!({"name": "a", "resources": {"limits": limits}});
            let container: Container = serde_json::from_value(container).unwrap();
            assert_eq!(bounds(&container), Bounds { memory, cpu_millis });
        };
        check(json!({}), None, None);
        check(json!({"memory": "64Mi", "cpu": "1500m"}), Some(64 << 20), Some(1500));
        check(json!({"cpu": "2"}), None, Some(2000));
        check(json!({"cpu": "100u", "memory": "0"}), None, Some(1));
    }

    #[test]
    fn the_containers_context_wins_over_the_pods() {
        check(json!(null), json!(null), Security::default());
        check(
            json!({
                "runAsUser": 1, "runAsGroup": 2, "fsGroup": 7, "supplementalGroups": [5],
                "runAsNonRoot": true, "seccompProfile": {"type": "Unconfined"},
            }),
            json!({
                "runAsUser": 3, "runAsNonRoot": false, "seccompProfile": {"type": "RuntimeDefault"},
                "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
            }),
            Security {
                user: Some("3:2".to_owned()),
                groups: vec![5, 7],
                added: vec!["NET_ADMIN".to_owned()],
                dropped: vec!["ALL".to_owned()],
                has_read_only_root: true,
                forbids_escalation: true,
                ..Security::default()
            },
        );
        let own_group = Security { user: Some("0:9".to_owned()), ..Security::default() };
        check(json!({"runAsGroup": 9}), json!({}), own_group);
    }
}
