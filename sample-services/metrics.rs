//! A service's metrics in the Prometheus text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>): requests by
//! status, and a histogram of their duration. Two series by hand instead of a
//! library. Names and the `status` label are those of the usual dashboards:
//! `rate(http_requests_total{status=~"5.."}[5m])`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds: the Prometheus clients' default
/// buckets, and 1 ms in front for services that answer from memory.
const BUCKETS_MS: [u32; 12] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// The counters of one service.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Guards one addition or one reading.
    counts: Mutex<Counts>,
}

/// At most 900 statuses exist (100–999), which bounds the map.
#[derive(Clone, Debug, Default)]
struct Counts {
    by_status: BTreeMap<u16, u64>,
    by_bucket: [u64; BUCKETS_MS.len()],
    total: u64,
    duration_sum: Duration,
}

// === impl Metrics ===

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn count(&self, status: u16, duration: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.by_status.entry(status).or_default() += 1;
        let bucket = BUCKETS_MS.iter().position(|bound| duration <= Duration::from_millis(u64::from(*bound)));
        if let Some(bucket) = bucket {
            counts.by_bucket[bucket] += 1;
        }
        counts.total += 1;
        counts.duration_sum += duration;
    }

    /// The exposition; `labels` are of the form `service="pricing",version="v1"`.
    pub(crate) fn render(&self, labels: &str) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.clone();
        let mut text = String::new();
        render(&mut text, labels, &counts).expect("writing to a string does not fail");
        text
    }
}

/// Escapes a label's value.
pub(crate) fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn render(text: &mut String, labels: &str, counts: &Counts) -> std::fmt::Result {
    writeln!(text, "# HELP http_requests_total Requests answered, by status.")?;
    writeln!(text, "# TYPE http_requests_total counter")?;
    for (status, n) in &counts.by_status {
        writeln!(text, "http_requests_total{{{labels},status=\"{status}\"}} {n}")?;
    }
    let name = "http_request_duration_seconds";
    writeln!(text, "# HELP {name} Time until a request's response head.")?;
    writeln!(text, "# TYPE {name} histogram")?;
    let mut n_up_to = 0;
    for (bound_ms, n) in BUCKETS_MS.iter().zip(counts.by_bucket) {
        n_up_to += n;
        let bound = f64::from(*bound_ms) / 1000.0;
        writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {n_up_to}")?;
    }
    writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", counts.total)?;
    writeln!(text, "{name}_sum{{{labels}}} {}", counts.duration_sum.as_secs_f64())?;
    writeln!(text, "{name}_count{{{labels}}} {}", counts.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_status_and_duration() {
        let metrics = Metrics::default();
        metrics.count(200, Duration::from_millis(1));
        metrics.count(200, Duration::from_millis(7));
        metrics.count(500, Duration::from_secs(60));
        let text = metrics.render("service=\"a\"");
        for line in [
            "http_requests_total{service=\"a\",status=\"200\"} 2",
            "http_requests_total{service=\"a\",status=\"500\"} 1",
            "http_request_duration_seconds_bucket{service=\"a\",le=\"0.001\"} 1",
            "http_request_duration_seconds_bucket{service=\"a\",le=\"0.005\"} 1",
            "http_request_duration_seconds_bucket{service=\"a\",le=\"0.01\"} 2",
            "http_request_duration_seconds_bucket{service=\"a\",le=\"10\"} 2",
            "http_request_duration_seconds_bucket{service=\"a\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_sum{service=\"a\"} 60.008",
            "http_request_duration_seconds_count{service=\"a\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` in:\n{text}");
        }
    }

    #[test]
    fn a_label_cannot_end_its_own_quotes() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
