//! What the rule that matched does to a request and to its response.
//!
//! Which rule that is, and where the request goes, is decided in `spur-route`; how often it is
//! tried and how long, in `forward`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use spur_route::{
    Applied, Outcome, Verdict,
    rules::{Action, HeaderOps, Rewrite},
};

use crate::{
    body::{Guard, ResponseBody},
    respond::SPUR_REASON,
    sanitise::{BadRequest, Clean},
};

/// Where Envoy keeps the path that a client asked for, for who looks at logs
/// (`config_impl.cc`, `finalizeRequestHeaders`).
const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Makes the rule's changes to a request that is forwarded: headers, then target and host.
///
/// # Errors
/// When the rewritten target is none.
pub(crate) fn to_request(applied: &Applied, parts: &mut Parts, clean: &mut Clean) -> Result<(), BadRequest> {
    for ops in operations(applied) {
        ops.request.apply(&mut parts.headers);
        if let Some(host) = &ops.host {
            clean.host = Some(host.clone());
        }
    }
    let Some(Rewrite { uri, authority }) = &applied.route.filters.rewrite else {
        return Ok(());
    };
    if let Some(uri) = uri {
        let matched = applied.condition.map(|place| &applied.route.matches[place]);
        let rewritten = uri.apply(&clean.target, matched).map_err(|_| BadRequest::InvalidTarget)?;
        let original = std::mem::replace(&mut clean.target, rewritten);
        let original = HeaderValue::from_str(original.as_str()).map_err(|_| BadRequest::InvalidTarget)?;
        parts.headers.insert(ORIGINAL_PATH, original);
    }
    // Beats a `set` of the host (`route.go`, `applyHTTPRouteDestination`).
    if let Some(authority) = authority {
        clean.host = Some(authority.clone());
    }
    Ok(())
}

/// Makes the rule's changes to a response.
pub(crate) fn to_response(applied: &Applied, headers: &mut HeaderMap) {
    for ops in operations(applied) {
        ops.response.apply(headers);
    }
}

/// The response that the rule itself gives; `None` where it gives none.
pub(crate) fn response(verdict: &Verdict, guard: Guard) -> Option<Response<ResponseBody>> {
    let Outcome::Respond { status, location } = &verdict.outcome else { return None };
    let applied = verdict.applied.as_ref();
    let body = match applied.map(|applied| &applied.route.action) {
        Some(Action::Respond(response)) => response.body.clone(),
        Some(Action::Redirect(_) | Action::Forward(_)) | None => Bytes::new(),
    };
    let has_body = !body.is_empty();
    let mut rsp = Response::new(ResponseBody::Own(Full::new(body), guard));
    *rsp.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
    let headers = rsp.headers_mut();
    if let Some(location) = location.as_deref().and_then(|location| HeaderValue::from_str(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    headers.insert(SPUR_REASON, HeaderValue::from_static(verdict.reason.code()));
    if let Some(applied) = applied {
        to_response(applied, headers);
    }
    Some(rsp)
}

/// The header operations in their order: the destination's, then the rule's; but of one
/// destination alone they come after the rule's (`route.go`, `applyHTTPRouteDestination`).
fn operations(applied: &Applied) -> impl Iterator<Item = &HeaderOps> {
    let rule = applied.route.filters.headers.as_deref();
    let (first, second) = match (&applied.route.action, applied.destination) {
        (Action::Forward(destinations), Some(place)) if destinations.len() == 1 => {
            (rule, destinations[place].headers.as_deref())
        }
        (Action::Forward(destinations), Some(place)) => (destinations[place].headers.as_deref(), rule),
        (Action::Forward(_) | Action::Redirect(_) | Action::Respond(_), _) => (None, rule),
    };
    first.into_iter().chain(second)
}
