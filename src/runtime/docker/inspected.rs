//! What the daemon says of a container, as its state.

use std::time::SystemTime;

use bollard::models::{ContainerState as DockerState, ContainerStateStatusEnum as Status};
use jiff::Timestamp;

use crate::container::{ContainerState, reason};
use crate::start_error::StartError;

/// The daemon's word for a container that never ran (`0001-01-01T00:00:00Z`) is no time.
const NEVER: &str = "0001-";

/// What a container is doing.
pub(super) fn state(docker: &DockerState) -> ContainerState {
    let started_at = time(docker.started_at.as_deref());
    match docker.status {
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING) => {
            let pid = docker.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
            ContainerState::Running { pid, started_at: started_at.unwrap_or_else(SystemTime::now) }
        }
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => ended(docker, started_at),
        Some(Status::CREATED | Status::EMPTY) | None => match docker.error.as_deref() {
            // What could not be started stays as it was made, with the reason.
            Some(error) if !error.is_empty() => never_ran(error),
            _ => ContainerState::creating(),
        },
    }
}

/// A container that could not be started.
pub(super) fn never_ran(error: &str) -> ContainerState {
    let now = SystemTime::now();
    ContainerState::Terminated {
        exit_code: StartError::EXIT_CODE,
        signal: None,
        reason: reason::START_ERROR.into(),
        message: error.to_owned(),
        started_at: now,
        finished_at: now,
    }
}

fn ended(docker: &DockerState, started_at: Option<SystemTime>) -> ContainerState {
    let exit_code = docker.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
    let finished_at = time(docker.finished_at.as_deref()).unwrap_or_else(SystemTime::now);
    let started_at = started_at.unwrap_or(finished_at);
    let is_oom = docker.oom_killed == Some(true);
    let reason = match exit_code {
        _ if is_oom => reason::OOM_KILLED,
        0 => reason::COMPLETED,
        _ => reason::ERROR,
    };
    ContainerState::Terminated {
        exit_code,
        // As shells say it, and runc.
        signal: (129..=128 + 64).contains(&exit_code).then(|| exit_code - 128),
        reason: reason.into(),
        message: docker.error.clone().unwrap_or_default(),
        started_at,
        // The daemon notes the start of what ends at once after its end.
        finished_at: finished_at.max(started_at),
    }
}

fn time(text: Option<&str>) -> Option<SystemTime> {
    let text = text.filter(|text| !text.starts_with(NEVER))?;
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(status: Status) -> DockerState {
        DockerState {
            status: Some(status),
            started_at: Some("2026-11-29T20:00:00.5Z".to_owned()),
            finished_at: Some("2026-11-29T20:00:01Z".to_owned()),
            ..DockerState::default()
        }
    }

    #[test]
    fn states_are_kubernetes_words() {
        let created =
            DockerState { started_at: Some("0001-01-01T00:00:00Z".into()), ..docker(Status::CREATED) };
        assert_eq!(state(&created), ContainerState::creating());
        let running = DockerState { pid: Some(17), ..docker(Status::RUNNING) };
        let ContainerState::Running { pid: 17, started_at } = state(&running) else { panic!("it runs") };
        let seconds = started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((seconds - 1_795_982_400.5).abs() < 1e-3, "{seconds}");
        for (exit_code, oom_killed, wanted) in [
            (0, false, (reason::COMPLETED, None)),
            (7, false, (reason::ERROR, None)),
            (137, false, (reason::ERROR, Some(9))),
            (137, true, (reason::OOM_KILLED, Some(9))),
            (255, false, (reason::ERROR, None)),
        ] {
            let exited = DockerState {
                exit_code: Some(exit_code),
                oom_killed: Some(oom_killed),
                ..docker(Status::EXITED)
            };
            let ContainerState::Terminated { exit_code: found, signal, reason, .. } = state(&exited) else {
                panic!("it has ended")
            };
            assert_eq!((i64::from(found), &*reason, signal), (exit_code, wanted.0, wanted.1));
        }
        let early = DockerState {
            finished_at: Some("2026-11-29T20:00:00.4Z".into()),
            exit_code: Some(0),
            ..docker(Status::EXITED)
        };
        let ContainerState::Terminated { started_at, finished_at, .. } = state(&early) else {
            panic!("it has ended")
        };
        assert_eq!(started_at, finished_at);
        let failed = DockerState { error: Some("exec: \"nope\"".into()), ..docker(Status::CREATED) };
        let ContainerState::Terminated { exit_code: 128, reason, .. } = state(&failed) else {
            panic!("it never ran")
        };
        assert_eq!(reason, "StartError");
    }
}
