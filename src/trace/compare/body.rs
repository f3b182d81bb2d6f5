//! What is different about two bodies.

use serde_json::Value;

use super::{Found, ResponsePart};
use crate::capture::CapturedResponse;

/// Characters of a value that are told: more fills a screen and says nothing.
const TOLD_MAX_CHARS: usize = 200;

pub(super) fn compare(left: &CapturedResponse, right: &CapturedResponse, found: &mut Vec<Found>) {
    let (left, right) = (&left.body, &right.body);
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    if let (Some(left), Some(right)) = (json(&left.bytes), json(&right.bytes)) {
        return values("", Some(&left), Some(&right), found);
    }
    if left.bytes == right.bytes && left.n_bytes == right.n_bytes {
        return;
    }
    let texts = (std::str::from_utf8(&left.bytes), std::str::from_utf8(&right.bytes));
    if let (Ok(a), Ok(b)) = texts
        && a != b
    {
        let (mut left_lines, mut right_lines) = (a.lines(), b.lines());
        let differing = loop {
            let (left, right) = (left_lines.next(), right_lines.next());
            // Lines may be the same where only their ends differ.
            if left != right || left.is_none() {
                break (left, right);
            }
        };
        let (left, right) = differing;
        found.push((ResponsePart::Lines, left.map(told), right.map(told)));
        return;
    }
    let from = left.bytes.iter().zip(&right.bytes).take_while(|(left, right)| left == right).count();
    let told = |n_bytes: u64| Some(format!("{n_bytes} bytes, the first {from} the same"));
    found.push((ResponsePart::Bytes, told(left.n_bytes), told(right.n_bytes)));
}

/// Numbers are the same where their values are: `1.0` is `1` (RFC 8259 6).
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_f64() == b.as_f64() && !(a.is_u64() && b.is_u64())
        }
        _ => left == right,
    }
}

fn values(path: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<Found>) {
    match (left, right) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let only_right = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(only_right) {
                values(&inside(path, name), left.get(name), right.get(name), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for idx in 0..left.len().max(right.len()) {
                values(&format!("{path}[{idx}]"), left.get(idx), right.get(idx), found);
            }
        }
        (Some(left), Some(right)) if is_same(left, right) => {}
        (left, right) => {
            let told = |value: &Value| told(&value.to_string());
            found.push((ResponsePart::Value(path.to_owned()), left.map(told), right.map(told)));
        }
    }
}

/// A name below a path, in the way of jq.
fn inside(path: &str, name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    if is_plain { format!("{path}.{name}") } else { format!("{path}[{}]", Value::from(name)) }
}

fn told(text: &str) -> String {
    match text.char_indices().nth(TOLD_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
