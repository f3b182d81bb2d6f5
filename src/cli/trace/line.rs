//! A trace as a line: when, what, how it ended, how long it took, its way.

use spur_trace::{Hop, Trace, sanitize_for_terminal, short_duration};

use crate::console::Paint;

/// Longer targets are cut; the whole is in `-o json`.
const TARGET_MAX_CHARS: usize = 48;

/// `22:14:49.123Z GET    /api/cart   200   12.3ms  gw ▸ frontend ▸ ◆pricing`, safe to print.
pub(super) fn of(trace: &Trace, paint: Paint) -> String {
    let time = jiff::Timestamp::try_from(trace.started).unwrap_or(jiff::Timestamp::MAX);
    let time = time.strftime("%H:%M:%S.%3fZ").to_string();
    let Some(first) = trace.entry() else {
        return format!("{} {}", paint.dim(time), spans(trace));
    };
    let method = sanitize_for_terminal(first.start.method.as_str()).into_owned();
    let target = target(first);
    let status = status(first);
    let painted = if trace.is_failed() { paint.red(format!("{status:<3}")) } else { format!("{status:<3}") };
    let duration = short_duration(trace.duration);
    let way = way(&trace.path(), paint);
    format!("{} {method:<6} {target:<24} {painted} {duration:>8}  {way}", paint.dim(time))
}

/// Of a trace that no request came through the proxy of: who did what.
fn spans(trace: &Trace) -> String {
    let Some(first) = trace.spans.first() else {
        return "(a trace without hops)".to_owned();
    };
    let what = format!("{} {}", first.resource.service, first.name);
    let (n_spans, duration) = (trace.spans.len(), short_duration(trace.duration));
    format!("SPANS  {:<24} {n_spans:<3} {duration:>8}", sanitize_for_terminal(&what))
}

fn target(hop: &Hop) -> String {
    let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
    let target = sanitize_for_terminal(target);
    if target.chars().count() <= TARGET_MAX_CHARS {
        return target.into_owned();
    }
    target.chars().take(TARGET_MAX_CHARS - 1).chain(['…']).collect()
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
    use crate::trace::made::{hop, trace};

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
}
