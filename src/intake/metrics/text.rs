//! The series as Prometheus reads them.

use std::fmt::Write;

use super::{Family, Histogram, Kept, Kind, Labels, MetricStore, Point, Summary};

/// In which form (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Prometheus' text, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0; its `# EOF` is left to whoever puts texts together.
    OpenMetrics,
}

// === impl MetricStore ===

impl MetricStore {
    /// All series that are not stale, family by family.
    #[must_use]
    pub fn text(&self, form: Text) -> String {
        self.look(|kept| kept.text(form))
    }
}

// === impl Kept ===

impl Kept {
    fn text(&self, form: Text) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            // Only OpenMetrics has names of counters without their suffix.
            let suffix = if form == Text::Prometheus && family.kind == Kind::Counter { "_total" } else { "" };
            if !family.facts.description.is_empty() {
                let _ = writeln!(out, "# HELP {name}{suffix} {}", help(&family.facts.description, form));
            }
            let _ = writeln!(out, "# TYPE {name}{suffix} {}", word(family.kind));
            series(&mut out, name, family);
        }
        out
    }
}

fn series(out: &mut String, name: &str, family: &Family) {
    for (labels, series) in &family.series {
        match &series.point {
            Point::Number(number) => {
                let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
                sample(out, (name, suffix), (labels, None), *number);
            }
            Point::Histogram(found) => histogram(out, name, labels, found),
            Point::Summary(found) => summary(out, name, labels, found),
        }
    }
}

/// Each bucket holds those before it; all of them are up to infinity.
fn histogram(out: &mut String, name: &str, labels: &Labels, histogram: &Histogram) {
    let mut n = 0;
    for bucket in &histogram.buckets {
        n += bucket.n;
        if bucket.up_to.is_finite() {
            sample(out, (name, "_bucket"), (labels, Some(("le", bucket.up_to))), n as f64);
        }
    }
    sample(out, (name, "_bucket"), (labels, Some(("le", f64::INFINITY))), histogram.n as f64);
    // OpenMetrics has sums of what is never negative only, and both stand or fall together.
    if let Some(sum) = histogram.sum.filter(|sum| *sum >= 0.0) {
        sample(out, (name, "_sum"), (labels, None), sum);
        sample(out, (name, "_count"), (labels, None), histogram.n as f64);
    }
}

fn summary(out: &mut String, name: &str, labels: &Labels, summary: &Summary) {
    for (quantile, value) in &summary.quantiles {
        sample(out, (name, ""), (labels, Some(("quantile", *quantile))), *value);
    }
    sample(out, (name, "_sum"), (labels, None), summary.sum);
    sample(out, (name, "_count"), (labels, None), summary.n as f64);
}

fn sample(
    out: &mut String,
    (name, suffix): (&str, &str),
    (labels, more): (&Labels, Option<(&str, f64)>),
    value: f64,
) {
    let _ = write!(out, "{name}{suffix}{{");
    // A label of the same name would be there twice.
    let labels = labels.iter().filter(|(name, _)| more.is_none_or(|(more, _)| **name != *more));
    for (idx, (name, value)) in labels.enumerate() {
        let comma = if idx == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{name}=\"{}\"", escaped(value));
    }
    if let Some((label, value)) = more {
        let _ = write!(out, ",{label}=\"{}\"", canonical(value));
    }
    let _ = writeln!(out, "}} {}", number(value));
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

/// Bounds have a point in any case (OpenMetrics 1.0, "Considerations: Canonical Numbers").
fn canonical(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { number(value) }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Quotes are escaped in OpenMetrics only.
fn help(text: &str, form: Text) -> String {
    match form {
        Text::Prometheus => text.replace('\\', "\\\\").replace('\n', "\\n"),
        Text::OpenMetrics => escaped(text),
    }
}
