//! POST `serviceaccounts/<name>/token`: a token for a service account.
//!
//! Source: `pkg/registry/core/serviceaccount/storage/token.go`,
//! `pkg/apis/authentication/validation/validation.go`.

use http::StatusCode;
use serde_json::{Value, json};
use spur_api::kinds::reviews::TOKEN_REQUEST;
use spur_api::{Status, meta};
use spur_schema::FieldError;

use crate::access::{self, BOUND_KINDS, Bound, Grant, ISSUER};
use crate::answer::{self, Outcome};
use crate::object;
use crate::reviews;
use crate::served::Served;
use crate::verbs::Request;

/// Seconds that a token lasts unless it says otherwise, and at least
/// (`token.go`: 1 hour; `validation.go`: 10 minutes).
const LASTS: i64 = 3600;
const LASTS_AT_LEAST: i64 = 600;
/// `validation.go`: 1 << 32.
const LASTS_AT_MOST: i64 = 1 << 32;

pub(crate) fn create(request: &Request) -> Outcome {
    let (namespace, name) = (request.namespace().unwrap_or_default(), request.target.object_name());
    let account = object::get(&request.state, request.kind(), Some(namespace), name)?.value;
    let (mut token_request, warnings) = reviews::read(request, &Served::Bundled(&TOKEN_REQUEST))?;
    let faults = faults(&token_request);
    if !faults.is_empty() {
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", name, &faults));
    }
    let mut audiences: Vec<String> = meta::list(&token_request, "/spec/audiences")
        .iter()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let lasts = meta::number(&token_request, "/spec/expirationSeconds").unwrap_or(LASTS);
    let issued = jiff::Timestamp::now().as_second();
    let grant = Grant {
        namespace,
        name,
        uid: meta::text(&account, "/metadata/uid"),
        audiences: audiences.clone(),
        bound: bound(request, namespace, &token_request)?,
        issued,
        expires: issued + lasts,
    };
    let token = request.state.identity.sign(&access::claims(&grant));
    let token = token.map_err(|error| Status::internal(error.to_string()))?;
    let expires = jiff::Timestamp::from_second(grant.expires);
    let expires = expires.map_err(|error| Status::bad_request(error.to_string()))?.to_string();
    let spec = meta::map_at(&mut token_request, "spec");
    spec.insert("audiences".to_owned(), json!(audiences));
    spec.insert("expirationSeconds".to_owned(), json!(lasts));
    token_request["status"] = json!({"token": token, "expirationTimestamp": expires});
    let mut answer = answer::json(StatusCode::CREATED, &token_request);
    answer::warn(&mut answer, &warnings);
    Ok(answer)
}

fn faults(token_request: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if let Some(seconds) = meta::number(token_request, "/spec/expirationSeconds") {
        let why = match seconds {
            ..LASTS_AT_LEAST => Some("may not specify a duration less than 10 minutes"),
            LASTS_AT_LEAST..=LASTS_AT_MOST => None,
            _ => Some("may not specify a duration larger than 2^32 seconds"),
        };
        faults.extend(why.map(|why| FieldError::invalid("spec.expirationSeconds", json!(seconds), why)));
    }
    faults
}

/// The object that the token is to live and die with.
fn bound(request: &Request, namespace: &str, token_request: &Value) -> Result<Option<Bound>, Status> {
    let Some(reference) = token_request.pointer("/spec/boundObjectRef").filter(|value| !value.is_null())
    else {
        return Ok(None);
    };
    let (kind, name) = (meta::text(reference, "/kind"), meta::text(reference, "/name"));
    let known = BOUND_KINDS.iter().find(|(claim, _)| claim.eq_ignore_ascii_case(kind));
    let Some((claim, plural)) = known else {
        let why = format!("cannot bind token for serviceaccount to object of type {kind}");
        return Err(Status::bad_request(why));
    };
    let kind = Served::bundled("", "v1", plural);
    let found = object::get(&request.state, &kind, kind.within(namespace), name)?.value;
    let uid = meta::text(&found, "/metadata/uid").to_owned();
    let wanted = meta::text(reference, "/uid");
    if !wanted.is_empty() && wanted != uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", plural, name, &why));
    }
    let node = meta::text(&found, "/spec/nodeName");
    let node = (!node.is_empty()).then(|| -> Result<_, Status> {
        let node_found = object::find(&request.state, &Served::bundled("", "v1", "nodes"), None, node)?;
        Ok(node_found.map(|found| (node.to_owned(), meta::text(&found.value, "/metadata/uid").to_owned())))
    });
    Ok(Some(Bound { claim, name: name.to_owned(), uid, node: node.transpose()?.flatten() }))
}
