//! `spur trace assert`: how many requests fit, judged for CI.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use spur_trace::Trace;
use tokio::time::{Instant, timeout_at};

use super::{Told, Wanted, checked, line, lines};
use crate::args::TraceAssertArgs;
use crate::client::Client;
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::render;

/// Requests that are listed where they are too many: a screen.
const LISTED_MAX: usize = 20;

/// How many may fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    min: u64,
    max: u64,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    n: u64,
    /// The first of them.
    listed: Vec<Trace>,
    /// Requests that went by too fast to be counted.
    n_missed: u64,
}

/// Runs `spur trace assert`.
pub(super) async fn run(args: &TraceAssertArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceAssertArgs { which, count, at_least, at_most, watch, last, output } = args;
    checked(which.filter.as_deref())?;
    let expected = Expected::of(*count, *at_least, *at_most)?;
    let filter = within(which.filter.as_deref(), *last);
    let wanted = Wanted {
        key: which.key.as_deref(),
        filter: filter.as_deref(),
        limit: watch.map(|_| "0"),
        is_followed: watch.is_some(),
    };
    let mut lines = lines(client, wanted).await?;
    if let Some(watch) = watch {
        console.talk(&format!("Watching requests for {watch:?} …"));
    }
    let end = watch.map(|watch| Instant::now() + watch);
    let mut seen = Seen::default();
    while !expected.is_certain(seen.n) {
        let line = match end {
            // The time being up is how it is meant to end.
            Some(end) => timeout_at(end, lines.next()).await.unwrap_or(Ok(None))?,
            None => lines.next().await?,
        };
        let Some(line) = line else { break };
        match serde_json::from_slice(&line).context("failed to read a trace")? {
            Told::Trace(trace) => seen.add(*trace),
            Told::Lost { lost } => seen.n_missed += lost,
        }
    }
    judge(expected, &seen, *output, console)
}

fn judge(
    expected: Expected,
    seen: &Seen,
    output: Option<crate::args::Structured>,
    console: &mut Console,
) -> Result<Exit> {
    let holds = expected.holds(seen.n);
    // One that was missed could have made it too many, and never too few.
    let is_known = seen.n_missed == 0 || seen.n > expected.max || holds && expected.max == u64::MAX;
    if let Some(format) = output {
        let value = json!({
            "holds": holds && is_known,
            "count": seen.n,
            "min": expected.min,
            "max": (expected.max < u64::MAX).then_some(expected.max),
            "n_missed": seen.n_missed,
            "traces": seen.listed,
        });
        console.bytes(render::structured(format, &value).as_bytes())?;
    } else if seen.n > expected.max {
        for trace in &seen.listed {
            console.line(&line::of(trace, console.data_paint()))?;
        }
    }
    if !is_known {
        let message = format!("{} requests went by too fast to be counted", seen.n_missed);
        return Err(Failure::new(message).hint("narrow the filter, or look at them with --last").into());
    }
    console.talk(&format!("{} requests fit, expected {}", seen.n, expected.told()));
    Ok(if holds { Exit::Success } else { Exit::Failed })
}

/// The filter for what began within the last while.
fn within(filter: Option<&str>, last: Option<Duration>) -> Option<String> {
    let Some(last) = last else { return filter.map(ToOwned::to_owned) };
    let age = format!("age<{}ms", last.as_millis());
    Some(filter.map_or_else(|| age.clone(), |filter| format!("({filter}) & {age}")))
}

// === impl Expected ===

impl Expected {
    fn of(count: Option<u64>, at_least: Option<u64>, at_most: Option<u64>) -> Result<Self, Failure> {
        let expected = match count {
            Some(count) => Self { min: count, max: count },
            None => Self { min: at_least.unwrap_or(0), max: at_most.unwrap_or(u64::MAX) },
        };
        if expected.min > expected.max {
            let Self { min, max } = expected;
            return Err(Failure::usage(format!("--at-least {min} and --at-most {max} cannot both hold")));
        }
        Ok(expected)
    }

    fn holds(self, n: u64) -> bool {
        (self.min..=self.max).contains(&n)
    }

    /// Whether what comes later changes nothing.
    fn is_certain(self, n: u64) -> bool {
        n > self.max || self.max == u64::MAX && n >= self.min
    }

    fn told(self) -> String {
        match self {
            Self { min, max } if min == max => format!("{min}"),
            Self { min, max: u64::MAX } => format!("{min} or more"),
            Self { min: 0, max } => format!("{max} or fewer"),
            Self { min, max } => format!("{min} to {max}"),
        }
    }
}

// === impl Seen ===

impl Seen {
    fn add(&mut self, trace: Trace) {
        self.n += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(trace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_certain_once_nothing_can_change_it() {
        let of = |count, at_least, at_most| Expected::of(count, at_least, at_most).unwrap();
        let none = of(Some(0), None, None);
        assert!(none.holds(0) && !none.is_certain(0) && none.is_certain(1) && !none.holds(1));
        let some = of(None, Some(2), None);
        assert!(!some.holds(1) && !some.is_certain(1) && some.holds(2) && some.is_certain(2));
        let few = of(None, Some(1), Some(3));
        assert!(few.holds(3) && !few.is_certain(3) && few.is_certain(4));
        assert_eq!([none, some, few].map(Expected::told), ["0", "2 or more", "1 to 3"]);
        assert!(Expected::of(None, Some(3), Some(1)).is_err());
    }

    #[test]
    fn the_last_while_is_a_term_of_the_filter() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(within(Some("a | b"), minute).as_deref(), Some("(a | b) & age<60000ms"));
        assert_eq!(within(None, minute).as_deref(), Some("age<60000ms"));
        assert_eq!(within(Some("a"), None).as_deref(), Some("a"));
    }
}
