//! What a trace and its hops have of the fields.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::Version as HttpVersion;
use spur_route::{SpanId, Version, Wire};

use super::eval::{Fields, Part, Value};
use super::field::{Field, HopClass};
use crate::capture::{Capture, Captured};
use crate::trace::{Hop, Trace};

/// A trace at a moment, which its age depends on.
#[derive(Debug)]
pub struct TraceAt<'a> {
    trace: &'a Trace,
    now: SystemTime,
    /// Made when somebody asks.
    parents: OnceCell<Vec<Option<usize>>>,
    /// The hop that each span lies under, likewise.
    hops_of_spans: OnceCell<Vec<Option<usize>>>,
}

type Passes<'a> = dyn FnMut(Value<'_>) -> bool + 'a;

// === impl Trace ===

impl Trace {
    /// The trace as a filter looks at it.
    #[must_use]
    pub fn at(&self, now: SystemTime) -> TraceAt<'_> {
        TraceAt { trace: self, now, parents: OnceCell::new(), hops_of_spans: OnceCell::new() }
    }
}

// === impl TraceAt ===

impl Fields for TraceAt<'_> {
    fn some(&self, part: Part, field: &Field, passes: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match part {
            Part::Whole => self.some_of_trace(field, passes),
            Part::Hop(idx) if let Field::Attr(name) = field => self.some_of_spans(Some(idx), name, passes),
            Part::Hop(idx) => {
                self.trace.hops.get(idx).is_some_and(|hop| self.some_of_hop(hop, field, passes))
            }
        }
    }

    fn n_hops(&self) -> usize {
        self.trace.hops.len()
    }

    fn parent(&self, hop: usize) -> Option<usize> {
        let parents = self.parents.get_or_init(|| {
            let hops = &self.trace.hops;
            let places: HashMap<SpanId, usize> =
                hops.iter().enumerate().map(|(idx, hop)| (hop.start.id.span_id, idx)).collect();
            hops.iter().map(|hop| places.get(&hop.parent?).copied()).collect()
        });
        parents.get(hop).copied().flatten()
    }
}

impl TraceAt<'_> {
    fn some_of_trace(&self, field: &Field, passes: &mut Passes<'_>) -> bool {
        let trace = self.trace;
        match field {
            Field::Dur => trace.is_finished && passes(number(micros(trace.duration))),
            Field::Age => passes(number(self.age(trace.started))),
            Field::Trace => passes(Value::Text(&trace.trace_id.to_string())),
            Field::Mark => trace.mark.as_deref().is_some_and(|mark| passes(Value::Text(mark))),
            // Of the request that came in.
            Field::Status
            | Field::Method
            | Field::Path
            | Field::Host
            | Field::Size
            | Field::Proto
            | Field::Grpc
            | Field::Body
            | Field::Req(_)
            | Field::Res(_) => trace.entry().is_some_and(|hop| self.some_of_hop(hop, field, passes)),
            Field::Svc
            | Field::From
            | Field::To
            | Field::Hop
            | Field::Rule
            | Field::Sandbox
            | Field::Key
            | Field::Err
            | Field::Replay
            | Field::Level
            | Field::Msg => trace.hops.iter().any(|hop| self.some_of_hop(hop, field, passes)),
            Field::Attr(name) => self.some_of_spans(None, name, passes),
        }
    }

    /// Of the spans that lie under a hop, or of all; what a span does not say its resource may.
    fn some_of_spans(&self, of_hop: Option<usize>, name: &str, passes: &mut Passes<'_>) -> bool {
        let hops = of_hop.map(|_| self.hops_of_spans.get_or_init(|| self.trace.hops_of_spans()));
        let spans = self.trace.spans.iter().enumerate();
        let mut spans = spans.filter(|(idx, _)| hops.is_none_or(|hops| hops[*idx] == of_hop));
        spans.any(|(_, span)| {
            let found = span.attributes.get(name).or_else(|| span.resource.resource.get(name));
            found.is_some_and(|value| match value.as_text() {
                Some(text) => passes(Value::Text(text)),
                None => passes(Value::Text(&value.to_string())),
            })
        })
    }

    fn some_of_hop(&self, hop: &Hop, field: &Field, passes: &mut Passes<'_>) -> bool {
        let (start, end) = (&*hop.start, hop.end.as_deref());
        let decision = &start.decision;
        let mut text = |text: Option<&str>| text.is_some_and(|text| passes(Value::Text(text)));
        match field {
            Field::Method => text(Some(start.method.as_str())),
            Field::Path => text(start.target.as_ref().map(|target| target.as_str())),
            Field::Host => text(decision.asked.as_deref().filter(|_| decision.service.is_none())),
            Field::Svc => text(decision.service.as_ref().map(|service| &*service.name)),
            Field::From => text(Some(hop.caller())),
            Field::To => text(hop.endpoint().map(|endpoint| &*endpoint.workload)),
            Field::Rule => text(decision.rule.as_ref().map(ToString::to_string).as_deref()),
            Field::Sandbox => match &decision.version {
                Version::Sandbox(sandbox) => text(Some(&sandbox.name)),
                Version::Baseline => false,
            },
            Field::Key => text(hop.key()) || text(hop.lost_key.as_deref()),
            Field::Trace => text(Some(&start.id.trace_id.to_string())),
            Field::Mark => text(self.trace.mark.as_deref()),
            Field::Err => {
                let refused = decision.asked.is_some() && decision.reason.refusal_status().is_some();
                text(end.and_then(|end| end.error).map(|error| error.code()))
                    || text(refused.then(|| decision.reason.code()))
            }
            Field::Status => end.and_then(|end| end.status).is_some_and(|it| passes(number(it.into()))),
            Field::Grpc => end.and_then(|end| end.grpc_status).is_some_and(|it| passes(number(it.into()))),
            Field::Dur => end.is_some_and(|end| passes(number(micros(end.duration)))),
            Field::Age => passes(number(self.age(start.started))),
            Field::Size => end.is_some_and(|end| passes(number(end.request_bytes + end.response_bytes))),
            Field::Proto => protocols(hop).into_iter().flatten().any(|word| passes(Value::Text(word))),
            Field::Hop => {
                HopClass::ALL.into_iter().filter(|it| is_of(hop, *it)).any(|it| passes(Value::Class(it)))
            }
            // Of spans, and of log lines.
            Field::Attr(_) => false,
            Field::Level | Field::Msg => false,
            Field::Replay => passes(Value::Flag(start.replay_of.is_some())),
            Field::Body | Field::Req(_) | Field::Res(_) => {
                let capture = hop.captured.as_ref().and_then(Captured::get);
                capture.is_some_and(|capture| some_of_capture(&capture, field, passes))
            }
        }
    }

    fn age(&self, started: SystemTime) -> u64 {
        micros(self.now.duration_since(started).unwrap_or_default())
    }
}

/// What was captured, secrets included: whoever asks may read them anyway.
fn some_of_capture(capture: &Capture, field: &Field, passes: &mut Passes<'_>) -> bool {
    let mut text = |bytes: &[u8]| passes(Value::Text(&String::from_utf8_lossy(bytes)));
    let Capture { id: _, request, response } = capture;
    let response = response.as_ref();
    match field {
        Field::Req(name) => request.headers.get_all(name).iter().any(|value| text(value.as_bytes())),
        Field::Res(name) => {
            response.is_some_and(|it| it.headers.get_all(name).iter().any(|value| text(value.as_bytes())))
        }
        Field::Body => text(&request.body.bytes) || response.is_some_and(|it| text(&it.body.bytes)),
        _ => false,
    }
}

fn is_of(hop: &Hop, class: HopClass) -> bool {
    match class {
        HopClass::Fork => hop.is_forked(),
        // What was refused before a version was chosen went nowhere.
        HopClass::Base => hop.is_to_baseline(),
        HopClass::Split => hop.start.decision.share.is_some(),
        HopClass::Lost => hop.lost_key.is_some(),
        HopClass::Error => hop.is_failed(),
    }
}

/// What was spoken, in the words of a request line, and what in it.
fn protocols(hop: &Hop) -> [Option<&'static str>; 2] {
    let wire = hop.start.decision.service.as_ref().map(|service| service.wire);
    if hop.start.target.is_none() && matches!(wire, Some(Wire::Tcp)) {
        return [Some("tcp"), None];
    }
    if matches!(wire, Some(Wire::Udp)) {
        return [Some("udp"), None];
    }
    let version = match hop.start.http_version {
        HttpVersion::HTTP_09 => "http/0.9",
        HttpVersion::HTTP_10 => "http/1.0",
        HttpVersion::HTTP_2 => "http/2.0",
        HttpVersion::HTTP_3 => "http/3.0",
        _ => "http/1.1",
    };
    let is_grpc = hop.end.as_ref().is_some_and(|end| end.grpc_status.is_some());
    [Some(version), is_grpc.then_some("grpc")]
}

fn number(number: u64) -> Value<'static> {
    Value::Number(number)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
