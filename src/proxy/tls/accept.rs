//! A client's TLS at a port of gateways: its first message names the server, which ends it here or
//! passes it on. Everything up to the end of the handshake has one deadline.

use std::sync::Arc;

use spur_net::{ClientHello, Rewind, read_hello};
use spur_route::{Inside, TlsEnd, TlsServer};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;
use tracing::info;

use crate::{connection::Told, stats::count, worker::Worker};

/// A client's connection with its first message in front.
pub(crate) type Unread = Rewind<Told, Vec<u8>>;

/// What became of a connection of TLS.
pub(crate) enum Arrived {
    /// It ends here, and HTTP is spoken inside.
    Http(Arc<TlsServer>, Box<TlsStream<Unread>>),
    /// It ends here; the bytes inside are not read.
    Tcp(ClientHello, Box<TlsStream<Unread>>),
    /// It ends elsewhere.
    Passthrough(ClientHello, Unread),
}

/// Reads the first message, finds the server and shakes hands; `None` where nothing can be served,
/// which is said in the log.
pub(crate) async fn arrive(
    worker: &Worker,
    (port, peer): (u16, std::net::SocketAddr),
    stream: Told,
    until: Instant,
) -> Option<Arrived> {
    let arrived = timeout_at(until, take(worker, port, stream)).await;
    let why = match arrived {
        Ok(Ok(arrived)) => return Some(arrived),
        Ok(Err(why)) => why,
        Err(_) => {
            count(&worker.stats.n_connections_overdue);
            "the handshake took too long".to_owned()
        }
    };
    count(&worker.stats.n_handshakes_failed);
    info!(
        peer.address = %peer, gateway.port = port,
        "closed a connection of TLS from {peer} at the gateways' port {port}: {why}",
    );
    None
}

async fn take(worker: &Worker, port: u16, stream: Told) -> Result<Arrived, String> {
    let (hello, stream) = read_hello(stream).await.map_err(|error| with_source(&error))?;
    let table = worker.table.load_full();
    let Some(server) = table.tls_server(port, hello.server_name.as_deref()) else {
        return Err(match &hello.server_name {
            Some(name) => format!("no server has the host `{name}`"),
            None => "it names no host, and there are several servers".to_owned(),
        });
    };
    let inside = match &server.end {
        TlsEnd::Passthrough => return Ok(Arrived::Passthrough(hello, stream)),
        TlsEnd::Here { inside, .. } => *inside,
    };
    let Some(terminate) = worker.tls.terminate(&table, server) else {
        return Err(format!("the certificate of gateway `{}` cannot be used", server.gateway));
    };
    let stream = terminate.accept(stream).await.map_err(|error| format!("the handshake failed: {error}"))?;
    Ok(match inside {
        Inside::Http => Arrived::Http(Arc::clone(server), Box::new(stream)),
        Inside::Tcp => Arrived::Tcp(hello, Box::new(stream)),
    })
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
