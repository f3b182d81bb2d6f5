//! Roles and bindings. They are stored and served; whether they are asked is the
//! server's business.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) const ROLE: Kind = Kind {
    kind: "Role",
    plural: "roles",
    singular: "role",
    definition: "io.k8s.api.rbac.v1.Role",
    rules: Rules {
        name: NameRule::PathSegment,
        validate: |new, _| validate_rules(new, true),
        columns: &[Column::CREATED_AT],
        cells: |object| vec![super::created_at(object)],
        ..Rules::PLAIN
    },
    ..Kind::namespaced(GROUP, "v1")
};

pub(crate) const CLUSTER_ROLE: Kind = Kind {
    kind: "ClusterRole",
    plural: "clusterroles",
    singular: "clusterrole",
    definition: "io.k8s.api.rbac.v1.ClusterRole",
    rules: Rules { validate: validate_cluster_role, ..ROLE.rules },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const ROLE_BINDING: Kind = Kind {
    kind: "RoleBinding",
    plural: "rolebindings",
    singular: "rolebinding",
    definition: "io.k8s.api.rbac.v1.RoleBinding",
    rules: Rules {
        name: NameRule::PathSegment,
        default: default_binding,
        validate: |new, old| validate_binding(new, old, &["ClusterRole", "Role"]),
        columns: &[
            Column::text("Role"),
            Column::AGE,
            Column::wide("Users"),
            Column::wide("Groups"),
            Column::wide("ServiceAccounts"),
        ],
        cells: binding_cells,
        ..Rules::PLAIN
    },
    ..Kind::namespaced(GROUP, "v1")
};

pub(crate) const CLUSTER_ROLE_BINDING: Kind = Kind {
    kind: "ClusterRoleBinding",
    plural: "clusterrolebindings",
    singular: "clusterrolebinding",
    definition: "io.k8s.api.rbac.v1.ClusterRoleBinding",
    rules: Rules { validate: |new, old| validate_binding(new, old, &["ClusterRole"]), ..ROLE_BINDING.rules },
    ..Kind::cluster(GROUP, "v1")
};

/// Source: `pkg/apis/rbac/v1/defaults.go`.
fn default_binding(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef").and_then(Value::as_object_mut) {
        meta::set_default(role, "apiGroup", GROUP);
    }
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten().filter_map(Value::as_object_mut) {
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            meta::set_default(subject, "apiGroup", GROUP);
        }
    }
}

fn validate_cluster_role(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = validate_rules(new, false);
    let path = "aggregationRule.clusterRoleSelectors";
    if check::at(new, "aggregationRule").is_some() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        faults.extend(check::required(new, path, detail));
    }
    faults
}

/// Source: `pkg/apis/rbac/validation.ValidatePolicyRule`.
fn validate_rules(object: &Value, is_namespaced: bool) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, rule) in meta::list(object, "/rules").iter().enumerate() {
        let path = format!("rules[{index}]");
        let has = |field: &str| !meta::list(rule, &format!("/{field}")).is_empty();
        if !has("verbs") {
            let detail = "verbs must contain at least one value";
            faults.push(FieldError::required(format!("{path}.verbs"), detail));
        }
        if has("nonResourceURLs") {
            let urls = format!("{path}.nonResourceURLs");
            let found = rule["nonResourceURLs"].clone();
            if is_namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                faults.push(FieldError::invalid(&urls, found.clone(), why));
            }
            if ["apiGroups", "resources", "resourceNames"].into_iter().any(has) {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                faults.push(FieldError::invalid(&urls, found, why));
            }
            continue;
        }
        for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            if !has(field) {
                let detail = format!("resource rules must supply at least one {what}");
                faults.push(FieldError::required(format!("{path}.{field}"), detail));
            }
        }
    }
    faults
}

/// Source: `pkg/apis/rbac/validation.ValidateRoleBinding` and `…Update`.
fn validate_binding(new: &Value, old: Option<&Value>, roles: &[&str]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let group = check::text(new, "roleRef.apiGroup");
    if group != GROUP {
        faults.push(FieldError::not_supported("roleRef.apiGroup", json!(group), [GROUP]));
    }
    let kind = check::text(new, "roleRef.kind");
    if !roles.contains(&kind) {
        faults.push(FieldError::not_supported("roleRef.kind", json!(kind), roles));
    }
    faults.extend(check::required(new, "roleRef.name", ""));
    for (index, subject) in meta::list(new, "/subjects").iter().enumerate() {
        let is_namespaced = !meta::namespace(new).is_empty();
        faults.extend(validate_subject(subject, &format!("subjects[{index}]"), is_namespaced));
    }
    if old.is_some_and(|old| old.get("roleRef") != new.get("roleRef")) {
        faults.push(FieldError::invalid("roleRef", new["roleRef"].clone(), "cannot change roleRef"));
    }
    faults
}

fn validate_subject(subject: &Value, path: &str, is_namespaced: bool) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if meta::text(subject, "/name").is_empty() {
        faults.push(FieldError::required(format!("{path}.name"), ""));
    }
    let group = meta::text(subject, "/apiGroup");
    let mut needs_group = |wanted: &str| {
        if group != wanted {
            faults.push(FieldError::not_supported(format!("{path}.apiGroup"), json!(group), [wanted]));
        }
    };
    match meta::text(subject, "/kind") {
        "ServiceAccount" => {
            needs_group("");
            if !is_namespaced && meta::text(subject, "/namespace").is_empty() {
                faults.push(FieldError::required(format!("{path}.namespace"), ""));
            }
        }
        "User" | "Group" => needs_group(GROUP),
        other => {
            let known = ["Group", "ServiceAccount", "User"];
            faults.push(FieldError::not_supported(format!("{path}.kind"), json!(other), known));
        }
    }
    faults
}

fn binding_cells(object: &Value) -> Vec<Value> {
    let role = format!("{}/{}", meta::text(object, "/roleRef/kind"), meta::text(object, "/roleRef/name"));
    let subjects = |kind: &str| {
        let found = meta::list(object, "/subjects").iter().filter(|one| meta::text(one, "/kind") == kind);
        let names: Vec<String> = found
            .map(|subject| match (kind, meta::text(subject, "/name")) {
                ("ServiceAccount", name) => format!("{}/{name}", meta::text(subject, "/namespace")),
                (_, name) => name.to_owned(),
            })
            .collect();
        json!(names.join(", "))
    };
    vec![json!(role), super::age(object), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(faults: Vec<FieldError>) -> Vec<String> {
        faults.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_rule_says_what_may_be_done_with_what() {
        let role = json!({"rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]},
            {"apiGroups": [""]},
        ]});
        assert_eq!(places(validate_rules(&role, false)), ["rules[2].verbs", "rules[2].resources"]);
        assert_eq!(places(validate_rules(&role, true))[0], "rules[1].nonResourceURLs");
    }

    fn binding() -> Value {
        let mut object = json!({
            "metadata": {"namespace": "shop"},
            "roleRef": {"kind": "Role", "name": "reader"},
            "subjects": [
                {"kind": "User", "name": "ann"}, {"kind": "Group", "name": "team"},
                {"kind": "ServiceAccount", "name": "bot", "namespace": "shop"},
            ],
        });
        default_binding(&mut object);
        object
    }

    #[test]
    fn a_binding_shows_its_role_and_subjects() {
        let object = binding();
        assert_eq!(places((ROLE_BINDING.rules.validate)(&object, None)), [""; 0]);
        assert_eq!(object["roleRef"]["apiGroup"], GROUP);
        assert_eq!(object["subjects"][2].get("apiGroup"), None);
        let row = binding_cells(&object);
        assert_eq!(
            (&row[0], &row[2], &row[3], &row[4]),
            (&json!("Role/reader"), &json!("ann"), &json!("team"), &json!("shop/bot"),)
        );
    }

    #[test]
    fn a_binding_keeps_its_role() {
        let old = binding();
        let mut new = binding();
        new["roleRef"]["name"] = json!("writer");
        assert_eq!(places((ROLE_BINDING.rules.validate)(&new, Some(&old))), ["roleRef"]);
        assert_eq!(places((CLUSTER_ROLE_BINDING.rules.validate)(&old, None)), ["roleRef.kind"]);
        new["subjects"] = json!([{"kind": "Robot", "name": ""}]);
        assert_eq!(
            places((ROLE_BINDING.rules.validate)(&new, None)),
            ["subjects[0].name", "subjects[0].kind"]
        );
    }
}
