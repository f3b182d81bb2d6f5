//! Jaeger's first API, by which its page shows one trace and Grafana reads all
//! (<https://www.jaegertracing.io/docs/latest/apis/#http-json>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json as value};
use spur_trace::{AttributeValue, Attributes, Resource, Span};

use super::asked::{Asked, times};
use super::facts;
use super::jaeger_v3::needed;
use super::search::Search;
use super::{Answered, Fault, json};
use crate::serve::Intake;

/// What Jaeger's own page asks for.
const LIMIT_USUAL: u64 = 20;

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);

impl Intake {
    pub(super) async fn jaeger(&self, path: &str, asked: &Asked) -> Answered {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["services"] => {
                let services = self.of_all(facts::services).await?;
                enveloped(services.into_iter().map(Value::from).collect())
            }
            ["services", service, "operations"] => {
                let service = percent_decoded(service);
                let found = self.of_all(move |traces| facts::operations(traces, &service)).await?;
                let mut names: Vec<Value> = found.into_iter().map(|(name, _)| name.into()).collect();
                names.dedup();
                enveloped(names)
            }
            ["operations"] => {
                let service = needed(asked, "service")?.to_owned();
                let found = self.of_all(move |traces| facts::operations(traces, &service)).await?;
                enveloped(
                    found
                        .into_iter()
                        .map(|(name, kind)| value!({ "name": name, "spanKind": kind }))
                        .collect(),
                )
            }
            ["traces"] if asked.get("traceID").is_some() => {
                let mut found = Vec::new();
                for id in asked.all("traceID") {
                    match self.trace_of(id).await {
                        Ok(trace) => found.push(trace_of(&trace.as_spans())),
                        Err(Fault::NotFound(_)) => {}
                        Err(fault) => return Err(fault),
                    }
                }
                enveloped(found)
            }
            ["traces"] => {
                let found = self.found(search(asked)?).await?;
                enveloped(found.iter().map(|spans| trace_of(spans)).collect())
            }
            ["traces", id] => {
                let trace = self.trace_of(id).await?;
                enveloped(vec![trace_of(&trace.as_spans())])
            }
            ["dependencies"] => {
                let to = asked.time_in("endTs", MILLISECOND)?;
                let from = since(to, asked.number("lookback")?.map(|n| times(MILLISECOND, n)));
                let calls = self.of_all(move |traces| {
                    let in_time = |time: SystemTime| {
                        from.is_none_or(|from| time >= from) && to.is_none_or(|to| time <= to)
                    };
                    facts::calls(traces.iter().filter(|trace| in_time(trace.started)))
                });
                let links = calls.await?.into_iter();
                enveloped(links.map(|((parent, child), calls)| value!({ "parent": parent, "child": child, "callCount": calls.n })).collect())
            }
            _ => Err(Fault::NoPath),
        }
    }
}

fn search(asked: &Asked) -> Result<Search, Fault> {
    let mut tags = asked.tags("tags")?;
    // `tag=name:value`, as often as one likes.
    tags.extend(
        asked
            .all("tag")
            .filter_map(|tag| tag.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let to = asked.time_in("end", MICROSECOND)?;
    let from = match asked.time_in("start", MICROSECOND)? {
        Some(from) => Some(from),
        // `custom` stands for `start`.
        None => since(to, asked.duration("lookback").ok().flatten()),
    };
    Ok(Search {
        service: asked.get("service").map(str::to_owned),
        operation: asked.get("operation").map(str::to_owned),
        tags,
        min_duration: asked.duration("minDuration")?,
        max_duration: asked.duration("maxDuration")?,
        from,
        to,
        has_error: None,
        limit: usize::try_from(asked.number("limit")?.unwrap_or(LIMIT_USUAL)).unwrap_or(usize::MAX),
    })
}

pub(super) fn since(to: Option<SystemTime>, lookback: Option<Duration>) -> Option<SystemTime> {
    to.unwrap_or_else(SystemTime::now).checked_sub(lookback?)
}

fn enveloped(data: Vec<Value>) -> Answered {
    json(&value!({ "total": data.len(), "data": data, "limit": 0, "offset": 0, "errors": null }))
}

/// A trace with its processes apart, as spans name them.
fn trace_of(spans: &[Arc<Span>]) -> Value {
    let mut names: BTreeMap<*const Resource, String> = BTreeMap::new();
    let mut processes = serde_json::Map::new();
    for span in spans {
        let n = names.len() + 1;
        names.entry(Arc::as_ptr(&span.resource)).or_insert_with(|| {
            let name = format!("p{n}");
            let resource = &span.resource;
            processes.insert(
                name.clone(),
                value!({ "serviceName": resource.service, "tags": tags(&resource.resource) }),
            );
            name
        });
    }
    let drawn = spans.iter().map(|span| span_of(span, &names[&Arc::as_ptr(&span.resource)]));
    let drawn: Vec<Value> = drawn.collect();
    let trace_id = spans.first().map(|span| span.trace_id);
    value!({ "traceID": trace_id, "spans": drawn, "processes": processes, "warnings": null })
}

fn span_of(span: &Span, process: &str) -> Value {
    let mut tags = tags(&span.attributes);
    tags.push(tag("span.kind", &facts::kind(span.kind).into()));
    if !span.scope.name.is_empty() {
        tags.push(tag("otel.scope.name", &span.scope.name.clone().into()));
    }
    if span.is_failed() {
        tags.push(tag("error", &true.into()));
        if let Some(message) = &span.status_message {
            tags.push(tag("otel.status_description", &message.clone().into()));
        }
    }
    let parent =
        span.parent_id.map(|id| value!({ "refType": "CHILD_OF", "traceID": span.trace_id, "spanID": id }));
    let links = span
        .links
        .iter()
        .map(|link| value!({ "refType": "FOLLOWS_FROM", "traceID": link.trace_id, "spanID": link.span_id }));
    let logs = span.events.iter().map(|event| {
        let mut fields = vec![tag("event", &event.name.clone().into())];
        fields.extend(self::tags(&event.attributes));
        value!({ "timestamp": micros(event.at), "fields": fields })
    });
    value!({
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "operationName": span.name,
        "references": parent.into_iter().chain(links).collect::<Vec<_>>(),
        "startTime": micros(span.started),
        "duration": u64::try_from(span.duration.as_micros()).unwrap_or(u64::MAX),
        "tags": tags,
        "logs": logs.collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
    })
}

fn tags(attributes: &Attributes) -> Vec<Value> {
    attributes.iter().map(|(name, value)| tag(name, value)).collect()
}

fn tag(name: &str, value: &AttributeValue) -> Value {
    let (kind, value) = match value {
        AttributeValue::Bool(value) => ("bool", value!(value)),
        AttributeValue::Int(value) => ("int64", value!(value)),
        AttributeValue::Double(value) => ("float64", value!(value.get())),
        other => ("string", value!(other.to_string())),
    };
    value!({ "key": name, "type": kind, "value": value })
}

pub(super) fn micros(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// A part of a path as it is meant; `+` is itself there.
fn percent_decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}
