//! How many requests are worked on at once, and for how long.
//!
//! A flood answers 429 instead of taking all memory. Administrators have slots of their own, so
//! that they can end what floods; health needs none, and neither do our own controllers, which
//! bound themselves. Watches, logs and streams last, and take no slot.
//!
//! Source: `apiserver/pkg/server/filters/{maxinflight,timeout}.go`,
//! `endpoints/filters/request_deadline.go`; `reliability-and-security` AP-7.

use std::sync::Arc;
use std::time::Duration;

use spur_api::{Status, Subresource};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::User;
use crate::path::Target;
use crate::query::Query;
use crate::request_counts::UnderWay;

/// Reads at once (`server/config.go`: `MaxRequestsInFlight`).
pub(crate) const READS_MAX: usize = 400;
/// Writes at once (`server/config.go`: `MaxMutatingRequestsInFlight`).
pub(crate) const WRITES_MAX: usize = 200;
/// Longest that a request is worked on, its body's arrival included (`server/config.go`:
/// `RequestTimeout`).
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// The slots of a server.
#[derive(Debug)]
pub(crate) struct InFlight {
    administrators: Slots,
    everyone: Slots,
}

#[derive(Debug)]
struct Slots {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

/// A slot that is taken; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// What a request does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// Whether a request lasts as long as its client wants.
pub(crate) fn is_long_running(target: &Target, query: &Query) -> bool {
    let is_streamed = target.subresource.is_some_and(|part| part == Subresource::Log || part.is_streamed());
    query.is_watch || is_streamed
}

/// How long a request is worked on: as its client says, 60 s at most.
pub(crate) fn time_limit(query: &Query) -> Duration {
    query.request_timeout.filter(|asked| !asked.is_zero()).map_or(REQUEST_MAX, |asked| asked.min(REQUEST_MAX))
}

/// 504.
pub(crate) fn timed_out() -> Status {
    Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
}

// === impl InFlight ===

impl InFlight {
    /// Every slot is free.
    pub(crate) fn new() -> Self {
        Self { administrators: Slots::new(), everyone: Slots::new() }
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// 429 where all are taken.
    pub(crate) fn admit(&self, user: &User, effect: Effect) -> Result<Slot, Status> {
        let slots = if user.is_administrator() { &self.administrators } else { &self.everyone };
        let (free, what, max) = match effect {
            Effect::Read => (&slots.reads, "reads", READS_MAX),
            Effect::Write => (&slots.writes, "writes", WRITES_MAX),
        };
        let permit = free.clone().try_acquire_owned().map_err(|_| {
            let why = format!("Too many requests, please try again later: {max} {what} are under way");
            let mut status = Status::new(429, "TooManyRequests", why);
            // `maxinflight.go`: `retryAfter`.
            status.details.retry_after_seconds = Some(1);
            status
        })?;
        Ok(Slot { _permit: permit })
    }

    /// How many slots are taken.
    pub(crate) fn under_way(&self) -> UnderWay {
        let taken = |max: usize, of: fn(&Slots) -> &Semaphore| {
            let free = [&self.administrators, &self.everyone].map(|slots| of(slots).available_permits());
            2 * max - free.iter().sum::<usize>()
        };
        UnderWay {
            reads: taken(READS_MAX, |slots| &slots.reads),
            writes: taken(WRITES_MAX, |slots| &slots.writes),
        }
    }
}

// === impl Slots ===

impl Slots {
    fn new() -> Self {
        let slots = |max| Arc::new(Semaphore::new(max));
        Self { reads: slots(READS_MAX), writes: slots(WRITES_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ap_7_administrators_have_slots_of_their_own() {
        let slots = InFlight::new();
        let jane = User::named("jane".to_owned());
        let mut taken: Vec<Slot> =
            (0..WRITES_MAX).map(|_| slots.admit(&jane, Effect::Write).expect("a slot is free")).collect();
        let refused = slots.admit(&jane, Effect::Write).expect_err("all are taken");
        assert_eq!((refused.code, refused.details.retry_after_seconds), (429, Some(1)));
        assert!(slots.admit(&jane, Effect::Read).is_ok(), "reads have their own");
        assert!(slots.admit(&User::admin(), Effect::Write).is_ok());
        taken.pop();
        assert!(slots.admit(&jane, Effect::Write).is_ok(), "a slot came back");
    }

    #[test]
    fn a_client_may_ask_for_less_time_than_the_most() {
        let check = |query: &str, seconds: f64| {
            let query = Query::parse(query).expect("a query");
            assert_eq!(time_limit(&query), Duration::from_secs_f64(seconds), "{query:?}");
        };
        check("", 60.0);
        check("timeout=", 60.0);
        check("timeout=0s", 60.0);
        check("timeout=34s", 34.0);
        check("timeout=500ms", 0.5);
        check("timeout=1m30s", 60.0);
        for wrong in ["timeout=5", "timeout=soon", "timeout=-1s"] {
            assert_eq!(Query::parse(wrong).map(|_| ()).map_err(|status| status.code), Err(400), "{wrong}");
        }
    }
}
