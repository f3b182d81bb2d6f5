//! A decision with everything it looked at, for people and for scripts.
//!
//! Made by the same code that decides (`decide`), with a recording witness.
//! Texts from the request are in it; print it through the terminal sanitiser.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::carrier::Carrier;
use crate::rules::RequestView;
use crate::verdict::{Outcome, Rule, Share, Verdict, Version};
use crate::virtual_host::Rules;

/// Where a request would go, why, and why not elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The question.
    pub asked: Asked,
    /// The carriers that hold something, in the order in which they count.
    pub carriers: Vec<CarrierFinding>,
    /// The rules for the host up to the one that matched; empty where there are none, at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFinding>,
    /// The destinations of the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationFinding>,
    /// The versions of the Service: every fork, by namespace and name, and last the baseline.
    pub candidates: Vec<CandidateFinding>,
    /// The verdict's reason as a sentence.
    pub sentence: String,
    /// The answer, equal to what `decide` says.
    pub verdict: Verdict,
}

/// A question in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The HTTP method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The host, or `namespace/service:port`.
    pub destination: String,
    /// The calling workload as `namespace/workload`; absent for outsiders.
    pub source: Option<String>,
    /// The sandbox that the caller belongs to.
    pub source_sandbox: Option<String>,
}

/// One carrier of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierFinding {
    /// Which.
    pub carrier: Carrier,
    /// The header's, member's, cookie's or parameter's name; empty for a host.
    pub name: String,
    /// What it holds, as it stands; not printable and not ASCII as `\x..`, at most 64 bytes of it.
    pub value: String,
    /// What became of it.
    pub outcome: CarrierOutcome,
}

/// What became of a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CarrierOutcome {
    /// It brought the key.
    Won,
    /// It holds the same key.
    Agrees,
    /// It holds another key, which does not count.
    Disagrees,
    /// What it holds cannot be a key, and counts as absent.
    Malformed,
}

/// One rule for the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFinding {
    /// The object and the place in it.
    pub rule: Arc<Rule>,
    /// Why it does not match: for each of its conditions the first field that is otherwise.
    /// Empty for the one that does.
    pub why_not: Vec<String>,
}

/// One destination of the rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationFinding {
    /// `namespace/service:port subset name`.
    pub destination: String,
    /// Its share.
    pub share: Share,
    /// What became of it.
    pub outcome: DestinationOutcome,
}

/// What became of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DestinationOutcome {
    /// The lot fell to it.
    Drawn,
    /// There is no other.
    Only,
    /// The key's sandbox forks it, and it is the first of which that is so.
    Forked,
    /// Another one was chosen.
    NotDrawn,
    /// It was chosen and is not there.
    NotThere,
}

/// One version of the Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateFinding {
    /// Which.
    pub version: Version,
    /// Why it was taken or not.
    pub outcome: CandidateOutcome,
}

/// Why a version was taken or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateOutcome {
    /// It takes the request.
    Taken,
    /// It takes requests with this key only, and the request has another or none.
    WantsKey(Arc<str>),
    /// It should take the request, but has no ready endpoint; so many are not ready.
    NotReady(usize),
    /// It would take the request if no fork did.
    NotReached,
}

/// Enough of a value to recognise it.
const SHOWN_VALUE_MAX_BYTES: usize = 64;

// === impl Explanation ===

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, carriers, rules, destinations, candidates, sentence, verdict } = self;
        writeln!(f, "{asked}")?;
        match &verdict.key {
            Some(key) => writeln!(f, "  key      {} from {}", key.value, key.carrier.words())?,
            None => writeln!(f, "  key      none")?,
        }
        for finding in carriers {
            writeln!(f, "           {finding}")?;
        }
        if let Some(rule) = &verdict.rule {
            writeln!(f, "  rule     {rule}, revision {}", rule.revision)?;
        }
        for finding in rules {
            writeln!(f, "  {finding}")?;
        }
        for finding in destinations {
            writeln!(f, "  {finding}")?;
        }
        for finding in candidates {
            writeln!(f, "  {finding}")?;
        }
        writeln!(f, "  because  {sentence} ({})", verdict.reason)?;
        match &verdict.outcome {
            Outcome::Forward { backends } => {
                write!(f, "  goes to ")?;
                for backend in &**backends {
                    write!(f, " {} ({})", backend.address, backend.pod)?;
                }
                writeln!(f)?;
                if let Some(affinity) = verdict.affinity {
                    let seconds = affinity.as_secs();
                    writeln!(f, "  stays    with the one that the client got last, for {seconds} s")?;
                }
            }
            Outcome::Respond { status, location: _ } => writeln!(f, "  answered with {status}")?,
            Outcome::Refuse { status, asked: _ } => writeln!(f, "  refused  with {status}")?,
        }
        write!(f, "  table    revision {}", verdict.table_revision)
    }
}

// === impl Asked ===

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, destination, source, source_sandbox } = self;
        write!(f, "{method} {target} to {destination}")?;
        match source {
            Some(source) => write!(f, " from {source}")?,
            None => write!(f, " from outside")?,
        }
        match source_sandbox {
            Some(sandbox) => write!(f, " (sandbox {sandbox})"),
            None => Ok(()),
        }
    }
}

// === impl CarrierFinding ===

impl CarrierFinding {
    pub(crate) fn new(carrier: Carrier, name: &str, raw: &[u8], outcome: CarrierOutcome) -> Self {
        let shown = &raw[..raw.len().min(SHOWN_VALUE_MAX_BYTES)];
        Self { carrier, name: name.to_owned(), value: shown.escape_ascii().to_string(), outcome }
    }
}

impl fmt::Display for CarrierFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.carrier.words();
        write!(f, "{words}")?;
        if let Carrier::CustomHeader | Carrier::Cookie | Carrier::Query = self.carrier {
            write!(f, " `{}`", self.name)?;
        }
        let outcome = match self.outcome {
            CarrierOutcome::Won => "wins",
            CarrierOutcome::Agrees => "agrees",
            CarrierOutcome::Disagrees => "disagrees, does not count",
            CarrierOutcome::Malformed => "cannot be a key, counts as absent",
        };
        write!(f, " holds `{}`: {outcome}", self.value)
    }
}

// === impl RuleFinding ===

/// Rules that are shown; a longer list explains nothing any more.
const SHOWN_RULES_MAX: usize = 200;

impl RuleFinding {
    /// The rules up to the first that matches, by looking at every one.
    pub(crate) fn all(rules: &Rules, request: &RequestView<'_>) -> Vec<Self> {
        let mut findings = Vec::new();
        for route in rules.routes() {
            let whys: Vec<String> = route
                .matches
                .iter()
                .filter_map(|condition| condition.why_not(request))
                .map(|why| why.to_string())
                .collect();
            let matches = route.matches.is_empty() || whys.len() < route.matches.len();
            let why_not = if matches { Vec::new() } else { whys };
            findings.push(Self { rule: route.rule.clone(), why_not });
            if matches || findings.len() == SHOWN_RULES_MAX {
                break;
            }
        }
        findings
    }
}

impl fmt::Display for RuleFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, why_not } = self;
        match &why_not[..] {
            [] => write!(f, "✔ {rule}: matches"),
            _ => write!(f, "✘ {rule}: {}", why_not.join("; ")),
        }
    }
}

// === impl DestinationFinding ===

impl fmt::Display for DestinationFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, share: Share { weight, of }, outcome } = self;
        match outcome {
            DestinationOutcome::Drawn => write!(f, "✔ {destination}: drawn, {weight} of {of}"),
            DestinationOutcome::Only => write!(f, "✔ {destination}: the only one"),
            DestinationOutcome::Forked => write!(f, "✔ {destination}: forked by the key's sandbox"),
            DestinationOutcome::NotDrawn => write!(f, "– {destination}: not drawn, {weight} of {of}"),
            DestinationOutcome::NotThere => write!(f, "✘ {destination}: is not there"),
        }
    }
}

// === impl CandidateFinding ===

impl fmt::Display for CandidateFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, outcome } = self;
        match outcome {
            CandidateOutcome::Taken => write!(f, "✔ {version}: taken"),
            CandidateOutcome::WantsKey(key) => write!(f, "✘ {version}: wants key `{key}`"),
            CandidateOutcome::NotReady(0) => write!(f, "✘ {version}: has no endpoint"),
            CandidateOutcome::NotReady(n) => {
                write!(f, "✘ {version}: none of its {n} endpoints is ready")
            }
            CandidateOutcome::NotReached => write!(f, "– {version}: not reached"),
        }
    }
}
