//! Admission: webhook configurations here, policies in [`policies`]. They are stored
//! and served with the defaults that those who act on them rely on.

pub(crate) mod policies;

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::check;
use crate::registry::{Column, Kind, Rules};
use crate::{meta, names};

pub(super) const GROUP: &str = "admissionregistration.k8s.io";
/// The longest that a webhook may take, in seconds.
const TIMEOUT_MAX_SECONDS: i64 = 30;
/// Conditions of one webhook or policy at most.
const CONDITIONS_MAX: usize = 64;

pub(crate) const VALIDATING: Kind = Kind {
    kind: "ValidatingWebhookConfiguration",
    plural: "validatingwebhookconfigurations",
    singular: "validatingwebhookconfiguration",
    categories: &["api-extensions"],
    definition: "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    rules: Rules {
        default: |object| default_webhooks(object, |_| {}),
        validate: validate_webhooks,
        columns: &[Column::integer("Webhooks"), Column::AGE],
        cells: |object| vec![json!(meta::list(object, "/webhooks").len()), super::age(object)],
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const MUTATING: Kind = Kind {
    kind: "MutatingWebhookConfiguration",
    plural: "mutatingwebhookconfigurations",
    singular: "mutatingwebhookconfiguration",
    definition: "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    rules: Rules {
        default: |object| {
            default_webhooks(object, |webhook| meta::set_default(webhook, "reinvocationPolicy", "Never"));
        },
        ..VALIDATING.rules
    },
    ..VALIDATING
};

/// Source of the values: `pkg/apis/admissionregistration/v1/defaults.go`.
fn default_webhooks(object: &mut Value, more: fn(&mut Map<String, Value>)) {
    let webhooks = object.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten().filter_map(Value::as_object_mut) {
        meta::set_default(webhook, "failurePolicy", "Fail");
        meta::set_default(webhook, "matchPolicy", "Equivalent");
        meta::set_default(webhook, "namespaceSelector", json!({}));
        meta::set_default(webhook, "objectSelector", json!({}));
        meta::set_default(webhook, "timeoutSeconds", 10);
        more(webhook);
        let service = webhook.get_mut("clientConfig").and_then(|config| config.get_mut("service"));
        if let Some(service) = service.and_then(Value::as_object_mut) {
            meta::set_default(service, "port", 443);
        }
        default_scopes(webhook.get_mut("rules"));
    }
}

/// A rule is about objects of the cluster and of namespaces alike.
pub(super) fn default_scopes(rules: Option<&mut Value>) {
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        meta::set_default(rule, "scope", "*");
    }
}

/// Source: `pkg/apis/admissionregistration/validation.validateWebhook`.
fn validate_webhooks(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (index, webhook) in meta::list(new, "/webhooks").iter().enumerate() {
        let path = format!("webhooks[{index}]");
        let name = meta::text(webhook, "/name");
        if let Some(why) = names::subdomain(name) {
            faults.push(FieldError::invalid(format!("{path}.name"), json!(name), why));
        } else if name.split('.').count() < 3 {
            let why = "should be a domain with at least three segments separated by dots";
            faults.push(FieldError::invalid(format!("{path}.name"), json!(name), why));
        }
        if seen.contains(&name) {
            faults.push(FieldError::duplicate(format!("{path}.name"), json!(name)));
        }
        seen.push(name);
        faults.extend(within(&path, validate_webhook(webhook)));
    }
    faults
}

fn validate_webhook(webhook: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let versions = super::texts(webhook, "/admissionReviewVersions");
    if versions.is_empty() {
        let detail = "must specify one of v1, v1beta1";
        faults.push(FieldError::required("admissionReviewVersions", detail));
    } else if !versions.iter().any(|version| matches!(*version, "v1" | "v1beta1")) {
        let why = "must include at least one of v1, v1beta1";
        faults.push(FieldError::invalid("admissionReviewVersions", json!(versions), why));
    }
    faults.extend(validate_rules(meta::list(webhook, "/rules"), "rules"));
    faults.extend(check::one_of(webhook, "failurePolicy", &["Fail", "Ignore"]));
    faults.extend(check::one_of(webhook, "matchPolicy", &["Equivalent", "Exact"]));
    faults.extend(check::one_of(webhook, "reinvocationPolicy", &["IfNeeded", "Never"]));
    faults.extend(check::required_one_of(webhook, "sideEffects", &["None", "NoneOnDryRun"]));
    let seconds = meta::number(webhook, "/timeoutSeconds");
    if let Some(seconds) = seconds.filter(|seconds| !(1..=TIMEOUT_MAX_SECONDS).contains(seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        faults.push(FieldError::invalid("timeoutSeconds", json!(seconds), why));
    }
    faults.extend(check::selector(webhook, "namespaceSelector"));
    faults.extend(check::selector(webhook, "objectSelector"));
    let url = check::at(webhook, "clientConfig.url");
    let service = check::at(webhook, "clientConfig.service");
    match (url.is_some(), service.is_some()) {
        (true, false) => {}
        (false, true) => {
            for field in ["name", "namespace"] {
                faults.extend(check::required(webhook, &format!("clientConfig.service.{field}"), ""));
            }
            faults.extend(check::within(webhook, "clientConfig.service.port", 1, 65535));
        }
        _ => {
            let detail = "exactly one of url or service is required";
            faults.push(FieldError::required("clientConfig", detail));
        }
    }
    if let Some(url) = url.and_then(Value::as_str).filter(|url| !url.starts_with("https://")) {
        let why = "'https' is the only allowed URL scheme";
        faults.push(FieldError::invalid("clientConfig.url", json!(url), why));
    }
    faults.extend(validate_conditions(webhook));
    faults
}

/// What is wrong with the conditions under which a webhook or policy is asked.
pub(super) fn validate_conditions(object: &Value) -> Vec<FieldError> {
    let conditions = meta::list(object, "/matchConditions");
    let mut faults = Vec::new();
    if conditions.len() > CONDITIONS_MAX {
        let n_found = conditions.len() as u64;
        faults.push(FieldError::too_many("matchConditions", n_found, CONDITIONS_MAX as u64));
    }
    for (index, condition) in conditions.iter().enumerate() {
        for field in ["name", "expression"] {
            if meta::text(condition, &format!("/{field}")).trim().is_empty() {
                faults.push(FieldError::required(format!("matchConditions[{index}].{field}"), ""));
            }
        }
    }
    faults
}

/// What is wrong with the rules that say which requests are meant.
pub(super) fn validate_rules(rules: &[Value], path: &str) -> Vec<FieldError> {
    let operations = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let mut faults = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut of_rule = Vec::new();
        for field in ["operations", "apiGroups", "apiVersions", "resources"] {
            of_rule.extend(check::required(rule, field, ""));
        }
        of_rule.extend(check::each_one_of(rule, "operations", &operations));
        of_rule.extend(check::one_of(rule, "scope", &["*", "Cluster", "Namespaced"]));
        faults.extend(within(&format!("{path}[{index}]"), of_rule));
    }
    faults
}

/// Faults of a part that stands at `path`.
pub(super) fn within(path: &str, faults: Vec<FieldError>) -> impl Iterator<Item = FieldError> {
    faults.into_iter().map(move |mut fault| {
        fault.path = format!("{path}.{}", fault.path);
        fault
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Value {
        let mut object = json!({"webhooks": [{
            "name": "check.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"service": {"name": "check", "namespace": "shop"}},
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
            }],
        }]});
        (MUTATING.rules.default)(&mut object);
        object
    }

    #[test]
    fn a_webhook_gets_the_defaults_that_callers_rely_on() {
        let object = configuration();
        assert_eq!(validate_webhooks(&object, None), []);
        let webhook = &object["webhooks"][0];
        assert_eq!(webhook["timeoutSeconds"], 10);
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert_eq!(webhook["reinvocationPolicy"], "Never");
        assert_eq!(webhook["rules"][0]["scope"], "*");
        assert_eq!(webhook["clientConfig"]["service"]["port"], 443);
        assert_eq!((VALIDATING.rules.cells)(&object)[0], 1);
    }

    #[test]
    fn a_webhook_is_reached_in_one_way_and_says_what_it_does_besides() {
        let mut object = configuration();
        let webhook = object["webhooks"][0].as_object_mut().expect("a webhook");
        webhook["name"] = json!("short");
        webhook.remove("sideEffects");
        webhook["clientConfig"] = json!({"url": "http://x"});
        webhook["rules"][0]["operations"] = json!(["PEEK"]);
        let places: Vec<String> =
            validate_webhooks(&object, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(
            places,
            [
                "webhooks[0].name",
                "webhooks[0].rules[0].operations[0]",
                "webhooks[0].sideEffects",
                "webhooks[0].clientConfig.url",
            ]
        );
    }
}
