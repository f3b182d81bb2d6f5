//! HTTP rules in Istio's words: what a rule matches, and what it does with a request.
//!
//! ```text
//!  VirtualService ─► HttpRoute ─┬─ HttpMatch …        (one of them has to hold)
//!   hosts, gateways   (ordered) ├─ Action             forward by weight │ redirect │ respond
//!                               └─ Filters, timeout, retries
//! ```
//!
//! These are compiled rules: patterns are built, names resolved, values parsed. Reading them
//! from objects, and refusing what cannot be one, is left to whoever makes them (`control`);
//! which rule wins, to `virtual_host` and `decide`.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/virtual-service/>.

mod connection;
mod filters;
mod http_match;
mod redirect;
mod retries;
mod rewrite;
mod string_match;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::connection::{ConnectionMatch, ConnectionRoute, ConnectionRules, ConnectionView};
pub use self::filters::{Filters, HeaderChanges, HeaderOps};
pub use self::http_match::{HttpMatch, QueryMatch, RequestView, WhyNot};
pub(crate) use self::redirect::Redirected;
pub use self::redirect::{Redirect, RedirectPath, RedirectPort};
pub use self::retries::{Retries, RetryOn, RetryPolicy};
pub use self::rewrite::{Rewrite, UriRewrite};
pub use self::string_match::{PATTERN_MAX_LEN, Pattern, PatternError, StringMatch, ValueMatch};
use crate::verdict::Rule;

/// The word that stands for every workload of the mesh among `gateways`.
pub const MESH: &str = "mesh";

/// One rule for HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRoute {
    /// The object and the place in it that this rule is.
    pub rule: Arc<Rule>,
    /// One of them has to hold; none of them: every request.
    pub matches: Vec<HttpMatch>,
    /// What is done with a request.
    pub action: Action,
    /// What is changed about it and its response.
    pub filters: Filters,
    /// From the whole request to the whole response, retries included; `None`: as long as it takes.
    pub timeout: Option<Duration>,
    /// What is tried again.
    pub retries: Retries,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// One of these takes it.
    Forward(Vec<WeightedDestination>),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered at once.
    Respond(DirectResponse),
}

/// A place for requests, with its share of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedDestination {
    /// Where.
    pub to: DestinationRef,
    /// Its share is this over the sum of all. One alone takes everything.
    pub weight: u32,
    /// What is changed about requests that go here, and their responses. Boxed, as mostly nothing is.
    pub headers: Option<Box<HeaderOps>>,
}

/// A Service, and perhaps a port and a subset of it, as a rule names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRef {
    /// The namespace; empty where `name` is a host of a ServiceEntry.
    pub namespace: Arc<str>,
    /// The Service's name, or the host.
    pub name: Arc<str>,
    /// A subset of a DestinationRule.
    pub subset: Option<Arc<str>>,
    /// The port; `None`: the only one, or else the one that was asked for.
    pub port: Option<u16>,
}

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// The body; 1 MB at most (`pkg/config/validation`).
    pub body: Bytes,
}

// === impl HttpRoute ===

impl HttpRoute {
    /// Whether every request is matched, whatever it is and wherever it comes from.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        self.matches.is_empty() || self.matches.iter().any(HttpMatch::is_catch_all)
    }
}

// === impl DestinationRef ===

impl std::fmt::Display for DestinationRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, name, subset, port } = self;
        if !namespace.is_empty() {
            write!(f, "{namespace}/")?;
        }
        f.write_str(name)?;
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        match subset {
            Some(subset) => write!(f, " subset {subset}"),
            None => Ok(()),
        }
    }
}
