//! Zipkin's second API (<https://zipkin.io/zipkin-api/>).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json as value};
use spur_trace::{Span, SpanKind};

use super::asked::{Asked, times};
use super::facts;
use super::jaeger::{micros, since};
use super::jaeger_v3::needed;
use super::search::Search;
use super::{Answered, Fault, json, trace_id};
use crate::serve::Intake;

/// As Zipkin has it.
const LIMIT_USUAL: u64 = 10;

/// What Zipkin looks back where nothing is said.
const LOOKBACK_USUAL: Duration = Duration::from_secs(24 * 3_600);

const MILLISECOND: Duration = Duration::from_millis(1);

impl Intake {
    pub(super) async fn zipkin(&self, path: &str, asked: &Asked) -> Answered {
        match path {
            "services" => json(&self.of_all(facts::services).await?),
            "spans" => {
                let service = needed(asked, "serviceName")?.to_owned();
                let found = self.of_all(move |traces| facts::operations(traces, &service)).await?;
                json(&found.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>())
            }
            "remoteServices" => {
                let service = needed(asked, "serviceName")?.to_owned();
                let calls = self.of_all(|traces| facts::calls(traces)).await?;
                let called = calls.into_keys().filter(|(from, _)| *from == service).map(|(_, to)| to);
                json(&called.collect::<BTreeSet<_>>())
            }
            "traces" => {
                let found = self.found(search(asked)?).await?;
                json(&found.iter().map(|spans| trace_of(spans)).collect::<Vec<_>>())
            }
            "traceMany" => {
                let mut found = Vec::new();
                for id in needed(asked, "traceIds")?.split(',') {
                    let id = trace_id(id.trim())?;
                    let trace = self.shared.parts.traces.trace(id).await.map_err(|_| Fault::Gone)?;
                    found.extend(trace.map(|trace| trace_of(&trace.as_spans())));
                }
                json(&found)
            }
            "dependencies" => {
                needed(asked, "endTs")?;
                let to = asked.time_in("endTs", MILLISECOND)?;
                let from = since(to, Some(lookback(asked)?));
                let calls = self.of_all(move |traces| {
                    let in_time =
                        |time| from.is_none_or(|from| time >= from) && to.is_none_or(|to| time <= to);
                    facts::calls(traces.iter().filter(|trace| in_time(trace.started)))
                });
                let links = calls.await?.into_iter().map(|((parent, child), calls)| {
                    value!({ "parent": parent, "child": child, "callCount": calls.n, "errorCount": calls.n_failed })
                });
                json(&links.collect::<Vec<_>>())
            }
            // No tags are set apart for completion.
            "autocompleteKeys" | "autocompleteValues" => json(&Vec::<String>::new()),
            _ => match path.strip_prefix("trace/") {
                Some(id) => json(&trace_of(&self.trace_of(id).await?.as_spans())),
                None => Err(Fault::NoPath),
            },
        }
    }
}

fn lookback(asked: &Asked) -> Result<Duration, Fault> {
    Ok(asked.number("lookback")?.map_or(LOOKBACK_USUAL, |n| times(MILLISECOND, n)))
}

fn search(asked: &Asked) -> Result<Search, Fault> {
    let to = asked.time_in("endTs", MILLISECOND)?;
    let micros = |name: &str| Ok(asked.number(name)?.map(Duration::from_micros));
    Ok(Search {
        service: asked.get("serviceName").map(str::to_owned),
        // `all` is what Zipkin's page says for any.
        operation: asked.get("spanName").filter(|name| *name != "all").map(str::to_owned),
        tags: annotations(asked.get("annotationQuery").unwrap_or_default()),
        min_duration: micros("minDuration")?,
        max_duration: micros("maxDuration")?,
        from: since(to, Some(lookback(asked)?)),
        to,
        has_error: None,
        limit: usize::try_from(asked.number("limit")?.unwrap_or(LIMIT_USUAL)).unwrap_or(usize::MAX),
    })
}

/// `error and http.method=GET`.
fn annotations(text: &str) -> Vec<(String, String)> {
    let parts = text.split(" and ").map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn trace_of(spans: &[Arc<Span>]) -> Vec<Value> {
    spans.iter().map(|span| span_of(span)).collect()
}

/// What is not there is left out, as Zipkin's own writer does.
fn span_of(span: &Span) -> Value {
    let mut tags: Map<String, Value> = Map::new();
    for (name, value) in span.attributes.iter() {
        tags.insert(name.to_string(), value.to_string().into());
    }
    if span.is_failed() {
        let message = span.status_message.as_deref().unwrap_or("true");
        tags.entry("error").or_insert_with(|| message.into());
    }
    let mut drawn = value!({
        "traceId": span.trace_id,
        "id": span.span_id,
        "name": span.name,
        "timestamp": micros(span.started),
        // "Durations of less than one microsecond must be rounded up to 1."
        "duration": u64::try_from(span.duration.as_micros()).unwrap_or(u64::MAX).max(1),
        "localEndpoint": { "serviceName": span.resource.service },
        "tags": tags,
    });
    if let Some(parent) = span.parent_id {
        drawn["parentId"] = value!(parent);
    }
    let kind = match span.kind {
        SpanKind::Internal => None,
        SpanKind::Server => Some("SERVER"),
        SpanKind::Client => Some("CLIENT"),
        SpanKind::Producer => Some("PRODUCER"),
        SpanKind::Consumer => Some("CONSUMER"),
    };
    if let Some(kind) = kind {
        drawn["kind"] = kind.into();
    }
    if !span.events.is_empty() {
        let events =
            span.events.iter().map(|event| value!({ "timestamp": micros(event.at), "value": event.name }));
        drawn["annotations"] = events.collect();
    }
    drawn
}
