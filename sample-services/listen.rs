//! Where a service listens: on loopback, and in a pod of a real cluster on the
//! pod's own address, where the kubelet and other pods look for it. Never on the
//! wildcard address, which on a laptop is the whole network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::settings::{SettingError, Settings};

/// Where `PORT` is not set: the containerPort of the demo's manifests.
const PORT_DEFAULT: u16 = 8080;

/// The address to bind; `port` beats `PORT`, and 0 asks for a free one.
pub(crate) fn address(settings: &Settings, port: Option<u16>) -> Result<SocketAddr, SettingError> {
    let port = match port {
        Some(port) => port,
        None => settings.number("PORT", 0..=u16::MAX, PORT_DEFAULT)?,
    };
    let host = settings.cluster().and_then(address_towards).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Ok(SocketAddr::new(host, port))
}

/// This machine's own address on the route to `peer`; the socket is only asked,
/// nothing is sent.
fn address_towards(peer: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = match peer {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // The port is of no meaning for the route; 443 is the API server's.
    socket.connect((peer, 443)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vars: &[(&str, &str)], port: Option<u16>, expected: &str) {
        let settings: Settings = vars.iter().copied().collect();
        let found = match address(&settings, port) {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{vars:?} {port:?}");
    }

    #[test]
    fn the_flag_beats_the_variable_beats_the_default() {
        check(&[], None, "127.0.0.1:8080");
        check(&[("PORT", "41")], None, "127.0.0.1:41");
        check(&[("PORT", "41")], Some(0), "127.0.0.1:0");
        check(&[("PORT", "http")], None, "`PORT`: found `http`, wanted a number from 0 to 65535");
    }

    #[test]
    fn an_api_server_on_loopback_is_no_cluster() {
        check(&[("KUBERNETES_SERVICE_HOST", "127.0.0.1")], None, "127.0.0.1:8080");
    }

    #[test]
    fn the_route_to_a_peer_has_an_address_of_ours() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(address_towards(loopback), Some(loopback));
    }
}
