//! `/spur/v1/traces/summary`: exact counts of the last seconds, none of them sampled.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use spur_api::Status;
use spur_trace::{AggregateLimits, By, Durations, Series, Summary, Tally, Window};

use crate::answer::{self, Outcome};
use crate::state::State;

/// A minute, where nobody says how long.
const LAST_DEFAULT_S: u64 = 60;

/// What may be told apart, by name.
const BY: [(&str, By); 8] = [
    ("edge", By::Edge),
    ("edge-key", By::EdgeAndKey),
    ("edge-version", By::EdgeAndVersion),
    ("entry", By::Entry),
    ("rule", By::Rule),
    ("rule-workload", By::RuleAndWorkload),
    ("key", By::Key),
    ("all", By::All),
];

/// Answers for `last`, in seconds, `ago`, in seconds before now, and `by`.
pub(crate) async fn summary(state: &State, query: &str) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let window = window(query, now)?;
    let summary = state.traces.summary(window).await;
    Ok(answer::ok(&value(&summary.map_err(|error| Status::internal(error.to_string()))?)))
}

fn window(query: &str, now: u64) -> Result<Window, Status> {
    let (mut last_s, mut ago_s, mut by) = (LAST_DEFAULT_S, 0, By::Edge);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "last" => last_s = seconds("last", 1, &value)?,
            "ago" => ago_s = seconds("ago", 0, &value)?,
            "by" => by = told_apart(&value)?,
            _ => {}
        }
    }
    let to = now.saturating_sub(ago_s);
    Ok(Window { from: to.saturating_sub(last_s - 1), to, by })
}

fn seconds(name: &str, min: u64, text: &str) -> Result<u64, Status> {
    let max = AggregateLimits::default().max_seconds;
    let seconds = text.parse().ok().filter(|seconds| (min..=max).contains(seconds));
    seconds.ok_or_else(|| {
        Status::bad_request(format!("query parameter `{name}`: `{text}` is not {min} to {max} seconds"))
    })
}

fn told_apart(text: &str) -> Result<By, Status> {
    let found = BY.iter().find(|(name, _)| *name == text).map(|(_, by)| *by);
    found.ok_or_else(|| {
        let names = BY.map(|(name, _)| format!("`{name}`")).join(", ");
        Status::bad_request(format!("query parameter `by`: `{text}` is none of {names}"))
    })
}

fn value(summary: &Summary) -> Value {
    let Summary { from, to, rows } = summary;
    json!({"from": from, "to": to, "rows": rows.iter().map(row).collect::<Vec<_>>()})
}

/// The parts of the series beside the counts.
fn row((series, tally): &(Series, Tally)) -> Value {
    let Tally { n, n_failed, durations } = tally;
    let mut row = match series {
        Series::Of(parts) => json!(parts),
        Series::Others => json!({"others": true}),
    };
    row["n"] = json!(n);
    row["n_failed"] = json!(n_failed);
    for (name, share) in [("p50_us", 0.5), ("p95_us", 0.95), ("p99_us", 0.99)] {
        row[name] = json!(micros(durations, share));
    }
    row
}

fn micros(durations: &Durations, share: f64) -> Option<u64> {
    durations.quantile(share).and_then(|duration| u64::try_from(duration.as_micros()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_now() {
        assert_eq!(window("", 1_000).unwrap(), Window { from: 941, to: 1_000, by: By::Edge });
        assert_eq!(window("last=1&by=key", 1_000).unwrap(), Window { from: 1_000, to: 1_000, by: By::Key });
        let before = Window { from: 871, to: 930, by: By::EdgeAndVersion };
        assert_eq!(window("ago=70&by=edge-version", 1_000).unwrap(), before);
        for (query, expected) in [
            ("last=0", "query parameter `last`: `0` is not 1 to 900 seconds"),
            ("last=901", "query parameter `last`: `901` is not 1 to 900 seconds"),
            (
                "by=x",
                "query parameter `by`: `x` is none of `edge`, `edge-key`, `edge-version`, `entry`, `rule`, \
                 `rule-workload`, `key`, `all`",
            ),
        ] {
            assert_eq!(window(query, 1_000).unwrap_err().message, expected);
        }
    }
}
