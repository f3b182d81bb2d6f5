//! A wire between two namespaces, and routes.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Result;

use super::{AF_INET, NLM_F_CREATE, NLM_F_EXCL, RTM_NEWLINK, ask, link_body};

/// `linux/rtnetlink.h`, `linux/if_link.h` and `linux/veth.h`.
const RTM_NEWROUTE: u16 = 24;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;

/// Makes two interfaces that are the ends of one wire (veth(4)): `here` in the caller's namespace,
/// `there` in another.
///
/// # Errors
/// The kernel's answer: [`rustix::io::Errno::OPNOTSUPP`] where it has no such interfaces.
pub(crate) fn add_wire(here: &str, (there, namespace): (&str, impl AsFd)) -> Result<()> {
    let body = wire_body(here, there, namespace.as_fd().as_raw_fd());
    ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body)
}

/// What goes to this network leaves by an interface, and comes `from` this address.
///
/// # Errors
/// The kernel's answer: [`rustix::io::Errno::EXIST`] where there is such a route.
pub(crate) fn add_route(interface: u32, (network, prefix_len): (Ipv4Addr, u8), from: Ipv4Addr) -> Result<()> {
    ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route_body(interface, (network, prefix_len), from))
}

fn wire_body(here: &str, there: &str, namespace: i32) -> Vec<u8> {
    let mut peer = link_body(0, 0);
    peer.extend(name(there));
    peer.extend(attribute(IFLA_NET_NS_FD, &namespace.to_ne_bytes()));
    let data = attribute(IFLA_INFO_DATA, &attribute(VETH_INFO_PEER, &peer));
    let info = [attribute(IFLA_INFO_KIND, b"veth"), data].concat();
    let mut body = link_body(0, 0);
    body.extend(name(here));
    body.extend(attribute(IFLA_LINKINFO, &info));
    body
}

/// `rtmsg`: family, prefixes of destination and source, type of service, table, who made it, scope,
/// type, flags.
fn route_body(interface: u32, (network, prefix_len): (Ipv4Addr, u8), from: Ipv4Addr) -> Vec<u8> {
    let table = [RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST];
    let mut body = vec![AF_INET, prefix_len, 0, 0];
    body.extend(table);
    body.extend([0; 4]);
    body.extend(attribute(RTA_DST, &network.octets()));
    body.extend(attribute(RTA_OIF, &interface.to_ne_bytes()));
    body.extend(attribute(RTA_PREFSRC, &from.octets()));
    body
}

/// Names end with a zero byte.
fn name(of: &str) -> Vec<u8> {
    attribute(IFLA_IFNAME, &[of.as_bytes(), &[0]].concat())
}

/// `rtattr`: the length without what fills it up to a multiple of four, the type, the value.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let n_bytes = u16::try_from(4 + value.len()).expect("values have 80 bytes at most");
    let mut attribute = n_bytes.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_value_is_filled_up_and_its_length_is_its_own() {
        assert_eq!(attribute(IFLA_IFNAME, b"pod\0"), [8, 0, 3, 0, b'p', b'o', b'd', 0]);
        assert_eq!(attribute(IFLA_IFNAME, b"eth0\0"), [9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_route_is_as_the_kernel_reads_it() {
        let found = route_body(7, (Ipv4Addr::new(10, 96, 0, 0), 16), Ipv4Addr::new(10, 211, 0, 2));
        let expected = [
            &[2, 16, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0][..],
            &[8, 0, 1, 0, 10, 96, 0, 0],
            &[8, 0, 4, 0, 7, 0, 0, 0],
            &[8, 0, 7, 0, 10, 211, 0, 2],
        ];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn a_wire_that_leads_nowhere_is_an_error_of_the_kernel() {
        // Without the right to make interfaces the kernel says so first.
        let nowhere = std::fs::File::open("/dev/null").unwrap();
        assert!(add_wire("spur-test", ("spur-test-2", &nowhere)).is_err());
    }
}
