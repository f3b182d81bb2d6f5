//! The first roles and bindings, and the roles that collect the rules of others.

use serde_json::{Value, json};
use spur_api::selector::LabelSelector;
use spur_api::{meta, yaml};

/// The roles and bindings of every cluster.
pub(super) fn all() -> Vec<Value> {
    let mut all = yaml::documents(include_str!("rbac.yaml")).expect("our own file is YAML");
    for idx in 0..all.len() {
        let (above, rest) = all.split_at_mut(idx);
        let object = &mut rest[0];
        object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        object["metadata"]["labels"]["kubernetes.io/bootstrapping"] = json!("rbac-defaults");
        object["metadata"]["annotations"] = json!({"rbac.authorization.kubernetes.io/autoupdate": "true"});
        if object.get("aggregationRule").is_some() {
            object["rules"] = collected(object, above);
        }
    }
    all
}

/// The rules of the roles that a role selects, each once
/// (`pkg/controller/clusterroleaggregation`).
fn collected(role: &Value, others: &[Value]) -> Value {
    let selectors = meta::list(role, "/aggregationRule/clusterRoleSelectors");
    let selectors: Vec<_> =
        selectors.iter().filter_map(|selector| LabelSelector::from_object(Some(selector))).collect();
    let is_selected = |other: &&Value| selectors.iter().any(|selector| selector.matches(meta::labels(other)));
    let mut rules: Vec<Value> = Vec::new();
    for rule in others.iter().filter(is_selected).flat_map(|other| meta::list(other, "/rules")) {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    json!(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verbs_on(role: &str, resource: &str) -> Vec<String> {
        let all = all();
        let role = all.iter().find(|object| object["kind"] == "ClusterRole" && meta::name(object) == role);
        let rules = meta::list(role.expect("the role"), "/rules").iter();
        let matching = rules.filter(|rule| meta::list(rule, "/resources").contains(&json!(resource)));
        let verbs = matching.flat_map(|rule| meta::list(rule, "/verbs"));
        let mut verbs: Vec<String> = verbs.filter_map(Value::as_str).map(str::to_owned).collect();
        verbs.sort();
        verbs.dedup();
        verbs
    }

    #[test]
    fn admin_collects_from_edit_and_edit_from_view() {
        assert_eq!(verbs_on("view", "pods"), ["get", "list", "watch"]);
        assert!(verbs_on("view", "secrets").is_empty(), "who views sees no secrets");
        let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        assert_eq!(verbs_on("edit", "deployments"), all);
        assert!(verbs_on("edit", "roles").is_empty());
        assert_eq!(verbs_on("admin", "deployments"), all);
        assert_eq!(verbs_on("admin", "roles"), all);
    }

    #[test]
    fn every_resource_is_served_or_known_to_be_missing() {
        // Named by the roles of every cluster; somebody's role may be copied from them.
        const MISSING: [&str; 1] = ["bindings"];
        let kinds = crate::kinds::Kinds::bundled();
        let all = all();
        let resources = all
            .iter()
            .flat_map(|object| meta::list(object, "/rules"))
            .flat_map(|rule| meta::list(rule, "/resources"))
            .filter_map(Value::as_str);
        for resource in resources.filter(|resource| *resource != "*" && !MISSING.contains(resource)) {
            let plural = resource.split('/').next().unwrap_or_default();
            assert!(kinds.iter().any(|kind| kind.plural() == plural), "{resource}");
        }
    }
}
