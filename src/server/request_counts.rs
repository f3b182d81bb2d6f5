//! `/metrics`: how many requests for objects came to what, and how long they took.
//!
//! Names and labels are those of Kubernetes' stable metrics
//! (<https://kubernetes.io/docs/reference/instrumentation/metrics/>,
//! `apiserver/pkg/endpoints/metrics/metrics.go`). What the proxy counts has a listener of its own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use spur_api::Subresource;
use spur_store::Stats;

use crate::path::Target;
use crate::query::Query;
use crate::{attributes, in_flight};

/// Series of requests at most: some hundred kinds with a few verbs each. What custom kinds bring
/// beyond is not counted, but for how many requests that were.
const SERIES_MAX: usize = 2_000;

/// Upper bounds of durations, in seconds (`metrics.go`, `requestLatencies`).
const BOUNDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// What a request asks for, as far as it is counted (verbs: `metrics.go`, `CanonicalVerb`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: &'static str,
    scope: &'static str,
    is_dry_run: bool,
    /// Lasts as long as its client wants, which is no duration to count.
    lasts: bool,
}

/// Counts of all requests.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    /// Guards the series, for a few additions at the end of each request.
    series: Mutex<HashMap<Asked, Series>>,
    n_beyond: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Series {
    /// By status code, in the order of their first time.
    codes: Vec<(u16, u64)>,
    /// As many as there are [`BOUNDS`], each without those below it; what is longer is in none.
    durations: [u64; BOUNDS.len()],
    n_timed: u64,
    total: Duration,
}

/// What is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
}

// === impl Asked ===

impl Asked {
    pub(crate) fn new(parts: &Parts, target: &Target, query: &Query) -> Self {
        let Target { kind, namespace, name, subresource, .. } = target;
        let is_apply =
            parts.headers.get(CONTENT_TYPE).is_some_and(|media| media == "application/apply-patch+yaml");
        let verb = match attributes::verb(&parts.method, name.is_none(), query.is_watch) {
            _ if subresource.is_some_and(Subresource::is_streamed) => "CONNECT",
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "create" => "POST",
            "update" => "PUT",
            "patch" if is_apply => "APPLY",
            "patch" => "PATCH",
            "deletecollection" => "DELETECOLLECTION",
            "delete" => "DELETE",
            _ => "other",
        };
        Self {
            verb,
            group: kind.group().to_owned(),
            version: kind.version().to_owned(),
            resource: kind.plural().to_owned(),
            subresource: subresource.map(Subresource::segment).unwrap_or_default(),
            scope: scope(namespace.is_some(), name.is_some() || verb == "POST"),
            is_dry_run: query.is_dry_run,
            lasts: in_flight::is_long_running(target, query),
        }
    }
}

/// `metrics.go`, `CleanScope`: what is made is one object, too.
fn scope(is_in_namespace: bool, is_one: bool) -> &'static str {
    match (is_one, is_in_namespace) {
        (true, _) => "resource",
        (false, true) => "namespace",
        (false, false) => "cluster",
    }
}

// === impl RequestCounts ===

impl RequestCounts {
    /// Counts a request that was answered.
    pub(crate) fn add(&self, asked: Asked, code: u16, took: Duration) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= SERIES_MAX && !series.contains_key(&asked) {
            self.n_beyond.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lasts = asked.lasts;
        series.entry(asked).or_default().add(code, (!lasts).then_some(took));
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, under_way: UnderWay, store: Stats) -> String {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut series: Vec<_> = series.into_iter().map(|(asked, series)| (labels(&asked), series)).collect();
        series.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut text = String::new();
        write(&mut text, &series, under_way, store, self.n_beyond.load(Ordering::Relaxed))
            .expect("a text takes what is written to it");
        text
    }
}

fn labels(asked: &Asked) -> String {
    let Asked { verb, group, version, resource, subresource, scope, is_dry_run, lasts: _ } = asked;
    let dry_run = if *is_dry_run { "All" } else { "" };
    // The names of kinds and their parts have no character that would have to be escaped.
    format!(
        "component=\"apiserver\",dry_run=\"{dry_run}\",group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
    )
}

fn write(
    text: &mut String,
    series: &[(String, Series)],
    under_way: UnderWay,
    store: Stats,
    n_beyond: u64,
) -> std::fmt::Result {
    head(
        text,
        "apiserver_request_total",
        "counter",
        "Requests for objects, by what was asked and the status code.",
    )?;
    for (labels, series) in series {
        for (code, count) in &series.codes {
            writeln!(text, "apiserver_request_total{{code=\"{code}\",{labels}}} {count}")?;
        }
    }
    const DURATION: &str = "apiserver_request_duration_seconds";
    head(text, DURATION, "histogram", "How long they took, without watches, logs and connections.")?;
    for (labels, series) in series.iter().filter(|(_, series)| series.n_timed > 0) {
        let mut n_below = 0;
        for (bound, count) in BOUNDS.iter().zip(series.durations) {
            n_below += count;
            writeln!(text, "{DURATION}_bucket{{{labels},le=\"{bound}\"}} {n_below}")?;
        }
        writeln!(text, "{DURATION}_bucket{{{labels},le=\"+Inf\"}} {}", series.n_timed)?;
        writeln!(text, "{DURATION}_sum{{{labels}}} {}", series.total.as_secs_f64())?;
        writeln!(text, "{DURATION}_count{{{labels}}} {}", series.n_timed)?;
    }
    let kinds = [("readOnly", under_way.reads), ("mutating", under_way.writes)];
    head(
        text,
        "apiserver_current_inflight_requests",
        "gauge",
        "Requests that are worked on, of the network's.",
    )?;
    for (kind, count) in kinds {
        writeln!(text, "apiserver_current_inflight_requests{{request_kind=\"{kind}\"}} {count}")?;
    }
    let of_spur = [
        (
            "spur_request_series_beyond_total",
            "Requests that are in no series, since there are too many.",
            n_beyond,
        ),
        ("spur_store_commits_total", "Transactions made durable.", store.commits),
        ("spur_store_writes_total", "Writes in them.", store.writes),
    ];
    for (name, what, count) in of_spur {
        head(text, name, "counter", what)?;
        writeln!(text, "{name} {count}")?;
    }
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, what: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {what}\n# TYPE {name} {kind}")
}

// === impl Series ===

impl Series {
    fn add(&mut self, code: u16, took: Option<Duration>) {
        match self.codes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.codes.push((code, 1)),
        }
        let Some(took) = took else { return };
        self.n_timed += 1;
        self.total += took;
        if let Some(place) = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound) {
            self.durations[place] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::kinds::Kinds;
    use crate::path;

    fn asked(method: Method, path: &str, query: &str) -> Asked {
        let request = http::Request::builder().method(method).uri(format!("{path}?{query}"));
        let request =
            request.header(CONTENT_TYPE, "application/apply-patch+yaml").body(()).expect("a request");
        let target = path::parse(&Kinds::bundled(), path).expect("a path that is served");
        let query = Query::parse(query).expect("a query");
        Asked::new(&request.into_parts().0, &target, &query)
    }

    #[test]
    fn requests_are_told_apart_as_upstream_does() {
        let check = |method: Method, path: &str, query: &str, wanted: [&str; 3]| {
            let asked = asked(method, path, query);
            assert_eq!([asked.verb, asked.scope, asked.subresource], wanted, "{path}?{query}");
        };
        let pods = "/api/v1/namespaces/shop/pods";
        check(Method::GET, pods, "", ["LIST", "namespace", ""]);
        check(Method::GET, pods, "limit=1&watch=true", ["WATCH", "namespace", ""]);
        check(Method::GET, "/api/v1/pods", "", ["LIST", "cluster", ""]);
        check(
            Method::PATCH,
            "/apis/apps/v1/namespaces/shop/deployments/d/scale",
            "",
            ["APPLY", "resource", "scale"],
        );
        check(Method::POST, &format!("{pods}/web/exec"), "", ["CONNECT", "resource", "exec"]);
        check(Method::POST, pods, "", ["POST", "resource", ""]);
        check(Method::DELETE, pods, "", ["DELETECOLLECTION", "namespace", ""]);
    }

    #[test]
    fn durations_are_cumulative_and_watches_have_none() {
        let counts = RequestCounts::default();
        let nodes = |query: &str| asked(Method::GET, "/api/v1/nodes", query);
        counts.add(nodes(""), 200, Duration::from_millis(3));
        counts.add(nodes(""), 410, Duration::from_millis(30));
        counts.add(nodes("watch=1"), 200, Duration::from_secs(100));
        let text = counts.text(UnderWay { reads: 2, writes: 0 }, Stats::default());
        let labels = "component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"nodes\",scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1\"";
        for line in [
            format!("apiserver_request_total{{code=\"410\",{labels}}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.025\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.05\"}} 2"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
            format!("apiserver_request_duration_seconds_sum{{{labels}}} 0.033"),
            "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 2".to_owned(),
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}:\n{text}");
        }
        let timed = text.lines().filter(|line| line.contains("_bucket") && line.contains("WATCH")).count();
        assert_eq!((timed, text.contains("verb=\"WATCH\"")), (0, true));
    }

    #[test]
    fn series_are_bounded_and_what_is_beyond_is_told() {
        let counts = RequestCounts::default();
        for n in 0..=SERIES_MAX {
            let asked = Asked { resource: format!("r{n}"), ..asked(Method::GET, "/api/v1/nodes", "") };
            counts.add(asked, 200, Duration::ZERO);
        }
        let text = counts.text(UnderWay { reads: 0, writes: 0 }, Stats::default());
        assert!(text.contains("spur_request_series_beyond_total 1\n"));
    }
}
