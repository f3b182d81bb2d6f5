//! Binding a listener, with an error that names whoever holds the port.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use crate::port_holder::{PortHolder, datagram_port_holder, port_holder};

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket listens there.
    #[error("bind `{address}`: the port is held by {holder}")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// Who holds the port, as far as it can be found.
        holder: PortHolder,
    },
    /// The system refused for another reason (permission, no such address, descriptors).
    #[error("bind `{address}`")]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Binds a free port of 127.0.0.1, ready for tokio.
///
/// # Errors
/// [`BindError::Refused`] when the system has no port or descriptor left.
pub fn bind_loopback() -> Result<TcpListener, BindError> {
    bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Binds `address`, ready for tokio (non-blocking); port 0 takes a free one.
///
/// # Errors
/// [`BindError::InUse`] names the process that holds the port where the system
/// tells; [`BindError::Refused`] carries every other answer.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let refused = |source| refused(address, source, port_holder);
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// Binds `address` for datagrams, as [`bind`] does for connections.
///
/// # Errors
/// As those of [`bind`].
pub fn bind_datagram(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let refused = |source| refused(address, source, datagram_port_holder);
    let socket = UdpSocket::bind(address).map_err(refused)?;
    socket.set_nonblocking(true).map_err(refused)?;
    Ok(socket)
}

fn refused(address: SocketAddr, source: io::Error, holder: fn(u16) -> PortHolder) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, holder: holder(address.port()) },
        _ => BindError::Refused { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_loopback_port_is_bound() {
        let listener = bind_loopback().unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_loopback());
        assert_ne!(address.port(), 0);
    }

    /// AP-16: by process id and name.
    #[test]
    fn a_port_in_use_names_its_holder() {
        let held = bind_loopback().unwrap();
        let error = bind(held.local_addr().unwrap()).unwrap_err();
        let BindError::InUse { holder, .. } = &error else {
            panic!("wanted InUse, found {error:?}");
        };
        if cfg!(target_os = "linux") {
            let PortHolder::Process { pid, .. } = holder else {
                panic!("wanted this process, found {holder:?}");
            };
            assert_eq!(*pid, std::process::id());
            assert!(error.to_string().contains(&format!("process {pid}")));
        }
    }
    #[test]
    fn a_datagram_port_in_use_names_its_holder() {
        let held = bind_datagram(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let error = bind_datagram(held.local_addr().unwrap()).unwrap_err();
        let BindError::InUse { holder, .. } = &error else {
            panic!("wanted InUse, found {error:?}");
        };
        if cfg!(target_os = "linux") {
            assert!(
                matches!(holder, PortHolder::Process { pid, .. } if *pid == std::process::id()),
                "{holder:?}"
            );
        }
    }
}
