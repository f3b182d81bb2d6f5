//! Metrics of OTLP as points of ours.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, SummaryDataPoint,
};
use spur_trace::Resource;

use super::{Bucket, Facts, Histogram, Incoming, Kind, Labels, Point, Summary, name};
use crate::otlp::values::attributes;
use crate::serve::Shared;

/// Attributes of a resource that tell the copies of a service apart, and become labels.
const OF_RESOURCE: [&str; 3] = ["k8s.namespace.name", "k8s.pod.name", "spur.sandbox"];

/// Labels of one series; what is beyond is left out. Prometheus' own advice is ten.
const MAX_LABELS: usize = 32;

/// Bytes of the value of a label, and of the description of a metric.
const MAX_TEXT_BYTES: usize = 512;

/// Bytes of the name of a metric; OpenTelemetry allows 255
/// (<https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax>).
const MAX_NAME_BYTES: usize = 255;

/// Buckets of one histogram; OpenTelemetry makes 160 at most
/// (<https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation>).
const MAX_BUCKETS: usize = 256;

/// "No recorded value" (`DataPointFlags`, metrics.proto).
const HAS_NO_VALUE: u32 = 1;

// === impl Shared ===

impl Shared {
    /// Takes in the points of an export, and says how many it could not.
    pub(crate) fn take_points(&self, resources: Vec<ResourceMetrics>) -> u64 {
        let mut n_invalid = 0;
        for of_resource in resources {
            let resource = self.resource_of(of_resource.resource);
            for metric in of_resource.scope_metrics.into_iter().flat_map(|of_scope| of_scope.metrics) {
                let points = points(metric, &resource);
                n_invalid += points.iter().filter(|point| point.is_none()).count() as u64;
                n_invalid += self.parts.metrics.take(points.into_iter().flatten());
            }
        }
        n_invalid
    }
}

/// `None` for each that has no value.
fn points(metric: Metric, resource: &Arc<Resource>) -> Vec<Option<Incoming>> {
    let facts = Facts {
        name: cut(&metric.name, MAX_NAME_BYTES),
        description: cut(&metric.description, MAX_TEXT_BYTES),
        unit: cut(&metric.unit, MAX_NAME_BYTES),
    };
    if facts.name.is_empty() {
        return vec![None];
    }
    let incoming = |kind, is_delta, (pairs, point): (Vec<KeyValue>, Option<Point>)| {
        let labels = labels(pairs, resource);
        let (facts, service) = (facts.clone(), resource.service.clone());
        Some(Incoming { kind, facts, service, labels, point: point?, is_delta })
    };
    match metric.data {
        None => vec![None],
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.into_iter().map(|it| incoming(Kind::Gauge, false, number(it))).collect()
        }
        Some(Data::Sum(sum)) => {
            let kind = if sum.is_monotonic { Kind::Counter } else { Kind::Gauge };
            let is_delta = is_delta(sum.aggregation_temporality);
            sum.data_points.into_iter().map(|it| incoming(kind, is_delta, number(it))).collect()
        }
        Some(Data::Histogram(all)) => {
            let is_delta = is_delta(all.aggregation_temporality);
            all.data_points.into_iter().map(|it| incoming(Kind::Histogram, is_delta, histogram(it))).collect()
        }
        Some(Data::ExponentialHistogram(all)) => {
            let is_delta = is_delta(all.aggregation_temporality);
            all.data_points
                .into_iter()
                .map(|it| incoming(Kind::Histogram, is_delta, exponential(it)))
                .collect()
        }
        Some(Data::Summary(all)) => {
            all.data_points.into_iter().map(|it| incoming(Kind::Summary, false, summary(it))).collect()
        }
    }
}

fn is_delta(temporality: i32) -> bool {
    temporality == AggregationTemporality::Delta as i32
}

/// By name, each once.
fn labels(pairs: Vec<KeyValue>, resource: &Resource) -> Labels {
    let own = attributes(pairs);
    let of_resource =
        OF_RESOURCE.iter().filter_map(|name| Some((*name, resource.resource.get(name)?.to_string())));
    let mut labels: Labels = vec![("service_name".into(), resource.service.clone())];
    labels.extend(of_resource.map(|(name, value)| (name::label(name), cut(&value, MAX_TEXT_BYTES))));
    let own = own.iter().map(|(name, value)| (name::label(name), cut(&value.to_string(), MAX_TEXT_BYTES)));
    labels.extend(own.take(MAX_LABELS));
    // The first of a name is ours.
    labels.sort_by(|(left, _), (right, _)| left.cmp(right));
    labels.dedup_by(|(later, _), (first, _)| later == first);
    labels
}

fn number(point: NumberDataPoint) -> (Vec<KeyValue>, Option<Point>) {
    let number = match point.value {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
        Some(Value::AsInt(number)) => Some(number as f64),
        Some(Value::AsDouble(number)) => Some(number),
        None => None,
    };
    (point.attributes, number.filter(|_| has_value(point.flags)).map(Point::Number))
}

fn histogram(point: HistogramDataPoint) -> (Vec<KeyValue>, Option<Point>) {
    let (n_counts, n_bounds) = (point.bucket_counts.len(), point.explicit_bounds.len());
    // Both are empty where only sum and number are told; otherwise there is one count more.
    let is_whole = n_counts == n_bounds + 1 || (n_counts == 0 && n_bounds == 0);
    let is_rising = point.explicit_bounds.is_sorted_by(|left, right| left < right);
    let buckets = point.explicit_bounds.iter().zip(&point.bucket_counts);
    let buckets = buckets.take(MAX_BUCKETS).map(|(up_to, n)| Bucket { up_to: *up_to, n: *n }).collect();
    let histogram = Histogram { n: point.count, sum: point.sum, buckets };
    let is_valid = is_whole && is_rising && has_value(point.flags);
    (point.attributes, is_valid.then_some(Point::Histogram(histogram)))
}

/// Its buckets by their upper bounds: `base^(offset + idx + 1)`, where the base is
/// `2^(2^-scale)`, and the same below zero (metrics.proto).
fn exponential(point: ExponentialHistogramDataPoint) -> (Vec<KeyValue>, Option<Point>) {
    let base = 2_f64.powf(2_f64.powi(-point.scale));
    let bound = |buckets: &Buckets, idx: usize| {
        base.powf(f64::from(buckets.offset) + f64::from(u32::try_from(idx).unwrap_or(u32::MAX)))
    };
    let mut all = Vec::new();
    if let Some(negative) = &point.negative {
        // The upper bound of what is below zero is the nearer one; it is exclusive, which is a
        // value in a million off.
        let counts = negative.bucket_counts.iter().take(MAX_BUCKETS).enumerate().rev();
        all.extend(counts.map(|(idx, n)| Bucket { up_to: -bound(negative, idx), n: *n }));
    }
    if point.zero_count > 0 || !all.is_empty() {
        all.push(Bucket { up_to: point.zero_threshold, n: point.zero_count });
    }
    if let Some(positive) = &point.positive {
        let counts = positive.bucket_counts.iter().take(MAX_BUCKETS).enumerate();
        all.extend(counts.map(|(idx, n)| Bucket { up_to: bound(positive, idx + 1), n: *n }));
    }
    all.retain(|bucket| bucket.up_to.is_finite());
    let is_valid = all.is_sorted_by(|left, right| left.up_to < right.up_to) && has_value(point.flags);
    let histogram = Histogram { n: point.count, sum: point.sum, buckets: all };
    (point.attributes, is_valid.then_some(Point::Histogram(histogram)))
}

fn summary(point: SummaryDataPoint) -> (Vec<KeyValue>, Option<Point>) {
    let quantiles =
        point.quantile_values.iter().take(MAX_BUCKETS).map(|it| (it.quantile, it.value)).collect();
    let summary = Summary { n: point.count, sum: point.sum, quantiles };
    (point.attributes, has_value(point.flags).then_some(Point::Summary(summary)))
}

fn has_value(flags: u32) -> bool {
    flags & HAS_NO_VALUE == 0
}

fn cut(text: &str, max: usize) -> Arc<str> {
    text[..text.floor_char_boundary(max)].into()
}
