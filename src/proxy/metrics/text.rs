//! Metrics as text, for Prometheus and for whoever reads OpenMetrics.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.

use std::{fmt::Write as _, sync::Arc};

use super::series::{BUCKETS_MS, Series};
use crate::{cluster::Ejected, stats::Stats};

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0, which has examples with their traces.
    OpenMetrics,
}

/// The labels of a series.
type Labels = [(&'static str, String)];

/// A series with its labels.
pub(super) type Row = (Vec<(&'static str, String)>, Arc<Series>);

// === impl Format ===

impl Format {
    /// What an `Accept` header asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the text.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything, family by family.
pub(super) fn write(
    format: Format,
    series: &[Row],
    (stats, n_beyond): (&Stats, u64),
    ejected: &[Ejected],
) -> String {
    let mut out = Text { format, out: String::new() };
    out.family("istio_requests", "counter", "Requests that have ended.");
    for (labels, series) in series {
        out.sample("istio_requests_total", labels, &series.n());
    }
    out.family(
        "istio_request_duration_milliseconds",
        "histogram",
        "From the head of a request to the end of its response.",
    );
    for (labels, series) in series {
        out.histogram("istio_request_duration_milliseconds", labels, series);
    }
    out.family("istio_request_bytes", "counter", "Bytes of requests' bodies.");
    for (labels, series) in series {
        out.sample("istio_request_bytes_total", labels, &series.bytes().0);
    }
    out.family("istio_response_bytes", "counter", "Bytes of responses' bodies.");
    for (labels, series) in series {
        out.sample("istio_response_bytes_total", labels, &series.bytes().1);
    }
    out.stats(stats, n_beyond);
    out.family("spur_endpoint_ejected_seconds", "gauge", "How long an endpoint is still left out.");
    for Ejected { service, subset, address, left } in ejected {
        let labels = [
            ("service", service.clone()),
            ("subset", subset.as_deref().unwrap_or("").to_owned()),
            ("address", address.to_string()),
        ];
        out.sample("spur_endpoint_ejected_seconds", &labels, &left.as_secs_f64());
    }
    if format == Format::OpenMetrics {
        out.out.push_str("# EOF\n");
    }
    out.out
}

struct Text {
    format: Format,
    out: String,
}

// === impl Text ===

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Prometheus names a family of counters as its samples.
        let suffix = if kind == "counter" && self.format == Format::Prometheus { "_total" } else { "" };
        let _infallible = write!(self.out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &Labels, value: &dyn std::fmt::Display) {
        let _infallible = writeln!(self.out, "{name}{} {value}", braces(labels, None));
    }

    fn histogram(&mut self, name: &str, labels: &Labels, series: &Series) {
        let exemplar = series.exemplar().filter(|_| self.format == Format::OpenMetrics);
        let mut is_shown = false;
        let bounds = BUCKETS_MS.iter().map(|bound| (*bound, format!("{bound:?}")));
        let bounds = bounds.chain([(f64::INFINITY, "+Inf".to_owned())]);
        let counts = series.cumulative().into_iter().chain([series.n()]);
        for ((bound, text), count) in bounds.zip(counts) {
            let labels = braces(labels, Some(("le", &text)));
            let _infallible = write!(self.out, "{name}_bucket{labels} {count}");
            let ms = exemplar.map(|exemplar| (exemplar.trace_id, exemplar.duration.as_secs_f64() * 1000.0));
            if let Some((trace_id, ms)) = ms.filter(|(_, ms)| *ms <= bound && !is_shown) {
                is_shown = true;
                let _infallible = write!(self.out, " # {{trace_id=\"{trace_id}\"}} {ms}");
            }
            self.out.push('\n');
        }
        self.sample(&format!("{name}_sum"), labels, &series.sum_ms());
        self.sample(&format!("{name}_count"), labels, &series.n());
    }

    fn stats(&mut self, stats: &Stats, n_beyond: u64) {
        let Stats {
            n_connections_open,
            n_connections,
            n_connections_refused,
            n_connections_overdue,
            n_connections_cut,
            n_connections_failed,
            n_hops,
            n_bad_requests,
            n_keys_ignored,
            n_unlogged,
            n_upstream_opened,
            n_upstream_reused,
            n_upstream_open,
            n_upstream_idle,
            n_handshakes_failed,
        } = stats;
        self.family("spur_connections_open", "gauge", "Client connections that are open.");
        self.sample("spur_connections_open", &[], n_connections_open);
        let open = "spur_upstream_connections_open";
        self.family(open, "gauge", "Upstream connections for HTTP that are open.");
        self.sample(open, &[], n_upstream_open);
        let idle = "spur_upstream_connections_idle";
        self.family(idle, "gauge", "Upstream connections of HTTP/1.1 that wait for a request.");
        self.sample(idle, &[], n_upstream_idle);
        let counters = [
            ("spur_connections", "Client connections accepted.", n_connections),
            (
                "spur_connections_refused",
                "Client connections closed at once, every worker being full.",
                n_connections_refused,
            ),
            (
                "spur_connections_overdue",
                "Client connections closed for saying too little.",
                n_connections_overdue,
            ),
            ("spur_connections_cut", "Client connections that outlasted a drain.", n_connections_cut),
            ("spur_connections_failed", "Client connections that failed.", n_connections_failed),
            ("spur_handshakes_failed", "TLS handshakes of clients that failed.", n_handshakes_failed),
            ("spur_hops", "Requests and connections that were decided.", n_hops),
            ("spur_bad_requests", "Requests refused before any decision.", n_bad_requests),
            (
                "spur_keys_ignored",
                "Requests of clients that are not trusted, with a routing key.",
                n_keys_ignored,
            ),
            ("spur_access_log_lost", "Lines that the access log could not take.", n_unlogged),
            ("spur_upstream_connections_opened", "Connections opened to endpoints.", n_upstream_opened),
            ("spur_upstream_connections_reused", "Times an open one was used again.", n_upstream_reused),
            ("spur_series_beyond_limit", "Series that are counted together, being too many.", &n_beyond),
        ];
        for (name, help, value) in counters {
            self.family(name, "counter", help);
            self.sample(&format!("{name}_total"), &[], value);
        }
    }
}

fn braces(labels: &Labels, more: Option<(&str, &str)>) -> String {
    let all = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(more);
    let pairs: Vec<String> = all.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// Backslashes, quotes and line feeds.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
