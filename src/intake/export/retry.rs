//! When to try again.

use std::time::Duration;

use tokio::time::Instant;

/// Before the second try: what OpenTelemetry's exporters begin with.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause of our own; a longer one that the collector asks for is kept to.
const LONGEST: Duration = Duration::from_secs(30);

/// A batch is given up after that long: OpenTelemetry's collector does the same
/// (`retry_on_failure.max_elapsed_time`).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 60);

/// The tries of one batch.
#[derive(Debug)]
pub(super) struct Retry {
    began: Instant,
    n_tries: u32,
}

// === impl Retry ===

impl Retry {
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: now, n_tries: 0 }
    }

    /// How long to wait after a try that failed, where the collector said so `asked` (`Retry-After`);
    /// `None` to give up.
    pub(super) fn next(&mut self, now: Instant, asked: Option<Duration>) -> Option<Duration> {
        let pause = asked.unwrap_or_else(|| FIRST.saturating_mul(1 << self.n_tries.min(5)).min(LONGEST));
        self.n_tries += 1;
        (now + pause - self.began <= GIVEN_UP_AFTER).then_some(pause)
    }

    /// Whether one try has failed so far.
    pub(super) fn is_first(&self) -> bool {
        self.n_tries == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_until_it_is_given_up() {
        let began = Instant::now();
        let (mut retry, mut now, mut pauses) = (Retry::begin(began), began, Vec::new());
        while let Some(pause) = retry.next(now, None) {
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30]);
    }

    #[test]
    fn what_the_collector_asks_for_is_kept_to() {
        let now = Instant::now();
        let mut retry = Retry::begin(now);
        assert_eq!(retry.next(now, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(retry.next(now, Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(retry.next(now, Some(Duration::from_secs(3_600))), None);
    }
}
