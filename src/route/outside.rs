//! Verdicts for hosts that no Service and no rule has, where the caller may go outside: a private
//! pod's egress. Where such a host is, is found out by whoever sends.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::verdict::{Endpoint, Outcome, Reason, ServicePort, Verdict};
use crate::wire::Wire;

/// Whether an address outside may be asked for through an egress: not what means the asker itself, or
/// this machine alone (RFC 6890; 169.254.169.254 gives out a cloud machine's credentials).
#[must_use]
pub fn is_outside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            !(v4.is_loopback()
                || v4.is_unspecified()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast())
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast())
        }
    }
}

// === impl Verdict ===

impl Verdict {
    /// The same for a host outside, which is at this address. A key is not written into what leaves: it
    /// means nothing there.
    #[must_use]
    pub fn outside(self, host: &str, address: SocketAddr) -> Self {
        let host: Arc<str> = host.into();
        let backends = Arc::new([Endpoint { address, pod: host.clone(), workload: host.clone() }]);
        let service =
            ServicePort { namespace: "".into(), name: host, port: address.port(), wire: Wire::Auto };
        Self {
            service: Some(Arc::new(service)),
            wants_injection: false,
            reason: Reason::Outside,
            outcome: Outcome::Forward { backends },
            ..self
        }
    }

    /// The same for a host outside whose name has no address.
    #[must_use]
    pub fn not_found_outside(self, host: &str) -> Self {
        self.refused(Reason::UnresolvedHost, host)
    }

    /// The same for a host whose addresses are not [outside](is_outside).
    #[must_use]
    pub fn not_outside(self, host: &str) -> Self {
        self.refused(Reason::NotOutside, host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_this_machine_is_not_outside() {
        let check = |address: &str, wanted| {
            assert_eq!(is_outside(address.parse().unwrap()), wanted, "{address}");
        };
        for address in ["93.184.216.34", "10.0.0.7", "192.168.1.1", "2606:2800:220:1::1"] {
            check(address, true);
        }
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            check(address, false);
        }
    }
}
