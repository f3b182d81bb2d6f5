//! Waiting for a response for as long as the request moves.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::hop::Hop;

/// How long a request may not move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// With its upstream.
    pub(super) head: Option<Duration>,
    /// With its client.
    pub(super) body: Option<Duration>,
    /// With either, however it moves.
    pub(super) until: Option<Instant>,
}

/// Whom a request has waited for for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    Upstream,
    Client,
}

// === impl Patience ===

impl Patience {
    fn shorter(self) -> Option<Duration> {
        match (self.head, self.body) {
            (Some(head), Some(body)) => Some(head.min(body)),
            (one, other) => one.or(other),
        }
    }
}

/// `future`'s output, or whom the request has waited for once it has not moved for as long as
/// `patience` has for them.
///
/// It stays where it is: a future that is given away would be held twice.
pub(super) async fn while_moving<F: Future>(
    hop: &Hop,
    patience: Patience,
    mut future: Pin<&mut F>,
) -> Result<F::Output, Slow> {
    let soonest = |look: Option<Instant>| match (look, patience.until) {
        (Some(look), Some(until)) => Some(look.min(until)),
        (one, other) => one.or(other),
    };
    let look_after = patience.shorter();
    let mut look = look_after.map(|after| hop.request_moved() + after);
    loop {
        let Some(next) = soonest(look) else { return Ok(future.await) };
        if let Ok(output) = timeout_at(next, future.as_mut()).await {
            return Ok(output);
        }
        let now = Instant::now();
        if patience.until.is_some_and(|until| until <= now) {
            return Err(Slow::Upstream);
        }
        let (slow, limit) = match hop.awaits_client() {
            true => (Slow::Client, patience.body),
            false => (Slow::Upstream, patience.head),
        };
        let again = look_after.map(|after| now + after);
        match limit.map(|limit| hop.request_moved() + limit) {
            Some(due) if due <= now => return Err(slow),
            // Whom it waits for may change before then.
            Some(due) => look = again.map(|again| due.min(again)),
            None => look = again,
        }
    }
}
