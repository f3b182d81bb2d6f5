//! The sockets themselves, made in the namespace of whoever calls. None of them waits: Spur's
//! side reads and accepts when it is told to, and that a socket does not wait is the same for all
//! who have a copy.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, connect, listen, shutdown, socket_with, sockopt,
};

use crate::protocol::{Place, Protocol};

/// How many connections wait while there is no Spur: as many as the kernel lets them, which cuts it
/// to `net.core.somaxconn`, 4,096 unless somebody changes it (listen(2)).
const BACKLOG: i32 = 4096;

/// A socket that listens at a place.
pub(crate) fn listening(place: Place) -> Result<OwnedFd> {
    match place.protocol {
        Protocol::Tcp => {
            let socket = socket(SocketType::STREAM)?;
            // Connections that ended a minute ago do not keep the port.
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &place.socket_addr())?;
            listen(&socket, BACKLOG)?;
            Ok(socket)
        }
        // With reuse a second socket would get the datagrams of the first.
        Protocol::Udp => datagram(place.socket_addr()),
    }
}

/// Ends listening at once, for all who have a copy. A UDP socket lives as long as its copies.
pub(crate) fn end(socket: &OwnedFd, protocol: Protocol) {
    match protocol {
        // It fails where it does not listen any more.
        Protocol::Tcp => drop(shutdown(socket, Shutdown::Both)),
        Protocol::Udp => {}
    }
}

/// A connection that has been begun.
pub(crate) fn dialled(to: SocketAddrV4) -> Result<OwnedFd> {
    let socket = socket(SocketType::STREAM)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// A UDP socket at an address; port 0 takes a free one.
pub(crate) fn datagram(at: SocketAddrV4) -> Result<OwnedFd> {
    let socket = socket(SocketType::DGRAM)?;
    bind(&socket, &at)?;
    Ok(socket)
}

fn socket(kind: SocketType) -> Result<OwnedFd> {
    socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}
