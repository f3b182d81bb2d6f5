//! A pod's quality of service, which follows from what its containers ask for.
//!
//! Source: `pkg/apis/core/v1/helper/qos`, `ComputePodQOS`.

use serde_json::Value;

use crate::kinds::quantities;
use crate::meta;

/// The resources that count.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` where every container may have as much as it asks for of each resource,
/// `BestEffort` where none asks for anything, else `Burstable`.
pub(super) fn class(pod: &Value) -> &'static str {
    let lists = ["containers", "initContainers"].map(|field| meta::list(pod, &format!("/spec/{field}")));
    let containers: Vec<&Value> = lists.into_iter().flatten().collect();
    let amount = |container: &Value, list: &str, resource: &str| {
        let text = quantities::amount(container, &format!("/resources/{list}"), resource);
        crate::quantity::nanos(&text).filter(|nanos| *nanos > 0)
    };
    let asks = |container: &&Value| {
        ["requests", "limits"]
            .into_iter()
            .any(|list| COUNTED.iter().any(|resource| amount(container, list, resource).is_some()))
    };
    let is_guaranteed = |container: &&Value| {
        COUNTED.iter().all(|resource| {
            let limit = amount(container, "limits", resource);
            // Without a request of its own it asks for the limit.
            limit.is_some() && amount(container, "requests", resource).or(limit) == limit
        })
    };
    if !containers.iter().any(asks) {
        "BestEffort"
    } else if containers.iter().all(is_guaranteed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quality_follows_from_requests_and_limits() {
        let check = |resources: Value, expected: &str| {
            let pod = json!({"spec": {"containers": [{"name": "a", "resources": resources}]}});
            assert_eq!(class(&pod), expected, "{resources}");
        };
        check(json!({}), "BestEffort");
        check(json!({"requests": {"cpu": "0", "example.com/gpu": "1"}}), "BestEffort");
        check(json!({"requests": {"cpu": "100m"}}), "Burstable");
        check(json!({"limits": {"cpu": "1"}}), "Burstable");
        check(json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed");
        let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}});
        check(equal, "Guaranteed");
        let less = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1G"}});
        check(less, "Burstable");
    }
}
