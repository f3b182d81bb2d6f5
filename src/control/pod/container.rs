//! One container as its worker knows it, and what becomes of it when it starts
//! and ends. Changes only; what causes them is the worker's.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use spur_runtime::{ContainerState, StartError, Started, reason};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::exit::{self, BackOff, RestartPolicy};
use super::probe::{Kind, Plan};
use super::worker::Image;

/// The reason of a container that waits to be restarted.
const CRASH_LOOP: &str = "CrashLoopBackOff";
/// How long what the user has to repair is left alone when nothing changes: a few
/// seconds, as the kubelet's next sync would take.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// A container of a pod.
pub(super) struct Container {
    pub(super) name: String,
    pub(super) role: Role,
    /// Whether it is started again, by its role and its pod's policy.
    pub(super) policy: RestartPolicy,
    pub(super) state: State,
    /// How the run before this one ended.
    pub(super) last: Option<ContainerStateTerminated>,
    pub(super) n_restarts: i32,
    /// `process://<pid>` of the current run, or the last.
    pub(super) id: Option<String>,
    /// Whether the next start is a restart.
    pub(super) has_run: bool,
    /// Whether its last run was ended by us, because the pod was deleted.
    pub(super) was_stopped: bool,
    pub(super) image: Image,
    /// How long the last pause after a failed fetch of its image was.
    pub(super) image_pause: Duration,
    backoff: BackOff,
    ended: Instant,
}

/// When a container is started, and what its end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Before the others, to its end.
    Init,
    /// Before the others, and then beside them: an init container whose `restartPolicy` is `Always`.
    Sidecar,
    Main,
}

/// What it does.
pub(super) enum State {
    /// It is to be started when due.
    Waiting {
        reason: String,
        message: String,
        due: Due,
    },
    Running(Running),
    /// It has ended and is not started again.
    Ended(ContainerStateTerminated),
}

/// When a waiting container is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Instant),
    /// When a ConfigMap or Secret changes, or at this time.
    Changed(Instant),
    /// The pod has to be made anew.
    Never,
}

/// A run.
pub(super) struct Running {
    /// Counts the starts of all containers of the pod.
    pub(super) start: u64,
    pub(super) started_at: SystemTime,
    pub(super) since: Instant,
    pub(super) plans: Vec<Plan>,
    pub(super) has_started_up: bool,
    pub(super) answers_ready: bool,
    /// Whether it is being stopped.
    pub(super) is_killed: bool,
    pub(super) post_start: PostStart,
    /// Its hook and its probes; they end with it.
    pub(super) tasks: JoinSet<()>,
}

/// How far a run's `postStart` hook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostStart {
    UnderWay,
    /// It has failed, for this reason.
    Failed(String),
    /// Or there is none.
    Done,
}

/// Which pod, as back-off messages name it: name, namespace, uid.
pub(super) type PodNames<'a> = (&'a str, &'a str, &'a str);

// === impl Container ===

impl Container {
    /// One that was never started.
    pub(super) fn fresh(name: &str, (role, policy): (Role, RestartPolicy), n_restarts: i32) -> Self {
        Self {
            name: name.to_owned(),
            role,
            policy: role.policy(policy),
            state: State::creating(),
            last: None,
            n_restarts,
            id: None,
            has_run: false,
            was_stopped: false,
            image: Image::default(),
            image_pause: Duration::ZERO,
            backoff: BackOff::default(),
            ended: Instant::now(),
        }
    }

    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            State::Waiting { .. } | State::Ended(_) => None,
        }
    }

    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            State::Waiting { .. } | State::Ended(_) => None,
        }
    }

    /// Whether those after it must not start yet.
    pub(super) fn holds_back_others(&self) -> bool {
        let has_begun = self.running().is_none_or(|running| running.post_start != PostStart::UnderWay);
        !has_begun || !self.has_done_its_part()
    }

    /// Whether the pod counts it as done with initialization: for init containers, whether it has succeeded; for a sidecar,
    /// whether it has started up once.
    pub(super) fn has_done_its_part(&self) -> bool {
        match (self.role, &self.state) {
            (Role::Init, State::Ended(ended)) => ended.exit_code == 0,
            (Role::Sidecar, State::Running(running)) => running.has_started_up && running.has_begun(),
            // One that was up holds nobody back while it is started again.
            (Role::Sidecar, State::Waiting { .. }) => self.has_run && self.last.is_some(),
            (Role::Sidecar, State::Ended(_)) | (Role::Main, _) => true,
            (Role::Init, State::Waiting { .. } | State::Running(_)) => false,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        match &self.state {
            State::Waiting { due: Due::Now, .. } => true,
            State::Waiting { due: Due::At(at) | Due::Changed(at), .. } => *at <= now,
            State::Waiting { due: Due::Never, .. } | State::Running(_) | State::Ended(_) => false,
        }
    }

    /// When it has to be looked at again, if nothing happens.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { due: Due::Now, .. } => Some(Instant::now()),
            State::Waiting { due: Due::At(at) | Due::Changed(at), .. } => Some(*at),
            State::Waiting { due: Due::Never, .. } | State::Running(_) | State::Ended(_) => None,
        }
    }

    /// Whether a changed ConfigMap or Secret may help it; then it is due.
    pub(super) fn config_has_changed(&mut self) {
        if let State::Waiting { due: due @ Due::Changed(_), .. } = &mut self.state {
            *due = Due::Now;
        }
    }

    pub(super) fn waits_for_config(&self) -> bool {
        matches!(self.state, State::Waiting { due: Due::Changed(_), .. })
    }

    /// Whether it waits because it kept failing.
    pub(super) fn is_backing_off(&self) -> bool {
        self.has_run && matches!(self.state, State::Waiting { due: Due::At(_), .. })
    }

    /// What it failed for may be there now: it is due, and its failures are forgotten.
    pub(super) fn try_anew(&mut self) {
        if let State::Waiting { due, .. } = &mut self.state {
            self.backoff = BackOff::default();
            *due = Due::Now;
        }
    }

    /// A container that waits waits until then, for the same reason.
    pub(super) fn put_off(&mut self, until: Instant) {
        if let State::Waiting { due, .. } = &mut self.state {
            *due = Due::At(until);
        }
    }

    /// A container that waits goes on waiting for the same reason, until it is told otherwise.
    pub(super) fn hold(&mut self) {
        if let State::Waiting { due, .. } = &mut self.state {
            *due = Due::Never;
        }
    }

    /// From now on its end is its last, and it is not started where it waits.
    pub(super) fn starts_no_more(&mut self) {
        self.policy = RestartPolicy::Never;
        if let State::Waiting { due, .. } = &mut self.state {
            *due = Due::Never;
            if let Some(last) = self.last.clone() {
                self.state = State::Ended(last);
            }
        }
    }

    pub(super) fn wait(&mut self, reason: &str, message: String, due: Due) {
        self.state = State::Waiting { reason: reason.to_owned(), message, due };
    }

    /// It is being started: a restart is counted, whether or not it succeeds.
    pub(super) fn begin(&mut self) {
        // A policy may want it fetched before each start.
        self.image = Image::Unknown;
        if self.has_run {
            self.n_restarts = self.n_restarts.saturating_add(1);
            self.backoff.has_restarted(self.ended, Instant::now());
        }
        self.has_run = true;
    }

    pub(super) fn has_started(&mut self, started: &Started, (start, runtime): (u64, &str), plans: Vec<Plan>) {
        self.id = Some(format!("{runtime}://{}", started.id));
        self.runs((start, started.started_at), plans);
    }

    /// It runs since then.
    pub(super) fn runs(&mut self, (start, started_at): (u64, SystemTime), plans: Vec<Plan>) {
        let has_startup = plans.iter().any(|plan| plan.kind == Kind::Startup);
        let has_readiness = plans.iter().any(|plan| plan.kind == Kind::Readiness);
        self.state = State::Running(Running {
            start,
            started_at,
            since: Instant::now(),
            plans,
            has_started_up: !has_startup,
            answers_ready: !has_readiness,
            is_killed: false,
            post_start: PostStart::Done,
            tasks: JoinSet::new(),
        });
    }

    /// The program could not be started, which counts as a run that failed; everything
    /// else leaves the container waiting.
    pub(super) fn has_failed_to_start(&mut self, error: &StartError) {
        let now = Instant::now();
        if let StartError::NoSuchImage { .. } = error {
            // It was there a moment ago.
            self.image = Image::Unknown;
            return self.wait(reason::CONTAINER_CREATING, error.text(), Due::At(now + RETRY));
        }
        match error.reason() {
            reason::RUN_CONTAINER_ERROR => {
                let ended = failed_start(error);
                self.ended = now;
                if self.policy.restarts(ended.exit_code) {
                    self.last = Some(ended);
                    let due = Due::At(now + self.backoff.delay(now));
                    // The kubelet shows CrashLoopBackOff here and hides why.
                    self.wait(reason::RUN_CONTAINER_ERROR, error.text(), due);
                } else {
                    self.state = State::Ended(ended);
                }
            }
            reason::CREATE_CONTAINER_CONFIG_ERROR => {
                self.wait(reason::CREATE_CONTAINER_CONFIG_ERROR, error.text(), Due::Changed(now + RETRY));
            }
            other => self.wait(other, error.text(), Due::At(now + RETRY)),
        }
    }

    /// The run has ended. Says how long it waits, where it is restarted.
    pub(super) fn has_ended(
        &mut self,
        ended: ContainerStateTerminated,
        pod: PodNames<'_>,
    ) -> Option<Duration> {
        let now = Instant::now();
        self.ended = now;
        if !self.policy.restarts(ended.exit_code) {
            self.state = State::Ended(ended);
            return None;
        }
        self.last = Some(ended);
        let delay = self.backoff.delay(now);
        if delay.is_zero() {
            self.state = State::creating();
        } else {
            let message = exit::message(delay, &self.name, pod);
            self.wait(CRASH_LOOP, message, Due::At(now + delay));
        }
        Some(delay)
    }
}

// === impl Role ===

impl Role {
    /// An init container runs until it has succeeded, unless nothing of the pod is started again; a
    /// sidecar is always started again (`pkg/kubelet/container/helpers.go`,
    /// `ShouldContainerBeRestarted`).
    fn policy(self, of_pod: RestartPolicy) -> RestartPolicy {
        match (self, of_pod) {
            (Self::Init, RestartPolicy::Always) => RestartPolicy::OnFailure,
            (Self::Sidecar, _) => RestartPolicy::Always,
            (Self::Init | Self::Main, of_pod) => of_pod,
        }
    }
}

// === impl State ===

impl State {
    pub(super) fn creating() -> Self {
        Self::Waiting { reason: reason::CONTAINER_CREATING.to_owned(), message: String::new(), due: Due::Now }
    }
}

// === impl Running ===

impl Running {
    /// Whether requests may come: started up, and the readiness probe says so where there is one.
    pub(super) fn is_ready(&self) -> bool {
        self.has_begun() && self.has_started_up && self.answers_ready && !self.is_killed
    }

    /// Whether its hook has done what it was to do.
    pub(super) fn has_begun(&self) -> bool {
        self.post_start == PostStart::Done
    }
}

/// A runtime's terminated state as the API has it; `None` where it has not ended.
pub(super) fn terminated(state: &ContainerState, id: Option<&String>) -> Option<ContainerStateTerminated> {
    let ContainerState::Terminated { exit_code, signal, reason, message, started_at, finished_at } = state
    else {
        return None;
    };
    Some(ContainerStateTerminated {
        container_id: id.cloned(),
        exit_code: *exit_code,
        signal: *signal,
        reason: Some(reason.clone()),
        message: Some(message.clone()).filter(|message| !message.is_empty()),
        started_at: Some(time(*started_at)),
        finished_at: Some(time(*finished_at)),
    })
}

/// A container whose end nobody saw, in the kubelet's words
/// (`kubelet_pods.go`, `convertToAPIContainerStatuses`).
pub(super) fn unknown_end(id: Option<&String>) -> ContainerStateTerminated {
    ContainerStateTerminated {
        container_id: id.cloned(),
        exit_code: 137,
        reason: Some(reason::CONTAINER_STATUS_UNKNOWN.to_owned()),
        message: Some("The container could not be located when the pod was terminated".to_owned()),
        ..ContainerStateTerminated::default()
    }
}

fn failed_start(error: &StartError) -> ContainerStateTerminated {
    let now = time(SystemTime::now());
    ContainerStateTerminated {
        exit_code: StartError::EXIT_CODE,
        reason: Some(reason::START_ERROR.to_owned()),
        message: Some(error.text()),
        started_at: Some(now.clone()),
        finished_at: Some(now),
        ..ContainerStateTerminated::default()
    }
}

/// A time in whole seconds, as the API writes it, so that what is read back is equal.
pub(super) fn time(at: SystemTime) -> Time {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::MAX);
    Time(Timestamp::from_second(at.as_second()).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: PodNames<'static> = ("a", "shop", "u-1");

    fn ended(exit_code: i32) -> ContainerStateTerminated {
        ContainerStateTerminated { exit_code, ..ContainerStateTerminated::default() }
    }

    fn fresh(policy: RestartPolicy) -> Container {
        Container::fresh("app", (Role::Main, policy), 0)
    }

    fn waits(container: &Container) -> (&str, &str) {
        match &container.state {
            State::Waiting { reason, message, .. } => (reason, message),
            State::Running(_) | State::Ended(_) => panic!("it does not wait"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_crash_waits_ten_seconds_and_says_so() {
        let mut container = fresh(RestartPolicy::Always);
        container.begin();
        assert_eq!(container.n_restarts, 0);
        assert_eq!(container.has_ended(ended(1), POD), Some(Duration::ZERO));
        assert!(container.is_due(Instant::now()));
        container.begin();
        assert_eq!(container.n_restarts, 1);
        let delay = container.has_ended(ended(1), POD);
        assert_eq!(delay, Some(Duration::from_secs(10)));
        let message = "back-off 10s restarting failed container=app pod=a_shop(u-1)";
        assert_eq!(waits(&container), (CRASH_LOOP, message));
        assert!(!container.is_due(Instant::now()));
        assert!(container.is_due(Instant::now() + Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn what_is_not_restarted_has_ended() {
        let mut container = fresh(RestartPolicy::OnFailure);
        container.begin();
        assert_eq!(container.has_ended(ended(0), POD), None);
        assert!(matches!(container.state, State::Ended(_)));
    }

    #[tokio::test]
    async fn a_program_that_is_missing_keeps_its_reason_in_view() {
        let error = || StartError::NotInPath { program: "nope".into(), path: "/bin".into() };
        let mut container = fresh(RestartPolicy::Always);
        container.begin();
        container.has_failed_to_start(&error());
        let (reason, message) = waits(&container);
        assert_eq!(reason, "RunContainerError");
        assert!(message.contains("executable file not found in $PATH"), "{message}");
        assert_eq!(container.last.as_ref().unwrap().exit_code, 128);
        container.begin();
        assert_eq!(container.n_restarts, 1);
        container.policy = RestartPolicy::Never;
        container.has_failed_to_start(&error());
        assert!(
            matches!(&container.state, State::Ended(ended) if ended.reason.as_deref() == Some("StartError"))
        );
    }
}
