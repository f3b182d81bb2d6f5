//! Whom a pod's files belong to.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::super::support::containers;

/// The group of the pod's volumes (`securityContext.fsGroup`).
pub(in crate::pod) fn group(pod: &Pod) -> Option<u32> {
    let context = pod.spec.as_ref()?.security_context.as_ref()?;
    u32::try_from(context.fs_group?).ok()
}

/// The one user that all containers run as, where the pod says so (`pkg/volume/util`, `FsUserFrom`).
pub(super) fn user(pod: &Pod) -> Option<u32> {
    let spec = pod.spec.as_ref()?;
    let mut all = containers(spec);
    let first = user_of(all.next()?, spec)?;
    all.all(|container| user_of(container, spec) == Some(first)).then_some(first)
}

fn user_of(container: &Container, spec: &PodSpec) -> Option<u32> {
    let own = container.security_context.as_ref().and_then(|context| context.run_as_user);
    let user = own.or_else(|| spec.security_context.as_ref()?.run_as_user)?;
    u32::try_from(user).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_user_is_that_of_all_containers_or_nobody() {
        let check = |spec: Value, wanted: Option<u32>| {
            let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
            assert_eq!(user(&pod), wanted, "{spec}");
        };
        let as_user = |user: i64| json!({"name": "a", "securityContext": {"runAsUser": user}});
        let any = json!({"name": "b"});
        check(json!({"containers": [any]}), None);
        check(json!({"containers": [as_user(7)]}), Some(7));
        check(json!({"containers": [as_user(7), any]}), None);
        check(json!({"containers": [as_user(7), any], "securityContext": {"runAsUser": 7}}), Some(7));
        check(json!({"containers": [as_user(7), as_user(8)]}), None);
        check(json!({"containers": [as_user(7)], "initContainers": [any]}), None);
    }
}
