//! Who watches a decision being made: nobody on the hot path, a recorder for `explain`.
//!
//! Findings are handed over as closures, so that with `()` they are never made.

use crate::explain::{CandidateFinding, CarrierFinding};

/// Is told what a decision looked at, while it does.
pub(crate) trait Witness {
    /// One carrier was read.
    fn carrier(&mut self, finding: impl FnOnce() -> CarrierFinding);
    /// The version was chosen; these were the candidates.
    fn candidates(&mut self, findings: impl FnOnce() -> Vec<CandidateFinding>);
}

/// Keeps everything.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) carriers: Vec<CarrierFinding>,
    pub(crate) candidates: Vec<CandidateFinding>,
}

// === impl Witness ===

impl Witness for () {
    fn carrier(&mut self, _: impl FnOnce() -> CarrierFinding) {}

    fn candidates(&mut self, _: impl FnOnce() -> Vec<CandidateFinding>) {}
}

impl Witness for Recorder {
    fn carrier(&mut self, finding: impl FnOnce() -> CarrierFinding) {
        self.carriers.push(finding());
    }

    fn candidates(&mut self, findings: impl FnOnce() -> Vec<CandidateFinding>) {
        self.candidates = findings();
    }
}
