//! What a container is made of: the plan in the daemon's words.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
    Mount as DockerMount, MountType, MountVolumeOptions, NetworkingConfig,
};

use super::network::Place;
use super::owned::{Environment, Owned};
use super::start::Joined;
use crate::container::{Bounds, ContainerPlan, Mount, MountSource, Security, StdinMode};

/// What a log may take on disk, about as for processes: two files of 10 MB. The daemon rotates them.
const LOG_FILE_MAX: &str = "10m";
const LOG_FILES: &str = "2";

/// Where a container's own names and addresses are read.
pub(super) const HOSTS: &str = "/etc/hosts";

/// The body of `POST /containers/create`.
pub(super) fn body(
    environment: &Environment,
    owned: &Owned,
    (plan, image, joined): (&ContainerPlan, &str, &Joined),
) -> ContainerCreateBody {
    let Security { user, .. } = &plan.security;
    let mut labels = environment.labels(owned);
    labels.extend(joined.place().labels());
    let hostname = plan.hostname.as_deref().unwrap_or(&owned.pod.name);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // A `command` takes the place of the image's own, and then its arguments do not count.
        entrypoint: listed(&plan.command),
        cmd: listed(&plan.args),
        env: Some(plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: plan.working_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
        user: user.clone(),
        // As in Kubernetes, where nobody says otherwise; whoever joins a network has its name, too.
        hostname: joined.own().map(|_| hostname.chars().take(HOSTNAME_MAX).collect()),
        tty: Some(plan.stdio.tty),
        open_stdin: Some(plan.stdio.stdin != StdinMode::Closed),
        stdin_once: Some(plan.stdio.stdin == StdinMode::Once),
        labels: Some(labels),
        stop_signal: plan.stop_signal.clone(),
        host_config: Some(host_config((environment, owned), plan, joined)),
        networking_config: joined.own().map(|place| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(place.network.clone(), endpoint(place))])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Linux' bound (sethostname(2)), by which the kubelet cuts names, too.
const HOSTNAME_MAX: usize = 63;

fn endpoint(place: &Place) -> EndpointSettings {
    let ipv4_address = Some(place.address.to_string());
    let ipam_config = Some(EndpointIpamConfig { ipv4_address, ..EndpointIpamConfig::default() });
    EndpointSettings { ipam_config, ..EndpointSettings::default() }
}

fn host_config(owner: (&Environment, &Owned), plan: &ContainerPlan, joined: &Joined) -> HostConfig {
    let Bounds { memory, cpu_millis } = plan.bounds;
    let Security {
        user: _,
        groups,
        added,
        dropped,
        is_privileged,
        has_read_only_root,
        forbids_escalation,
        is_unconfined,
        must_not_be_root: _, // Looked into before anything is made.
    } = &plan.security;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let memory = memory.map(number);
    let mut security = Vec::new();
    if *forbids_escalation {
        security.push("no-new-privileges".to_owned());
    }
    if *is_unconfined {
        security.push("seccomp=unconfined".to_owned());
    }
    // Whoever joins a network reads the files of who has it.
    let mounts = plan.mounts.iter().filter(|mount| joined.own().is_some() || mount.path != Path::new(HOSTS));
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    HostConfig {
        network_mode: Some(joined.network_mode()),
        mounts: listed(&mounts.map(|mount| self::mount(owner, mount)).collect::<Vec<_>>()),
        log_config: Some(log_config()),
        memory,
        // Without swap, as in Kubernetes: the two are one bound.
        memory_swap: memory,
        nano_cpus: cpu_millis.map(|millis| number(millis.saturating_mul(1_000_000))),
        group_add: listed(&groups),
        cap_add: listed(added),
        cap_drop: listed(dropped),
        privileged: Some(*is_privileged),
        readonly_rootfs: Some(*has_read_only_root),
        security_opt: listed(&security),
        ..HostConfig::default()
    }
}

fn mount((environment, owned): (&Environment, &Owned), mount: &Mount) -> DockerMount {
    let Mount { source, path, is_read_only } = mount;
    let of = |typ, source: String| DockerMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(path.to_string_lossy().into_owned()),
        read_only: Some(*is_read_only),
        ..DockerMount::default()
    };
    match source {
        MountSource::Path(path) => of(MountType::BIND, path.to_string_lossy().into_owned()),
        MountSource::Volume { name, group: _ } => DockerMount {
            volume_options: Some(MountVolumeOptions {
                labels: Some(environment.network_labels(&owned.pod.namespace)),
                ..MountVolumeOptions::default()
            }),
            ..of(MountType::VOLUME, environment.volume(&owned.pod.namespace, name))
        },
    }
}

fn log_config() -> HostConfigLogConfig {
    let config = HashMap::from([
        ("max-size".to_owned(), LOG_FILE_MAX.to_owned()),
        ("max-file".to_owned(), LOG_FILES.to_owned()),
    ]);
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config) }
}

/// What is empty is the image's or the engine's matter.
fn listed<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
