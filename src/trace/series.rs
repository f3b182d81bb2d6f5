//! What hops are counted by: who called whom, who answered, the rule, the key.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spur_route::{Rule, RuleKind, Version};

use crate::trace::Hop;

/// What some hops have in common. A part that is not told apart is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Series {
    /// These.
    Of(SeriesParts),
    /// All that there was no room for.
    Others,
}

/// The parts of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesParts {
    /// The caller, and what it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Edge>,
    /// The workload that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<str>>,
    /// The sandbox whose fork answered, or should have. A fork has the name of the workload that it is a
    /// fork of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Arc<str>>,
    /// The sandbox whose fork, or member, called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_sandbox: Option<Arc<str>>,
    /// The rule that led there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// The routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
}

/// Who called what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// The calling workload; `None`: the entry.
    pub from: Option<Place>,
    /// The Service that was asked for.
    pub to: Place,
}

/// A workload or Service in its namespace, which is empty for what was asked for in vain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// A rule without its revision: the same before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleName {
    /// The kind of object.
    pub kind: RuleKind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The place in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
}

/// What is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Everything.
    All,
    /// Edges.
    Edge,
    /// Edges, and the keys on them.
    EdgeAndKey,
    /// Edges, and who is at their ends: forks apart from what they are forks of.
    EdgeAndVersion,
    /// What came in at the entry, all of it as one; nothing else counts.
    Entry,
    /// Rules.
    Rule,
    /// Rules, and who answered by them, forks apart: the true shares of a split.
    RuleAndWorkload,
    /// Keys.
    Key,
}

// === impl Series ===

impl Series {
    pub(crate) fn of(hop: &Hop) -> Self {
        let decision = &hop.start.decision;
        Self::Of(SeriesParts {
            edge: Some(Edge::of(hop)),
            workload: hop.endpoint().map(|endpoint| endpoint.workload.clone()),
            sandbox: match &decision.version {
                Version::Sandbox(sandbox) => Some(sandbox.name.clone()),
                Version::Baseline => None,
            },
            from_sandbox: hop.start.source.as_ref().and_then(|source| source.sandbox.clone()),
            rule: decision.rule.as_deref().map(RuleName::of),
            key: decision.key.as_ref().map(|key| key.value.clone()),
        })
    }

    /// Whether it counts where these are told apart.
    #[must_use]
    pub fn counts_by(&self, by: By) -> bool {
        match (by, self) {
            (By::Entry, Self::Of(parts)) => parts.edge.as_ref().is_some_and(|edge| edge.from.is_none()),
            (By::Entry, Self::Others) => false,
            (
                By::All
                | By::Edge
                | By::EdgeAndKey
                | By::EdgeAndVersion
                | By::Rule
                | By::RuleAndWorkload
                | By::Key,
                _,
            ) => true,
        }
    }

    /// With only those parts that are told apart.
    #[must_use]
    pub fn by(&self, by: By) -> Self {
        let Self::Of(parts) = self else { return Self::Others };
        let SeriesParts { edge, workload, sandbox, from_sandbox, rule, key } = parts.clone();
        Self::Of(match by {
            By::All => SeriesParts { edge, workload, sandbox, from_sandbox, rule, key },
            By::Edge => SeriesParts { edge, ..SeriesParts::default() },
            By::EdgeAndKey => SeriesParts { edge, key, ..SeriesParts::default() },
            By::EdgeAndVersion => {
                SeriesParts { edge, workload, sandbox, from_sandbox, ..SeriesParts::default() }
            }
            By::Entry => SeriesParts::default(),
            By::Rule => SeriesParts { rule, ..SeriesParts::default() },
            By::RuleAndWorkload => SeriesParts { rule, workload, sandbox, ..SeriesParts::default() },
            By::Key => SeriesParts { key, ..SeriesParts::default() },
        })
    }
}

// === impl Edge ===

impl Edge {
    pub(crate) fn of(hop: &Hop) -> Self {
        let source = hop.start.source.as_ref();
        let from = source.map(|it| Place { namespace: it.namespace.clone(), name: it.workload.clone() });
        let to = match &hop.start.decision.service {
            Some(service) => Place { namespace: service.namespace.clone(), name: service.name.clone() },
            // Names that somebody made up would be a series each.
            None => Place { namespace: "".into(), name: "?".into() },
        };
        Self { from, to }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(f, "{} → {}", from.name, self.to.name),
            None => write!(f, "gw → {}", self.to.name),
        }
    }
}

// === impl RuleName ===

impl RuleName {
    fn of(rule: &Rule) -> Self {
        let Rule { kind, namespace, name, revision: _, route } = rule;
        Self { kind: *kind, namespace: namespace.clone(), name: name.clone(), route: route.clone() }
    }

    fn parts(&self) -> (u8, &str, &str, Option<&str>) {
        (self.kind as u8, &self.namespace, &self.name, self.route.as_deref())
    }
}

impl std::hash::Hash for RuleName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Ord for RuleName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for RuleName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
