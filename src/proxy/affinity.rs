//! Which endpoint a client got last, of Services that keep clients there
//! (`sessionAffinity: ClientIP`).
//!
//! A client is the calling pod where it is known: pods of the shared process network all have one
//! address. Otherwise it is the address that the connection comes from. One that comes for the first
//! time, or after its time, gets the endpoint that its hash gives it.
//!
//! Source: <https://kubernetes.io/docs/reference/networking/virtual-ips/#session-affinity>; the time
//! begins anew with each connection or request, as kube-proxy has it (`recent --update`).

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use spur_net::Caller;
use spur_route::{Endpoint, ServicePort, Verdict, Version, Wire};
use tokio::time::Instant;

use crate::cluster::hash_of;

/// Clients that are remembered, of all Services: some 10 MB. Beyond them a client gets what its hash
/// gives it each time, which is the same for most when endpoints come and go.
const CLIENTS_MAX: usize = 65_536;

/// What all workers of a proxy remember.
#[derive(Debug, Default)]
pub(crate) struct Affinities {
    /// Held for a lookup and a change.
    known: Mutex<HashMap<Pair, Stay>>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A pod, by namespace and name.
    Pod(Arc<str>, Arc<str>),
    /// Anybody else.
    Address(IpAddr),
}

/// A client and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair {
    who: Who,
    namespace: Arc<str>,
    service: Arc<str>,
    port: u16,
    takes_datagrams: bool,
    /// The sandbox whose fork it is.
    sandbox: Option<Arc<str>>,
}

/// The endpoint that it got.
#[derive(Clone, Copy, Debug)]
struct Stay {
    endpoint: SocketAddr,
    until: Instant,
}

// === impl Affinities ===

impl Affinities {
    /// The place of the client's endpoint; `None` where any will do.
    pub(crate) fn choose(
        &self,
        verdict: &Verdict,
        (caller, address): (Option<&Caller>, IpAddr),
    ) -> Option<usize> {
        let timeout = verdict.affinity?;
        let backends = verdict.backends();
        if backends.len() < 2 {
            return None;
        }
        let pair = Pair::of(verdict.service.as_deref()?, &verdict.version, Who::of(caller, address));
        Some(self.stay(pair, backends, (timeout, Instant::now())))
    }

    fn stay(&self, pair: Pair, backends: &[Endpoint], (timeout, now): (Duration, Instant)) -> usize {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stay = known.get(&pair).filter(|stay| stay.until > now);
        let again = stay.and_then(|stay| backends.iter().position(|it| it.address == stay.endpoint));
        let place = again.unwrap_or_else(|| by_hash(&pair, backends));
        if known.len() >= CLIENTS_MAX && !known.contains_key(&pair) {
            known.retain(|_, stay| stay.until > now);
        }
        if known.len() < CLIENTS_MAX || known.contains_key(&pair) {
            known.insert(pair, Stay { endpoint: backends[place].address, until: now + timeout });
        }
        place
    }
}

/// The endpoint whose hash with the client is the highest (rendezvous hashing, as `cluster::balance`
/// has it).
fn by_hash(pair: &Pair, backends: &[Endpoint]) -> usize {
    let hash = |place: &usize| hash_of(&(pair, backends[*place].address));
    (0..backends.len()).max_by_key(hash).unwrap_or(0)
}

// === impl Who ===

impl Who {
    fn of(caller: Option<&Caller>, address: IpAddr) -> Self {
        match caller {
            Some(caller) => Self::Pod(caller.namespace.clone(), caller.pod.clone()),
            None => Self::Address(address),
        }
    }
}

// === impl Pair ===

impl Pair {
    fn of(port: &ServicePort, version: &Version, who: Who) -> Self {
        let sandbox = match version {
            Version::Baseline => None,
            Version::Sandbox(sandbox) => Some(sandbox.name.clone()),
        };
        Self {
            who,
            namespace: port.namespace.clone(),
            service: port.name.clone(),
            port: port.port,
            takes_datagrams: port.wire == Wire::Udp,
            sandbox,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn endpoints(ports: &[u16]) -> Vec<Endpoint> {
        let endpoint = |port: &u16| Endpoint {
            address: ([127, 0, 0, 1], *port).into(),
            pod: "a".into(),
            workload: "a".into(),
        };
        ports.iter().map(endpoint).collect()
    }

    fn pair(last: u16) -> Pair {
        let [high, low] = last.to_be_bytes();
        let port = ServicePort { namespace: "shop".into(), name: "web".into(), port: 80, wire: Wire::Auto };
        Pair::of(&port, &Version::Baseline, Who::Address([10, 0, high, low].into()))
    }

    #[test]
    fn a_client_stays_when_endpoints_come_until_its_time_is_over_or_its_endpoint_gone() {
        let affinities = Affinities::default();
        let begun = Instant::now();
        let few = endpoints(&[1, 2]);
        let many = endpoints(&[5, 4, 3, 2, 1]);
        let mut n_moved = 0;
        for client in 0..100 {
            let first = few[affinities.stay(pair(client), &few, (HOUR, begun))].address;
            let almost = begun + HOUR - Duration::from_secs(1);
            let second = many[affinities.stay(pair(client), &many, (HOUR, almost))].address;
            assert_eq!(first, second, "it stays");
            let later = almost + HOUR - Duration::from_secs(1);
            assert_eq!(many[affinities.stay(pair(client), &many, (HOUR, later))].address, first, "each time");
            let gone: Vec<_> = many.iter().filter(|it| it.address != first).cloned().collect();
            let other = gone[affinities.stay(pair(client), &gone, (HOUR, later))].address;
            assert_ne!(other, first);
            let over = later + HOUR;
            let at_last = many[affinities.stay(pair(client), &many, (HOUR, over))].address;
            n_moved += usize::from(at_last != first);
        }
        assert!(n_moved > 20, "after its time its hash decides again, among more: {n_moved}");
    }

    #[test]
    fn clients_are_spread_and_bounded() {
        let affinities = Affinities::default();
        let now = Instant::now();
        let all = endpoints(&[1, 2, 3]);
        let mut n_each = [0_usize; 3];
        for client in 0..3000 {
            n_each[affinities.stay(pair(client), &all, (HOUR, now))] += 1;
        }
        assert!(n_each.iter().all(|n| *n > 800), "{n_each:?}");
        let mut known = affinities.known.lock().unwrap();
        let stay = Stay { endpoint: all[0].address, until: now + HOUR };
        let filler = |n: u32| Pair { who: Who::Address(n.to_be_bytes().into()), ..pair(0) };
        known.extend((0..).map(|n| (filler(n), stay)).take(CLIENTS_MAX - 3000));
        drop(known);
        let place = affinities.stay(pair(9999), &all, (HOUR, now));
        assert_eq!(affinities.stay(pair(9999), &all, (HOUR, now)), place, "by its hash");
        assert_eq!(affinities.known.lock().unwrap().len(), CLIENTS_MAX);
        affinities.stay(pair(9998), &all, (HOUR, now + HOUR));
        assert_eq!(affinities.known.lock().unwrap().len(), 1, "whose time is over makes room");
    }
}
