//! Waiting for a level with a deadline: the only place that lets time pass.

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Nothing on one machine takes that long; a busy CI machine may need a good part of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks: short against everything that is waited for, and few
/// enough not to be the load that is waited out.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Looks until `look` gives a value; its last reason not to is told at the deadline.
#[track_caller]
pub(crate) fn until<T, E: Display>(
    what: &str,
    look: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    wait(what.to_owned(), Location::caller(), look)
}

async fn wait<T, E: Display>(
    what: String,
    place: &Location<'_>,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let since = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        match look().await {
            Ok(found) => return found,
            Err(why) if since.elapsed() > DEADLINE => {
                panic!("{place}: waited {DEADLINE:?} until {what}: {why}")
            }
            Err(_) => {}
        }
    }
}
