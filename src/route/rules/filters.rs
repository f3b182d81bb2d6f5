//! What a rule changes about a request and its response.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::rewrite::Rewrite;

/// What is changed about a request before it is sent, and about its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Headers of both. Boxed, as most rules change none.
    pub headers: Option<Box<HeaderOps>>,
    /// The request's target and host.
    pub rewrite: Option<Rewrite>,
}

/// Changes of headers, of requests and of responses (`Headers`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderOps {
    /// To requests.
    pub request: HeaderChanges,
    /// To responses.
    pub response: HeaderChanges,
    /// The host that a `set` or `add` of `host` or `:authority` asks for.
    pub host: Option<http::uri::Authority>,
}

/// In Envoy's order (`header_parser.cc`): what is removed, what is set, what is added; each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Names that are taken away.
    pub remove: Vec<HeaderName>,
    /// Values that replace all there are.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Values that come after those that are there.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

// === impl HeaderChanges ===

impl HeaderChanges {
    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let Self { remove, set, add } = self;
        for name in remove {
            headers.remove(name);
        }
        for (name, value) in set {
            headers.insert(name, value.clone());
        }
        for (name, value) in add {
            headers.append(name, value.clone());
        }
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { remove, set, add } = self;
        remove.is_empty() && set.is_empty() && add.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_was_removed_before_and_what_is_added_comes_last() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("1"));
        headers.append("a", HeaderValue::from_static("2"));
        headers.append("b", HeaderValue::from_static("1"));
        let name = HeaderName::from_static;
        let changes = HeaderChanges {
            remove: vec![name("a"), name("b")],
            set: vec![(name("a"), HeaderValue::from_static("3"))],
            add: vec![(name("a"), HeaderValue::from_static("4"))],
        };
        changes.apply(&mut headers);
        let all: Vec<_> = headers.get_all("a").iter().collect();
        assert_eq!(all, ["3", "4"]);
        assert!(!headers.contains_key("b"));
    }
}
