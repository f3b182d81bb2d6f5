//! One client's datagrams with one endpoint.

use std::{
    cell::Cell,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket},
    rc::Rc,
    sync::Arc,
};

use http::{Method, Version};
use rustix::{io::Errno, net::SendFlags};
use spur_net::Caller;
use spur_route::{Endpoint, Verdict};
use spur_trace::{Carried, HopError};
use tokio::{
    io::Interest,
    net::UdpSocket,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::IDLE_TIMEOUT;
use crate::{
    access_log::Asked,
    hop::{Begin, Hop},
    worker::Worker,
};

/// A client and its endpoint, until one of them is gone or nothing moves.
pub(super) struct Session {
    peer: SocketAddr,
    caller: Option<Arc<Caller>>,
    upstream: UdpSocket,
    endpoint: Endpoint,
    hop: Rc<Hop>,
    moved: Cell<Instant>,
    /// The table by which it was last found to be right.
    table_revision: Cell<u64>,
    over: CancellationToken,
}

// === impl Session ===

impl Session {
    /// `None` where no endpoint can be had; the record says why.
    pub(super) fn begin(
        worker: &Rc<Worker>,
        (peer, caller): (SocketAddr, Option<Arc<Caller>>),
        verdict: Verdict,
    ) -> Option<Self> {
        let backends = verdict.backends();
        let stays_at = worker.affinities.choose(&verdict, (caller.as_deref(), peer.ip()));
        // As kube-proxy has it (`statistic --mode random`).
        let any = || (!backends.is_empty()).then(|| rand::random_range(0..backends.len()));
        let drawn = stays_at.or_else(any).map(|place| &backends[place]);
        let hop = Hop::begin(
            worker,
            Begin {
                verdict: &verdict,
                endpoint: drawn,
                caller: caller.as_deref(),
                incoming: None,
                method: &Method::CONNECT,
                target: None,
                // No HTTP at all; the method and the missing target say so.
                version: Version::HTTP_11,
                carried: Carried::default(),
                busy: None,
                replay_of: None,
                captured: None,
                asked: worker.access_log.is_some().then(|| Asked::of_connection(peer)),
            },
        );
        let Some(endpoint) = drawn.cloned() else {
            hop.end(None);
            return None;
        };
        match reach(endpoint.address) {
            Ok(upstream) => {
                hop.reached(&endpoint);
                let moved = Cell::new(Instant::now());
                let table_revision = Cell::new(verdict.table_revision);
                let over = CancellationToken::new();
                Some(Self { peer, caller, upstream, endpoint, hop, moved, table_revision, over })
            }
            Err(error) => {
                hop.end(Some(blame(&error)));
                None
            }
        }
    }

    /// Whether it is this caller's: an address may have passed on to another pod.
    pub(super) fn is_of(&self, caller: Option<&Caller>) -> bool {
        !self.over.is_cancelled() && self.caller.as_deref() == caller
    }

    /// Whether the table is the one by which it was decided.
    pub(super) fn is_settled(&self, worker: &Worker) -> bool {
        worker.table.load().revision() == self.table_revision.get()
    }

    /// Whether it would go to its endpoint by this verdict, too.
    pub(super) fn still_goes(&self, verdict: &Verdict) -> bool {
        let goes = verdict.backends().contains(&self.endpoint);
        if goes {
            self.table_revision.set(verdict.table_revision);
        }
        goes
    }

    /// When a datagram last went either way.
    pub(super) fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// To the endpoint.
    pub(super) fn send(&self, datagram: &[u8]) {
        self.moved.set(Instant::now());
        // Not by tokio, for which a new socket takes nothing before it was waited for.
        match rustix::net::send(&self.upstream, datagram, SendFlags::empty()) {
            Ok(_) => self.hop.add_request_bytes(datagram.len()),
            Err(Errno::AGAIN) => {}
            // What the endpoint's machine said about an earlier one: nobody listens there.
            Err(error) => self.end(Some(blame(&error.into()))),
        }
    }

    /// Ends it.
    pub(super) fn end(&self, error: Option<HopError>) {
        self.hop.end(error);
        self.over.cancel();
    }

    /// Sends the endpoint's answers to the client, until it is over.
    pub(super) async fn answer(self: Rc<Self>, worker: Rc<Worker>, socket: Rc<UdpSocket>) -> Rc<Self> {
        loop {
            let idle_at = self.moved.get() + IDLE_TIMEOUT;
            tokio::select! {
                biased;
                () = self.over.cancelled() => break,
                // An error alone, as when nobody listens, does not make it readable.
                ready = self.upstream.ready(Interest::READABLE | Interest::ERROR) => {
                    let answered = ready.and_then(|ready| match ready.is_error() {
                        true => self.fault(),
                        false => self.pass_on(&worker, &socket),
                    });
                    if let Err(error) = answered {
                        self.end(Some(blame(&error)));
                    }
                }
                // Many protocols have no other end than silence.
                () = sleep_until(idle_at) => {
                    if self.moved.get() + IDLE_TIMEOUT <= Instant::now() {
                        self.end(None);
                    }
                }
            }
        }
        self
    }

    /// What the system says of an earlier datagram, unless it was said already.
    fn fault(&self) -> io::Result<()> {
        let nothing = || io::Error::from(io::ErrorKind::WouldBlock);
        let told = || self.upstream.take_error()?.ok_or_else(nothing);
        match self.upstream.try_io(Interest::ERROR, told) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(error) | Err(error) => Err(error),
        }
    }

    fn pass_on(&self, worker: &Worker, socket: &UdpSocket) -> io::Result<()> {
        worker.room.with(|room| match self.upstream.try_recv(room) {
            Ok(n_bytes) => {
                self.moved.set(Instant::now());
                // What the client's side does not take is lost, and is no fault of the endpoint.
                if rustix::net::sendto(socket, &room[..n_bytes], SendFlags::empty(), &self.peer).is_ok() {
                    self.hop.add_response_bytes(n_bytes);
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        })
    }
}

/// A socket of our own that exchanges with this address only.
fn reach(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = StdUdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn blame(error: &io::Error) -> HopError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HopError::ConnectRefused,
        _ => HopError::ConnectFailed,
    }
}
