//! What a pod may ask for that needs nothing, beside everything of `baseline`.
//!
//! Source: the checks `check_*.go` of level `restricted`.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value;

use super::{context, of_containers};

/// Sources of volumes that hold what is the pod's own (`check_restrictedVolumes.go`).
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Whatever is above the level.
pub(super) fn faults(spec: &PodSpec) -> Vec<String> {
    let mut faults = Vec::new();
    let volumes: Vec<String> = spec.volumes.iter().flatten().filter_map(restricted_volume).collect();
    if !volumes.is_empty() {
        faults.push(format!("restricted volume types ({})", volumes.join(", ")));
    }
    let of_pod = spec.security_context.as_ref();
    if of_pod.and_then(|context| context.run_as_user) == Some(0) {
        faults.push("runAsUser=0 (pod must not set runAsUser=0)".to_owned());
    }
    let mut each = |what: &str, must: &str, has_it: &dyn Fn(&Container) -> bool| {
        of_containers(&mut faults, spec, what, must, has_it);
    };
    each(
        "allowPrivilegeEscalation != false",
        "must set securityContext.allowPrivilegeEscalation=false",
        &|container| context(container).and_then(|context| context.allow_privilege_escalation) != Some(false),
    );
    each("unrestricted capabilities", "must set securityContext.capabilities.drop=[\"ALL\"]", &|container| {
        !drops_all(container)
    });
    each(
        "unrestricted capabilities",
        "must not include capabilities other than \"NET_BIND_SERVICE\" in securityContext.capabilities.add",
        &adds_more,
    );
    each("runAsNonRoot != true", "must set securityContext.runAsNonRoot=true", &|container| {
        let own = context(container).and_then(|context| context.run_as_non_root);
        own.or(of_pod.and_then(|context| context.run_as_non_root)) != Some(true)
    });
    each("runAsUser=0", "must not set runAsUser=0", &|container| {
        context(container).and_then(|context| context.run_as_user) == Some(0)
    });
    let unprofiled = |container: &&Container| {
        let own = context(container).and_then(|context| context.seccomp_profile.as_ref());
        let profile = own.or(of_pod.and_then(|context| context.seccomp_profile.as_ref()));
        !profile.is_some_and(|profile| matches!(profile.type_.as_str(), "RuntimeDefault" | "Localhost"))
    };
    let unprofiled = super::super::support::containers(spec).filter(unprofiled);
    let unprofiled: Vec<String> = unprofiled.map(|container| format!("\"{}\"", container.name)).collect();
    if !unprofiled.is_empty() {
        faults.push(format!(
            "seccompProfile (pod or {} {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            super::plural("container", unprofiled.len()),
            unprofiled.join(", ")
        ));
    }
    faults
}

/// The volume in words where its source is none of [`VOLUMES`]: the field that is set says which it is.
fn restricted_volume(volume: &k8s_openapi::api::core::v1::Volume) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(volume) else { return None };
    let source = fields.keys().find(|field| *field != "name")?;
    let is_restricted = !VOLUMES.contains(&source.as_str());
    is_restricted.then(|| format!("volume \"{}\" uses restricted volume type \"{source}\"", volume.name))
}

fn drops_all(container: &Container) -> bool {
    let dropped = context(container).and_then(|context| context.capabilities.as_ref()?.drop.as_ref());
    dropped.into_iter().flatten().any(|name| name == "ALL")
}

fn adds_more(container: &Container) -> bool {
    let added = context(container).and_then(|context| context.capabilities.as_ref()?.add.as_ref());
    added.into_iter().flatten().any(|name| name.trim_start_matches("CAP_") != "NET_BIND_SERVICE")
}
