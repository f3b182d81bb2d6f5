//! Weights of VirtualServices: as they are, as they are being edited, and what was observed.

use std::collections::HashMap;

use serde_json::{Value, json};
use spur_api::meta;
use spur_route::{RuleKind, Version};
use spur_trace::Trace;

use super::cursor::Rows;
use super::rates::Figures;
use super::share::{self, Observed};

/// What the figures are of, in seconds: long enough for a share that is no chance, short enough to see
/// what a change did.
pub(crate) const WINDOW_SECONDS: u64 = 300;

/// A rule with several destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) id: SplitId,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The name of the rule, if it has one.
    pub(crate) route: String,
    /// What it was read at.
    pub(crate) resource_version: String,
    pub(crate) destinations: Vec<Destination>,
}

/// Which rule: the object's uid, and the place in its `http`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SplitId {
    pub(crate) uid: String,
    pub(crate) route_idx: usize,
}

/// Where a part of the requests goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) subset: Option<String>,
    pub(crate) weight: u32,
}

/// A row of the screen: a destination of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowId {
    pub(crate) split: SplitId,
    pub(crate) destination_idx: usize,
}

/// All rules with several destinations, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Splits(pub(crate) Vec<Split>);

/// Weights that nobody was told of yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) split: SplitId,
    pub(crate) weights: Vec<u32>,
}

/// What became of a destination's requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Side {
    pub(crate) figures: Figures,
    pub(crate) observed: Option<Observed>,
}

/// The rules of VirtualServices that have several destinations.
pub(crate) fn splits<'a>(objects: impl Iterator<Item = &'a Value>) -> Splits {
    let mut splits: Vec<Split> = objects.flat_map(of_object).collect();
    splits.sort_by(|one, other| {
        let key = |split: &Split| (split.namespace.clone(), split.name.clone(), split.id.route_idx);
        key(one).cmp(&key(other))
    });
    Splits(splits)
}

fn of_object(object: &Value) -> Vec<Split> {
    let routes = meta::list(object, "/spec/http").iter().enumerate();
    routes
        .filter_map(|(route_idx, http)| {
            let destinations: Vec<Destination> = meta::list(http, "/route").iter().map(destination).collect();
            (destinations.len() > 1).then(|| Split {
                id: SplitId { uid: meta::uid(object).to_owned(), route_idx },
                namespace: meta::namespace(object).to_owned(),
                name: meta::name(object).to_owned(),
                route: meta::text(http, "/name").to_owned(),
                resource_version: meta::resource_version(object).to_owned(),
                destinations,
            })
        })
        .collect()
}

fn destination(route: &Value) -> Destination {
    let subset = meta::text(route, "/destination/subset");
    Destination {
        host: meta::text(route, "/destination/host").to_owned(),
        subset: (!subset.is_empty()).then(|| subset.to_owned()),
        weight: meta::number(route, "/weight").and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0),
    }
}

/// The object with other weights in one of its rules.
pub(crate) fn with_weights(object: &Value, route_idx: usize, weights: &[u32]) -> Value {
    let mut object = object.clone();
    let routes = object.pointer_mut(&format!("/spec/http/{route_idx}/route")).and_then(Value::as_array_mut);
    for (route, weight) in routes.into_iter().flatten().zip(weights) {
        route["weight"] = json!(weight);
    }
    // Items of a list may lack them.
    object["apiVersion"] = json!("networking.istio.io/v1");
    object["kind"] = json!("VirtualService");
    object
}

/// Which workload answers for which destination of a rule, as requests that were drawn have shown:
/// who belongs to a subset is the routing table's to say, and every record names both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answerers {
    /// By rule and workload.
    known: HashMap<(String, String), (String, Option<String>)>,
}

/// Pairs that are remembered: many times what there is of rules and versions.
const ANSWERERS_MAX: usize = 2_000;

// === impl Answerers ===

impl Answerers {
    pub(crate) fn learn(&mut self, trace: &Trace) {
        for hop in &trace.hops {
            let decision = &hop.start.decision;
            let (Some(rule), Some(_), Version::Baseline) =
                (&decision.rule, decision.share, &decision.version)
            else {
                continue;
            };
            let (Some(endpoint), Some(service)) = (hop.endpoint(), &decision.service) else { continue };
            if rule.kind != RuleKind::VirtualService {
                continue;
            }
            let route = rule.route.as_deref().unwrap_or_default();
            let key = (rule_name(&rule.namespace, &rule.name, route), endpoint.workload.to_string());
            if self.known.len() < ANSWERERS_MAX || self.known.contains_key(&key) {
                let subset = decision.subset.as_ref().map(ToString::to_string);
                self.known.insert(key, (service.name.to_string(), subset));
            }
        }
    }

    /// What became of each destination's requests, from an answer of
    /// `/spur/v1/traces/summary?by=rule-workload`.
    pub(crate) fn sides(&self, split: &Split, summary: &Value) -> Vec<Side> {
        let mut sides = vec![Side::default(); split.destinations.len()];
        for row in meta::list(summary, "/rows") {
            let rule = &row["rule"];
            // What a key sent to a fork is no part of what weights divide.
            if !split.is_rule(rule) || row["sandbox"].is_string() {
                continue;
            }
            let rule = rule_name(
                meta::text(rule, "/namespace"),
                meta::text(rule, "/name"),
                meta::text(rule, "/route"),
            );
            let key = (rule, row["workload"].as_str().unwrap_or_default().to_owned());
            let Some((service, subset)) = self.known.get(&key) else { continue };
            let place = split
                .destinations
                .iter()
                .position(|destination| destination.subset == *subset && destination.service() == service);
            let Some(side) = place.and_then(|place| sides.get_mut(place)) else { continue };
            let more = Figures::read(row);
            let is_most = more.n > side.figures.n;
            side.figures.n += more.n;
            side.figures.n_failed += more.n_failed;
            // Quantiles cannot be added: those of the workload that answers most are shown.
            if is_most {
                (side.figures.p50, side.figures.p95) = (more.p50, more.p95);
            }
        }
        let of = sides.iter().map(|side| side.figures.n).sum();
        for side in &mut sides {
            side.observed = share::observed(side.figures.n, of);
        }
        sides
    }
}

fn rule_name(namespace: &str, name: &str, route: &str) -> String {
    format!("{namespace}/{name} {route}")
}

// === impl Destination ===

impl Destination {
    /// The name of the Service: the host's first part, or all of one that is no Service's.
    fn service(&self) -> &str {
        self.host.split('.').next().unwrap_or_default()
    }

    pub(crate) fn title(&self) -> String {
        match &self.subset {
            Some(subset) => format!("{} {subset}", self.service()),
            None => self.host.clone(),
        }
    }
}

// === impl Split ===

impl Split {
    /// Whether a row of a summary is of this rule. Its place is `http[2]`, with a name after it where
    /// it has one.
    fn is_rule(&self, rule: &Value) -> bool {
        let place = format!("http[{}]", self.id.route_idx);
        let route = meta::text(rule, "/route");
        meta::text(rule, "/kind") == "VirtualService"
            && meta::text(rule, "/namespace") == self.namespace
            && meta::text(rule, "/name") == self.name
            && (route == place || route.starts_with(&format!("{place} ")))
    }

    pub(crate) fn weights(&self) -> Vec<u32> {
        self.destinations.iter().map(|destination| destination.weight).collect()
    }

    pub(crate) fn title(&self) -> String {
        let route = match self.route.as_str() {
            "" => format!("http[{}]", self.id.route_idx),
            name => format!("http[{}] {name}", self.id.route_idx),
        };
        format!("VirtualService {}/{} {route}", self.namespace, self.name)
    }
}

// === impl Splits ===

impl Splits {
    pub(crate) fn get(&self, id: &SplitId) -> Option<&Split> {
        self.0.iter().find(|split| split.id == *id)
    }
}

impl Rows for Splits {
    type Id = RowId;

    fn n_rows(&self) -> usize {
        self.0.iter().map(|split| split.destinations.len()).sum()
    }

    fn id_at(&self, idx: usize) -> Option<RowId> {
        let rows = self.0.iter().flat_map(|split| (0..split.destinations.len()).map(move |at| (split, at)));
        rows.map(|(split, at)| RowId { split: split.id.clone(), destination_idx: at }).nth(idx)
    }

    fn idx_of(&self, id: &RowId) -> Option<usize> {
        (0..self.n_rows()).find(|idx| self.id_at(*idx).as_ref() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, shares, trace, virtual_service};

    #[test]
    fn weights_are_read_and_written_where_they_stand() {
        let object = virtual_service("8812", [90, 10]);
        let found = splits([&object].into_iter());
        assert_eq!(found.n_rows(), 2);
        let split = &found.0[0];
        assert_eq!(split.title(), "VirtualService shop/catalog http[1] canary");
        assert_eq!((split.weights(), split.destinations[1].title()), (vec![90, 10], "catalog v2".to_owned()));
        let changed = with_weights(&object, split.id.route_idx, &[85, 15]);
        assert_eq!(changed, virtual_service("8812", [85, 15]));
    }

    #[test]
    fn shares_are_of_who_answers_for_a_destination() {
        let found = splits([&virtual_service("8812", [90, 10])].into_iter());
        let mut answerers = Answerers::default();
        answerers.learn(&trace(1, vec![hop("front", "catalog").drawn("catalog-v1", "v1", 90)]));
        answerers.learn(&trace(2, vec![hop("front", "catalog").drawn("catalog-v2", "v2", 10)]));
        // A fork has no share.
        answerers.learn(&trace(3, vec![hop("front", "catalog").fork("pr-1")]));
        let sides = answerers.sides(&found.0[0], &shares());
        let shown: Vec<_> = sides.iter().map(|side| (side.figures.n, side.figures.n_failed)).collect();
        assert_eq!(shown, [(4_480, 9), (520, 2)]);
        assert!((sides[1].observed.unwrap().share - 0.104).abs() < 1e-9);
        assert_eq!(Answerers::default().sides(&found.0[0], &shares())[0].observed, None);
    }
}
