//! Who watches a decision being made: nobody on the hot path, a recorder for `explain`.
//!
//! Findings are handed over as closures, so that with `()` they are never made.

use crate::explain::{CandidateFinding, CarrierFinding, DestinationFinding, RuleFinding};

/// Is told what a decision looked at, while it does.
pub(crate) trait Witness {
    /// One carrier was read.
    fn carrier(&mut self, finding: impl FnOnce() -> CarrierFinding);
    /// A rule was looked for; these were looked at.
    fn rules(&mut self, findings: impl FnOnce() -> Vec<RuleFinding>);
    /// A destination of the rule was chosen; these were the others.
    fn destinations(&mut self, findings: impl FnOnce() -> Vec<DestinationFinding>);
    /// The version was chosen; these were the candidates.
    fn candidates(&mut self, findings: impl FnOnce() -> Vec<CandidateFinding>);
}

/// Keeps everything.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) carriers: Vec<CarrierFinding>,
    pub(crate) rules: Vec<RuleFinding>,
    pub(crate) destinations: Vec<DestinationFinding>,
    pub(crate) candidates: Vec<CandidateFinding>,
}

// === impl Witness ===

impl Witness for () {
    fn carrier(&mut self, _: impl FnOnce() -> CarrierFinding) {}

    fn rules(&mut self, _: impl FnOnce() -> Vec<RuleFinding>) {}

    fn destinations(&mut self, _: impl FnOnce() -> Vec<DestinationFinding>) {}

    fn candidates(&mut self, _: impl FnOnce() -> Vec<CandidateFinding>) {}
}

impl Witness for Recorder {
    fn carrier(&mut self, finding: impl FnOnce() -> CarrierFinding) {
        self.carriers.push(finding());
    }

    fn rules(&mut self, findings: impl FnOnce() -> Vec<RuleFinding>) {
        self.rules = findings();
    }

    fn destinations(&mut self, findings: impl FnOnce() -> Vec<DestinationFinding>) {
        self.destinations = findings();
    }

    fn candidates(&mut self, findings: impl FnOnce() -> Vec<CandidateFinding>) {
        self.candidates = findings();
    }
}
