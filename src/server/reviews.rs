//! Reviews: who somebody is, and what somebody may do.
//!
//! Source: `pkg/registry/{authentication,authorization}`; what may stand in them:
//! `pkg/apis/authorization/validation/validation.go`.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use spur_api::{Status, meta};
use spur_schema::FieldError;

use crate::access::{self, Attributes, ISSUER, User};
use crate::answer::{self, Outcome};
use crate::served::Served;
use crate::verbs::Request;
use crate::{body, incoming};

/// Answers a review.
pub(crate) fn create(request: &Request) -> Outcome {
    let kind = request.kind();
    let (mut review, warnings) = read(request, kind)?;
    let faults = faults(kind.kind(), &review);
    if !faults.is_empty() {
        return Err(Status::invalid(kind.group(), kind.kind(), meta::name(&review), &faults));
    }
    let status = match kind.kind() {
        "SelfSubjectReview" => json!({"userInfo": request.user.to_json()}),
        "TokenReview" => token_review(request, &review),
        "SelfSubjectAccessReview" => access_review(request, &request.user, &review),
        "SelfSubjectRulesReview" => rules_review(&request.user),
        _ => access_review(request, &subject(&review), &review),
    };
    review["status"] = status;
    meta::metadata_mut(&mut review).entry("creationTimestamp").or_insert(Value::Null);
    let mut answer = answer::json(StatusCode::CREATED, &review);
    answer::warn(&mut answer, &warnings);
    Ok(answer)
}

/// The body of a request that is answered and not kept, with what to warn of.
pub(crate) fn read(request: &Request, kind: &Served) -> Result<(Value, Vec<String>), Status> {
    let mut decoded = body::object(&request.headers, &request.body, &kind.api_version(), kind.kind())?;
    incoming::check_kind(kind, &mut decoded.value)?;
    let mut accepted = incoming::check_fields(kind, decoded, request.query.field_validation)?;
    incoming::check_identity(&request.target, &mut accepted.value)?;
    Ok((accepted.value, accepted.warnings))
}

fn token_review(request: &Request, review: &Value) -> Value {
    let asked: Vec<&str> = meta::list(review, "/spec/audiences").iter().filter_map(Value::as_str).collect();
    let audiences = if asked.is_empty() { vec![ISSUER] } else { asked };
    match access::of_token(&request.state, meta::text(review, "/spec/token"), &audiences) {
        Ok((user, audiences)) => {
            json!({"authenticated": true, "user": user.to_json(), "audiences": audiences})
        }
        Err(why) => json!({"user": {}, "error": format!("invalid bearer token: {why}")}),
    }
}

fn access_review(request: &Request, user: &User, review: &Value) -> Value {
    let decision = access::authorize(&request.state, user, &attributes(review));
    let mut status = json!({"allowed": decision.is_allowed});
    if !decision.reason.is_empty() {
        status["reason"] = json!(decision.reason);
    }
    status
}

/// What a user may do, as a list for people (`kubectl auth can-i --list`).
fn rules_review(user: &User) -> Value {
    let is_master = user.is_in(User::ADMIN_GROUP) || user.is_controller();
    let (resources, paths) = if is_master {
        let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
        (all, json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]))
    } else {
        access::open_rules()
    };
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

fn subject(review: &Value) -> User {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let extra = review.pointer("/spec/extra").and_then(Value::as_object);
    let extra: BTreeMap<String, Vec<String>> =
        extra.into_iter().flatten().map(|(key, values)| (key.clone(), texts(values))).collect();
    let mut user = User::named(meta::text(review, "/spec/user").to_owned());
    user.uid = meta::text(review, "/spec/uid").to_owned();
    user.groups = texts(review.pointer("/spec/groups").unwrap_or(&Value::Null));
    user.extra = extra;
    user
}

fn attributes(review: &Value) -> Attributes {
    let text = |field: &str| {
        let of_resource = meta::text(review, &format!("/spec/resourceAttributes/{field}"));
        let of_path = meta::text(review, &format!("/spec/nonResourceAttributes/{field}"));
        if of_resource.is_empty() { of_path.to_owned() } else { of_resource.to_owned() }
    };
    Attributes {
        verb: text("verb"),
        group: text("group"),
        version: text("version"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        path: text("path"),
    }
}

fn faults(kind: &str, review: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let has = |pointer: &str| review.pointer(pointer).is_some_and(|value| !value.is_null());
    if matches!(kind, "SubjectAccessReview" | "SelfSubjectAccessReview" | "LocalSubjectAccessReview") {
        match (has("/spec/resourceAttributes"), has("/spec/nonResourceAttributes")) {
            (true, true) => {
                let why = "cannot be specified in combination with resourceAttributes";
                faults.push(FieldError::invalid("spec.nonResourceAttributes", json!("non-nil"), why));
            }
            (false, false) => {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                faults.push(FieldError::invalid("spec.resourceAttributes", json!("null"), why));
            }
            _ => {}
        }
    }
    if matches!(kind, "SubjectAccessReview" | "LocalSubjectAccessReview")
        && meta::text(review, "/spec/user").is_empty()
        && meta::list(review, "/spec/groups").is_empty()
    {
        let why = "at least one of user or group must be specified";
        faults.push(FieldError::invalid("spec.user", json!(""), why));
    }
    if kind == "LocalSubjectAccessReview" {
        let namespace = meta::text(review, "/spec/resourceAttributes/namespace");
        if namespace != meta::text(review, "/metadata/namespace") {
            let why = "must match metadata.namespace";
            faults.push(FieldError::invalid("spec.resourceAttributes.namespace", json!(namespace), why));
        }
        if has("/spec/nonResourceAttributes") {
            let why = "disallowed on this kind of request";
            faults.push(FieldError::invalid("spec.nonResourceAttributes", json!("non-nil"), why));
        }
    }
    if kind == "SelfSubjectRulesReview" && meta::text(review, "/spec/namespace").is_empty() {
        let why = "no namespace on request";
        faults.push(FieldError::invalid("spec.namespace", json!(""), why));
    }
    faults
}
