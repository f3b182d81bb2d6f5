//! Which of the endpoints takes a request.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};
use spur_route::policy::{HashKey, LoadBalancer};

use super::{Candidates, Cluster};

/// What a hash may be made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashInput<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) target: &'a PathAndQuery,
    pub(crate) peer: IpAddr,
}

/// One of `candidates`; `None` where there is none.
pub(super) fn choose(
    balancer: &LoadBalancer,
    candidates: &Candidates,
    hash: Option<u64>,
    cluster: &Cluster,
) -> Option<usize> {
    let n = candidates.len();
    if n < 2 {
        return candidates.iter().next();
    }
    let any = || candidates.at(rand::random_range(0..n));
    Some(match (balancer, hash) {
        // The endpoint whose hash with the key is the highest (rendezvous hashing, Thaler and
        // Ravishankar 1998): when one comes or goes, only its own keys move.
        (LoadBalancer::ConsistentHash(_), Some(hash)) => {
            candidates.iter().max_by_key(|index| hash_of(&(hash, cluster.endpoints[*index].address)))?
        }
        // Without a key any takes it.
        (LoadBalancer::ConsistentHash(_), None) | (LoadBalancer::Random, _) => any(),
        (LoadBalancer::RoundRobin, _) => candidates.at(cluster.next_turn() % n),
        // The better of two (Envoy, `load_balancers.rst`). The first is drawn in turn instead of at
        // random, so that with little to do every endpoint gets its share.
        (LoadBalancer::LeastRequest, _) => {
            let first = candidates.at(cluster.next_turn() % n);
            let second = any();
            let n_active = |index: usize| cluster.endpoints[index].n_active.get();
            if n_active(second) < n_active(first) { second } else { first }
        }
    })
}

/// The hash of what keeps a client at its endpoint; `None` where the request has no such thing.
pub(crate) fn hash_key(key: &HashKey, input: HashInput<'_>) -> Option<u64> {
    let HashInput { headers, target, peer } = input;
    match key {
        HashKey::Header(name) => headers.get(name).map(|value| hash_of(&value.as_bytes())),
        HashKey::Cookie(wanted) => cookie(headers, &wanted.name).map(|value| hash_of(&value)),
        HashKey::SourceIp => Some(hash_of(&peer)),
        HashKey::QueryParameter(name) => {
            let pairs = target.query()?.split('&');
            let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(found, _)| *found == &**name).map(|(_, value)| hash_of(&value.as_bytes()))
        }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let fields = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let mut pairs = fields.flat_map(|field| field.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The same on every worker and at every start: `DefaultHasher::new` has fixed keys.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
