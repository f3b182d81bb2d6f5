//! What a rule changes about requests and responses.

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use spur_route::rules::{Filters, HeaderChanges, HeaderOps, Pattern, Rewrite, UriRewrite};
use spur_schema::FieldError;

use crate::object::{Field, Message};

pub(super) const HEADERS: &[Field] =
    &[Field::holds("request", HEADER_OPERATIONS), Field::holds("response", HEADER_OPERATIONS)];

const HEADER_OPERATIONS: &[Field] =
    &[Field::honoured("set"), Field::honoured("add"), Field::honoured("remove")];

pub(super) const REWRITE: &[Field] = &[
    Field::honoured("uri"),
    Field::honoured("authority"),
    Field::holds("uriRegexRewrite", &[Field::honoured("match"), Field::honoured("rewrite")]),
];

pub(super) fn read(route: &Message<'_>, forwards: bool) -> Filters {
    let rewrite = route.message("rewrite").and_then(|held| rewrite(&held.checked(REWRITE)));
    if !forwards && route.has("rewrite") {
        let detail = "HTTP route rules with a redirect or a direct response cannot have a rewrite";
        route.fault(FieldError::forbidden(route.at("rewrite"), detail));
    }
    Filters { headers: header_ops(route), rewrite }
}

/// The `headers` of a rule or of a destination; `None` where nothing is changed.
pub(super) fn header_ops(message: &Message<'_>) -> Option<Box<HeaderOps>> {
    let headers = message.message("headers")?;
    let headers = headers.checked(HEADERS);
    let mut ops = HeaderOps::default();
    if let Some(held) = headers.message("request") {
        let request = held.checked(HEADER_OPERATIONS);
        ops.host = host(&request);
        ops.request = changes(&request);
    }
    if let Some(held) = headers.message("response") {
        ops.response = changes(&held.checked(HEADER_OPERATIONS));
    }
    (ops != HeaderOps::default()).then(|| Box::new(ops))
}

/// `Host` and `:authority` are the host of the request; of `set` and `add` the first counts.
fn host(request: &Message<'_>) -> Option<Authority> {
    ["set", "add"].into_iter().find_map(|field| {
        let mut entries = request.text_entries(field).into_iter();
        let (name, value) = entries.find(|(name, _)| is_host(name))?;
        let authority = Authority::try_from(value).ok();
        if authority.is_none() {
            let at = request.at(&format!("{field}[{name}]"));
            request.fault(FieldError::invalid(at, value, "must be `host` or `host:port`"));
        }
        authority
    })
}

fn changes(operations: &Message<'_>) -> HeaderChanges {
    let mut remove = Vec::new();
    for (index, name) in operations.texts("remove").into_iter().enumerate() {
        // `isInternalHeader`: what is no header stays.
        if !is_internal(name) {
            remove.extend(header_name(operations, &format!("remove[{index}]"), name));
        }
    }
    HeaderChanges { remove, set: values(operations, "set"), add: values(operations, "add") }
}

fn values(operations: &Message<'_>, field: &str) -> Vec<(HeaderName, HeaderValue)> {
    let mut values = Vec::new();
    // In the order of the names (`route.go`, `translateAppendHeaders`).
    let mut entries = operations.text_entries(field);
    entries.sort_unstable();
    for (name, value) in entries.into_iter().filter(|(name, _)| !is_internal(name)) {
        let at = format!("{field}[{name}]");
        let Some(name) = header_name(operations, &at, name) else { continue };
        if value.contains('%') {
            operations.unsupported(&at, "Envoy's `%VARIABLES%` are not filled in: the text is sent as it is");
        }
        match HeaderValue::from_str(value) {
            Ok(value) => values.push((name, value)),
            Err(_) => {
                let detail = "must be printable, without line ends";
                operations.fault(FieldError::invalid(operations.at(&at), value, detail));
            }
        }
    }
    values
}

fn header_name(operations: &Message<'_>, at: &str, name: &str) -> Option<HeaderName> {
    let parsed = HeaderName::try_from(name).ok();
    if parsed.is_none() {
        operations.fault(FieldError::invalid(operations.at(at), name, "must be the name of a header"));
    }
    parsed
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name == ":authority"
}

fn is_internal(name: &str) -> bool {
    name.starts_with(':') || is_host(name)
}

fn rewrite(rewrite: &Message<'_>) -> Option<Rewrite> {
    let regex = rewrite.message("uriRegexRewrite");
    if rewrite.has("uri") && regex.is_some() {
        let detail = "may not be given together with `uri`";
        rewrite.fault(FieldError::forbidden(rewrite.at("uriRegexRewrite"), detail));
    }
    let uri = rewrite.text("uri").filter(|uri| !uri.is_empty()).map(|uri| UriRewrite::Matched(uri.into()));
    let uri = uri.or_else(|| regex.and_then(|held| uri_regex(&held.get())));
    let authority = rewrite.text("authority").filter(|it| !it.is_empty()).and_then(|text| {
        let authority = Authority::try_from(text).ok();
        if authority.is_none() {
            let detail = "must be `host` or `host:port`";
            rewrite.fault(FieldError::invalid(rewrite.at("authority"), text, detail));
        }
        authority
    });
    if uri.is_none() && authority.is_none() {
        if !["uri", "uriRegexRewrite", "authority"].iter().any(|name| rewrite.has(name)) {
            let detail = "rewrite must specify at least one of uri, authority, or uriRegexRewrite";
            rewrite.fault(FieldError::required(rewrite.at(""), detail));
        }
        return None;
    }
    Some(Rewrite { uri, authority })
}

fn uri_regex(rewrite: &Message<'_>) -> Option<UriRewrite> {
    let (pattern, to) = (rewrite.text("match").unwrap_or_default(), rewrite.text("rewrite"));
    let Some(to) = to.filter(|_| !pattern.is_empty()) else {
        rewrite.fault(FieldError::required(
            rewrite.at("match"),
            "uriRegexRewrite requires both match and rewrite",
        ));
        return None;
    };
    match Pattern::anywhere(pattern) {
        Ok(pattern) => Some(UriRewrite::regex(pattern, to)),
        Err(error) => {
            rewrite.fault(FieldError::invalid(rewrite.at("match"), pattern, error.to_string()));
            None
        }
    }
}
