//! The values that fields have now, for completion.

use std::collections::HashMap;
use std::time::SystemTime;

use super::eval::{Fields, Part, Value};
use super::field::Field;
use crate::trace::Trace;

/// Values that are told apart; a path with numbers in it has more than anybody looks through.
const VALUES_MAX: usize = 1_000;

/// The texts that a field has in these traces, the most frequent first. Numbers are left out:
/// who types one knows it.
pub fn live_values<'a>(field: &Field, traces: impl IntoIterator<Item = &'a Trace>) -> Vec<String> {
    let mut found: HashMap<String, usize> = HashMap::new();
    for trace in traces {
        let trace = trace.at(SystemTime::UNIX_EPOCH);
        trace.some(Part::Whole, field, &mut |value| {
            if let Value::Text(text) = value
                && (found.len() < VALUES_MAX || found.contains_key(text))
            {
                *found.entry(text.to_owned()).or_default() += 1;
            }
            // None is the one that was looked for.
            false
        });
    }
    let mut found: Vec<(String, usize)> = found.into_iter().collect();
    found.sort_by(|(left, n_left), (right, n_right)| n_right.cmp(n_left).then_with(|| left.cmp(right)));
    found.into_iter().map(|(text, _)| text).collect()
}
