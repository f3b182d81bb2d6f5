//! Which interface gets addresses.

use std::net::Ipv4Addr;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use crate::netlink;
use crate::protocol::{Interface, Refusal};

/// Where the kernel lists the IPv4 routes of the reader's namespace: interface, destination,
/// gateway, four more columns, mask; the addresses in hexadecimal as they lie in memory (proc_net(5)).
const ROUTES: &str = "/proc/net/route";

// === impl Interface ===

impl Interface {
    /// Makes it ready for addresses and gives its index, by which the kernel knows it.
    pub(crate) fn prepare(&self) -> Result<u32, Refusal> {
        match self {
            Self::Named(name) => {
                let index = index(name)?;
                netlink::bring_up(index)
                    .map_err(|error| Refusal::new(format!("bring up interface `{name}`"), error))?;
                Ok(index)
            }
            Self::Of { address, prefix_len } => {
                let tried = || format!("find the interface of {address}/{prefix_len} in `{ROUTES}`");
                let Some(mask) = mask(*prefix_len) else { return Err(Refusal::new(tried(), Errno::INVAL)) };
                let routes = std::fs::read_to_string(ROUTES).map_err(|error| {
                    Refusal::new(tried(), Errno::from_io_error(&error).unwrap_or(Errno::IO))
                })?;
                let base = address.to_bits() & mask;
                let name = named(&routes, base, mask);
                let index = index(name.ok_or_else(|| Refusal::new(tried(), Errno::NODEV))?)?;
                let shared = hardware_address(base);
                match netlink::set_hardware_address(index, shared) {
                    // Such interfaces have that of the machine, which stays the same as well.
                    Ok(()) | Err(Errno::OPNOTSUPP) => Ok(index),
                    Err(error) => {
                        let tried =
                            format!("give the interface of {address}/{prefix_len} its hardware address");
                        Err(Refusal::new(tried, error))
                    }
                }
            }
        }
    }
}

/// The same for each holder of a network, one after the other: of those that anybody may give
/// (the second bit; IEEE 802), and not of Docker's, which begin with `02:42`.
fn hardware_address(base: u32) -> [u8; 6] {
    let [a, b, c, d] = base.to_be_bytes();
    [0x02, b'S', a, b, c, d]
}

/// By which the kernel knows an interface.
pub(crate) fn index(name: &str) -> Result<u32, Refusal> {
    let found = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .and_then(|any| netdevice::name_to_index(any, name));
    found.map_err(|error| Refusal::new(format!("find interface `{name}`"), error))
}

/// The mask of a prefix; `None` for one above 32.
fn mask(prefix_len: u8) -> Option<u32> {
    (prefix_len <= 32).then(|| u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0))
}

/// The interface with a route to exactly this network.
fn named(routes: &str, base: u32, mask: u32) -> Option<&str> {
    routes.lines().skip(1).find_map(|route| {
        let mut columns = route.split_whitespace();
        let name = columns.next()?;
        let destination = address(columns.next()?)?;
        let its_mask = address(columns.nth(5)?)?;
        (destination == base && its_mask == mask).then_some(name)
    })
}

fn address(column: &str) -> Option<u32> {
    let in_memory = u32::from_str_radix(column, 16).ok()?;
    Some(Ipv4Addr::from(in_memory.to_ne_bytes()).to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0104D50A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0004D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
broken\t0104
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_interface_is_the_one_with_exactly_that_route() {
        let check = |address: [u8; 4], prefix_len, expected| {
            let mask = mask(prefix_len).unwrap();
            let base = Ipv4Addr::from(address).to_bits() & mask;
            assert_eq!(named(ROUTES, base, mask), expected, "{address:?}/{prefix_len}");
        };
        check([10, 213, 4, 9], 24, Some("eth0"));
        check([10, 213, 9, 9], 16, Some("eth1"));
        check([10, 213, 5, 9], 24, None);
        check([0, 0, 0, 0], 0, Some("eth0"));
    }

    #[test]
    fn a_prefix_is_at_most_32_bits() {
        assert_eq!(
            (mask(0), mask(24), mask(32), mask(33)),
            (Some(0), Some(0xFFFF_FF00), Some(u32::MAX), None)
        );
    }
}
