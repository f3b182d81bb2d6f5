//! The series in OTLP's JSON: whole values, as if they had just been reported.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Family, Kind, Labels, MetricStore, Point, Series};

/// "Cumulative" (metrics.proto).
const CUMULATIVE: u8 = 2;

// === impl MetricStore ===

impl MetricStore {
    /// Whose series are kept.
    pub(crate) fn services(&self) -> BTreeSet<String> {
        self.look(|kept| {
            let series = kept.families.values().flat_map(|family| family.series.values());
            series.map(|series| series.service.to_string()).collect()
        })
    }

    /// `MetricsData` of one service or of all.
    pub(crate) fn data(&self, service: Option<&str>, now: SystemTime) -> Value {
        let by_service = self.look(|kept| {
            let mut by_service: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for family in kept.families.values() {
                let mut points: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
                let wanted =
                    family.series.iter().filter(|(_, it)| service.is_none_or(|name| *name == *it.service));
                for (labels, series) in wanted {
                    points.entry(&series.service).or_default().push(point(labels, series, now));
                }
                for (service, points) in points {
                    by_service.entry(service.to_owned()).or_default().push(metric(family, points));
                }
            }
            by_service
        });
        let resources = by_service.into_iter().map(|(service, metrics)| {
            let name = json!({ "key": "service.name", "value": { "stringValue": service } });
            json!({ "resource": { "attributes": [name] }, "scopeMetrics": [{ "scope": {}, "metrics": metrics }] })
        });
        json!({ "resourceMetrics": resources.collect::<Vec<_>>() })
    }
}

fn metric(family: &Family, points: Vec<Value>) -> Value {
    let data = match family.kind {
        Kind::Counter => {
            json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": true })
        }
        Kind::Gauge | Kind::Summary => json!({ "dataPoints": points }),
        Kind::Histogram => json!({ "dataPoints": points, "aggregationTemporality": CUMULATIVE }),
    };
    let name = match family.kind {
        Kind::Counter => "sum",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    let facts = &family.facts;
    json!({ "name": facts.name, "description": facts.description, "unit": facts.unit, name: data })
}

/// 64-bit numbers are texts.
fn point(labels: &Labels, series: &Series, now: SystemTime) -> Value {
    let attributes = labels.iter().filter(|(name, _)| &**name != "service_name");
    let attributes: Vec<_> =
        attributes.map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } })).collect();
    let heard = now.checked_sub(Instant::now() - series.heard).unwrap_or(now);
    let nanos = heard.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut point = match &series.point {
        Point::Number(number) => json!({ "asDouble": number }),
        Point::Histogram(histogram) => {
            let within: u64 = histogram.buckets.iter().map(|bucket| bucket.n).sum();
            let beyond = histogram.n.saturating_sub(within);
            let counts = histogram.buckets.iter().map(|bucket| bucket.n).chain([beyond]);
            let bounds: Vec<_> = histogram.buckets.iter().map(|bucket| bucket.up_to).collect();
            json!({
                "count": histogram.n.to_string(), "sum": histogram.sum, "explicitBounds": bounds,
                "bucketCounts": counts.map(|n| n.to_string()).collect::<Vec<_>>(),
            })
        }
        Point::Summary(summary) => {
            let quantiles =
                summary.quantiles.iter().map(|(at, value)| json!({ "quantile": at, "value": value }));
            json!({
                "count": summary.n.to_string(), "sum": summary.sum,
                "quantileValues": quantiles.collect::<Vec<_>>(),
            })
        }
    };
    point["attributes"] = attributes.into();
    point["timeUnixNano"] = nanos.to_string().into();
    point
}
