//! A request in the words of a question to `/spur/v1/explain`.

use spur_trace::Hop;

use crate::query::encoded;

/// A recorded request in the words of a question: neither its host nor its headers are recorded but
/// for the key, so that it is asked for under the name of its service.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) from: Option<String>,
    pub(super) header: Option<String>,
}

// === impl Request ===

impl Request {
    pub(super) fn of(hop: &Hop) -> Option<Self> {
        let start = &hop.start;
        let target = start.target.as_ref()?.as_str();
        let host = match (&start.decision.service, &start.decision.asked) {
            (Some(service), _) if start.source.is_none() => {
                format!("{}.{}.localhost", service.name, service.namespace)
            }
            (Some(service), _) => format!("{}.{}:{}", service.name, service.namespace, service.port),
            (None, Some(asked)) => asked.to_string(),
            (None, None) => return None,
        };
        Some(Self {
            method: start.method.to_string(),
            url: format!("http://{host}{target}"),
            from: start.source.as_ref().map(|source| format!("{}/{}", source.namespace, source.workload)),
            header: hop.key().map(|key| format!("spur-key: {key}")),
        })
    }

    /// As `/spur/v1/explain` is asked, with these headers.
    pub(super) fn query<'a>(&self, headers: impl Iterator<Item = &'a str>) -> String {
        let pair = |name: &str, value: &str| format!("{name}={}", encoded(value));
        let mut pairs = vec![pair("method", &self.method), pair("url", &self.url)];
        pairs.extend(self.from.iter().map(|from| pair("from", from)));
        pairs.extend(headers.map(|header| pair("header", header)));
        pairs.join("&")
    }
}
