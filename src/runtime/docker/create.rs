//! What a container is made of: the plan in the daemon's words.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};

use super::owned::{Environment, Owned};
use crate::container::{ContainerPlan, StdinMode};

/// What a log may take on disk, as for processes: two files of 10 MiB. The daemon rotates them.
const LOG_FILE_MAX: &str = "10m";
const LOG_FILES: &str = "2";

/// The body of `POST /containers/create`.
pub(super) fn body(
    environment: &Environment,
    owned: &Owned,
    (plan, image): (&ContainerPlan, &str),
) -> ContainerCreateBody {
    let listed = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let log = HashMap::from([
        ("max-size".to_owned(), LOG_FILE_MAX.to_owned()),
        ("max-file".to_owned(), LOG_FILES.to_owned()),
    ]);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // A `command` takes the place of the image's own, and then its arguments do not count.
        entrypoint: listed(&plan.command),
        cmd: listed(&plan.args),
        env: Some(plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: plan.working_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
        tty: Some(plan.stdio.tty),
        open_stdin: Some(plan.stdio.stdin != StdinMode::Closed),
        stdin_once: Some(plan.stdio.stdin == StdinMode::Once),
        labels: Some(environment.labels(owned)),
        host_config: Some(HostConfig {
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log) }),
            // Nothing may gain rights by running a program, as under the level `restricted`.
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
