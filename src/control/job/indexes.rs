//! Completion indexes as Kubernetes writes them: `1,3-5,7`.
//!
//! Source: `pkg/controller/job/indexed_job_utils.go` (parseIndexesFromString, String).

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// On a pod of an indexed job, as annotation and label: its index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Indexes below a job's completions. Kubernetes bounds completions of indexed jobs by 100,000
/// (`pkg/apis/batch/validation`), and indexes beyond it are dropped here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(BTreeSet<i32>);

/// The highest number of indexes of a job (`maxParallelismForIndexedJob`).
const MAX: i32 = 100_000;

/// The index of a pod, where it has one below the completions.
pub(super) fn of(pod: &Pod, completions: i32) -> Option<i32> {
    let index: i32 = pod.annotations().get(INDEX)?.parse().ok()?;
    (0..completions).contains(&index).then_some(index)
}

// === impl Indexes ===

impl Indexes {
    /// Reads the text; what is no index below `completions` is left out.
    pub(super) fn parse(text: &str, completions: i32) -> Self {
        let end = completions.min(MAX);
        let mut indexes = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.trim().parse::<i32>(), last.trim().parse::<i32>()) {
                indexes.extend(first.max(0)..last.saturating_add(1).min(end));
            }
        }
        Self(indexes)
    }

    pub(super) fn insert(&mut self, index: i32) {
        self.0.insert(index);
    }

    pub(super) fn has(&self, index: i32) -> bool {
        self.0.contains(&index)
    }

    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(i32::MAX)
    }

    /// How many of these are among the others.
    pub(super) fn count_in(&self, others: &Self) -> i32 {
        i32::try_from(self.0.intersection(&others.0).count()).unwrap_or(i32::MAX)
    }
}

impl fmt::Display for Indexes {
    /// Two neighbours are written `1,2`, three `1-3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(i32, i32)> = Vec::new();
        for index in &self.0 {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *index => *last = *index,
                _ => runs.push((*index, *index)),
            }
        }
        for (idx, (first, last)) in runs.into_iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_short() {
        let check = |text: &str, expected: &str| assert_eq!(Indexes::parse(text, 10).to_string(), expected);
        check("", "");
        check("3", "3");
        check("3,4", "3,4");
        check("3,4,5", "3-5");
        check("0-2,4,6,7,9", "0-2,4,6,7,9");
        check("8-20,x,5-4", "8,9");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(indexes in proptest::collection::btree_set(0..200_i32, 0..60)) {
            let indexes = Indexes(indexes);
            prop_assert_eq!(Indexes::parse(&indexes.to_string(), 200), indexes);
        }
    }
}
