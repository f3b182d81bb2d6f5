//! Who calls whom, as the server has counted it: exact, whatever the list of requests keeps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use spur_api::meta;
use spur_trace::filter::{Expr, Field, Fields, HopClass, Part, Value as FieldValue};
use spur_trace::{Filter, Trace};

use super::cursor::Rows;
use super::rates::{Figures, seconds};
use super::terms;

/// What the figures are of, in seconds: long enough for a quantile, short enough to see a change.
pub(crate) const WINDOW_SECONDS: u64 = 60;

/// How far back the server can be asked: a quarter of an hour, less the window itself.
pub(crate) const AGO_MAX_SECONDS: u64 = 15 * 60 - WINDOW_SECONDS;

/// A time that every clock can hold: the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Calls of one version of a service by one workload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) id: EdgeId,
    /// Who calls, a fork by the name of what it is a fork of.
    pub(crate) caller: String,
    pub(crate) from_sandbox: Option<String>,
    pub(crate) service: String,
    /// Who answered; `None` where nobody did.
    pub(crate) workload: Option<String>,
    /// The sandbox whose fork is called, if one is.
    pub(crate) sandbox: Option<String>,
    pub(crate) figures: Figures,
    pub(crate) per_second: f64,
    /// Among the requests that are kept here.
    pub(crate) n_lost_key: usize,
}

/// The two ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EdgeId {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// All edges, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topology {
    pub(crate) edges: Vec<Edge>,
    /// Calls that were counted without their ends, because there are too many.
    pub(crate) n_others: u64,
}

/// The edges of an answer of `/spur/v1/traces/summary?by=edge-version`, with what the traces of its
/// time say of lost keys.
pub(crate) fn topology<'a>(summary: &Value, traces: impl Iterator<Item = &'a Arc<Trace>>) -> Topology {
    let rows = meta::list(summary, "/rows");
    let seconds = seconds(summary);
    let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let second = |field: &str| summary[field].as_u64().unwrap_or(0);
    let window = at(second("from").min(SECONDS_MAX))..at(second("to").saturating_add(1).min(SECONDS_MAX));
    let names = Names::of(rows);
    let mut lost: HashMap<(String, String), usize> = HashMap::new();
    for hop in
        traces.flat_map(|trace| trace.lost_key_hops()).filter(|hop| window.contains(&hop.start.started))
    {
        *lost.entry((hop.caller().to_owned(), hop.name().to_owned())).or_default() += 1;
    }
    let mut edges = BTreeMap::new();
    let mut n_others = 0;
    for row in rows {
        let figures = Figures::read(row);
        if row["others"].as_bool() == Some(true) {
            n_others += figures.n;
            continue;
        }
        let (from, to) = (&row["edge"]["from"], &row["edge"]["to"]);
        let text = |field: &str| row[field].as_str().map(str::to_owned);
        let (workload, sandbox, from_sandbox) = (text("workload"), text("sandbox"), text("from_sandbox"));
        let caller = if from.is_null() { "gw".to_owned() } else { names.name(from) };
        let service = names.name(to);
        let from = match &from_sandbox {
            Some(sandbox) => format!("{caller} ({sandbox})"),
            None => caller.clone(),
        };
        let to = match (&sandbox, &workload) {
            (Some(sandbox), _) => format!("{service} ({sandbox})"),
            // One that has another name than its service is worth a word: `catalog-v2`.
            (None, Some(workload)) if !service.ends_with(workload.as_str()) => {
                format!("{service} ({workload})")
            }
            (None, _) => service.clone(),
        };
        let n_lost_key = lost.get(&(caller.clone(), service.clone())).copied().unwrap_or(0);
        let n_lost_key = if sandbox.is_some() { 0 } else { n_lost_key };
        let per_second = figures.n as f64 / seconds;
        let id = EdgeId { from, to };
        edges.insert(
            id.clone(),
            Edge { id, caller, from_sandbox, service, workload, sandbox, figures, per_second, n_lost_key },
        );
    }
    Topology { edges: edges.into_values().collect(), n_others }
}

// === impl Topology ===

impl Topology {
    /// How many ends edges have.
    pub(crate) fn n_nodes(&self) -> usize {
        let ends = self.edges.iter().flat_map(|edge| [&edge.id.from, &edge.id.to]);
        ends.collect::<HashSet<_>>().len()
    }
}

/// How places are called: by their names, and by their namespaces too where there are several.
struct Names {
    has_namespaces: bool,
}

// === impl Names ===

impl Names {
    fn of(rows: &[Value]) -> Self {
        let places = rows.iter().flat_map(|row| [&row["edge"]["from"], &row["edge"]["to"]]);
        let namespaces: HashSet<&str> = places
            .filter_map(|place| place["namespace"].as_str())
            .filter(|namespace| !namespace.is_empty())
            .collect();
        Self { has_namespaces: namespaces.len() > 1 }
    }

    fn name(&self, place: &Value) -> String {
        let text = |field: &str| place[field].as_str().unwrap_or_default();
        match (self.has_namespaces, text("namespace")) {
            (true, namespace) if !namespace.is_empty() => format!("{namespace}/{}", text("name")),
            _ => text("name").to_owned(),
        }
    }
}

// === impl Edge ===

impl Edge {
    /// A filter that wants the requests with such calls.
    pub(crate) fn filter(&self) -> Expr {
        let bare = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut parts = vec![
            terms::equals(Field::From, &bare(&self.caller)),
            terms::equals(Field::Svc, &bare(&self.service)),
        ];
        match (&self.sandbox, &self.workload) {
            (Some(sandbox), _) => parts.push(terms::equals(Field::Sandbox, sandbox)),
            (None, Some(workload)) => parts.push(terms::equals(Field::To, workload)),
            (None, None) => {}
        }
        Expr::OneHop(Box::new(Expr::All(parts)))
    }

    /// Whether a filter of requests wants such calls, as far as what they have in common says.
    pub(crate) fn is_wanted(&self, filter: &Filter) -> bool {
        filter.matches(self)
    }
}

impl Fields for Edge {
    fn some(&self, _: Part, field: &Field, passes: &mut dyn FnMut(FieldValue<'_>) -> bool) -> bool {
        let bare = |name: &'_ str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut text = |text: &str| passes(FieldValue::Text(text));
        match field {
            Field::From => text(&bare(&self.caller)),
            Field::Svc => text(&bare(&self.service)),
            Field::To => self.workload.as_deref().is_some_and(text),
            Field::Sandbox => self.sandbox.as_deref().is_some_and(text),
            Field::Hop => {
                let version = if self.sandbox.is_some() { HopClass::Fork } else { HopClass::Base };
                passes(FieldValue::Class(version))
                    || (self.figures.n_failed > 0 && passes(FieldValue::Class(HopClass::Error)))
                    || (self.n_lost_key > 0 && passes(FieldValue::Class(HopClass::Lost)))
            }
            _ => false,
        }
    }
}

impl Rows for Topology {
    type Id = EdgeId;

    fn n_rows(&self) -> usize {
        self.edges.len()
    }

    fn id_at(&self, idx: usize) -> Option<EdgeId> {
        self.edges.get(idx).map(|edge| edge.id.clone())
    }

    fn idx_of(&self, id: &EdgeId) -> Option<usize> {
        self.edges.iter().position(|edge| edge.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::made::{edge_row, fork_row, hop, trace};

    fn found(rows: Vec<Value>) -> Topology {
        let traces = [trace(1, vec![hop("gw", "front"), hop("front", "cart").lost("pr-1").under(0, 10)])];
        topology(&json!({"from": 1_795_176_240, "to": 1_795_176_299, "rows": rows}), traces.iter())
    }

    #[test]
    fn edges_are_told_by_caller_service_and_version() {
        let found = found(vec![
            edge_row("gw", "front", "front", 120, 0),
            edge_row("front", "cart", "cart", 30, 3),
            fork_row("front", ("cart", "pr-1"), 6, 6),
            edge_row("front", "catalog", "catalog-v2", 6, 0),
            json!({"others": true, "n": 9, "n_failed": 0, "p50_us": 1, "p95_us": 1, "p99_us": 1}),
        ]);
        let shown: Vec<String> = found
            .edges
            .iter()
            .map(|edge| {
                let EdgeId { from, to } = &edge.id;
                let failed = edge.figures.failed() * 100.0;
                format!(
                    "{from} → {to} {}/s {failed}% {:?} lost {}",
                    edge.per_second, edge.sandbox, edge.n_lost_key
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "front → cart 0.5/s 10% None lost 1",
                "front → cart (pr-1) 0.1/s 100% Some(\"pr-1\") lost 0",
                "front → catalog (catalog-v2) 0.1/s 0% None lost 0",
                "gw → front 2/s 0% None lost 0",
            ]
        );
        assert_eq!(found.n_others, 9);
    }

    #[test]
    fn namespaces_are_named_where_there_are_several() {
        let mut other = edge_row("front", "cart", "cart", 1, 0);
        other["edge"]["to"]["namespace"] = json!("stage");
        let found = found(vec![edge_row("gw", "front", "front", 1, 0), other]);
        let names: Vec<_> =
            found.edges.iter().map(|edge| (edge.id.from.as_str(), edge.id.to.as_str())).collect();
        assert_eq!(names, [("gw", "shop/front"), ("shop/front", "stage/cart")]);
        let filter = Filter::from(found.edges[1].filter()).to_string();
        assert_eq!(filter, "{from=front svc=cart to=cart}");
    }

    #[test]
    fn a_filter_wants_edges_by_what_their_calls_have_in_common() {
        let found =
            found(vec![edge_row("front", "cart", "cart", 30, 3), fork_row("front", ("cart", "pr-1"), 6, 0)]);
        let wanted = |text: &str| {
            let filter = Filter::parse(text).unwrap();
            found.edges.iter().map(|edge| edge.is_wanted(&filter)).collect::<Vec<_>>()
        };
        assert_eq!(wanted("svc:cart"), [true, true]);
        assert_eq!(wanted("sandbox=pr-1"), [false, true]);
        assert_eq!(wanted("hop:error"), [true, false]);
        assert_eq!(wanted("cart !hop:fork"), [true, false]);
    }
}
