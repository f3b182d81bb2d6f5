//! Two responses to one request, and what is different about them.
//!
//! Of JSON the values are compared, wherever spaces are and whatever order names have; of other
//! text the lines; of other bytes that they differ and from where on. What differs between two
//! responses of the very same version (times, ids) is [`Noise`], and told apart.

mod body;

use std::collections::BTreeSet;
use std::fmt;

use http::HeaderMap;
use serde::{Serialize, Serializer};

use crate::capture::CapturedResponse;

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponsePart {
    /// The status.
    Status,
    /// A header.
    Header(String),
    /// A trailer.
    Trailer(String),
    /// A value in a JSON body, by its path: `.items[2].price`; `` of one that is no JSON.
    Value(String),
    /// The lines of a text, as a whole.
    Lines,
    /// The bytes of another body, as a whole.
    Bytes,
}

/// A part that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResponseDifference {
    /// Which.
    pub part: ResponsePart,
    /// How it is on the left; `None` where there is none.
    pub left: Option<String>,
    /// How it is on the right.
    pub right: Option<String>,
    /// Whether it differs from one time to the next anyway.
    #[serde(rename = "isNoise")]
    pub is_noise: bool,
}

/// What differs without a reason to look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noise(BTreeSet<ResponsePart>);

/// Headers that differ with every response, or follow from what is compared anyway: the time (RFC
/// 9110 6.6.1), its age (RFC 9111 5.1), and the length of a body (RFC 9110 8.6).
const NEVER_COMPARED: [&str; 3] = ["date", "age", "content-length"];

/// What differs, in the order status, headers, body, trailers.
#[must_use]
pub fn compare(left: &CapturedResponse, right: &CapturedResponse, noise: &Noise) -> Vec<ResponseDifference> {
    let mut found = Vec::new();
    if left.status != right.status {
        found.push((ResponsePart::Status, Some(left.status.to_string()), Some(right.status.to_string())));
    }
    fields(&left.headers, &right.headers, ResponsePart::Header, &mut found);
    body::compare(left, right, &mut found);
    fields(&left.trailers, &right.trailers, ResponsePart::Trailer, &mut found);
    let told = |(part, left, right): Found| {
        let is_noise = noise.0.iter().any(|noisy| noisy.covers(&part));
        ResponseDifference { part, left, right, is_noise }
    };
    found.into_iter().map(told).collect()
}

/// A part, and how it is on both sides.
type Found = (ResponsePart, Option<String>, Option<String>);

fn fields(left: &HeaderMap, right: &HeaderMap, part: fn(String) -> ResponsePart, found: &mut Vec<Found>) {
    let names: BTreeSet<&str> = left.keys().chain(right.keys()).map(http::HeaderName::as_str).collect();
    for name in names.into_iter().filter(|name| !NEVER_COMPARED.contains(name)) {
        let values = |headers: &HeaderMap| {
            let values: Vec<_> =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let (left, right) = (values(left), values(right));
        if left != right {
            found.push((part(name.to_owned()), left, right));
        }
    }
}

// === impl Noise ===

impl Noise {
    /// What differs among responses of one version to one request.
    #[must_use]
    pub fn among(responses: &[CapturedResponse]) -> Self {
        let none = Self::default();
        let pairs = responses.first().into_iter().flat_map(|first| {
            responses[1..].iter().flat_map(|other| compare(first, other, &none)).map(|found| found.part)
        });
        Self(pairs.collect())
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// === impl ResponsePart ===

impl ResponsePart {
    /// Whether another part is this one or inside of it.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(outer), Self::Value(inner)) => {
                let rest = inner.strip_prefix(outer.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for ResponsePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Trailer(name) => write!(f, "trailer {name}"),
            Self::Value(path) => write!(f, "body {path}"),
            Self::Lines | Self::Bytes => f.write_str("body"),
        }
    }
}

impl Serialize for ResponsePart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
