//! When all of a request must be over: the rule's timeout, and gRPC's own deadline.

use std::time::Duration;

use http::HeaderMap;
use spur_trace::HopError;
use tokio::time::Instant;

/// A point in time, and what has happened when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) error: HopError,
}

// === impl Deadline ===

impl Deadline {
    /// The sooner of the rule's timeout and the deadline that a gRPC client sets, which counts up
    /// to the rule's (Istio, `MaxGrpcTimeout`); `grpc` are headers that may hold it.
    pub(crate) fn of(rule: Option<Duration>, grpc: Option<&HeaderMap>, now: Instant) -> Option<Self> {
        let rule = rule.map(|after| (after, HopError::RouteTimeout));
        let grpc = grpc.and_then(grpc_timeout).map(|after| (after, HopError::DeadlineExceeded));
        let sooner = rule.into_iter().chain(grpc).min_by_key(|(after, _)| *after);
        sooner.map(|(after, error)| Self { at: now + after, error })
    }
}

/// The longest deadline, since clocks end: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// `TimeoutValue TimeoutUnit`: at most eight digits and one letter
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). What is none sets no
/// deadline, as in Envoy.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    let duration = match unit {
        "H" => Duration::from_secs(n.saturating_mul(3600)),
        "M" => Duration::from_secs(n.saturating_mul(60)),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    };
    Some(duration.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(timeout: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", timeout.parse().unwrap());
        headers
    }

    #[test]
    fn px_9_grpc_timeouts_have_digits_and_a_unit() {
        for (text, wanted) in [
            ("1S", Some(Duration::from_secs(1))),
            ("100m", Some(Duration::from_millis(100))),
            ("99999999H", Some(LONGEST)),
            ("5u", Some(Duration::from_micros(5))),
            ("0n", Some(Duration::ZERO)),
            ("123456789S", None),
            ("-1S", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("", None),
        ] {
            assert_eq!(grpc_timeout(&headers(text)), wanted, "{text}");
        }
    }

    #[test]
    fn the_sooner_deadline_counts() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let of = |rule: Option<Duration>, text: &str| {
            Deadline::of(rule, Some(&headers(text)), now).map(|deadline| (deadline.at - now, deadline.error))
        };
        assert_eq!(of(Some(second), "5S"), Some((second, HopError::RouteTimeout)));
        assert_eq!(of(Some(second * 9), "1S"), Some((second, HopError::DeadlineExceeded)));
        assert_eq!(of(None, "x"), None);
    }
}
