//! One client connection: which protocol it speaks, and serving it until its end.

use std::{cell::OnceCell, convert::Infallible, net::SocketAddr, rc::Rc, sync::Arc};

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use spur_net::{Destination, Ended, Pace, Paced, Protocol, Rewind, drive, sniff};
use spur_route::{Ask, Verdict, Wire, decide};
use tokio::net::TcpStream;
use tracing::debug;

use crate::{
    acceptor::{Accepted, Facts, Open},
    local::LocalExecutor,
    relay, request,
    stats::count,
    trust::is_trusted,
    worker::Worker,
};

/// What the requests of one connection have in common.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) inlet: Arc<Facts>,
    pub(crate) peer: SocketAddr,
    /// Its routing keys and `x-forwarded-*` are believed.
    pub(crate) is_trusted: bool,
    pub(crate) pace: Pace,
    /// Counts the connection as open; shared with what it is upgraded to.
    pub(crate) open: Rc<Open>,
    /// The peer's address as `x-forwarded-for` wants it, made with the first request.
    forwarded_for: OnceCell<HeaderValue>,
}

/// Serves one accepted connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, peer, inlet, open } = accepted;
    // Fails only when no event can be registered, and then nothing can be served.
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    // Small responses must not wait for an acknowledgement (Nagle); failing to say so is no fault.
    let _ = stream.set_nodelay(true);
    if let Some(verdict) = decide_wire(&worker, &inlet)
        && is_tcp(&verdict)
    {
        relay::relay(&worker, &inlet, stream, &verdict).await;
        return;
    }
    let Some((protocol, stream)) = tell(&worker, &inlet, stream).await else {
        return;
    };
    match protocol {
        Protocol::Http1 | Protocol::Http2 => {
            let is_trusted = is_trusted(inlet.caller.as_ref(), peer.ip(), &worker.trusted);
            let client = Rc::new(Client {
                is_trusted,
                worker,
                inlet,
                peer,
                pace: Pace::new(protocol),
                open: Rc::new(open),
                forwarded_for: OnceCell::new(),
            });
            http(client, (protocol, stream)).await;
        }
        Protocol::Tls | Protocol::Other => {
            if let Some(verdict) = decide_wire(&worker, &inlet)
                && is_auto(&verdict)
            {
                relay::relay(&worker, &inlet, stream, &verdict).await;
            }
        }
    }
}

/// The verdict for a connection of which nothing is known but its inlet. The
/// entry listener has none: only a Host can tell.
fn decide_wire(worker: &Worker, inlet: &Facts) -> Option<Verdict> {
    let Destination::ServicePort { .. } = &inlet.destination else {
        return None;
    };
    Some(decide(
        &worker.table.load(),
        &Ask::connection(
            request::destination(&inlet.destination, ""),
            inlet.caller.as_ref().map(request::source),
        ),
    ))
}

fn is_tcp(verdict: &Verdict) -> bool {
    matches!(verdict.service.as_deref(), Some(port) if port.wire == Wire::Tcp)
}

/// A port of which nothing was said may speak anything.
fn is_auto(verdict: &Verdict) -> bool {
    matches!(verdict.service.as_deref(), Some(port) if port.wire == Wire::Auto)
}

async fn tell(worker: &Worker, inlet: &Facts, stream: TcpStream) -> Option<(Protocol, Rewind<TcpStream>)> {
    let told = tokio::select! {
        told = sniff(stream, worker.limits.first_bytes_timeout) => told,
        () = inlet.closing.cancelled() => return None,
    };
    match told {
        Ok(told) => Some(told),
        Err(spur_net::SniffError::Deadline { .. }) => {
            count(&worker.stats.n_connections_overdue);
            None
        }
        // Whoever closes without a word has nothing to be told.
        Err(spur_net::SniffError::Closed { .. } | spur_net::SniffError::Read(_)) => None,
    }
}

async fn http(client: Rc<Client>, (protocol, stream): (Protocol, Rewind<TcpStream>)) {
    let (worker, inlet) = (Rc::clone(&client.worker), Arc::clone(&client.inlet));
    let peer = client.peer;
    let io = TokioIo::new(Paced::new(stream, client.pace.clone(), &worker.limits));
    let (limits, pace) = (&worker.limits, client.pace.clone());
    let service = service_fn(move |req| {
        let client = Rc::clone(&client);
        async move { Ok::<_, Infallible>(request::answer(&client, req).await) }
    });
    let ended = if protocol == Protocol::Http2 {
        let connection = limits.http2(LocalExecutor).serve_connection(io, service);
        drive(connection, |c| c.graceful_shutdown(), (&pace, limits), &inlet.closing).await
    } else {
        let connection = limits.http1().serve_connection(io, service).with_upgrades();
        drive(connection, |c| c.graceful_shutdown(), (&pace, limits), &inlet.closing).await
    };
    match ended {
        Ended::Finished => {}
        Ended::Overdue(_) => count(&worker.stats.n_connections_overdue),
        Ended::Cut => count(&worker.stats.n_connections_cut),
        Ended::Failed(error) => {
            count(&worker.stats.n_connections_failed);
            debug!(peer.address = %peer, error.message = %error, "client connection failed");
        }
    }
}

// === impl Client ===

impl Client {
    /// The peer's address, without its port.
    pub(crate) fn forwarded_for(&self) -> &HeaderValue {
        self.forwarded_for.get_or_init(|| {
            HeaderValue::from_str(&self.peer.ip().to_string()).expect("an IP address is a header value")
        })
    }
}
