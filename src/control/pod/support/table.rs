//! The table of fields. Whatever is in no row works on both runtimes or means nothing to either.

use k8s_openapi::api::core::v1::{Container, EnvVarSource, LifecycleHandler, Probe, SecurityContext};

use super::Support::{LeftOut, Partly, Refused, Works};
use super::{Asks, Capability};

const fn of_pod(
    field: &'static str,
    is_asked: fn(&k8s_openapi::api::core::v1::PodSpec) -> bool,
    process: super::Support,
    docker: super::Support,
) -> Capability {
    Capability { field, is_asked: Asks::OfPod(is_asked), process, private: process, docker }
}

const fn of_container(
    field: &'static str,
    is_asked: fn(&Container) -> bool,
    process: super::Support,
    docker: super::Support,
) -> Capability {
    Capability { field, is_asked: Asks::OfContainer(is_asked), process, private: process, docker }
}

/// The same, but for processes on a network of their own.
const fn but_private(capability: Capability, private: super::Support) -> Capability {
    Capability { private, ..capability }
}

/// Where the server mounts the token of every pod's account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const TAKE_AWAY: super::Support = Refused("take it away");

/// Fields of pods, then of containers.
pub(in crate::pod) const CAPABILITIES: [Capability; 34] = [
    of_pod("initContainers", |spec| some(spec.init_containers.as_ref()), Works, Works),
    of_pod("volumes", |spec| some(spec.volumes.as_ref()), Works, Works),
    of_pod(
        "hostNetwork",
        |spec| spec.host_network == Some(true),
        Refused("take it away: ports are given by `PORT`"),
        Refused("take it away: the pod has an address of its own"),
    ),
    of_pod("hostPID", |spec| spec.host_pid == Some(true), TAKE_AWAY, TAKE_AWAY),
    of_pod("hostIPC", |spec| spec.host_ipc == Some(true), TAKE_AWAY, TAKE_AWAY),
    of_pod("runtimeClassName", |spec| spec.runtime_class_name.is_some(), TAKE_AWAY, TAKE_AWAY),
    of_pod("activeDeadlineSeconds", |spec| spec.active_deadline_seconds.is_some(), Works, Works),
    of_pod("resourceClaims", |spec| some(spec.resource_claims.as_ref()), TAKE_AWAY, TAKE_AWAY),
    but_private(of_pod("hostAliases", |spec| some(spec.host_aliases.as_ref()), LeftOut, Works), Works),
    of_pod("dnsConfig", |spec| spec.dns_config.is_some(), LeftOut, LeftOut),
    of_pod(
        "securityContext",
        |spec| spec.security_context.as_ref().is_some_and(|context| *context != Default::default()),
        LeftOut,
        Works,
    ),
    of_pod(
        "securityContext.sysctls",
        |spec| spec.security_context.as_ref().is_some_and(|context| some(context.sysctls.as_ref())),
        LeftOut,
        LeftOut,
    ),
    of_pod("shareProcessNamespace", |spec| spec.share_process_namespace == Some(true), LeftOut, LeftOut),
    of_pod("hostname", |spec| spec.hostname.is_some(), LeftOut, Works),
    of_pod("subdomain", |spec| spec.subdomain.is_some(), LeftOut, LeftOut),
    of_pod("resources", |spec| spec.resources.is_some(), LeftOut, LeftOut),
    but_private(
        of_container("volumeMounts", has_mounts, LeftOut, Works),
        Partly("where the path is there on this machine"),
    ),
    of_container("volumeDevices", |container| some(container.volume_devices.as_ref()), TAKE_AWAY, TAKE_AWAY),
    of_container("image", |container| some_text(container.image.as_ref()), Works, Works),
    of_container(
        "securityContext.privileged",
        |container| security(container, |context| context.privileged == Some(true)),
        Refused("take it away: processes run with your own rights"),
        Works,
    ),
    of_container("securityContext", |container| container.security_context.is_some(), LeftOut, Works),
    of_container(
        "ports[].hostPort",
        |container| container.ports.iter().flatten().any(|port| port.host_port.is_some_and(|port| port != 0)),
        Refused("take it away and reach the Service through the entry address"),
        Refused("take it away and reach the Service through the entry address"),
    ),
    of_container(
        "ports[].protocol SCTP",
        |container| has_protocol(container, "SCTP"),
        Refused("use TCP"),
        Refused("use TCP"),
    ),
    of_container("ports[].protocol UDP", |container| has_protocol(container, "UDP"), Works, Works),
    of_container(
        "env[].valueFrom.resourceFieldRef",
        |container| refers(container, |from| from.resource_field_ref.is_some()),
        Works,
        Works,
    ),
    of_container(
        "env[].valueFrom.fileKeyRef",
        |container| refers(container, |from| from.file_key_ref.is_some()),
        Refused("use a ConfigMap or a Secret"),
        Refused("use a ConfigMap or a Secret"),
    ),
    of_container(
        "lifecycle.postStart",
        |container| hook(container, |hooks| hooks.post_start.as_ref()),
        Works,
        Works,
    ),
    of_container(
        "lifecycle.preStop",
        |container| hook(container, |hooks| hooks.pre_stop.as_ref()),
        Works,
        Works,
    ),
    of_container(
        "lifecycle.stopSignal",
        |container| container.lifecycle.as_ref().is_some_and(|hooks| hooks.stop_signal.is_some()),
        LeftOut,
        Works,
    ),
    of_container(
        "restartPolicyRules",
        |container| container.restart_policy_rules.is_some(),
        Refused("use the pod's `restartPolicy`"),
        Refused("use the pod's `restartPolicy`"),
    ),
    of_container(
        "resources.limits",
        |container| {
            let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
            limits.is_some_and(|limits| !limits.is_empty())
        },
        LeftOut,
        Works,
    ),
    of_container(
        "terminationMessagePath",
        |container| {
            container.termination_message_path.as_deref().is_some_and(|path| path != "/dev/termination-log")
        },
        // A process sees the machine's own paths.
        LeftOut,
        Works,
    ),
    of_container(
        "terminationMessagePolicy",
        |container| container.termination_message_policy.as_deref().is_some_and(|policy| policy != "File"),
        Works,
        Works,
    ),
    of_container(
        "startupProbe, livenessProbe, readinessProbe",
        |container| probes(container, |_| true),
        Works,
        Works,
    ),
];

fn some<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

/// Whether a user has written any: that of the service account is the server's.
fn has_mounts(container: &Container) -> bool {
    let mounts = container.volume_mounts.iter().flatten();
    mounts.into_iter().any(|mount| mount.mount_path != SERVICE_ACCOUNT)
}

fn some_text(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn security(container: &Container, is_so: fn(&SecurityContext) -> bool) -> bool {
    container.security_context.as_ref().is_some_and(is_so)
}

fn has_protocol(container: &Container, protocol: &str) -> bool {
    container.ports.iter().flatten().any(|port| port.protocol.as_deref() == Some(protocol))
}

fn refers(container: &Container, is_so: fn(&EnvVarSource) -> bool) -> bool {
    let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    sources.into_iter().any(is_so)
}

fn hook(
    container: &Container,
    of: fn(&k8s_openapi::api::core::v1::Lifecycle) -> Option<&LifecycleHandler>,
) -> bool {
    container.lifecycle.as_ref().is_some_and(|hooks| of(hooks).is_some())
}

fn probes(container: &Container, is_so: fn(&Probe) -> bool) -> bool {
    let all = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
    all.into_iter().flatten().any(is_so)
}
