//! Accepting without spinning: what can be passed over is, and a full descriptor
//! table pauses.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tracing::warn;

/// How long to wait after an error that the next call would meet again, above
/// all EMFILE. 50 ms: long enough to cost nothing, short enough that the kernel's
/// queue (usually 4,096) does not fill at 10,000 connections a second.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection of `listener`. Never fails: what concerns one connection
/// is passed over, everything else is logged once and tried again after a pause,
/// since a listener that gave up would look like a hung service.
///
/// Cancel safe: no accepted connection is lost.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut was_logged = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if !was_logged {
                    was_logged = true;
                    warn!(error.message = %error, "cannot accept connections, trying again every {PAUSE:?}");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// accept(2): errors already pending on the new socket are returned by the call.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
