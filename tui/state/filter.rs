//! Which requests are wanted, as the filter line says it.
//!
//! Plain words for now: a request is wanted where each of them stands
//! somewhere in it. Everything about the language is behind [`Filter`].

use std::fmt::Write;

use spur_trace::Trace;

/// Longest filter: what a person types.
pub(crate) const FILTER_MAX_CHARS: usize = 200;

/// A filter as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// In lower case.
    words: Vec<String>,
}

// === impl Filter ===

impl Filter {
    pub(crate) fn read(text: &str) -> Self {
        Self { words: text.split_whitespace().map(str::to_lowercase).collect() }
    }

    /// Whether it wants everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether each word is in the method, target, services, keys, sandboxes,
    /// status, error or id of the trace.
    pub(crate) fn wants(&self, trace: &Trace) -> bool {
        self.words.is_empty() || self.wants_text(&text_of(trace))
    }

    /// Whether each word is in the text.
    pub(crate) fn wants_text(&self, text: &str) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

fn text_of(trace: &Trace) -> String {
    let mut text = trace.trace_id.to_string();
    for hop in &trace.hops {
        let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
        let version = &hop.start.decision.version;
        push(&mut text, format_args!(" {} {target} {} {version}", hop.start.method, hop.name()));
        if let Some(key) = hop.key() {
            push(&mut text, format_args!(" {key}"));
        }
        if let Some(key) = &hop.lost_key {
            push(&mut text, format_args!(" lost {key}"));
        }
        if let Some(end) = &hop.end {
            if let Some(status) = end.status {
                push(&mut text, format_args!(" {status}"));
            }
            if let Some(error) = end.error {
                push(&mut text, format_args!(" {error}"));
            }
        }
    }
    text
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace};

    #[test]
    fn each_word_has_to_be_there() {
        let trace = trace(1, vec![hop("gw", "front").target("/cart?q=1").key("pr-421").status(503)]);
        for (filter, is_wanted) in [
            ("", true),
            ("cart", true),
            ("FRONT get", true),
            ("503 pr-421", true),
            ("cart 200", false),
            ("checkout", false),
        ] {
            assert_eq!(Filter::read(filter).wants(&trace), is_wanted, "{filter}");
        }
    }
}
