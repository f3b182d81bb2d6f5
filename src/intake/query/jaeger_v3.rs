//! Jaeger's third API, whose spans are OTLP's
//! (<https://github.com/jaegertracing/jaeger-idl/blob/main/swagger/api_v3/query_service.openapi.yaml>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json as value};
use spur_trace::Span;
use spur_trace::otlp_json::{spans_data, traces_data};

use super::asked::Asked;
use super::facts::{self, Calls};
use super::search::Search;
use super::{Answered, Fault, json};
use crate::serve::Intake;

/// What Jaeger's own page asks for.
const LIMIT_USUAL: u64 = 20;

impl Intake {
    pub(super) async fn jaeger_v3(&self, path: &str, asked: &Asked) -> Answered {
        match path {
            "services" => {
                let services = self.of_all(facts::services).await?;
                json(&value!({ "services": services }))
            }
            "operations" => {
                let service = needed(asked, "service")?.to_owned();
                let wanted = asked.get("span_kind").map(str::to_ascii_lowercase);
                let found = self.of_all(move |traces| facts::operations(traces, &service)).await?;
                let found = found
                    .into_iter()
                    .filter(|(_, kind)| wanted.as_deref().is_none_or(|wanted| wanted == *kind));
                let operations: Vec<_> =
                    found.map(|(name, kind)| value!({ "name": name, "spanKind": kind })).collect();
                json(&value!({ "operations": operations }))
            }
            "traces" => {
                let found = self.found(search(asked)?).await?;
                json(&value!({ "result": spans_data(found.into_iter().flatten()) }))
            }
            "trace-summaries" => {
                let found = self.found(search(asked)?).await?;
                let summaries: Vec<Value> = found.iter().map(|spans| summary(spans)).collect();
                json(&value!({ "summaries": summaries }))
            }
            "dependencies" => {
                let (from, to) = (asked.time("start_time")?, asked.time("end_time")?);
                let calls = self.of_all(move |traces| {
                    let in_time = |time: SystemTime| {
                        from.is_none_or(|from| time >= from) && to.is_none_or(|to| time <= to)
                    };
                    facts::calls(traces.iter().filter(|trace| in_time(trace.started)))
                });
                let dependencies: Vec<_> = calls.await?.into_iter().map(dependency).collect();
                json(&value!({ "dependencies": dependencies }))
            }
            _ => match path.strip_prefix("traces/") {
                Some(id) => {
                    let trace = self.trace_of(id).await?;
                    json(&value!({ "result": traces_data([&*trace]) }))
                }
                None => Err(Fault::NoPath),
            },
        }
    }
}

fn search(asked: &Asked) -> Result<Search, Fault> {
    if asked.get("filter").is_some() {
        return Err(Fault::Wrong(
            "query parameter `query.filter` is not supported\nhint: `query.attributes` is".to_owned(),
        ));
    }
    let limit = asked.number("num_traces")?.or(asked.number("search_depth")?);
    Ok(Search {
        service: asked.get("service_name").map(str::to_owned),
        // The one is documented, the other what Jaeger's page sends.
        operation: asked.get("operation_name").or(asked.get("span_name")).map(str::to_owned),
        tags: asked.tags("attributes")?,
        min_duration: asked.duration("duration_min")?,
        max_duration: asked.duration("duration_max")?,
        from: asked.time("start_time_min")?,
        to: asked.time("start_time_max")?,
        has_error: None,
        limit: usize::try_from(limit.unwrap_or(LIMIT_USUAL)).unwrap_or(usize::MAX),
    })
}

/// A line of Jaeger's page of results.
fn summary(spans: &[Arc<Span>]) -> Value {
    let is_there = |id| spans.iter().any(|span| span.span_id == id);
    let is_root = |span: &&Arc<Span>| span.parent_id.is_none_or(|id| !is_there(id));
    let root = spans.iter().find(is_root).or(spans.first());
    let started = spans.iter().map(|span| span.started).min().unwrap_or(UNIX_EPOCH);
    let ended = spans.iter().map(|span| span.ended()).max().unwrap_or(started);
    let mut services: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for span in spans {
        let (n, n_failed) = services.entry(&span.resource.service).or_default();
        *n += 1;
        *n_failed += u32::from(span.is_failed());
    }
    let n_failed: u32 = services.values().map(|(_, n_failed)| n_failed).sum();
    let n_orphans = spans.iter().filter(|span| span.parent_id.is_some_and(|id| !is_there(id))).count();
    let services: Vec<_> = services
        .into_iter()
        .map(|(name, (n, n_failed))| value!({ "name": name, "spanCount": n, "errorSpanCount": n_failed }))
        .collect();
    let trace_id = spans.first().map(|span| span.trace_id);
    value!({
        // Once as the interface says, and once as older pages read it.
        "traceId": trace_id,
        "traceID": trace_id,
        "rootServiceName": root.map_or("", |root| &root.resource.service),
        "rootOperationName": root.map_or("", |root| &root.name),
        "minStartTimeUnixNano": nanos(started),
        "maxEndTimeUnixNano": nanos(ended),
        "spanCount": spans.len(),
        "errorSpanCount": n_failed,
        "orphanSpanCount": n_orphans,
        "services": services,
    })
}

/// 64-bit numbers are texts in protobuf's JSON.
fn dependency(((parent, child), calls): ((String, String), Calls)) -> Value {
    value!({ "parent": parent, "child": child, "callCount": calls.n.to_string(), "source": "" })
}

pub(super) fn needed<'a>(asked: &'a Asked, name: &str) -> Result<&'a str, Fault> {
    asked.get(name).ok_or_else(|| Fault::Wrong(format!("query parameter `{name}` is needed")))
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
