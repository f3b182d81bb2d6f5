//! Addresses of interfaces, by messages to the kernel (rtnetlink(7)).
//!
//! A few fixed messages of at most 100 bytes and one kind of answer: written by hand they are
//! shorter than what the crates for netlink want around them, which are asynchronous and bring an
//! encoder for every message there is. No program `ip` is in the holder's image.
//!
//! An address gets the prefix 32 and no route of its own: the interface has a route to the subnet
//! already, ARP answers for every local address, and the kernel takes away none of these when it
//! takes away another, as it does with the secondary addresses of one prefix.
//!
//! No gratuitous ARP is sent, which would take raw packets and the right to them. Instead the
//! interface gets a hardware address that every holder of the network has, so that what neighbours
//! remember of one is right for the next: with another a neighbour reached a Service only after
//! 69 s (`nc` in a container on Linux 6.18 in November 2026, the holder made anew).

mod wire;

use std::net::Ipv4Addr;

use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

pub(crate) use wire::{add_route, add_wire};

/// `linux/rtnetlink.h`, `linux/netlink.h`, `linux/if_addr.h` and `linux/if.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_ADDRESS: u16 = 1;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;

/// `nlmsghdr`: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;

/// Gives an interface an address.
///
/// # Errors
/// The kernel's answer: [`Errno::EXIST`] where it has it, [`Errno::PERM`] without `CAP_NET_ADMIN`.
pub(crate) fn add_address(interface: u32, address: Ipv4Addr) -> Result<()> {
    ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address_body(interface, address))
}

/// Takes an address away that [`add_address`] gave.
///
/// # Errors
/// The kernel's answer: [`Errno::ADDRNOTAVAIL`] where it has it not.
pub(crate) fn remove_address(interface: u32, address: Ipv4Addr) -> Result<()> {
    ask(RTM_DELADDR, 0, &address_body(interface, address))
}

/// Lets an interface carry packets: `lo` of a new namespace does not.
///
/// # Errors
/// The kernel's answer.
pub(crate) fn bring_up(interface: u32) -> Result<()> {
    ask(RTM_NEWLINK, 0, &link_body(interface, IFF_UP))
}

/// Gives an interface another hardware address.
///
/// # Errors
/// The kernel's answer: [`Errno::OPNOTSUPP`] where it cannot have another.
pub(crate) fn set_hardware_address(interface: u32, address: [u8; 6]) -> Result<()> {
    let mut body = link_body(interface, 0);
    body.extend_from_slice(&10_u16.to_ne_bytes());
    body.extend_from_slice(&IFLA_ADDRESS.to_ne_bytes());
    body.extend_from_slice(&address);
    // Attributes take a multiple of four bytes.
    body.extend_from_slice(&[0; 2]);
    ask(RTM_NEWLINK, 0, &body)
}

/// `ifinfomsg`: family, padding and type, index, flags that are set, which of them change.
fn link_body(interface: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    for word in [interface, flags, flags] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    body
}

/// `ifaddrmsg` (family, prefix, flags, scope, index), and the address twice: as the interface's own
/// and, since it is no end of a wire, as the other side's.
fn address_body(interface: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![AF_INET, 32, 0, 0];
    body.extend_from_slice(&interface.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        // Four bytes of head and four of the address.
        body.extend_from_slice(&8_u16.to_ne_bytes());
        body.extend_from_slice(&attribute.to_ne_bytes());
        body.extend_from_slice(&address.octets());
    }
    body
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let n_bytes = u32::try_from(HEADER_BYTES + body.len()).expect("bodies have 100 bytes at most");
    let mut message = n_bytes.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    // Sequence and port: one question is asked on a socket, and the kernel fills in who asks.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    message
}

fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    // `NETLINK_ROUTE` is 0, which is what no protocol is.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    // The kernel works on the question during the call, so the answer is there when it returns.
    send(&socket, &message(kind, flags, body), SendFlags::empty())?;
    let mut answer = [0_u8; 1024];
    let (n_bytes, _) = recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
    outcome(&answer[..n_bytes])
}

/// What an answer says: `nlmsghdr`, and a negative error number, or 0.
fn outcome(answer: &[u8]) -> Result<()> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(HEADER_BYTES..HEADER_BYTES + 4).and_then(|bytes| bytes.try_into().ok());
    match (kind, error.map(i32::from_ne_bytes)) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(error @ -4095..0)) => Err(Errno::from_raw_os_error(-error)),
        _ => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_is_as_the_kernel_reads_it() {
        let body = address_body(7, Ipv4Addr::new(10, 213, 4, 9));
        let found = message(RTM_NEWADDR, NLM_F_CREATE, &body);
        let expected = [
            &[40, 0, 0, 0, 20, 0, 0x05, 0x04, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[2, 32, 0, 0, 7, 0, 0, 0],
            &[8, 0, 2, 0, 10, 213, 4, 9],
            &[8, 0, 1, 0, 10, 213, 4, 9],
        ];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error_of_the_kernel() {
        // Without the right to change addresses the kernel says so first.
        let found = add_address(u32::MAX / 2, Ipv4Addr::LOCALHOST);
        assert!(matches!(found, Err(Errno::NODEV | Errno::PERM)), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = outcome(&answer);
        }
    }
}
