//! When results add up to an answer.
//!
//! Source: `pkg/kubelet/prober/worker.go`, `doProbe`.

use super::schedule::Try;
use super::{Kind, Plan};

/// Counts equal results in a row.
#[derive(Debug)]
pub(super) struct Verdict {
    success_threshold: u32,
    failure_threshold: u32,
    answer: Option<bool>,
    last: Option<bool>,
    n_same: u32,
}

// === impl Verdict ===

impl Verdict {
    /// Before the first result a container is alive, not ready, and neither started nor not.
    pub(super) fn new(plan: &Plan) -> Self {
        let answer = match plan.kind {
            Kind::Startup => None,
            Kind::Liveness => Some(true),
            Kind::Readiness => Some(false),
        };
        let (success_threshold, failure_threshold) = (plan.success_threshold, plan.failure_threshold);
        Self { success_threshold, failure_threshold, answer, last: None, n_same: 0 }
    }

    /// Counts a result; the answer, where it has changed by it.
    pub(super) fn count(&mut self, which: Try, is_success: bool) -> Option<bool> {
        if which == Try::Extra && !is_success {
            return None;
        }
        self.n_same = if self.last == Some(is_success) { self.n_same.saturating_add(1) } else { 1 };
        self.last = Some(is_success);
        let threshold = if is_success { self.success_threshold } else { self.failure_threshold };
        if self.n_same < threshold || self.answer == Some(is_success) {
            return None;
        }
        self.answer = Some(is_success);
        self.answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers after each result: `s`/`f` counted, `S`/`F` extra tries.
    fn check(kind: Kind, (success, failure): (u32, u32), results: &str, wanted: &[(usize, bool)]) {
        let answer = match kind {
            Kind::Startup => None,
            Kind::Liveness => Some(true),
            Kind::Readiness => Some(false),
        };
        let mut verdict =
            Verdict { success_threshold: success, failure_threshold: failure, answer, last: None, n_same: 0 };
        let mut found = Vec::new();
        for (idx, result) in results.chars().enumerate() {
            let which = if result.is_uppercase() { Try::Extra } else { Try::Counted };
            if let Some(answer) = verdict.count(which, result.eq_ignore_ascii_case(&'s')) {
                found.push((idx, answer));
            }
        }
        assert_eq!(found, wanted, "{kind:?} {results}");
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        check(Kind::Readiness, (1, 3), "FFFS", &[(3, true)]);
        check(Kind::Readiness, (1, 3), "sffsfff", &[(0, true), (6, false)]);
        check(Kind::Readiness, (2, 1), "Sss", &[(1, true)]);
        check(Kind::Liveness, (1, 3), "sfff", &[(3, false)]);
        check(Kind::Liveness, (1, 3), "ffsff", &[]);
        check(Kind::Startup, (1, 2), "FFFFfFf", &[(6, false)]);
        check(Kind::Startup, (1, 2), "FfS", &[(2, true)]);
    }
}
