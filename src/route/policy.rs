//! What a DestinationRule says about traffic to a Service: how endpoints are chosen, how many
//! connections there may be, when an endpoint is left out, and what is spoken.
//!
//! Plain data with Istio's defaults; obeying it is left to `proxy`.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/destination-rule/>.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::credential::{Credential, Credentials};

/// Everything about one destination. What is `None` is Istio's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How endpoints are chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be.
    pub connection_pool: Option<ConnectionPool>,
    /// When endpoints are left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// What is spoken.
    pub tls: Option<UpstreamTls>,
}

/// How endpoints are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoadBalancer {
    /// The one of two, drawn at random, that has fewer requests (`LEAST_REQUEST`, the default).
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The same one for the same key, and for most keys also when others come and go.
    ConsistentHash(HashKey),
}

/// What makes requests go to the same endpoint. Without it (no such header) any takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// A header.
    Header(HeaderName),
    /// A cookie, which the client is given where it has none and `ttl` is said.
    Cookie(HashCookie),
    /// The address of the caller.
    SourceIp,
    /// A query parameter.
    QueryParameter(Box<str>),
}

/// A cookie that keeps a client at its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCookie {
    /// Its name.
    pub name: Box<str>,
    /// Its path.
    pub path: Option<Box<str>>,
    /// How long it lasts; zero: as long as the browser's session. `None`: it is never given.
    pub ttl: Option<Duration>,
}

/// Bounds over all of the proxy's workers, for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPool {
    /// Connections to all endpoints; for TCP, and for HTTP/1.1 requests at once.
    pub connections_max: u32,
    /// For the connection.
    pub connect_timeout: Option<Duration>,
    /// A connection without bytes is closed after this long; zero: never. `None`: 1 h.
    pub tcp_idle_timeout: Option<Duration>,
    /// A connection is closed so long after it was made, one for HTTP when its requests have ended.
    /// `None`: never for that.
    pub connection_duration_max: Option<Duration>,
    /// Requests that wait for a connection.
    pub pending_max: u32,
    /// Requests at once.
    pub requests_max: u32,
    /// Requests after which a connection is closed; 0: none, 1: no keep-alive.
    pub requests_per_connection: u32,
    /// Retries at once.
    pub retries_max: u32,
    /// An unused connection is closed after this long. `None`: the pool's own time.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/2 is spoken whatever the port says (`h2UpgradePolicy: UPGRADE`).
    pub upgrades_to_h2: bool,
}

/// When an endpoint is left out, by Envoy's algorithm (`outlier.rst`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// 5xx in a row; 0: off.
    pub consecutive_5xx: u32,
    /// 502, 503, 504 in a row; 0: off.
    pub consecutive_gateway: u32,
    /// Failed connections in a row, where they are counted by themselves; `None`: they count as 5xx.
    pub consecutive_local: Option<u32>,
    /// How often it is looked whether an endpoint may come back.
    pub interval: Duration,
    /// The first time out; the nth time in a row is n times as long, 300 s at most.
    pub base_ejection_time: Duration,
    /// How much of all endpoints may be out at once; one may always be.
    pub max_ejection_percent: u32,
    /// With a smaller share of endpoints in, all count as in. 0: never.
    pub min_health_percent: u32,
}

/// TLS with an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// The name that is asked for; `None`: the host of the request.
    pub sni: Option<Arc<str>>,
    /// Names one of which the certificate has to have; empty: `sni`.
    pub subject_alt_names: Vec<Arc<str>>,
    /// Whether a certificate of ours is shown (`MUTUAL`): that of the Secret.
    pub is_mutual: bool,
    /// A Secret beside the DestinationRule; `None`: the authorities of the system are trusted.
    pub credential: Option<Arc<str>>,
    /// What the Secret holds: looked up when the table is made. `None`: it is not there.
    pub held: Option<Credential>,
    /// Whether any certificate is taken (`insecureSkipVerify`).
    pub skips_verification: bool,
}

// === impl Policy ===

impl Policy {
    /// This policy, block by block, over `base` (a subset's over its host's).
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let Self { load_balancer, connection_pool, outlier_detection, tls } = self;
        Self {
            load_balancer: load_balancer.clone().or_else(|| base.load_balancer.clone()),
            connection_pool: connection_pool.clone().or_else(|| base.connection_pool.clone()),
            outlier_detection: outlier_detection.clone().or_else(|| base.outlier_detection.clone()),
            tls: tls.clone().or_else(|| base.tls.clone()),
        }
    }

    /// Looks up what the Secret of its TLS holds, which stands in this namespace.
    pub(crate) fn look_up(&mut self, credentials: &Credentials, namespace: &str) {
        if let Some(tls) = &mut self.tls {
            tls.held = tls.credential.as_deref().and_then(|name| credentials.get(namespace, name));
        }
    }
}

// === impl ConnectionPool ===

impl Default for ConnectionPool {
    fn default() -> Self {
        Self {
            connections_max: u32::MAX,
            connect_timeout: None,
            tcp_idle_timeout: None,
            connection_duration_max: None,
            pending_max: u32::MAX,
            requests_max: u32::MAX,
            requests_per_connection: 0,
            retries_max: u32::MAX,
            idle_timeout: None,
            upgrades_to_h2: false,
        }
    }
}

// === impl OutlierDetection ===

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway: 0,
            consecutive_local: None,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 10,
            min_health_percent: 0,
        }
    }
}
