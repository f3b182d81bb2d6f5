//! A trace as rows of a tree: who called whom, and which fork answered.

use std::collections::BTreeMap;

use spur_route::{SpanId, Version};
use spur_trace::{Hop, Trace, sanitize_for_terminal};

/// One service in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// `│  └─ `, or nothing for `gw`, as the entry is called in traces.
    pub(super) branch: String,
    pub(super) service: String,
    /// The version that the service gave itself in the answer.
    pub(super) version: String,
    /// The sandbox whose fork answered.
    pub(super) sandbox: Option<String>,
}

/// Deeper calls are left out; the demo's shop has three levels.
const DEPTH_MAX: usize = 16;

/// The rows, siblings by name, so that two traces of one request can be compared.
pub(super) fn rows(trace: &Trace, answered: &BTreeMap<String, String>) -> Vec<Row> {
    let entry =
        Row { branch: String::new(), service: "gw".to_owned(), version: String::new(), sandbox: None };
    let mut rows = vec![entry];
    let roots = children(trace, None);
    add(&roots, trace, answered, "", &mut rows);
    rows
}

fn add(hops: &[&Hop], trace: &Trace, answered: &BTreeMap<String, String>, indent: &str, rows: &mut Vec<Row>) {
    /// Columns of one level.
    const STEP_CHARS: usize = 3;
    if indent.chars().count() >= DEPTH_MAX * STEP_CHARS {
        return;
    }
    for (index, hop) in hops.iter().enumerate() {
        let is_last = index + 1 == hops.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        rows.push(Row {
            branch: format!("{indent}{branch}"),
            service: sanitize_for_terminal(hop.name()).into_owned(),
            version: answered
                .get(hop.name())
                .map(|version| sanitize_for_terminal(version).into_owned())
                .unwrap_or_default(),
            sandbox: match &hop.start.decision.version {
                Version::Baseline => None,
                Version::Sandbox(sandbox) => Some(sandbox.name.to_string()),
            },
        });
        let called = children(trace, Some(hop.start.id.span_id));
        add(&called, trace, answered, &format!("{indent}{below}"), rows);
    }
}

fn children(trace: &Trace, parent: Option<SpanId>) -> Vec<&Hop> {
    let mut children: Vec<&Hop> = trace.hops.iter().filter(|hop| hop.parent == parent).collect();
    children.sort_by(|one, other| one.name().cmp(other.name()));
    children
}
