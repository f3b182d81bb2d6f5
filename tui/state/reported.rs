//! What an application reported of an operation, as lines of a label and what it is.

use spur_trace::{Span, SpanKind, SpanStatus, short_duration};

use super::why::Weight;

/// A line: names of attributes are the application's, so that they are no label of ours.
pub(crate) type Named = (String, String, Weight);

/// Everything that is known about a span.
pub(crate) fn reported(span: &Span) -> Vec<Named> {
    let mut lines = Vec::new();
    let mut say = |name: &str, text: String, weight| lines.push((name.to_owned(), text, weight));
    say("span", span.name.to_string(), Weight::Plain);
    say("service", span.resource.service.to_string(), Weight::Plain);
    let kind = match span.kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    };
    say("kind", kind.to_owned(), Weight::Plain);
    say("took", short_duration(span.duration), Weight::Plain);
    if span.status == SpanStatus::Error {
        let why = span.status_message.as_deref().unwrap_or("it does not say why");
        say("failed", why.to_owned(), Weight::Failure);
    }
    if !span.scope.name.is_empty() {
        say("made by", span.scope.name.to_string(), Weight::Dim);
    }
    for (name, value) in span.attributes.iter() {
        let text = value.as_text().map_or_else(|| value.to_string(), str::to_owned);
        say(name, text, Weight::Plain);
    }
    for event in &span.events {
        let after = event.at.duration_since(span.started).unwrap_or_default();
        say("event", format!("{} after {}", event.name, short_duration(after)), Weight::Plain);
        for (name, value) in event.attributes.iter() {
            let text = value.as_text().map_or_else(|| value.to_string(), str::to_owned);
            say(name, text, Weight::Dim);
        }
    }
    if span.n_dropped > 0 {
        say("", format!("{} attributes, events or links were left out", span.n_dropped), Weight::Warning);
    }
    lines
}
