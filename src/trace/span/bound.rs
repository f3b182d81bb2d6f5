//! What of a span is kept, however much its service sends.

use std::sync::Arc;

use crate::attributes::{AttributeValue, Attributes};
use crate::span::Span;

/// How much one span may hold; what is beyond is left out and counted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimits {
    /// Attributes of a span, and of each event and link.
    pub max_attributes: usize,
    /// Events, and links.
    pub max_events: usize,
    /// Bytes of one text: longer ones are cut.
    pub max_text_bytes: usize,
    /// Bytes of all of it: what comes last is left out, attributes after events and links.
    pub max_span_bytes: usize,
}

/// Deeper lists and maps are left out: whatever walks a value does so by calling itself.
const MAX_DEPTH: usize = 8;

// === impl SpanLimits ===

impl Default for SpanLimits {
    /// 128 attributes, events and links are what OpenTelemetry's own libraries keep
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#span-limits>).
    /// 8 KiB hold a statement of SQL or a stack; 64 KiB hold eight of them.
    fn default() -> Self {
        Self { max_attributes: 128, max_events: 128, max_text_bytes: 8 << 10, max_span_bytes: 64 << 10 }
    }
}

impl SpanLimits {
    /// Leaves out what is too much, and counts it in the span.
    pub fn bound(&self, span: &mut Span) {
        let mut n_dropped = 0;
        self.cut(&mut span.name, &mut n_dropped);
        if let Some(message) = &mut span.status_message {
            self.cut(message, &mut n_dropped);
        }
        self.bound_attributes(&mut span.attributes, &mut n_dropped);
        n_dropped += cut_off(&mut span.events, self.max_events) + cut_off(&mut span.links, self.max_events);
        for event in &mut span.events {
            self.cut(&mut event.name, &mut n_dropped);
            self.bound_attributes(&mut event.attributes, &mut n_dropped);
        }
        for link in &mut span.links {
            self.bound_attributes(&mut link.attributes, &mut n_dropped);
        }
        if span.n_bytes() > self.max_span_bytes {
            n_dropped += self.shrink(span);
        }
        span.n_dropped += n_dropped;
    }

    /// Leaves out what is too much of attributes that stand alone.
    pub fn bound_attributes(&self, attributes: &mut Attributes, n_dropped: &mut u64) {
        self.bound_at(attributes, n_dropped, 0);
    }

    /// Cuts a text that is too long, at a whole letter.
    pub fn cut(&self, text: &mut Arc<str>, n_dropped: &mut u64) {
        if text.len() > self.max_text_bytes {
            *text = text[..text.floor_char_boundary(self.max_text_bytes)].into();
            *n_dropped += 1;
        }
    }

    fn bound_at(&self, attributes: &mut Attributes, n_dropped: &mut u64, depth: usize) {
        let mut n_kept = 0;
        attributes.retain(|_, value| {
            let keeps = n_kept < self.max_attributes && self.bound_value(value, n_dropped, depth);
            n_kept += usize::from(keeps);
            *n_dropped += u64::from(!keeps);
            keeps
        });
    }

    fn bound_value(&self, value: &mut AttributeValue, n_dropped: &mut u64, depth: usize) -> bool {
        match value {
            AttributeValue::Bool(_) | AttributeValue::Int(_) | AttributeValue::Double(_) => true,
            AttributeValue::Text(text) => {
                self.cut(text, n_dropped);
                true
            }
            AttributeValue::List(_) | AttributeValue::Map(_) if depth == MAX_DEPTH => false,
            AttributeValue::List(values) => {
                *n_dropped += cut_off(values, self.max_attributes);
                values.retain_mut(|value| {
                    let keeps = self.bound_value(value, n_dropped, depth + 1);
                    *n_dropped += u64::from(!keeps);
                    keeps
                });
                true
            }
            AttributeValue::Map(values) => {
                self.bound_at(values, n_dropped, depth + 1);
                true
            }
        }
    }

    /// From the end, until it fits: events, links, then attributes.
    fn shrink(&self, span: &mut Span) -> u64 {
        let mut n_dropped = 0;
        while span.n_bytes() > self.max_span_bytes {
            let is_less =
                span.events.pop().is_some() || span.links.pop().is_some() || span.attributes.pop().is_some();
            if !is_less {
                break;
            }
            n_dropped += 1;
        }
        n_dropped
    }
}

fn cut_off<T>(list: &mut Vec<T>, max: usize) -> u64 {
    let n_dropped = list.len().saturating_sub(max);
    list.truncate(max);
    n_dropped as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::SpanEvent;
    use crate::span::tests::span;

    fn small() -> SpanLimits {
        SpanLimits { max_attributes: 2, max_events: 1, max_text_bytes: 4, max_span_bytes: 4_096 }
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let mut span = span(1, None);
        span.name = "größer".into();
        for name in ["a", "b", "c"] {
            span.attributes.push(name, "12345");
        }
        let event = SpanEvent { name: "e".into(), at: span.started, attributes: span.attributes.clone() };
        span.events = vec![event.clone(), event];
        small().bound(&mut span);
        assert_eq!(&*span.name, "grö", "cut between letters");
        assert_eq!(span.attributes, [("a", "1234"), ("b", "1234")].into_iter().collect());
        assert_eq!((span.events.len(), span.events[0].attributes.len()), (1, 2));
        // The name; one and two cut; one event; one and two cut.
        assert_eq!(span.n_dropped, 1 + 3 + 1 + 3);
    }

    #[test]
    fn a_span_that_is_large_all_in_all_loses_its_last_parts() {
        let mut span = span(1, None);
        for idx in 0..100 {
            span.attributes.push(format!("attribute.number.{idx}"), "12345678");
        }
        let limits = SpanLimits { max_span_bytes: 2_000, ..SpanLimits::default() };
        limits.bound(&mut span);
        assert!(span.n_bytes() <= 2_000);
        assert_eq!(span.attributes.len() as u64 + span.n_dropped, 100);
        assert!(span.attributes.get("attribute.number.0").is_some());
    }

    #[test]
    fn deep_values_are_left_out() {
        let mut value = AttributeValue::Int(1);
        for _ in 0..50 {
            value = AttributeValue::List(vec![value]);
        }
        let mut span = span(1, None);
        span.attributes.push("deep", value);
        SpanLimits::default().bound(&mut span);
        assert_eq!(span.attributes.get("deep").unwrap().to_string(), "[[[[[[[[]]]]]]]]");
        assert_eq!(span.n_dropped, 1);
    }
}
