//! Admission policies and their bindings.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{GROUP, check, default_scopes, validate_conditions, validate_rules};
use crate::meta;
use crate::registry::{Column, Kind, Rules, Subresource};

pub(crate) const VALIDATING: Kind = Kind {
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    singular: "validatingadmissionpolicy",
    categories: &["api-extensions"],
    definition: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    subresources: &[Subresource::Status],
    rules: Rules {
        default: default_policy,
        validate: validate_validating,
        columns: &[Column::integer("Validations"), Column::text("ParamKind"), Column::AGE],
        cells: |object| policy_cells(object, "/spec/validations"),
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const MUTATING: Kind = Kind {
    kind: "MutatingAdmissionPolicy",
    plural: "mutatingadmissionpolicies",
    singular: "mutatingadmissionpolicy",
    definition: "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy",
    subresources: &[],
    rules: Rules {
        default: |object| {
            default_policy(object);
            meta::set_default(meta::map_at(object, "spec"), "reinvocationPolicy", "Never");
        },
        validate: validate_mutating,
        columns: &[Column::integer("Mutations"), Column::text("ParamKind"), Column::AGE],
        cells: |object| policy_cells(object, "/spec/mutations"),
        ..VALIDATING.rules
    },
    ..VALIDATING
};

pub(crate) const VALIDATING_BINDING: Kind = Kind {
    kind: "ValidatingAdmissionPolicyBinding",
    plural: "validatingadmissionpolicybindings",
    singular: "validatingadmissionpolicybinding",
    definition: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
    subresources: &[],
    rules: Rules {
        default: |object| default_match(object, "matchResources"),
        validate: |new, _| {
            let mut faults = validate_binding(new);
            faults.extend(validate_actions(new));
            faults
        },
        columns: &[Column::text("PolicyName"), Column::text("ParamRef"), Column::AGE],
        cells: |object| {
            let policy = json!(meta::text(object, "/spec/policyName"));
            vec![policy, json!(parameter(object)), super::super::age(object)]
        },
        ..VALIDATING.rules
    },
    ..VALIDATING
};

pub(crate) const MUTATING_BINDING: Kind = Kind {
    kind: "MutatingAdmissionPolicyBinding",
    plural: "mutatingadmissionpolicybindings",
    singular: "mutatingadmissionpolicybinding",
    definition: "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
    rules: Rules { validate: |new, _| validate_binding(new), ..VALIDATING_BINDING.rules },
    ..VALIDATING_BINDING
};

/// Source of the values: `pkg/apis/admissionregistration/v1/defaults.go`.
fn default_policy(object: &mut Value) {
    meta::set_default(meta::map_at(object, "spec"), "failurePolicy", "Fail");
    default_match(object, "matchConstraints");
}

fn default_match(object: &mut Value, field: &str) {
    let found = object.get_mut("spec").and_then(|spec| spec.get_mut(field));
    let Some(matches) = found.and_then(Value::as_object_mut) else { return };
    meta::set_default(matches, "matchPolicy", "Equivalent");
    meta::set_default(matches, "namespaceSelector", json!({}));
    meta::set_default(matches, "objectSelector", json!({}));
    default_scopes(matches.get_mut("resourceRules"));
    default_scopes(matches.get_mut("excludeResourceRules"));
}

/// Source: `pkg/apis/admissionregistration/validation.validateValidatingAdmissionPolicySpec`.
fn validate_validating(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = validate_policy(new);
    let lists = ["validations", "auditAnnotations"];
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
    if lists.iter().all(|list| meta::list(new, &format!("/spec/{list}")).is_empty()) {
        for list in lists {
            let detail = "validations or auditAnnotations must contain at least one item";
            faults.push(FieldError::required(format!("spec.{list}"), detail));
        }
    }
    for (index, validation) in meta::list(new, "/spec/validations").iter().enumerate() {
        let path = format!("spec.validations[{index}]");
        if meta::text(validation, "/expression").trim().is_empty() {
            let detail = "expression is not specified";
            faults.push(FieldError::required(format!("{path}.expression"), detail));
        }
        let reason = check::one_of(validation, "reason", &reasons);
        faults.extend(super::within(&path, reason.into_iter().collect()));
    }
    for (index, annotation) in meta::list(new, "/spec/auditAnnotations").iter().enumerate() {
        for field in ["key", "valueExpression"] {
            if meta::text(annotation, &format!("/{field}")).is_empty() {
                faults.push(FieldError::required(format!("spec.auditAnnotations[{index}].{field}"), ""));
            }
        }
    }
    faults
}

/// Source: `pkg/apis/admissionregistration/validation.validateMutatingAdmissionPolicySpec`.
fn validate_mutating(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = validate_policy(new);
    let detail = "mutations must contain at least one item";
    faults.extend(check::required(new, "spec.mutations", detail));
    let policies = ["IfNeeded", "Never"];
    faults.extend(check::required_one_of(new, "spec.reinvocationPolicy", &policies));
    for (index, mutation) in meta::list(new, "/spec/mutations").iter().enumerate() {
        let types = ["ApplyConfiguration", "JSONPatch"];
        let mut of_mutation = Vec::new();
        of_mutation.extend(check::required_one_of(mutation, "patchType", &types));
        let field = match meta::text(mutation, "/patchType") {
            "JSONPatch" => "jsonPatch",
            _ => "applyConfiguration",
        };
        of_mutation.extend(check::required(mutation, &format!("{field}.expression"), ""));
        faults.extend(super::within(&format!("spec.mutations[{index}]"), of_mutation));
    }
    faults
}

/// What policies of both sorts are held to.
fn validate_policy(new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::one_of(new, "spec.failurePolicy", &["Fail", "Ignore"]));
    if check::at(new, "spec.paramKind").is_some() {
        for field in ["apiVersion", "kind"] {
            faults.extend(check::required(new, &format!("spec.paramKind.{field}"), ""));
        }
    }
    if check::at(new, "spec.matchConstraints").is_none() {
        faults.push(FieldError::required("spec.matchConstraints", ""));
    } else {
        faults.extend(check::required(new, "spec.matchConstraints.resourceRules", ""));
        faults.extend(validate_match(new, "matchConstraints"));
    }
    let conditions = new.get("spec").map(validate_conditions).unwrap_or_default();
    faults.extend(super::within("spec", conditions));
    faults
}

fn validate_match(new: &Value, field: &str) -> Vec<FieldError> {
    let path = format!("spec.{field}");
    let mut faults = Vec::new();
    faults.extend(check::one_of(new, &format!("{path}.matchPolicy"), &["Equivalent", "Exact"]));
    for selector in ["namespaceSelector", "objectSelector"] {
        faults.extend(check::selector(new, &format!("{path}.{selector}")));
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        let rules = meta::list(new, &format!("/spec/{field}/{list}"));
        faults.extend(validate_rules(rules, &format!("{path}.{list}")));
    }
    faults
}

fn validate_binding(new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "spec.policyName", ""));
    if check::at(new, "spec.paramRef").is_some() {
        let has = |field: &str| check::at(new, &format!("spec.paramRef.{field}")).is_some();
        match (has("name"), has("selector")) {
            (true, true) => {
                let why = "name and selector are mutually exclusive";
                faults.push(FieldError::forbidden("spec.paramRef.name", why));
            }
            (false, false) => {
                let detail = "one of name or selector must be specified";
                faults.push(FieldError::required("spec.paramRef", detail));
            }
            _ => {}
        }
        let path = "spec.paramRef.parameterNotFoundAction";
        faults.extend(check::required_one_of(new, path, &["Allow", "Deny"]));
    }
    faults.extend(validate_match(new, "matchResources"));
    faults
}

/// Source: `pkg/apis/admissionregistration/validation.validateValidationActions`.
fn validate_actions(new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let path = "spec.validationActions";
    faults.extend(check::required(new, path, "at least one validation action is required"));
    faults.extend(check::each_one_of(new, path, &["Audit", "Deny", "Warn"]));
    let actions = super::super::texts(new, "/spec/validationActions");
    for (index, action) in actions.iter().enumerate() {
        if actions[..index].contains(action) {
            faults.push(FieldError::duplicate(format!("{path}[{index}]"), json!(action)));
        }
    }
    if actions.contains(&"Deny") && actions.contains(&"Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        faults.push(FieldError::invalid(path, json!(actions), why));
    }
    faults
}

fn policy_cells(object: &Value, list: &str) -> Vec<Value> {
    let kind = check::text(object, "spec.paramKind.kind");
    let parameter = match check::text(object, "spec.paramKind.apiVersion") {
        "" if kind.is_empty() => "<unset>".to_owned(),
        version => format!("{version}/{kind}"),
    };
    vec![json!(meta::list(object, list).len()), json!(parameter), super::super::age(object)]
}

/// `shop/limits`, `*/limits` in any namespace, or the selector in words.
fn parameter(object: &Value) -> String {
    let part = |field: &str| check::text(object, &format!("spec.paramRef.{field}"));
    match (part("namespace"), part("name")) {
        ("", "") => match check::at(object, "spec.paramRef.selector") {
            Some(selector) => {
                super::super::selector_text(Some(selector)).as_str().unwrap_or_default().to_owned()
            }
            None => "<unset>".to_owned(),
        },
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

#[cfg(test)]
mod tests;
