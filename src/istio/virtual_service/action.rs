//! What a rule does: forward, redirect, respond.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use spur_route::rules::{
    Action, DirectResponse, HttpMatch, Redirect, RedirectPath, RedirectPort, WeightedDestination,
};
use spur_schema::FieldError;

use super::filters;
use crate::hosts;
use crate::object::{Field, Message, Place};

pub(super) const ROUTE: &[Field] = &[
    Field::holds("destination", DESTINATION),
    Field::honoured("weight"),
    Field::holds("headers", filters::HEADERS),
];

pub(super) const DESTINATION: &[Field] =
    &[Field::honoured("host"), Field::honoured("subset"), Field::holds("port", &[Field::honoured("number")])];

pub(super) const REDIRECT: &[Field] = &[
    Field::honoured("uri"),
    Field::honoured("prefixRewrite"),
    Field::honoured("authority"),
    Field::honoured("port"),
    Field::honoured("derivePort"),
    Field::honoured("scheme"),
    Field::honoured("redirectCode"),
];

pub(super) const DIRECT_RESPONSE: &[Field] = &[
    Field::honoured("status"),
    Field::holds("body", &[Field::honoured("string"), Field::honoured("bytes")]),
];

/// Statuses that make a redirect; any other one makes none.
const REDIRECTS: [u64; 5] = [301, 302, 303, 307, 308];

/// The longest body of a response (`validation.go`, `validateHTTPDirectResponse`).
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// `None` where the rule does nothing, or several things.
pub(super) fn read(place: &Place<'_>, route: &Message<'_>, matches: &[HttpMatch]) -> Option<Action> {
    let given: Vec<&str> = ["route", "redirect", "directResponse", "delegate"]
        .into_iter()
        .filter(|name| route.value(name).is_some_and(|it| *it != serde_json::json!([])))
        .collect();
    match given[..] {
        ["route"] => forward(place, route),
        ["redirect"] => {
            let held = route.message("redirect")?;
            redirect(&held.checked(REDIRECT), matches).map(Action::Redirect)
        }
        ["directResponse"] => {
            let held = route.message("directResponse")?;
            respond(&held.checked(DIRECT_RESPONSE)).map(Action::Respond)
        }
        [] => {
            let detail = "HTTP route, redirect or direct_response is required";
            route.fault(FieldError::required(route.at("route"), detail));
            None
        }
        // A delegate: the table of fields has said so.
        [_] => None,
        [first, second, ..] => {
            let detail = format!("HTTP route cannot contain both {first} and {second}");
            route.fault(FieldError::forbidden(route.at(second), detail));
            None
        }
    }
}

fn forward(place: &Place<'_>, route: &Message<'_>) -> Option<Action> {
    let held = route.messages("route");
    let mut all: Vec<WeightedDestination> =
        held.iter().filter_map(|one| destination(place, &one.checked(ROUTE))).collect();
    if all.len() < held.len() {
        return None;
    }
    // As the conditions are.
    all.shrink_to_fit();
    has_weights(route, &all).then_some(Action::Forward(all))
}

/// Whether the weights of a rule can be drawn from; a fault where not.
pub(super) fn has_weights(route: &Message<'_>, all: &[WeightedDestination]) -> bool {
    let sum: u64 = all.iter().map(|one| u64::from(one.weight)).sum();
    if all.len() > 1 && sum == 0 {
        route.fault(FieldError::invalid(route.at("route"), 0, "total destination weight = 0"));
        return false;
    }
    if sum > u64::from(u32::MAX) {
        // Envoy's bound on the sum (`WeightedCluster`).
        let detail = format!("the sum of weights must be at most {}", u32::MAX);
        route.fault(FieldError::invalid(route.at("route"), sum, detail));
        return false;
    }
    true
}

pub(super) fn destination(place: &Place<'_>, route: &Message<'_>) -> Option<WeightedDestination> {
    let Some(held) = route.message("destination") else {
        route.fault(FieldError::required(route.at("destination"), "destination is required"));
        return None;
    };
    let to = held.checked(DESTINATION);
    let host = to.text("host").unwrap_or_default();
    if host.is_empty() {
        to.fault(FieldError::required(to.at("host"), "destination must have a host"));
        return None;
    }
    if host.contains('*') {
        to.fault(FieldError::invalid(to.at("host"), host, "a destination cannot be a wildcard"));
        return None;
    }
    hosts::check(&to, "host", host);
    let port = to.message("port").and_then(|held| held.get().port("number"));
    Some(WeightedDestination {
        to: hosts::destination(host, place, (to.text("subset"), port)),
        weight: route.number_within("weight", 0, i32::MAX.unsigned_abs()).unwrap_or(0),
        headers: filters::header_ops(route),
    })
}

fn redirect(redirect: &Message<'_>, matches: &[HttpMatch]) -> Option<Redirect> {
    let text = |name: &str| redirect.text(name).filter(|text| !text.is_empty());
    if redirect.has("uri") && redirect.has("prefixRewrite") {
        let detail = "may not be given together with `uri`";
        redirect.fault(FieldError::forbidden(redirect.at("prefixRewrite"), detail));
    }
    if redirect.has("port") && redirect.has("derivePort") {
        redirect
            .fault(FieldError::forbidden(redirect.at("derivePort"), "may not be given together with `port`"));
    }
    let prefix = text("prefixRewrite");
    let is_prefix = |it: &HttpMatch| it.uri.as_ref().is_some_and(|uri| uri.prefix_len().is_some());
    if prefix.is_some() && !matches.iter().all(is_prefix) {
        let detail = "needs every `match` of the rule to have a `uri.prefix`";
        redirect.fault(FieldError::invalid(redirect.at("prefixRewrite"), prefix.unwrap_or_default(), detail));
    }
    let path = text("uri").map(|uri| RedirectPath::Full(uri.into()));
    let path = path.or_else(|| prefix.map(|to| RedirectPath::Prefix(to.into())));
    if let Some(scheme) = text("scheme").filter(|scheme| !["http", "https"].contains(scheme)) {
        redirect.fault(FieldError::not_supported(redirect.at("scheme"), scheme, ["http", "https"]));
    }
    if path.is_none() && ["authority", "port", "derivePort", "scheme"].iter().all(|name| !redirect.has(name))
    {
        let detail = "redirect must specify uri, authority, port or scheme";
        redirect.fault(FieldError::required(redirect.at(""), detail));
    }
    let status = redirect.number("redirectCode").filter(|code| *code != 0).unwrap_or(301);
    if !REDIRECTS.contains(&status) {
        let known = REDIRECTS.map(|code| code.to_string());
        redirect.fault(FieldError::not_supported(redirect.at("redirectCode"), status, known));
        return None;
    }
    let derived = match text("derivePort") {
        None => None,
        Some("FROM_PROTOCOL_DEFAULT") => Some(RedirectPort::OfScheme),
        Some("FROM_REQUEST_PORT") => Some(RedirectPort::OfRequest),
        Some(other) => {
            let known = ["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"];
            redirect.fault(FieldError::not_supported(redirect.at("derivePort"), other, known));
            None
        }
    };
    Some(Redirect {
        path,
        authority: text("authority").map(Into::into),
        port: redirect.port("port").map(RedirectPort::Number).or(derived),
        scheme: text("scheme").map(Into::into),
        status: u16::try_from(status).unwrap_or(301),
    })
}

fn respond(response: &Message<'_>) -> Option<DirectResponse> {
    let Some(status) = response.number_within("status", 200, 599) else {
        if !response.has("status") {
            response.fault(FieldError::required(response.at("status"), ""));
        }
        return None;
    };
    let body = response.message("body");
    let body = body.as_ref().map(|held| held.get());
    let text = body.as_ref().and_then(|body| body.text("string")).map(|text| text.as_bytes().to_vec());
    let bytes = body.as_ref().and_then(|body| Some((body, body.text("bytes")?)));
    let bytes = bytes.and_then(|(body, text)| {
        let decoded = STANDARD.decode(text).ok();
        if decoded.is_none() {
            body.fault(FieldError::invalid(body.at("bytes"), text, "must be base64"));
        }
        decoded
    });
    let body = text.or(bytes).unwrap_or_default();
    if body.len() > BODY_MAX_BYTES {
        response.fault(FieldError::too_long(response.at("body"), BODY_MAX_BYTES as u64));
        return None;
    }
    Some(DirectResponse { status: u16::try_from(status).ok()?, body: Bytes::from(body) })
}
