//! Whose word about where a request comes from, and where it wants to go, counts.

use std::net::IpAddr;

use spur_net::Caller;

/// Addresses of one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    n_bits: u8,
}

/// Not `ADDRESS/BITS`, or more bits than the address has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.0.0.0/8 or fd00::/8")]
pub struct NoNetwork(String);

/// The networks that are trusted where nothing is said: this machine.
pub(crate) const LOOPBACK: [Network; 2] = [
    Network { address: IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)), n_bits: 8 },
    Network { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), n_bits: 128 },
];

/// Whether a client's routing keys and `x-forwarded-*` are believed: pods of ours always, others
/// by their address.
pub(crate) fn is_trusted(caller: Option<&Caller>, peer: IpAddr, networks: &[Network]) -> bool {
    caller.is_some() || networks.iter().any(|network| network.contains(peer))
}

// === impl Network ===

impl Network {
    /// Whether the address lies in it; an IPv4 address may come mapped into IPv6
    /// (RFC 4291, section 2.5.5.2).
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(32 - u32::from(self.n_bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - u32::from(self.n_bits)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let no_network = || NoNetwork(text.to_owned());
        let (address, n_bits) = text.split_once('/').ok_or_else(no_network)?;
        let address: IpAddr = address.parse().map_err(|_| no_network())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let n_bits = n_bits.parse().ok().filter(|n_bits| *n_bits <= most).ok_or_else(no_network)?;
        Ok(Self { address, n_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, address: &str, wanted: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), wanted, "{address} in {network:?}");
    }

    #[test]
    fn a_network_contains_what_shares_its_bits() {
        check("10.1.0.0/16", "10.1.255.255", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.2.3/32", "10.1.2.2", false);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "fe80::1", true);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe00::1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
    }

    #[test]
    fn what_is_no_network_is_said() {
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/", "10.0.0.0/-1"] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn this_machine_and_pods_of_ours_are_trusted() {
        let pod = Caller {
            namespace: "a".into(),
            workload: "b".into(),
            pod: "c".into(),
            labels: Default::default(),
            sandbox: None,
        };
        let far = "192.0.2.1".parse().unwrap();
        assert!(is_trusted(None, "127.0.0.1".parse().unwrap(), &LOOPBACK));
        assert!(is_trusted(None, "::1".parse().unwrap(), &LOOPBACK));
        assert!(!is_trusted(None, far, &LOOPBACK));
        assert!(is_trusted(Some(&pod), far, &LOOPBACK));
        assert!(!is_trusted(None, "127.0.0.1".parse().unwrap(), &[]));
    }
}
