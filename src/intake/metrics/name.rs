//! Names of OpenTelemetry as Prometheus has them
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus>).

use std::sync::Arc;

use super::{Facts, Kind};

/// Units and the words that stand for them in names. What has no word is left out.
const UNITS: [(&str, &str); 20] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("kBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// Names that are ours in the same text.
const OURS: [&str; 3] = ["spur_", "istio_", "process_"];

/// The name of a family: with its unit, without `_total`, which samples of counters have.
pub(super) fn shown(facts: &Facts, kind: Kind) -> Arc<str> {
    let mut name = legal(&facts.name, ':');
    if let Some(without) = name.strip_suffix("_total").filter(|_| kind == Kind::Counter) {
        name.truncate(without.len());
    }
    let unit = match (&*facts.unit, kind) {
        ("1", Kind::Gauge) => Some("ratio"),
        (unit, _) => UNITS.iter().find(|(short, _)| *short == unit).map(|(_, word)| *word),
    };
    if let Some(unit) = unit
        && !name.split('_').any(|part| part == unit)
    {
        name = format!("{name}_{unit}");
    }
    if OURS.iter().any(|ours| name.starts_with(ours)) {
        name.insert_str(0, "app_");
    }
    name.into()
}

/// The name of a label. Those that begin with two underscores are Prometheus' own.
pub(super) fn label(name: &str) -> Arc<str> {
    let name = legal(name, '_');
    match name.strip_prefix("__") {
        Some(rest) => format!("key_{rest}").into(),
        None => name.into(),
    }
}

/// Letters, digits and underscores, no digit first
/// (<https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>), and one more sign.
fn legal(name: &str, more: char) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == more;
    let mut legal: String = name.chars().map(|c| if is_legal(c) { c } else { '_' }).collect();
    if legal.is_empty() || legal.starts_with(|c: char| c.is_ascii_digit()) {
        legal.insert(0, '_');
    }
    legal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_unit_and_no_letter_that_is_not_allowed() {
        for (name, unit, kind, expected) in [
            ("http.server.duration", "ms", Kind::Histogram, "http_server_duration_milliseconds"),
            ("http.server.request.duration", "s", Kind::Histogram, "http_server_request_duration_seconds"),
            ("orders", "{order}", Kind::Counter, "orders"),
            ("orders_total", "1", Kind::Counter, "orders"),
            ("pool.usage", "1", Kind::Gauge, "pool_usage_ratio"),
            ("memory.bytes", "By", Kind::Gauge, "memory_bytes"),
            ("2xx", "", Kind::Counter, "_2xx"),
            ("größe", "", Kind::Gauge, "gr__e"),
            ("process.cpu", "", Kind::Gauge, "app_process_cpu"),
        ] {
            let facts = Facts { name: name.into(), description: "".into(), unit: unit.into() };
            assert_eq!(&*shown(&facts, kind), expected);
        }
        assert_eq!(
            (&*label("http.method"), &*label("__name__"), &*label("1")),
            ("http_method", "key_name__", "_1")
        );
    }
}
