//! What is counted, and how it is written.

use std::time::Duration;

use spur_route::{Outcome, Reason, ServicePort, TraceId, Verdict, Version, Wire};

use super::*;

fn verdict(service: &str) -> Verdict {
    let service = ServicePort { namespace: "shop".into(), name: service.into(), port: 80, wire: Wire::Http1 };
    Verdict {
        table_revision: 1,
        service: Some(Arc::new(service)),
        rule: None,
        subset: Some("v1".into()),
        share: None,
        version: Version::Baseline,
        key: None,
        n_disagreeing: 0,
        n_malformed: 0,
        fell_back: false,
        wants_injection: false,
        reason: Reason::NoKey,
        outcome: Outcome::Forward { backends: Arc::default() },
        applied: None,
        policy: None,
        affinity: None,
    }
}

fn end(status: u16, ms: u64) -> HopEnd {
    HopEnd {
        duration: Duration::from_millis(ms),
        served_by: None,
        status: Some(status),
        grpc_status: None,
        request_bytes: 10,
        response_bytes: 20,
        error: None,
    }
}

fn metrics(meters: &Arc<Meters>) -> Metrics {
    Metrics {
        meters: Arc::clone(meters),
        workers: Vec::new(),
        n_refused: Arc::default(),
        n_unlogged: Arc::default(),
        registry: Arc::default(),
    }
}

fn record(meter: &Meter, service: &str, status: u16, ms: u64) {
    // Each time from a table of its own.
    meter.record(&Labels::of(&verdict(service), None), &end(status, ms), TraceId::new(0xabc).unwrap());
}

/// The lines that begin so.
fn lines(text: &str, start: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn two_workers_and_two_tables_count_into_one_series() {
    let meters = Arc::new(Meters::default());
    let workers = [Meter::new(Arc::clone(&meters)), Meter::new(Arc::clone(&meters))];
    for worker in &workers {
        record(worker, "cart", 200, 3);
        record(worker, "cart", 200, 30);
        record(worker, "cart", 503, 3);
    }
    let text = metrics(&meters).scrape(Format::Prometheus);
    let totals = lines(&text, "istio_requests_total");
    assert_eq!(totals.len(), 2, "{text}");
    assert!(totals[0].contains("response_code=\"200\"") && totals[0].ends_with(" 4"), "{totals:?}");
    assert!(totals[1].contains("response_code=\"503\"") && totals[1].ends_with(" 2"), "{totals:?}");
    assert!(
        totals[0].contains(
            "destination_service=\"cart.shop.svc.cluster.local\",destination_service_name=\"cart\""
        )
    );
    let buckets = lines(&text, "istio_request_duration_milliseconds_bucket");
    let of =
        |bound: &str| buckets[..14].iter().find(|line| line.contains(&format!("le=\"{bound}\""))).unwrap();
    assert!(of("1.0").ends_with(" 0") && of("5.0").ends_with(" 2") && of("50.0").ends_with(" 4"));
    assert!(of("+Inf").ends_with(" 4"));
}

#[test]
fn openmetrics_has_an_example_and_an_end() {
    let meters = Arc::new(Meters::default());
    record(&Meter::new(Arc::clone(&meters)), "cart", 200, 3);
    let text = metrics(&meters).scrape(Format::OpenMetrics);
    let trace = "# {trace_id=\"00000000000000000000000000000abc\"} 3";
    assert_eq!(text.matches(trace).count(), 1, "{text}");
    assert!(lines(&text, "istio_request_duration_milliseconds_bucket")[2].contains(trace));
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE istio_requests counter\n"));
    let plain = metrics(&meters).scrape(Format::Prometheus);
    assert!(plain.contains("# TYPE istio_requests_total counter\n") && !plain.contains("trace_id"));
}

#[test]
fn series_are_bounded_and_the_rest_is_counted() {
    let meters = Arc::new(Meters::default());
    let meter = Meter::new(Arc::clone(&meters));
    for n in 0..SERIES_MAX + 10 {
        record(&meter, &format!("s{n}"), 200, 1);
    }
    let text = metrics(&meters).scrape(Format::Prometheus);
    assert_eq!(lines(&text, "istio_requests_total").len(), SERIES_MAX + 1);
    assert!(text.contains("istio_requests_total{destination_service=\"other\"} 10\n"));
    assert!(text.contains("spur_series_beyond_limit_total 10\n"));
}

#[test]
fn what_is_accepted_chooses_the_format() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
    assert_eq!(Format::accepted("*/*"), Format::Prometheus);
}
