//! How many of the recorded requests would go elsewhere now: the server is asked about each different
//! one, and what it says is compared with what was recorded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use spur_route::{Explanation, Outcome, Rule, RuleKind, ServicePort, Version};
use spur_trace::{Hop, Trace};

use super::request::Request;
use crate::event::Ask;

/// Recorded requests that are counted, the newest.
const RECOUNT_MAX: usize = 5_000;

/// Different questions that are asked for them, one after the other.
const QUESTIONS_MAX: usize = 500;

/// A count that is under way, or done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recount {
    /// Questions that were not asked yet, with what was recorded.
    left: VecDeque<(String, Vec<Went>)>,
    asked: Option<(String, Vec<Went>)>,
    pub(crate) n_requests: usize,
    pub(crate) n_moved: usize,
    /// Drawn by weight, then or now: the lot is not recorded.
    pub(crate) n_drawn: usize,
    /// Of further questions than are asked.
    pub(crate) n_not_asked: usize,
    /// Led by a rule to which the name of their service does not lead: the host is not recorded.
    pub(crate) n_unknown: usize,
    /// Not answered.
    pub(crate) n_failed: usize,
}

/// Where a request went, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Went {
    /// The VirtualService, where one led there.
    rule: Option<String>,
    place: Place,
}

/// Another one is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    service: Option<String>,
    subset: Option<String>,
    sandbox: Option<String>,
    is_refused: bool,
}

// === impl Recount ===

impl Recount {
    /// Of the newest requests that came in, each different question once.
    pub(super) fn of<'a>(traces: impl Iterator<Item = &'a Arc<Trace>>) -> Self {
        let mut recount = Self::default();
        let mut questions: BTreeMap<String, Vec<Went>> = BTreeMap::new();
        let entries = traces.filter_map(|trace| trace.entry()).filter(|hop| hop.start.source.is_none());
        for hop in entries.take(RECOUNT_MAX) {
            recount.n_requests += 1;
            let decision = &hop.start.decision;
            let Some(request) = Request::of(hop).filter(|_| decision.share.is_none()) else {
                recount.n_drawn += 1;
                continue;
            };
            let query = request.query(request.header.as_deref().into_iter());
            let is_known = questions.contains_key(&query);
            if !is_known && questions.len() == QUESTIONS_MAX {
                recount.n_not_asked += 1;
                continue;
            }
            questions.entry(query).or_default().push(Went::recorded(hop));
        }
        recount.left = questions.into_iter().collect();
        recount
    }

    /// The next question, if there is one.
    pub(super) fn next(&mut self) -> Option<Ask> {
        self.asked = self.left.pop_front();
        self.asked.as_ref().map(|(query, _)| Ask::Recount(query.clone()))
    }

    pub(super) fn take(&mut self, query: &str, answer: Result<Value, String>) {
        let Some((_, recorded)) = self.asked.take_if(|(asked, _)| asked == query) else { return };
        let explained = answer.ok().and_then(|value| serde_json::from_value::<Explanation>(value).ok());
        let Some(explained) = explained else {
            self.n_failed += recorded.len();
            return;
        };
        if explained.verdict.share.is_some() {
            self.n_drawn += recorded.len();
            return;
        }
        let now = Went::explained(&explained);
        for then in recorded {
            if then.rule.is_some() && then.rule != now.rule {
                self.n_unknown += 1;
            } else if then.place != now.place {
                self.n_moved += 1;
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.asked.is_none() && self.left.is_empty()
    }

    /// What it came to, in words.
    pub(crate) fn sentence(&self) -> String {
        let Self { n_requests, n_moved, n_drawn, n_not_asked, n_unknown, n_failed, .. } = self;
        if !self.is_done() {
            return format!("counting: {} questions to go", self.left.len() + 1);
        }
        let moved =
            format!("of the last {n_requests} requests at the entry {n_moved} would go elsewhere now");
        let rest = [
            (n_drawn, "drawn by weight, then or now"),
            (n_not_asked, "not asked: too many different ones"),
            (n_unknown, "by rules of hosts that are not recorded"),
            (n_failed, "not answered"),
        ];
        let rest = rest.into_iter().filter(|(n, _)| **n > 0).map(|(n, what)| format!("{n} {what}"));
        std::iter::once(moved).chain(rest).collect::<Vec<_>>().join(" · ")
    }
}

// === impl Went ===

impl Went {
    fn recorded(hop: &Hop) -> Self {
        let decision = &hop.start.decision;
        Self {
            rule: rule(decision.rule.as_deref()),
            place: Place {
                service: decision.service.as_deref().map(service),
                subset: decision.subset.as_ref().map(ToString::to_string),
                sandbox: sandbox(&decision.version),
                is_refused: decision.reason.refusal_status().is_some(),
            },
        }
    }

    fn explained(explanation: &Explanation) -> Self {
        let verdict = &explanation.verdict;
        Self {
            rule: rule(verdict.rule.as_deref()),
            place: Place {
                service: verdict.service.as_deref().map(service),
                subset: verdict.subset.as_ref().map(ToString::to_string),
                sandbox: sandbox(&verdict.version),
                is_refused: matches!(verdict.outcome, Outcome::Refuse { .. }),
            },
        }
    }
}

fn service(service: &ServicePort) -> String {
    format!("{}/{}", service.namespace, service.name)
}

fn rule(rule: Option<&Rule>) -> Option<String> {
    rule.filter(|rule| rule.kind == RuleKind::VirtualService)
        .map(|rule| format!("{}/{}", rule.namespace, rule.name))
}

fn sandbox(version: &Version) -> Option<String> {
    match version {
        Version::Baseline => None,
        Version::Sandbox(sandbox) => Some(sandbox.name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{explanation, hop, trace};

    #[test]
    fn requests_that_would_go_elsewhere_are_counted() {
        let traces = [
            trace(1, vec![hop("gw", "front")]),
            trace(2, vec![hop("gw", "front")]),
            trace(3, vec![hop("gw", "front").fork("pr-1")]),
            trace(4, vec![hop("gw", "front").drawn("front", "v1", 90)]),
        ];
        let mut recount = Recount::of(traces.iter());
        while let Some(Ask::Recount(query)) = recount.next() {
            // Everything goes to the baseline now.
            recount.take(&query, Ok(explanation("front", None)));
        }
        assert!(recount.is_done());
        assert_eq!(
            recount.sentence(),
            "of the last 4 requests at the entry 1 would go elsewhere now · 1 drawn by weight, then or now"
        );
    }
}
