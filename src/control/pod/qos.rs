//! A pod's quality-of-service class, from what its containers ask for.
//!
//! Source: `pkg/apis/core/v1/helper/qos/qos.go`. Nothing is enforced by it here;
//! clients show it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

type Amounts = BTreeMap<String, Quantity>;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(pod: &Pod) -> &'static str {
    let Some(spec) = &pod.spec else { return "BestEffort" };
    let containers: Vec<&Container> = spec.init_containers.iter().flatten().chain(&spec.containers).collect();
    if !containers.iter().any(|container| asks(container)) {
        return "BestEffort";
    }
    if containers.iter().all(|container| is_guaranteed(container)) { "Guaranteed" } else { "Burstable" }
}

fn asks(container: &Container) -> bool {
    ["cpu", "memory"]
        .iter()
        .any(|what| amount(container, Side::Request, what).or(amount(container, Side::Limit, what)).is_some())
}

/// Both limits are there, and a request, where there is one, is equal to its limit.
fn is_guaranteed(container: &Container) -> bool {
    ["cpu", "memory"].iter().all(|what| {
        let limit = amount(container, Side::Limit, what);
        let request = amount(container, Side::Request, what).or(limit);
        limit.is_some() && request == limit
    })
}

#[derive(Clone, Copy)]
enum Side {
    Request,
    Limit,
}

/// What is asked for, as it is written; nothing where it is zero.
fn amount<'a>(container: &'a Container, side: Side, what: &str) -> Option<&'a str> {
    let resources = container.resources.as_ref()?;
    let amounts: &Amounts = match side {
        Side::Request => resources.requests.as_ref()?,
        Side::Limit => resources.limits.as_ref()?,
    };
    let text = amounts.get(what)?.0.as_str();
    text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(resources: &[Value], wanted: &str) {
        let containers: Vec<Value> =
            resources.iter().map(|resources| json!({"name": "a", "resources": resources})).collect();
        let pod = json!({"metadata": {}, "spec": {"containers": containers}});
        assert_eq!(class(&serde_json::from_value(pod).unwrap()), wanted, "{resources:?}");
    }

    #[test]
    fn the_class_follows_requests_and_limits() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        check(&[json!({})], "BestEffort");
        check(&[json!({"requests": {"cpu": "0"}})], "BestEffort");
        check(&[json!({"requests": {"cpu": "100m"}})], "Burstable");
        check(&[json!({"limits": {"memory": "1Gi"}})], "Burstable");
        check(&[json!({"limits": both})], "Guaranteed");
        check(&[json!({"limits": both, "requests": both})], "Guaranteed");
        check(&[json!({"limits": both, "requests": {"cpu": "500m"}})], "Burstable");
        check(&[json!({"limits": both}), json!({})], "Burstable");
    }
}
