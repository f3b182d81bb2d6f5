//! What follows when a container has ended: whether it is started again, and when.
//!
//! Source: `pkg/kubelet/container/helpers.go`, `ShouldContainerBeRestarted`;
//! `kuberuntime_manager.go`, `doBackOff`; `client-go/util/flowcontrol/backoff.go`.

use std::time::Duration;

use tokio::time::Instant;

/// The first delay, as the kubelet's `initialBackOffPeriod`.
const FIRST: Duration = Duration::from_secs(10);
/// The longest delay, as the kubelet's `MaxContainerBackOff`.
const LONGEST: Duration = Duration::from_secs(300);
/// After this long without a restart the count begins anew: twice the longest
/// delay, as in `Backoff.hasExpired`.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A pod's `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// How long restarts of one container are put off; doubles with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackOff {
    last: Option<Restart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Restart {
    at: Instant,
    /// What the next one waits, counted from the container's end.
    delay: Duration,
}

// === impl RestartPolicy ===

impl RestartPolicy {
    /// Reads the field; admission lets nothing else in, and absent means `Always`.
    pub(super) fn of(text: Option<&str>) -> Self {
        match text {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            Some(_) | None => Self::Always,
        }
    }

    /// Whether a container that ended with `exit_code` is started again.
    pub(super) fn restarts(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

// === impl BackOff ===

impl BackOff {
    /// How long after its end at `ended` the container is to wait.
    pub(super) fn delay(&self, ended: Instant) -> Duration {
        match self.last {
            Some(last) if ended.saturating_duration_since(last.at) <= FORGOTTEN => last.delay,
            Some(_) | None => Duration::ZERO,
        }
    }

    /// The container, which ended at `ended`, is restarted at `now`.
    pub(super) fn has_restarted(&mut self, ended: Instant, now: Instant) {
        let delay = match self.delay(ended) {
            Duration::ZERO => FIRST,
            delay => (delay * 2).min(LONGEST),
        };
        self.last = Some(Restart { at: now, delay });
    }
}

/// The message of a container that waits to be restarted.
pub(super) fn message(
    delay: Duration,
    container: &str,
    (name, namespace, uid): (&str, &str, &str),
) -> String {
    let shown = go_duration(delay.as_secs());
    format!("back-off {shown} restarting failed container={container} pod={name}_{namespace}({uid})")
}

/// Whole seconds as Go prints a `time.Duration`.
fn go_duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_and_the_exit_code_decide() {
        use RestartPolicy::{Always, Never, OnFailure};
        for (policy, exit_code, wanted) in [
            (Always, 0, true),
            (Always, 1, true),
            (OnFailure, 0, false),
            (OnFailure, 137, true),
            (Never, 0, false),
            (Never, 1, false),
        ] {
            assert_eq!(policy.restarts(exit_code), wanted, "{policy:?} {exit_code}");
        }
        assert_eq!(RestartPolicy::of(None), Always);
    }

    #[test]
    fn the_first_restart_is_at_once_and_then_delays_double_to_five_minutes() {
        let mut backoff = BackOff::default();
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..8 {
            let delay = backoff.delay(now);
            delays.push(delay.as_secs());
            let ended = now;
            now += delay;
            backoff.has_restarted(ended, now);
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_begin_anew() {
        let mut backoff = BackOff::default();
        let start = Instant::now();
        backoff.has_restarted(start, start);
        assert_eq!(backoff.delay(start + FORGOTTEN), FIRST);
        let later = start + FORGOTTEN + Duration::from_secs(1);
        assert_eq!(backoff.delay(later), Duration::ZERO);
        backoff.has_restarted(later, later);
        assert_eq!(backoff.delay(later), FIRST);
    }

    #[test]
    fn the_message_is_the_kubelets() {
        let check = |seconds, wanted: &str| {
            assert_eq!(message(Duration::from_secs(seconds), "app", ("a", "shop", "u-1")), wanted);
        };
        check(10, "back-off 10s restarting failed container=app pod=a_shop(u-1)");
        check(80, "back-off 1m20s restarting failed container=app pod=a_shop(u-1)");
        check(300, "back-off 5m0s restarting failed container=app pod=a_shop(u-1)");
    }
}
