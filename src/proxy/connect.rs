//! Opening a connection to an endpoint.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use spur_trace::HopError;

/// Connects to `address` within `deadline`.
///
/// Only a connection that could not be made fails here, so whoever asked has
/// sent nothing and may try another endpoint.
pub(crate) async fn connect(address: SocketAddr, deadline: Duration) -> Result<TcpStream, HopError> {
    match timeout(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Small requests must not wait for an acknowledgement (Nagle); failing to say so is no fault.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(HopError::ConnectTimeout),
    }
}

fn failure(error: &io::Error) -> HopError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HopError::ConnectRefused,
        io::ErrorKind::TimedOut => HopError::ConnectTimeout,
        _ => HopError::ConnectFailed,
    }
}
