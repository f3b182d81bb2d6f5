//! APIServices. They are stored and served; requests are not passed on to other servers.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules, Subresource};

/// Highest priority of a group and of a version within it.
const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;

pub(crate) const API_SERVICE: Kind = Kind {
    kind: "APIService",
    plural: "apiservices",
    singular: "apiservice",
    categories: &["api-extensions"],
    definition: "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    subresources: &[Subresource::Status],
    rules: Rules {
        name: NameRule::PathSegment,
        default: |object| {
            let service = object.pointer_mut("/spec/service").and_then(Value::as_object_mut);
            if let Some(service) = service {
                meta::set_default(service, "port", 443);
            }
        },
        prepare_create: tell_local,
        validate,
        columns: &[Column::text("Service"), Column::text("Available"), Column::AGE],
        cells: |object| vec![json!(service(object)), json!(available(object)), super::age(object)],
        ..Rules::PLAIN
    },
    ..Kind::cluster("apiregistration.k8s.io", "v1")
};

/// What this server answers itself is there.
///
/// Source: `kube-aggregator/pkg/registry/apiservice/strategy.go`.
fn tell_local(object: &mut Value) {
    if check::at(object, "spec.service").is_some() {
        return;
    }
    let condition = json!({
        "type": "Available", "status": "True", "reason": "Local",
        "message": "Local APIServices are always available", "lastTransitionTime": meta::now(),
    });
    meta::map_at(object, "status").insert("conditions".to_owned(), json!([condition]));
}

/// Source: `kube-aggregator/pkg/apis/apiregistration/validation.ValidateAPIService`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let (group, version) = (check::text(new, "spec.group"), check::text(new, "spec.version"));
    let (name, wanted) = (meta::name(new), format!("{version}.{group}"));
    if name != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        faults.push(FieldError::invalid("metadata.name", json!(name), why));
    }
    faults.extend(check::required(new, "spec.version", ""));
    for (field, max) in
        [("groupPriorityMinimum", GROUP_PRIORITY_MAX), ("versionPriority", VERSION_PRIORITY_MAX)]
    {
        let found = meta::number(new, &format!("/spec/{field}")).unwrap_or(0);
        if found <= 0 || found > max {
            let why = format!("must be positive and less than {max}");
            faults.push(FieldError::invalid(format!("spec.{field}"), json!(found), why));
        }
    }
    let has_bundle = check::at(new, "spec.caBundle").is_some();
    let is_insecure = super::is_true(new, "/spec/insecureSkipTLSVerify");
    if check::at(new, "spec.service").is_none() {
        let why = "only https, so may not be set on a local APIService";
        if has_bundle {
            faults.push(FieldError::invalid("spec.caBundle", json!(""), why));
        }
        if is_insecure {
            faults.push(FieldError::invalid("spec.insecureSkipTLSVerify", json!(true), why));
        }
        return faults;
    }
    for field in ["namespace", "name"] {
        faults.extend(check::required(new, &format!("spec.service.{field}"), ""));
    }
    faults.extend(check::within(new, "spec.service.port", 1, 65535));
    if has_bundle && is_insecure {
        let why = "may not be true if caBundle is present";
        faults.push(FieldError::invalid("spec.insecureSkipTLSVerify", json!(true), why));
    }
    faults
}

fn service(object: &Value) -> String {
    match check::at(object, "spec.service") {
        None => "Local".to_owned(),
        Some(service) => format!("{}/{}", meta::text(service, "/namespace"), meta::text(service, "/name")),
    }
}

/// `True`, or `False (reason)`.
fn available(object: &Value) -> String {
    let conditions = meta::list(object, "/status/conditions");
    let found = conditions.iter().find(|condition| meta::text(condition, "/type") == "Available");
    match found.map(|condition| (meta::text(condition, "/status"), meta::text(condition, "/reason"))) {
        None => "Unknown".to_owned(),
        Some(("True", _)) => "True".to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_service_is_available_and_named_by_its_version() {
        let mut object = json!({
            "metadata": {"name": "v1.apps"},
            "spec": {"group": "apps", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10},
        });
        tell_local(&mut object);
        assert_eq!(validate(&object, None), []);
        assert_eq!((service(&object), available(&object)), ("Local".to_owned(), "True".to_owned()));
        object["metadata"]["name"] = json!("apps");
        object["spec"]["versionPriority"] = json!(0);
        let places: Vec<String> = validate(&object, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["metadata.name", "spec.versionPriority"]);
    }

    #[test]
    fn a_remote_service_is_unknown_until_it_is_asked() {
        let mut object = json!({"spec": {"service": {"namespace": "kube-system", "name": "metrics"}}});
        (API_SERVICE.rules.default)(&mut object);
        tell_local(&mut object);
        assert_eq!(object["spec"]["service"]["port"], 443);
        assert_eq!(service(&object), "kube-system/metrics");
        assert_eq!(available(&object), "Unknown");
    }
}
