//! Which of two versions is the better one: `v2`, `v1`, `v1beta2`, `v1alpha1`, then the others;
//! and which of two groups stands first.
//!
//! Sources: `apimachinery/pkg/version/helpers.go`, `CompareKubeAwareVersionStrings`;
//! `pkg/controlplane/apiserver/aggregator.go`, `DefaultGenericAPIServicePriorities`.

use std::cmp::Ordering;

/// The groups of a cluster in their order; others come after them, by name.
const GROUPS: [&str; 18] = [
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
];

/// Orders the group first that clients are to prefer.
pub(super) fn compare_groups(a: &str, b: &str) -> Ordering {
    let rank = |group: &str| GROUPS.iter().position(|known| *known == group).unwrap_or(GROUPS.len());
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}

/// Orders the better version first.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number; `None` for a version of another form.
fn rank(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..digits_end].parse().ok()?;
    let minor = &rest[digits_end..];
    if minor.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, number) = match (minor.strip_prefix("beta"), minor.strip_prefix("alpha")) {
        (Some(number), _) => (1, number),
        (_, Some(number)) => (0, number),
        (None, None) => return None,
    };
    Some((stability, major, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first_and_strange_ones_last() {
        let mut versions =
            ["foo1", "v1alpha1", "v11beta2", "v2", "v10", "v1beta1", "v12alpha1", "foo10", "v11"];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(
            versions,
            ["v11", "v10", "v2", "v11beta2", "v1beta1", "v12alpha1", "v1alpha1", "foo1", "foo10"]
        );
    }
}
