//! One client connection: which protocol it speaks, and serving it until its end.

use std::{cell::OnceCell, convert::Infallible, net::SocketAddr, rc::Rc, sync::Arc};

use http::{HeaderValue, Request};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use spur_net::{
    ClientHello, Destination, Ended, Pace, Paced, Protocol, Rewind, drive, read_hello, refuse_plain, sniff,
};
use spur_route::{Ask, PortTakes, TlsServer, Verdict, Wire, decide};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tracing::debug;

use crate::{
    acceptor::{Accepted, Facts, Open},
    http2::Serving,
    incoming::{Broken, Incoming},
    relay, request,
    stats::count,
    tls::{Arrived, arrive},
    trust::is_trusted,
    worker::Worker,
};

/// What the requests of one connection have in common.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) inlet: Arc<Facts>,
    pub(crate) peer: SocketAddr,
    /// The server of a gateway for which its TLS was set up; `None`: it speaks none.
    pub(crate) tls: Option<Arc<TlsServer>>,
    /// Its routing keys and `x-forwarded-*` are believed.
    pub(crate) is_trusted: bool,
    pub(crate) pace: Pace,
    /// Counts the connection as open; shared with what it is upgraded to.
    pub(crate) open: Rc<Open>,
    /// The peer's address as `x-forwarded-for` wants it, made with the first request.
    forwarded_for: OnceCell<HeaderValue>,
}

/// A connection whose protocol was told by its first bytes.
pub(crate) type Told = Rewind<TcpStream>;

/// Serves one accepted connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, peer, inlet, open } = accepted;
    let begun = Instant::now();
    // Fails only when no event can be registered, and then nothing can be served.
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    // Small responses must not wait for an acknowledgement (Nagle); failing to say so is no fault.
    let _ = stream.set_nodelay(true);
    let takes = takes(&worker, &inlet);
    if takes == Takes::Bytes {
        let verdict = decide_connection(&worker, &inlet, None);
        relay::relay(&worker, (&inlet, peer), stream, &verdict).await;
        return;
    }
    let Some((protocol, stream)) = tell(&worker, &inlet, stream).await else {
        return;
    };
    match (protocol, &takes) {
        (Protocol::Http1 | Protocol::Http2, Takes::Told { http: false, .. }) => {
            refuse_plain(stream, protocol, &worker.limits).await;
        }
        (Protocol::Http1 | Protocol::Http2, Takes::Http | Takes::Anything { .. } | Takes::Told { .. }) => {
            let client = Client::new((worker, inlet, peer), Pace::new(protocol), (open, None));
            http(Rc::new(client), (protocol, stream)).await;
        }
        (Protocol::Tls, Takes::Told { port, .. }) => {
            tls((worker, inlet, peer), open, (*port, stream, begun)).await;
        }
        (Protocol::Tls, Takes::Names | Takes::Anything { by_name: true }) => {
            by_name(&worker, (&inlet, peer), (stream, begun)).await;
        }
        (_, Takes::Names) | (Protocol::Tls | Protocol::Other, Takes::Anything { .. }) => {
            let verdict = decide_connection(&worker, &inlet, None);
            relay::relay(&worker, (&inlet, peer), stream, &verdict).await;
        }
        // What it speaks is served nowhere here.
        (Protocol::Tls | Protocol::Other, Takes::Http | Takes::Told { .. }) | (_, Takes::Bytes) => {}
    }
}

/// What a listener takes.
#[derive(Debug, PartialEq, Eq)]
enum Takes {
    /// Bytes that are not read.
    Bytes,
    /// HTTP.
    Http,
    /// HTTP, or bytes that do not begin like it; of TLS the first message is read where rules
    /// choose by the name that it asks for.
    Anything { by_name: bool },
    /// Bytes, but for the first message of TLS, as above.
    Names,
    /// At a port of gateways: TLS, and perhaps HTTP without it.
    Told { port: u16, http: bool },
}

fn takes(worker: &Worker, inlet: &Facts) -> Takes {
    let table = worker.table.load();
    match &inlet.destination {
        Destination::Entry | Destination::Egress => Takes::Http,
        Destination::Gateway { port } => match table.gateway_takes(*port) {
            Some(PortTakes::Tcp) => Takes::Bytes,
            Some(PortTakes::Told { http }) => Takes::Told { port: *port, http },
            None => Takes::Http,
        },
        // What the port that was asked for speaks, wherever rules send its connections.
        Destination::ServicePort { namespace, service, port } => {
            let chooses_by_name = || table.chooses_by_server_name(namespace, service, *port);
            match table.service_port(namespace, service, *port).map(|port| port.wire) {
                Some(Wire::Tcp) if chooses_by_name() => Takes::Names,
                Some(Wire::Tcp | Wire::Udp) => Takes::Bytes,
                Some(Wire::Auto) => Takes::Anything { by_name: chooses_by_name() },
                Some(Wire::Http1 | Wire::Http2) | None => Takes::Http,
            }
        }
    }
}

/// The verdict for a connection of which nothing is known but its inlet and, where it speaks TLS
/// that was looked into, the name that it asks for.
fn decide_connection(worker: &Worker, inlet: &Facts, hello: Option<&ClientHello>) -> Verdict {
    let name = hello.and_then(|hello| hello.server_name.as_deref()).unwrap_or_default();
    let destination = request::destination(&inlet.destination, name);
    let ask = Ask::connection(destination, inlet.caller.as_ref().map(request::source));
    decide(&worker.table.load(), &Ask { host: name, is_tls: hello.is_some(), lot: rand::random(), ..ask })
}

/// TLS on the listener of a Service whose rules choose by name; it ends elsewhere.
async fn by_name(worker: &Rc<Worker>, (inlet, peer): (&Facts, SocketAddr), (stream, begun): (Told, Instant)) {
    let read = tokio::select! {
        read = timeout_at(begun + worker.limits.first_bytes_timeout, read_hello(stream)) => read,
        () = inlet.closing.cancelled() => return,
    };
    match read {
        Ok(Ok((hello, stream))) => {
            let verdict = decide_connection(worker, inlet, Some(&hello));
            relay::relay(worker, (inlet, peer), stream, &verdict).await;
        }
        Ok(Err(error)) => {
            count(&worker.stats.n_handshakes_failed);
            debug!(peer.address = %peer, error.message = %error, "closed a connection of TLS that asks for nothing");
        }
        Err(_) => count(&worker.stats.n_connections_overdue),
    }
}

/// TLS at a port of gateways.
async fn tls(
    (worker, inlet, peer): (Rc<Worker>, Arc<Facts>, SocketAddr),
    open: Open,
    (port, stream, begun): (u16, Told, Instant),
) {
    let until = begun + worker.limits.first_bytes_timeout;
    let arrived = tokio::select! {
        arrived = arrive(&worker, (port, peer), stream, until) => arrived,
        () = inlet.closing.cancelled() => return,
    };
    match arrived {
        None => {}
        Some(Arrived::Passthrough(hello, stream)) => {
            let verdict = decide_connection(&worker, &inlet, Some(&hello));
            relay::relay(&worker, (&inlet, peer), stream, &verdict).await;
        }
        Some(Arrived::Tcp(hello, stream)) => {
            let verdict = decide_connection(&worker, &inlet, Some(&hello));
            relay::relay(&worker, (&inlet, peer), stream, &verdict).await;
        }
        Some(Arrived::Http(server, stream)) => {
            let Some((protocol, stream)) = tell(&worker, &inlet, stream).await else { return };
            if let Protocol::Http1 | Protocol::Http2 = protocol {
                let client = Client::new((worker, inlet, peer), Pace::new(protocol), (open, Some(server)));
                http(Rc::new(client), (protocol, stream)).await;
            }
        }
    }
}

async fn tell<S>(worker: &Worker, inlet: &Facts, stream: S) -> Option<(Protocol, Rewind<S>)>
where
    S: AsyncRead + Unpin,
{
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

async fn http<S>(client: Rc<Client>, (protocol, stream): (Protocol, Rewind<S>))
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (worker, inlet) = (Rc::clone(&client.worker), Arc::clone(&client.inlet));
    let peer = client.peer;
    let stream = Paced::new(stream, client.pace.clone(), &worker.limits);
    let (limits, pace) = (&worker.limits, client.pace.clone());
    let ended = if protocol == Protocol::Http2 {
        let connection = Serving::new(client, stream);
        drive(connection, Serving::drain, (&pace, limits), &inlet.closing).await.map_err(Broken::Http2)
    } else {
        let service = service_fn(move |req: Request<_>| {
            let client = Rc::clone(&client);
            async { Ok::<_, Infallible>(request::answer(client, req.map(Incoming::Http1), None).await) }
        });
        let connection = limits.http1().serve_connection(TokioIo::new(stream), service).with_upgrades();
        drive(connection, |c| c.graceful_shutdown(), (&pace, limits), &inlet.closing)
            .await
            .map_err(Broken::Http1)
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
    fn new(
        (worker, inlet, peer): (Rc<Worker>, Arc<Facts>, SocketAddr),
        pace: Pace,
        (open, tls): (Open, Option<Arc<TlsServer>>),
    ) -> Self {
        let is_trusted = is_trusted(inlet.caller.as_ref(), peer.ip(), &worker.trusted);
        let (open, forwarded_for) = (Rc::new(open), OnceCell::new());
        Self { worker, inlet, peer, tls, is_trusted, pace, open, forwarded_for }
    }

    /// The peer's address, without its port.
    pub(crate) fn forwarded_for(&self) -> &HeaderValue {
        self.forwarded_for.get_or_init(|| {
            HeaderValue::from_str(&self.peer.ip().to_string()).expect("an IP address is a header value")
        })
    }
}
