//! What is tried again, how often, and how soon.

use std::time::Duration;

/// What a rule says about trying again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// Nothing: the mesh's default ([`RetryPolicy::default`]).
    #[default]
    Default,
    /// Nothing is tried again (`attempts: 0`).
    Off,
    /// So.
    Policy(RetryPolicy),
}

/// How a request is tried again (`HTTPRetry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first.
    pub attempts: u32,
    /// For the head of one try's response; `None`: what is left of the rule's timeout.
    pub per_try_timeout: Option<Duration>,
    /// After what.
    pub on: RetryOn,
    /// The first pause is between nothing and this, the next ones up to 2^N - 1 of it, and none
    /// over ten of it (Envoy, `router_filter.rst`: fully jittered, 25 ms).
    pub backoff: Duration,
    /// Whether endpoints that have failed are tried only after the others
    /// (`retryIgnorePreviousHosts`).
    pub avoids_previous: bool,
}

/// After what a request is tried again, in Envoy's words (`x-envoy-retry-on`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// `connect-failure`: no connection could be made.
    pub connect_failure: bool,
    /// `refused-stream`: an HTTP/2 stream was refused, which says that nothing was done.
    pub refused_stream: bool,
    /// `reset`: the upstream closed or answered nothing in time.
    pub reset: bool,
    /// `reset-before-request`: as `reset`, where the head had not been sent.
    pub reset_before_request: bool,
    /// `5xx`, and with it everything above.
    pub all_5xx: bool,
    /// `gateway-error`: 502, 503, 504.
    pub gateway_error: bool,
    /// `retriable-4xx`: 409.
    pub retriable_4xx: bool,
    /// `retriable-status-codes`: these statuses.
    pub statuses: Vec<u16>,
    /// `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable`: these
    /// `grpc-status`es, where the response is nothing but trailers.
    pub grpc_statuses: Vec<u32>,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    /// The mesh's default (`retry.go`, `DefaultPolicy`): two more tries.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn {
                connect_failure: true,
                refused_stream: true,
                grpc_statuses: vec![GRPC_UNAVAILABLE, GRPC_CANCELLED],
                ..RetryOn::default()
            },
            backoff: BACKOFF_USUAL,
            avoids_previous: true,
        }
    }
}

impl RetryPolicy {
    /// How long to wait before the retry that is the `nth` (from 1), where `lot` is drawn
    /// from the whole range of numbers.
    #[must_use]
    pub fn pause(&self, nth: u32, lot: u32) -> Duration {
        let times = 2_u32.saturating_pow(nth).saturating_sub(1).min(10);
        let most = self.backoff.saturating_mul(times);
        most.mul_f64(f64::from(lot) / f64::from(u32::MAX))
    }
}

// === impl RetryOn ===

/// Envoy's base interval.
pub(crate) const BACKOFF_USUAL: Duration = Duration::from_millis(25);

/// <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
const GRPC_CANCELLED: u32 = 1;
const GRPC_DEADLINE_EXCEEDED: u32 = 4;
const GRPC_RESOURCE_EXHAUSTED: u32 = 8;
const GRPC_INTERNAL: u32 = 13;
const GRPC_UNAVAILABLE: u32 = 14;

impl RetryOn {
    /// Reads a comma-separated list; numbers are statuses. The second half of the answer is
    /// the words that are known and mean nothing here, the error the first that is not known.
    ///
    /// # Errors
    /// The word that is none.
    pub fn parse(text: &str) -> Result<(Self, Vec<&str>), &str> {
        let mut on = Self::default();
        let mut ignored = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "5xx" => on.all_5xx = true,
                "gateway-error" => on.gateway_error = true,
                "reset" => on.reset = true,
                "reset-before-request" => on.reset_before_request = true,
                "connect-failure" => on.connect_failure = true,
                "refused-stream" => on.refused_stream = true,
                "retriable-4xx" => on.retriable_4xx = true,
                "cancelled" => on.grpc_statuses.push(GRPC_CANCELLED),
                "deadline-exceeded" => on.grpc_statuses.push(GRPC_DEADLINE_EXCEEDED),
                "internal" => on.grpc_statuses.push(GRPC_INTERNAL),
                "resource-exhausted" => on.grpc_statuses.push(GRPC_RESOURCE_EXHAUSTED),
                "unavailable" => on.grpc_statuses.push(GRPC_UNAVAILABLE),
                // The statuses stand in the list themselves.
                "retriable-status-codes" => {}
                "envoy-ratelimited" | "retriable-headers" | "http3-post-connect-failure" => {
                    ignored.push(word);
                }
                number => match number.parse() {
                    Ok(status) if (100..=599).contains(&status) => on.statuses.push(status),
                    _ => return Err(word),
                },
            }
        }
        Ok((on, ignored))
    }

    /// Whether a response with this status is tried again.
    #[must_use]
    pub fn wants_status(&self, status: u16) -> bool {
        (self.all_5xx && (500..=599).contains(&status))
            || (self.gateway_error && (502..=504).contains(&status))
            || (self.retriable_4xx && status == 409)
            || self.statuses.contains(&status)
    }

    /// Whether a response of nothing but trailers with this `grpc-status` is tried again.
    #[must_use]
    pub fn wants_grpc_status(&self, status: u32) -> bool {
        self.grpc_statuses.contains(&status)
    }

    /// Whether a failed connection is tried again.
    #[must_use]
    pub fn wants_connect_failure(&self) -> bool {
        self.connect_failure || self.wants_reset()
    }

    /// Whether an upstream that closes, resets or says nothing in time is tried again, since its
    /// client would see a 5xx (Envoy, `RetryStateImpl::wouldRetryFromReset`).
    #[must_use]
    pub fn wants_reset(&self) -> bool {
        self.reset || self.all_5xx || self.gateway_error
    }

    /// Whether a refused HTTP/2 stream is tried again.
    #[must_use]
    pub fn wants_refused_stream(&self) -> bool {
        self.refused_stream || self.wants_reset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_read_and_others_refused() {
        let (on, ignored) = RetryOn::parse("5xx, 418,unavailable,retriable-headers").unwrap();
        assert!(on.wants_status(500) && on.wants_status(418) && !on.wants_status(404));
        assert!(on.wants_grpc_status(14) && on.wants_connect_failure() && on.wants_reset());
        assert_eq!(ignored, ["retriable-headers"]);
        assert_eq!(RetryOn::parse("5xx,sometimes"), Err("sometimes"));
        assert_eq!(RetryOn::parse("99"), Err("99"));
        assert_eq!(RetryOn::parse("").unwrap().0, RetryOn::default());
    }

    #[test]
    fn pauses_double_and_end_at_ten_times_the_first() {
        let policy = RetryPolicy::default();
        let longest = |nth| policy.pause(nth, u32::MAX).as_millis();
        assert_eq!([longest(1), longest(2), longest(3), longest(4), longest(9)], [25, 75, 175, 250, 250]);
        assert_eq!(policy.pause(3, 0), Duration::ZERO);
    }
}
