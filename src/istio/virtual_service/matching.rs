//! The conditions of a rule.

use http::HeaderName;
use serde_json::Value;
use spur_route::rules::{HttpMatch, QueryMatch, StringMatch, ValueMatch};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Message};

pub(super) const FIELDS: &[Field] = &[
    Field::honoured("name"),
    Field::holds("uri", STRING_MATCH),
    Field::holds("scheme", STRING_MATCH),
    Field::holds("method", STRING_MATCH),
    Field::holds("authority", STRING_MATCH),
    Field::holds("headers", STRING_MATCH),
    Field::honoured("port"),
    Field::honoured("sourceLabels"),
    Field::honoured("gateways"),
    Field::holds("queryParams", STRING_MATCH),
    Field::honoured("ignoreUriCase"),
    Field::holds("withoutHeaders", STRING_MATCH),
    Field::honoured("sourceNamespace"),
    Field::reported("statPrefix", "metrics are labelled by service and rule instead"),
];

const STRING_MATCH: &[Field] =
    &[Field::honoured("exact"), Field::honoured("prefix"), Field::honoured("regex")];

/// Keys of `headers` that are no headers: Istio ignores them, since there are fields for them.
const NO_HEADERS: [&str; 4] = ["uri", "scheme", "method", "authority"];

/// Keys that match claims of verified tokens.
const CLAIMS: &str = "@request.auth.claims";

/// `None` where a condition cannot be read: without it the rule would match more.
pub(super) fn read(matching: &Message<'_>, namespace: &str) -> Option<HttpMatch> {
    let ignores_case = matching.flag("ignoreUriCase").unwrap_or(false);
    let mut is_whole = true;
    let mut field = |name: &str| {
        let held = matching.message(name)?;
        let found = string_match(&held.checked(STRING_MATCH));
        is_whole &= found.is_some();
        found.and_then(|found| match found {
            ValueMatch::Is(found) => Some(found),
            // `{}` is no condition on something that is always there.
            ValueMatch::Present => None,
        })
    };
    let uri = field("uri").map(|uri| if ignores_case { uri.ignoring_case() } else { uri });
    let (scheme, method, authority) = (field("scheme"), field("method"), field("authority"));
    let headers = header_matches(matching, "headers");
    let without_headers = header_matches(matching, "withoutHeaders");
    let query_params = value_matches(matching, "queryParams").map(|all| {
        let all = all.into_iter().map(|(name, value)| QueryMatch { name: name.into(), value });
        all.collect::<Vec<_>>()
    });
    let labels = matching.text_entries("sourceLabels").into_iter();
    let gateways = matching.texts("gateways").into_iter();
    let read = HttpMatch {
        name: matching.text("name").map(Into::into),
        uri,
        scheme,
        method,
        authority,
        headers: headers?,
        without_headers: without_headers?,
        query_params: query_params?,
        port: matching.number("port").filter(|port| *port > 0).and_then(|_| matching.port("port")),
        source_labels: labels.map(|(name, value)| (name.into(), value.into())).collect(),
        source_namespace: matching.text("sourceNamespace").filter(|it| !it.is_empty()).map(Into::into),
        gateways: gateways.map(|name| hosts::gateway(name, namespace)).collect(),
    };
    is_whole.then_some(read)
}

fn header_matches(matching: &Message<'_>, field: &str) -> Option<Vec<(HeaderName, ValueMatch)>> {
    let all = value_matches(matching, field)?;
    let mut headers = Vec::new();
    for (name, value) in all {
        if NO_HEADERS.contains(&name) {
            continue;
        }
        let at = format!("{field}[{name}]");
        if name.starts_with(CLAIMS) {
            // Nothing verifies tokens, so that no request has a claim.
            matching.unsupported(&at, "tokens are not verified yet: the rule is left out");
            return None;
        }
        match HeaderName::try_from(name) {
            Ok(name) => headers.push((name, value)),
            Err(_) => {
                let detail = "must be the name of a header, in lower case";
                matching.fault(FieldError::invalid(matching.at(&at), name, detail));
                return None;
            }
        }
    }
    Some(headers)
}

fn value_matches<'a>(matching: &Message<'a>, field: &str) -> Option<Vec<(&'a str, ValueMatch)>> {
    let entries = matching.entries(field).into_iter().map(|(name, value): (&str, &Value)| {
        let held = matching.entry(field, name, value)?;
        let found = string_match(&held.checked(STRING_MATCH))?;
        Some((name, found))
    });
    entries.collect()
}

/// One of `exact`, `prefix` and `regex`; without any, and for `regex: "*"`, whatever is there.
fn string_match(message: &Message<'_>) -> Option<ValueMatch> {
    let given: Vec<&str> =
        ["exact", "prefix", "regex"].into_iter().filter(|name| message.has(name)).collect();
    let (first, text) = match given[..] {
        [] => return Some(ValueMatch::Present),
        [only] => (only, message.text(only)?),
        [_, second, ..] => {
            let detail = "only one of `exact`, `prefix` and `regex` may be given";
            message.fault(FieldError::forbidden(message.at(second), detail));
            return None;
        }
    };
    match first {
        "exact" => Some(ValueMatch::Is(StringMatch::Exact(text.into()))),
        "prefix" if text.is_empty() => {
            message.fault(FieldError::invalid(message.at("prefix"), text, "must not be empty"));
            None
        }
        "prefix" => Some(ValueMatch::Is(StringMatch::Prefix(text.into()))),
        _ if text == "*" => Some(ValueMatch::Present),
        _ => match StringMatch::regex(text) {
            Ok(pattern) => Some(ValueMatch::Is(pattern)),
            Err(error) => {
                message.fault(FieldError::invalid(message.at("regex"), text, error.to_string()));
                None
            }
        },
    }
}
