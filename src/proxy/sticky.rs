//! What keeps a client at its endpoint, and the cookie that it is given for it.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue};
use spur_route::policy::{HashCookie, HashKey, LoadBalancer};

use crate::{
    cluster::{Cluster, HashInput, hash_key, hash_of},
    connection::Client,
    sanitise::Clean,
};

/// The hash of a request, where its destination hashes.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    pub(crate) hash: Option<u64>,
    /// For a client that has none yet.
    pub(crate) cookie: Option<HeaderValue>,
}

// === impl Sticky ===

impl Sticky {
    pub(crate) fn of(
        cluster: Option<&Cluster>,
        client: &Client,
        (headers, clean): (&HeaderMap, &Clean),
    ) -> Self {
        let Some(LoadBalancer::ConsistentHash(key)) = cluster.map(Cluster::load_balancer) else {
            return Self::default();
        };
        let input = HashInput { headers, target: &clean.target, peer: client.peer.ip() };
        if let Some(hash) = hash_key(key, input) {
            return Self { hash: Some(hash), cookie: None };
        }
        match key {
            HashKey::Cookie(wanted) => Self::with_new_cookie(wanted),
            HashKey::Header(_) | HashKey::SourceIp | HashKey::QueryParameter(_) => Self::default(),
        }
    }

    /// Without a time to live no cookie is made (`DestinationRule`, `httpCookie.ttl`).
    fn with_new_cookie(wanted: &HashCookie) -> Self {
        let Some(ttl) = wanted.ttl else { return Self::default() };
        let value = format!("{:016x}", rand::random::<u64>());
        let mut text = format!("{}={value}", wanted.name);
        if !ttl.is_zero() {
            let _infallible = write!(text, "; Max-Age={}", ttl.as_secs());
        }
        if let Some(path) = &wanted.path {
            let _infallible = write!(text, "; Path={path}");
        }
        text.push_str("; HttpOnly");
        Self { hash: Some(hash_of(&value.as_bytes())), cookie: HeaderValue::from_str(&text).ok() }
    }
}
