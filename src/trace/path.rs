//! A trace on one line: `gw ▸ frontend ▸ checkout ▸ ◆pricing`.
//!
//! `gw` is the entry. Several calls of one service stand in brackets in the
//! order of their start; equal neighbours are counted (`×3`). Marks before a
//! name: `✗` failed (with why), `▲` its caller lost the key, `◆` a fork served
//! it, `○` the baseline stood in for a fork. `…` after a name: not ended yet.

use std::collections::HashMap;
use std::fmt::Write;

use spur_route::SpanId;

use crate::sanitize::sanitize_for_terminal;
use crate::trace::{Hop, Trace};

const ARROW: &str = " ▸ ";

/// Deeper calls are cut with `…`: nobody reads them on a line, and drawing stays flat.
const DEPTH_MAX: usize = 64;

impl Trace {
    /// The trace on one line, safe to print.
    #[must_use]
    pub fn path(&self) -> String {
        let mut children: HashMap<Option<SpanId>, Vec<&Hop>> = HashMap::new();
        for hop in &self.hops {
            children.entry(hop.parent).or_default().push(hop);
        }
        let roots = children.get(&None).map_or(&[][..], Vec::as_slice);
        let (entries, others): (Vec<&Hop>, Vec<&Hop>) =
            roots.iter().partition(|hop| hop.start.source.is_none());
        let mut lines = Vec::new();
        if !entries.is_empty() {
            lines.push(format!("gw{}", calls(&entries, &children, 0)));
        }
        // Calls that nobody in the trace led to: each begins with its caller.
        for hop in others {
            let caller = hop.start.source.as_ref().map_or("gw", |s| &s.workload);
            let caller = sanitize_for_terminal(caller);
            lines.push(format!("{caller}{}", calls(&[hop], &children, 0)));
        }
        lines.join(" | ")
    }
}

/// ` ▸ a` or ` ▸ [a, b]`, each with what it called; empty where there is none.
fn calls(hops: &[&Hop], children: &HashMap<Option<SpanId>, Vec<&Hop>>, depth: usize) -> String {
    if hops.is_empty() {
        return String::new();
    }
    if depth == DEPTH_MAX {
        return format!("{ARROW}…");
    }
    let drawn = hops.iter().map(|hop| {
        let below = children.get(&Some(hop.start.id.span_id));
        let below = calls(below.map_or(&[], Vec::as_slice), children, depth + 1);
        format!("{}{below}", name(hop))
    });
    match &counted(drawn)[..] {
        [one] => format!("{ARROW}{one}"),
        several => format!("{ARROW}[{}]", several.join(", ")),
    }
}

/// Equal neighbours as one, with their number.
fn counted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for text in texts {
        match runs.last_mut() {
            Some((last, n)) if *last == text => *n += 1,
            _ => runs.push((text, 1)),
        }
    }
    runs.into_iter()
        .map(|(text, n)| match n {
            1 => text,
            n if text.contains(ARROW) => format!("({text})×{n}"),
            n => format!("{text}×{n}"),
        })
        .collect()
}

fn name(hop: &Hop) -> String {
    let mut name = String::new();
    if hop.is_failed() {
        name.push('✗');
    }
    if hop.lost_key.is_some() {
        name.push('▲');
    }
    if hop.is_forked() {
        name.push('◆');
    } else if hop.start.decision.fell_back {
        name.push('○');
    }
    name.push_str(&sanitize_for_terminal(hop.name()));
    if hop.is_open() {
        name.push('…');
    }
    if let Some(why) = why_failed(hop) {
        write!(name, "({why})").expect("writing to a string does not fail");
    }
    name
}

/// `503 no-ready-endpoints`, `500`, `200 grpc 14`, `client-gone`.
fn why_failed(hop: &Hop) -> Option<String> {
    let end = hop.end.as_ref().filter(|_| hop.is_failed())?;
    let decision = &hop.start.decision;
    let reason = match (end.error, &decision.asked, end.grpc_status) {
        (Some(error), _, _) => Some(error.code().to_owned()),
        (None, Some(_), _) => Some(decision.reason.code().to_owned()),
        (None, None, Some(code)) if code != 0 => Some(format!("grpc {code}")),
        (None, None, Some(_) | None) => None,
    };
    let status = end.status.map(|status| status.to_string());
    let parts: Vec<String> = status.into_iter().chain(reason).collect();
    Some(parts.join(" "))
}
