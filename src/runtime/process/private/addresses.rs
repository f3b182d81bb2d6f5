//! Which addresses there are in private networks. Pure.
//!
//! None of them is seen outside. What is at the same addresses of the machine's own network is hidden:
//! Services' from private pods, which cannot leave their networks anyway, and pods' from the proxy and
//! probes, too (`spur_net::Dial`).

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Addresses of pods. Beside 10.212.0.0/14, which the Docker runtime takes, and outside of what
/// Kubernetes' tools take by default: Services' 10.96.0.0/12, kind's 10.244.0.0/16, k3s' 10.42.0.0/15.
pub const PRIVATE_NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 211, 0, 0), 16);

/// The machine's address in each of them.
pub(in crate::process) const HOST: Ipv4Addr = Ipv4Addr::new(10, 211, 0, 1);

/// Where each of them leads outside, at the port that such proxies have by custom (Squid's
/// `http_port`).
pub(super) const EGRESS: SocketAddrV4 = SocketAddrV4::new(HOST, 3128);

/// The range of Services' addresses, as the server gives them out (`cluster_addresses`).
const CLUSTER: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 96, 0, 0), 16);

/// Addresses of Services that have none of their own (`clusterIP: None`).
const HEADLESS: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 212, 0, 0), 16);

/// Where private pods reach Services.
pub(super) const SERVICES: [(Ipv4Addr, u8); 2] = [CLUSTER, HEADLESS];

/// The address of a pod: the same as often as nobody else has it, also after a restart of Spur.
pub(super) fn of_pod(uid: &str, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    // Of the 65,536 not the network itself, the host, nor the broadcast address.
    let n_hosts: u32 = 65_536 - 3;
    let first = u32::try_from(hasher.finish() % u64::from(n_hosts)).unwrap_or(0);
    let nth = |n: u32| Ipv4Addr::from_bits(HOST.to_bits() + 1 + (first + n) % n_hosts);
    (0..n_hosts).map(nth).find(|address| !taken.contains(address))
}

/// The address of a Service: its own, where that is one of Services and free.
pub(super) fn of_service(
    cluster_address: Option<Ipv4Addr>,
    is_free: impl Fn(&Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let is_of_cluster = |address: &Ipv4Addr| address.octets()[..2] == CLUSTER.0.octets()[..2];
    let first = HEADLESS.0.to_bits();
    let others = (first + 1..first + 65_535).map(Ipv4Addr::from_bits);
    cluster_address.filter(is_of_cluster).into_iter().chain(others).find(is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_keeps_its_address_and_shares_it_with_nobody() {
        let first = of_pod("uid-1", &BTreeSet::new()).unwrap();
        assert_eq!(of_pod("uid-1", &BTreeSet::new()), Some(first));
        let second = of_pod("uid-1", &BTreeSet::from([first])).unwrap();
        assert_ne!(first, second);
        let all: BTreeSet<_> =
            (2..65_535).map(|n| Ipv4Addr::from_bits(PRIVATE_NETWORK.0.to_bits() + n)).collect();
        assert!(all.contains(&first) && all.contains(&second));
        let last = all.iter().copied().find(|address| *address != first).unwrap();
        let but_one: BTreeSet<_> = all.iter().copied().filter(|address| *address != last).collect();
        assert_eq!(of_pod("uid-1", &but_one), Some(last));
        assert_eq!(of_pod("uid-1", &all), None);
    }

    #[test]
    fn a_service_has_its_cluster_address_where_there_is_one() {
        let check = |cluster: Option<[u8; 4]>, taken: Option<[u8; 4]>, wanted: [u8; 4]| {
            let taken = taken.map(Ipv4Addr::from);
            let found = of_service(cluster.map(Ipv4Addr::from), |address| Some(*address) != taken);
            assert_eq!(found, Some(wanted.into()), "{cluster:?}");
        };
        check(Some([10, 96, 4, 5]), None, [10, 96, 4, 5]);
        check(None, None, [10, 212, 0, 1]);
        check(None, Some([10, 212, 0, 1]), [10, 212, 0, 2]);
        // One that cannot be reached from inside, and one that another has.
        check(Some([172, 16, 0, 1]), None, [10, 212, 0, 1]);
        check(Some([10, 96, 4, 5]), Some([10, 96, 4, 5]), [10, 212, 0, 1]);
    }
}
