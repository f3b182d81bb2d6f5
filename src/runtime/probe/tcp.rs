//! Connecting, with the words of Go's `net` package, which users know from
//! Kubernetes events.

use std::io;
use std::time::Duration;

use spur_net::Dial;
use tokio::net::TcpStream;

use super::ProbeResult;

/// Whether something accepts connections at `host:port` within `timeout`.
///
/// That says little about a service behind a relay that accepts by itself; for one that
/// speaks HTTP ask [`super::http_get`].
pub async fn tcp_connect(dial: &Dial, (host, port): (&str, u16), timeout: Duration) -> ProbeResult {
    match tokio::time::timeout(timeout, connect(dial, host, port)).await {
        Ok(Ok(_)) => ProbeResult::Success(String::new()),
        Ok(Err(words)) => ProbeResult::Failure(words),
        Err(_) => ProbeResult::Failure(format!("dial tcp {}: i/o timeout", join(host, port))),
    }
}

/// Connects, or says why not as Go would: `dial tcp 127.0.0.1:80: connect: connection refused`.
pub(super) async fn connect(dial: &Dial, host: &str, port: u16) -> Result<TcpStream, String> {
    let target = join(host, port);
    let stream = dial
        .connect_to(host, port)
        .await
        .map_err(|e| format!("dial tcp {target}: connect: {}", words(&e)))?;
    // A socket whose source port happens to be the port it connects to meets itself where
    // nobody listens (simultaneous open, RFC 9293 section 3.5): that is no service.
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(ours), Ok(theirs)) if ours == theirs => {
            Err(format!("dial tcp {target}: connect: connection refused (only we are there)"))
        }
        _ => Ok(stream),
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The system's words in Go's spelling: lower case and without the number.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        io::ErrorKind::TimedOut => "connection timed out".into(),
        _ => error.to_string().to_lowercase(),
    }
}
