//! The conditions of a rule, and whether a request meets them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};

use super::string_match::{StringMatch, ValueMatch};

/// Conditions that all have to hold (`HTTPMatchRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMatch {
    /// `name`, for people.
    pub name: Option<Arc<str>>,
    /// The path.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
    /// The host, with or without its port.
    pub authority: Option<StringMatch>,
    /// Headers that have to be there.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Headers that may not be so.
    pub without_headers: Vec<(HeaderName, ValueMatch)>,
    /// Query parameters.
    pub query_params: Vec<QueryMatch>,
    /// The port that was asked for.
    pub port: Option<u16>,
    /// Labels of the calling workload.
    pub source_labels: Vec<(Box<str>, Box<str>)>,
    /// The namespace of the calling workload.
    pub source_namespace: Option<Arc<str>>,
    /// Gateways in the place of the VirtualService's own; empty: those.
    pub gateways: Vec<Arc<str>>,
}

/// A condition on the first query parameter of a name. It is compared as it stands, without
/// decoding, as Envoy does (`Http::Utility::QueryParamsMulti::parseQueryString`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// The parameter's name.
    pub name: Box<str>,
    /// What it has to be.
    pub value: ValueMatch,
}

/// A request as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The path, normalised.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// `http` or `https`, as the client spoke it.
    pub scheme: &'a str,
    /// The host with its port, in lower case.
    pub authority: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The port that was asked for: the Service's, or the gateway's.
    pub port: u16,
    /// The namespace of the caller.
    pub source_namespace: Option<&'a str>,
    /// The labels of the caller.
    pub source_labels: Option<&'a BTreeMap<String, String>>,
    /// `mesh`, or the gateways as `namespace/name`, by which it came.
    pub gateways: &'a [Arc<str>],
}

/// The first condition that does not hold: what it is about, what it wants, what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The field: `uri`, `headers[x-user]`.
    pub field: String,
    /// What the rule wants of it.
    pub wanted: String,
    /// What the request has; printed through the terminal sanitiser.
    pub found: Option<String>,
}

// === impl HttpMatch ===

impl HttpMatch {
    /// Whether every condition holds.
    #[must_use]
    pub fn holds(&self, request: &RequestView<'_>) -> bool {
        self.holds_but_for_uri(request)
            && self.uri.as_ref().is_none_or(|uri| uri.holds(request.path.as_bytes()))
    }

    /// The conditions beside the path's, the cheap ones first.
    pub(crate) fn holds_but_for_uri(&self, request: &RequestView<'_>) -> bool {
        let Self {
            name: _,
            uri: _,
            scheme,
            method,
            authority,
            headers,
            without_headers,
            query_params,
            port,
            source_labels,
            source_namespace,
            gateways,
        } = self;
        port.is_none_or(|port| port == request.port)
            && method.as_ref().is_none_or(|method| method.holds(request.method.as_str().as_bytes()))
            && headers.iter().all(|(name, wanted)| wanted.holds(request.header(name)))
            && without_headers.iter().all(|(name, unwanted)| unwanted.fails(request.header(name)))
            && query_params.iter().all(|wanted| wanted.value.holds(request.parameter(&wanted.name)))
            && scheme.as_ref().is_none_or(|scheme| scheme.holds(request.scheme.as_bytes()))
            && authority.as_ref().is_none_or(|wanted| request.has_authority(wanted))
            && source_namespace.as_deref().is_none_or(|wanted| request.source_namespace == Some(wanted))
            && source_labels.iter().all(|(name, wanted)| request.label(name) == Some(wanted))
            && (gateways.is_empty() || gateways.iter().any(|gateway| request.gateways.contains(gateway)))
    }

    /// Whether it holds for every request from everywhere (`IsCatchAllRoute` in Istio's `route.go`).
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        let Self { name: _, uri, .. } = self;
        uri.as_ref().is_none_or(StringMatch::holds_for_every_path)
            && *self == Self { name: self.name.clone(), uri: self.uri.clone(), ..Self::default() }
    }

    /// The first condition that does not hold, for people.
    #[must_use]
    pub fn why_not(&self, request: &RequestView<'_>) -> Option<WhyNot> {
        let text = |value: Option<Cow<'_, [u8]>>| value.map(|value| value.escape_ascii().to_string());
        let differs = |field: &str, wanted: String, found: Option<&str>| {
            Some(WhyNot { field: field.to_owned(), wanted, found: found.map(str::to_owned) })
        };
        if let Some(uri) = self.uri.as_ref().filter(|uri| !uri.holds(request.path.as_bytes())) {
            return differs("uri", uri.to_string(), Some(request.path));
        }
        if let Some(port) = self.port.filter(|port| *port != request.port) {
            return differs("port", port.to_string(), Some(&request.port.to_string()));
        }
        if let Some(method) = self.method.as_ref().filter(|it| !it.holds(request.method.as_str().as_bytes()))
        {
            return differs("method", method.to_string(), Some(request.method.as_str()));
        }
        if let Some((name, wanted)) = self.headers.iter().find(|(name, it)| !it.holds(request.header(name))) {
            let found = text(request.header(name));
            return differs(&format!("headers[{name}]"), wanted.to_string(), found.as_deref());
        }
        let unwanted = |(name, it): &&(HeaderName, ValueMatch)| !it.fails(request.header(name));
        if let Some((name, wanted)) = self.without_headers.iter().find(unwanted) {
            let found = text(request.header(name));
            return differs(&format!("withoutHeaders[{name}]"), format!("not {wanted}"), found.as_deref());
        }
        let unmet = |it: &&QueryMatch| !it.value.holds(request.parameter(&it.name));
        if let Some(wanted) = self.query_params.iter().find(unmet) {
            let found = text(request.parameter(&wanted.name));
            let field = format!("queryParams[{}]", wanted.name);
            return differs(&field, wanted.value.to_string(), found.as_deref());
        }
        if let Some(scheme) = self.scheme.as_ref().filter(|it| !it.holds(request.scheme.as_bytes())) {
            return differs("scheme", scheme.to_string(), Some(request.scheme));
        }
        if let Some(authority) = self.authority.as_ref().filter(|it| !request.has_authority(it)) {
            return differs("authority", authority.to_string(), Some(request.authority));
        }
        let wanted = self.source_namespace.as_deref();
        if let Some(wanted) = wanted.filter(|wanted| request.source_namespace != Some(wanted)) {
            return differs("sourceNamespace", format!("`{wanted}`"), request.source_namespace);
        }
        let unmet = |(name, wanted): &&(Box<str>, Box<str>)| request.label(name) != Some(wanted);
        if let Some((name, wanted)) = self.source_labels.iter().find(unmet) {
            return differs(&format!("sourceLabels[{name}]"), format!("`{wanted}`"), request.label(name));
        }
        if !self.gateways.is_empty() && !self.gateways.iter().any(|it| request.gateways.contains(it)) {
            return differs("gateways", self.gateways.join(", "), Some(&request.gateways.join(", ")));
        }
        None
    }
}

// === impl RequestView ===

impl RequestView<'_> {
    /// A header's value; of several fields their values, joined by commas (Envoy,
    /// `HeaderUtility::getAllOfHeaderAsString`).
    fn header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.as_bytes();
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        Some(joined)
    }

    fn parameter(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let pairs = self.query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.into_iter().find(|(found, _)| *found == name)?;
        Some(Cow::Borrowed(value.as_bytes()))
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.source_labels?.get(name).map(String::as_str)
    }

    /// Rules name hosts, clients hosts and ports.
    fn has_authority(&self, wanted: &StringMatch) -> bool {
        let host = self.authority.rsplit_once(':').map_or(self.authority, |(host, _)| host);
        wanted.holds(self.authority.as_bytes()) || wanted.holds(host.as_bytes())
    }
}

// === impl WhyNot ===

impl std::fmt::Display for WhyNot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, wanted, found } = self;
        match found {
            Some(found) => write!(f, "{field} is `{found}`, want {wanted}"),
            None => write!(f, "{field} is absent, want {wanted}"),
        }
    }
}
