//! A decision with everything it looked at, for people and for scripts.
//!
//! Made by the same code that decides (`decide`), with a recording witness.
//! Texts from the request are in it; print it through the terminal sanitiser.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::carrier::Carrier;
use crate::verdict::{Outcome, Verdict, Version};

/// Where a request would go, why, and why not elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The question.
    pub asked: Asked,
    /// The carriers that hold something, in the order in which they count.
    pub carriers: Vec<CarrierFinding>,
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
        let Self { asked, carriers, candidates, sentence, verdict } = self;
        writeln!(f, "{asked}")?;
        match &verdict.key {
            Some(key) => writeln!(f, "  key      {} from {}", key.value, key.carrier.words())?,
            None => writeln!(f, "  key      none")?,
        }
        for finding in carriers {
            writeln!(f, "           {finding}")?;
        }
        if let Some(rule) = &verdict.rule {
            let (kind, namespace, name) = (rule.kind, &rule.namespace, &rule.name);
            writeln!(f, "  rule     {kind:?} {namespace}/{name}, revision {}", rule.revision)?;
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
            }
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
