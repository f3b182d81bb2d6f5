//! A trace as a line: when, what, how it ended, how long it took, its way.

use std::borrow::Cow;

use spur_trace::{Hop, Trace, sanitize_for_terminal, short_duration};

use crate::console::Paint;

/// Longer targets are cut; the whole is in `-o json`.
const TARGET_MAX_CHARS: usize = 48;

/// `22:14:49.123Z GET    /api/cart   200   12.3ms  gw ▸ frontend ▸ ◆pricing`, safe to print.
pub(super) fn of(trace: &Trace, paint: Paint) -> String {
    let time = jiff::Timestamp::try_from(trace.started).unwrap_or(jiff::Timestamp::MAX);
    let time = time.strftime("%H:%M:%S.%3fZ").to_string();
    let Some(first) = trace.entry() else {
        return format!("{} {}", paint.dim(time), spans(trace, paint));
    };
    let method = sanitize_for_terminal(first.start.method.as_str()).into_owned();
    let target = target(first);
    let status = status(first);
    let painted = if trace.is_failed() { paint.red(format!("{status:<3}")) } else { format!("{status:<3}") };
    let duration = short_duration(trace.duration);
    let way = way(&trace.path(), paint);
    format!("{} {method:<6} {target:<24} {painted} {duration:>8}  {way}", paint.dim(time))
}

/// Of a trace that no request came through the proxy of: who did what, by the span that the others
/// followed from.
fn spans(trace: &Trace, paint: Paint) -> String {
    let Some(root) = trace.root_span() else {
        return "(a trace without hops)".to_owned();
    };
    let name = cut(sanitize_for_terminal(&root.name));
    let outcome = format!("{:<3}", root.outcome());
    let outcome = if root.is_failed() { paint.red(outcome) } else { outcome };
    let duration = short_duration(root.duration);
    let service = sanitize_for_terminal(&root.resource.service);
    let n_more = match trace.spans.len() - 1 {
        0 => String::new(),
        1 => " and 1 more span".to_owned(),
        n => format!(" and {n} more spans"),
    };
    format!("SPANS  {name:<24} {outcome} {duration:>8}  {service}{n_more}")
}

fn target(hop: &Hop) -> String {
    let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
    cut(sanitize_for_terminal(target))
}

fn cut(text: Cow<'_, str>) -> String {
    if text.chars().count() <= TARGET_MAX_CHARS {
        return text.into_owned();
    }
    text.chars().take(TARGET_MAX_CHARS - 1).chain(['…']).collect()
}

fn status(hop: &Hop) -> String {
    match hop.end.as_ref().map(|end| end.status) {
        Some(Some(status)) => status.to_string(),
        // It failed before there was one.
        Some(None) => "-".to_owned(),
        None => "…".to_owned(),
    }
}

/// The way with its marks in colour.
fn way(path: &str, paint: Paint) -> String {
    let words = path.split(' ').map(|word| {
        let end = word.find([',', ']', ')']).unwrap_or(word.len());
        let (name, rest) = word.split_at(end);
        let painted = match name {
            name if name.contains('✗') => paint.red(name),
            name if name.contains('▲') => paint.yellow(name),
            name if name.contains('◆') => paint.fork(name),
            name => name.to_owned(),
        };
        painted + rest
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::made::{hop, span, trace};
    use serde_json::json;

    #[test]
    fn a_request_is_a_line_with_its_way() {
        let (root, child) = ("b7ad6b7169203331", "c8be7c827a314442");
        let trace = trace(vec![
            hop(root, None, "frontend", None),
            hop(child, Some(root), "pricing", Some("cheaper")),
        ]);
        insta::assert_snapshot!(of(&trace, Paint::Plain), @"22:14:49.123Z GET    /frontend?q=1            200   12.3ms  gw ▸ frontend ▸ ◆pricing");
        let colour = of(&trace, Paint::Colour);
        assert!(colour.contains("\u{1b}[1;35m◆pricing\u{1b}[0m"), "{colour:?}");
    }

    #[test]
    fn spans_alone_are_a_line_of_their_root() {
        let mut trace = trace(Vec::new());
        insta::assert_snapshot!(of(&trace, Paint::Plain), @"22:14:49.123Z (a trace without hops)");
        let mut root = span("b7ad6b7169203331", None, "cron", "nightly\u{1b}[31m");
        root["status"] = json!("error");
        // Which clocks of several machines may say.
        let earlier = span("c8be7c827a314442", Some("b7ad6b7169203331"), "mail", "send");
        trace.spans = vec![serde_json::from_value(earlier).unwrap(), serde_json::from_value(root).unwrap()];
        insta::assert_snapshot!(of(&trace, Paint::Plain), @r"22:14:49.123Z SPANS  nightly\x1b[31m          err    2.5ms  cron and 1 more span");
        let colour = of(&trace, Paint::Colour);
        assert!(colour.contains("\u{1b}[1;31merr\u{1b}[0m"), "{colour:?}");
        trace.spans.pop();
        insta::assert_snapshot!(of(&trace, Paint::Plain), @"22:14:49.123Z SPANS  send                     -      2.5ms  mail");
    }
}
