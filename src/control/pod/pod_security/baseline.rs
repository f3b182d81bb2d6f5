//! What needs no special rights.
//!
//! Source: the checks `check_*.go` of level `baseline`.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, LifecycleHandler, PodSpec, Probe, SELinuxOptions, SeccompProfile,
};

use super::{context, of_containers, plural};

/// Those that may be added (`check_capabilities_baseline.go`).
const CAPABILITIES: [&str; 13] = [
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
];

/// Those that stay within the pod (`check_sysctls.go`).
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Types of processes that are containers (`check_seLinuxOptions.go`).
const SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const SELINUX: &str = "must not set a type of SELinux beyond the usual ones, a user or a role";
const UNCONFINED: &str = "must not set AppArmor profile type to \"Unconfined\"";

/// Whatever is above the level.
pub(super) fn faults(spec: &PodSpec) -> Vec<String> {
    let mut faults = Vec::new();
    of_pod(&mut faults, spec);
    let mut each = |what: &str, must: &str, has_it: &dyn Fn(&Container) -> bool| {
        of_containers(&mut faults, spec, what, must, has_it);
    };
    each("privileged", "must not set securityContext.privileged=true", &|container| {
        context(container).and_then(|context| context.privileged) == Some(true)
    });
    each(
        "non-default capabilities",
        "must not include capabilities beyond the usual ones in securityContext.capabilities.add",
        &adds_too_much,
    );
    each("hostPort", "must not use hostPorts", &|container| {
        container.ports.iter().flatten().any(|port| port.host_port.is_some_and(|port| port != 0))
    });
    each("procMount", "must not set securityContext.procMount to \"Unmasked\"", &|container| {
        context(container).and_then(|context| context.proc_mount.as_deref()) == Some("Unmasked")
    });
    let of_pod = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
    each(
        "seccompProfile",
        "must not set securityContext.seccompProfile.type to \"Unconfined\"",
        &|container| {
            let own = context(container).and_then(|context| context.seccomp_profile.as_ref());
            own.or(of_pod).is_some_and(|profile: &SeccompProfile| profile.type_ == "Unconfined")
        },
    );
    each("seLinuxOptions", SELINUX, &|container| {
        is_unusual(context(container).and_then(|context| context.se_linux_options.as_ref()))
    });
    each("forbidden AppArmor profile", UNCONFINED, &|container| {
        is_unconfined(context(container).and_then(|context| context.app_armor_profile.as_ref()))
    });
    each("hostProbesAndHostLifecycle", "must not set `host` of a probe or a hook", &asks_elsewhere);
    each("hostProcess", "must not set securityContext.windowsOptions.hostProcess=true", &|container| {
        let windows = context(container).and_then(|context| context.windows_options.as_ref());
        windows.and_then(|options| options.host_process) == Some(true)
    });
    faults
}

/// What is said of the pod as a whole.
fn of_pod(faults: &mut Vec<String>, spec: &PodSpec) {
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
    let Some(context) = &spec.security_context else { return };
    let sysctls = context.sysctls.iter().flatten().map(|sysctl| sysctl.name.as_str());
    let forbidden: Vec<&str> = sysctls.filter(|name| !SYSCTLS.contains(name)).collect();
    if !forbidden.is_empty() {
        faults.push(format!("forbidden sysctls ({})", forbidden.join(", ")));
    }
    if is_unusual(context.se_linux_options.as_ref()) {
        faults.push(format!("seLinuxOptions (pod {SELINUX})"));
    }
    if is_unconfined(context.app_armor_profile.as_ref()) {
        faults.push(format!("forbidden AppArmor profile (pod {UNCONFINED})"));
    }
}

fn adds_too_much(container: &Container) -> bool {
    let added = context(container).and_then(|context| context.capabilities.as_ref()?.add.as_ref());
    added.into_iter().flatten().any(|name| !CAPABILITIES.contains(&name.trim_start_matches("CAP_")))
}

fn is_unusual(options: Option<&SELinuxOptions>) -> bool {
    let Some(options) = options else { return false };
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let kind = options.type_.as_deref().unwrap_or_default();
    !SELINUX_TYPES.contains(&kind) || is_set(&options.user) || is_set(&options.role)
}

fn is_unconfined(profile: Option<&AppArmorProfile>) -> bool {
    profile.is_some_and(|profile| profile.type_ == "Unconfined")
}

/// Whether Spur would ask another host than the pod in its name.
fn asks_elsewhere(container: &Container) -> bool {
    let is_set = |host: Option<&String>| host.is_some_and(|host| !host.is_empty());
    let of_probe = |probe: &Probe| {
        is_set(probe.http_get.as_ref().and_then(|get| get.host.as_ref()))
            || is_set(probe.tcp_socket.as_ref().and_then(|socket| socket.host.as_ref()))
    };
    let of_hook = |hook: &LifecycleHandler| {
        is_set(hook.http_get.as_ref().and_then(|get| get.host.as_ref()))
            || is_set(hook.tcp_socket.as_ref().and_then(|socket| socket.host.as_ref()))
    };
    let probes = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
    let hooks = container.lifecycle.iter().flat_map(|hooks| [&hooks.post_start, &hooks.pre_stop]);
    probes.into_iter().flatten().any(of_probe) || hooks.flatten().any(of_hook)
}
