//! Subnets and addresses in them. Pure.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network: `10.213.4.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: u32,
    prefix_len: u32,
}

// === impl Subnet ===

impl Subnet {
    /// The network that an address and a length name; bits behind the length do not count. `None`
    /// for a length above 32.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix_len: u32) -> Option<Self> {
        let mask = mask(prefix_len)?;
        Some(Self { base: address.to_bits() & mask, prefix_len })
    }

    /// Whether an address is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix_len.min(other.prefix_len);
        let mask = mask(shorter).unwrap_or(u32::MAX);
        self.base & mask == other.base & mask
    }

    /// The first address, which the engine's bridge gets on this machine.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + 1)
    }

    /// The addresses that containers may have: neither network, gateway nor broadcast.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = u32::MAX.checked_shr(self.prefix_len).unwrap_or(0);
        (2..size).map(move |nth| Ipv4Addr::from_bits(self.base + nth))
    }

    /// The same from the last to the first.
    pub fn hosts_from_the_end(self) -> impl Iterator<Item = Ipv4Addr> {
        let size = u32::MAX.checked_shr(self.prefix_len).unwrap_or(0);
        (2..size).rev().map(move |nth| Ipv4Addr::from_bits(self.base + nth))
    }

    /// How many bits name the network.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        // It is 32 at most.
        u8::try_from(self.prefix_len).unwrap_or(32)
    }

    /// The networks of this length in it, in order.
    pub fn parts(self, prefix_len: u32) -> impl Iterator<Item = Self> {
        let n_parts = 1_u32.checked_shl(prefix_len.saturating_sub(self.prefix_len)).unwrap_or(0);
        let n_parts = if (self.prefix_len..=30).contains(&prefix_len) { n_parts } else { 0 };
        (0..n_parts).map(move |nth| Self { base: self.base + (nth << (32 - prefix_len)), prefix_len })
    }

    /// The first of those that overlaps nothing that is taken.
    #[must_use]
    pub fn free_part(self, prefix_len: u32, taken: &[Self]) -> Option<Self> {
        self.parts(prefix_len).find(|part| !taken.iter().any(|other| other.overlaps(*part)))
    }
}

/// `None` for a length above 32.
fn mask(prefix_len: u32) -> Option<u32> {
    match prefix_len {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - prefix_len)),
        _ => None,
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix_len)
    }
}

/// It is no `address/length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no IPv4 network such as `10.213.0.0/16`")]
pub struct NoSubnet;

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, NoSubnet> {
        let (address, prefix_len) = text.split_once('/').ok_or(NoSubnet)?;
        let (address, prefix_len) =
            (address.parse().map_err(|_| NoSubnet)?, prefix_len.parse().map_err(|_| NoSubnet)?);
        Self::new(address, prefix_len).ok_or(NoSubnet)
    }
}

/// The networks that this machine has routes to, but for the way to everywhere, from the text of
/// `/proc/net/route` (proc_pid_net(5): destination and mask in hexadecimal, little-endian).
pub(super) fn routed(table: &str) -> Vec<Subnet> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    let rows = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        Subnet::new(Ipv4Addr::from_bits(destination), mask.count_ones()).filter(|_| mask != 0)
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_written() {
        assert_eq!(subnet("10.213.4.77/24").to_string(), "10.213.4.0/24");
        assert_eq!(subnet("0.0.0.0/0").to_string(), "0.0.0.0/0");
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::1/64", "10.0.0.0/-1"] {
            assert_eq!(wrong.parse::<Subnet>(), Err(NoSubnet), "{wrong}");
        }
        assert_eq!(subnet("10.213.4.0/24").gateway(), Ipv4Addr::new(10, 213, 4, 1));
        let hosts: Vec<_> = subnet("10.213.4.0/29").hosts().collect();
        assert_eq!(hosts, [2, 3, 4, 5, 6].map(|last| Ipv4Addr::new(10, 213, 4, last)));
        assert_eq!(subnet("10.213.4.0/24").hosts().count(), 253);
        assert_eq!(subnet("10.213.4.1/32").hosts().count(), 0);
    }

    #[test]
    fn the_first_network_that_overlaps_nothing_is_taken() {
        let range = subnet("10.213.0.0/16");
        assert_eq!(range.parts(24).count(), 256);
        assert_eq!(range.free_part(24, &[]), Some(subnet("10.213.0.0/24")));
        let taken = ["10.213.0.0/23", "10.213.2.128/25", "172.17.0.0/16"].map(subnet);
        assert_eq!(range.free_part(24, &taken), Some(subnet("10.213.3.0/24")));
        assert_eq!(range.free_part(24, &[subnet("10.0.0.0/8")]), None);
        assert_eq!(range.free_part(8, &[]), None);
        assert_eq!(range.free_part(31, &[]), None);
    }

    #[test]
    fn the_machines_routes_are_networks() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(routed(table), [subnet("192.0.2.0/24")]);
        assert_eq!(routed(""), []);
    }
}
