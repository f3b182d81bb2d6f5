//! Which of two versions is the better one: `v2`, `v1`, `v1beta2`, `v1alpha1`, then the others;
//! and which of two groups stands first. The numbers behind it stand in APIServices.
//!
//! Sources: `apimachinery/pkg/version/helpers.go`, `CompareKubeAwareVersionStrings`;
//! `pkg/controlplane/apiserver/aggregator.go`, `DefaultGenericAPIServicePriorities`.

use std::cmp::Ordering;

/// The groups of a cluster with their priorities (`groupPriorityMinimum`), in their order.
const GROUPS: [(&str, i64); 20] = [
    ("apiregistration.k8s.io", 20_000),
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    // As metrics-server's own manifest has it, so that `pods` are pods.
    ("metrics.k8s.io", 100),
];

/// The priority of groups that definitions bring (`pkg/controlplane/controller/crdregistration`).
const OTHER_GROUP: i64 = 1_000;
/// The priority of a version that a definition brings.
const OTHER_VERSION: i64 = 100;

/// `groupPriorityMinimum` of a group's APIServices.
pub(crate) fn of_group(group: &str) -> i64 {
    known(group).unwrap_or(OTHER_GROUP)
}

/// `versionPriority` of an APIService.
pub(crate) fn of_version(group: &str, version: &str) -> i64 {
    match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("metrics.k8s.io", _) => 100,
        _ if known(group).is_some() => 15,
        _ => OTHER_VERSION,
    }
}

/// Orders the group first that clients are to prefer; of equal ones, by name.
pub(super) fn compare_groups(a: &str, b: &str) -> Ordering {
    of_group(b).cmp(&of_group(a)).then_with(|| a.cmp(b))
}

fn known(group: &str) -> Option<i64> {
    GROUPS.iter().find(|(known, _)| *known == group).map(|(_, priority)| *priority)
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
