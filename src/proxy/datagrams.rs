//! Datagrams: for each client a session with one endpoint, of the baseline or of the fork that the
//! caller implies.
//!
//! ```text
//!  client ─► socket of a Service port ─► session of the client ─► endpoint
//!     ▲                 └────────────────── answers ◄──┘
//! ```
//!
//! A datagram carries no key, so the caller's own sandbox is all that can choose a version. Answers
//! go back from the address that the client has sent to. What a full socket does not take is lost,
//! as on any network.

mod session;

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use spur_net::{Caller, Callers, Destination};
use spur_route::{Ask, Verdict, decide};
use tokio::{net::UdpSocket, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::session::Session;
use crate::{request, worker::Worker};

/// A session without datagrams ends after a minute, Envoy's default (`udp_proxy`, `idle_timeout`).
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Sessions of one socket: each is a descriptor. A client that asks from another port each time, as
/// resolvers do, makes one for each question; beyond this the one that is longest without a
/// datagram makes room (our choice: half of Envoy's 1,024 of a whole cluster).
const SESSIONS_MAX: usize = 512;

/// Datagrams that are taken in one turn, so that a flood leaves the worker's other tasks their turn.
const TURN_MAX: usize = 64;

/// The largest datagram there is (RFC 768: a length of 16 bits).
const DATAGRAM_MAX_BYTES: usize = 65_535;

/// A socket of a Service port on its way to a worker.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) socket: StdUdpSocket,
    pub(crate) callers: Callers,
    pub(crate) destination: Destination,
    /// Cancelled when the inlet goes away or the proxy drains.
    pub(crate) closing: CancellationToken,
}

/// Where a worker reads datagrams into, one after the other: never held over a wait.
#[derive(Debug)]
pub(crate) struct Room(RefCell<Vec<u8>>);

/// A socket and the sessions of its clients.
struct Port {
    worker: Rc<Worker>,
    socket: Rc<UdpSocket>,
    callers: Callers,
    destination: Destination,
    sessions: HashMap<SocketAddr, Rc<Session>>,
    /// Answers of endpoints, until the session is over.
    answering: JoinSet<(SocketAddr, Rc<Session>)>,
}

/// Carries what comes to a socket, until it is closed.
pub(crate) async fn carry(worker: Rc<Worker>, given: Given) {
    let Given { socket, callers, destination, closing } = given;
    let socket = match socket.set_nonblocking(true).and_then(|()| UdpSocket::from_std(socket)) {
        Ok(socket) => Rc::new(socket),
        Err(error) => {
            return warn!(error.message = %error, "cannot take datagrams for {destination:?}");
        }
    };
    let sessions = HashMap::new();
    let mut port = Port { worker, socket, callers, destination, sessions, answering: JoinSet::new() };
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => break,
            Some(ended) = port.answering.join_next() => port.forget(ended.ok()),
            ready = port.socket.readable() => match ready {
                Ok(()) => port.take_turn(),
                Err(error) => {
                    return warn!(error.message = %error, "lost the socket for {:?}", port.destination);
                }
            },
        }
        tokio::task::yield_now().await;
    }
    // What has begun has no end of its own to wait for.
    for session in port.sessions.values() {
        session.end(None);
    }
}

// === impl Port ===

impl Port {
    /// Sends on what has come.
    fn take_turn(&mut self) {
        let worker = Rc::clone(&self.worker);
        worker.room.with(|room| {
            for _ in 0..TURN_MAX {
                match self.socket.try_recv_from(room) {
                    Ok((n_bytes, peer)) => self.send(peer, &room[..n_bytes]),
                    // Nothing is left; what else the system says of one is about that one.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => {}
                }
            }
        });
    }

    fn send(&mut self, peer: SocketAddr, datagram: &[u8]) {
        let caller = caller(&self.callers, peer.ip());
        let known = self.sessions.get(&peer).filter(|session| session.is_of(caller.as_deref()));
        if let Some(session) = known
            && (session.is_settled(&self.worker) || session.still_goes(&self.verdict(caller.as_deref())))
        {
            return session.send(datagram);
        }
        if let Some(session) = self.sessions.remove(&peer) {
            session.end(None);
        }
        self.make_room();
        let verdict = self.verdict(caller.as_deref());
        let Some(session) = Session::begin(&self.worker, (peer, caller), verdict) else { return };
        let session = Rc::new(session);
        session.send(datagram);
        let answering = Rc::clone(&session).answer(Rc::clone(&self.worker), Rc::clone(&self.socket));
        self.answering.spawn_local(async move { (peer, answering.await) });
        self.sessions.insert(peer, session);
    }

    fn verdict(&self, caller: Option<&Caller>) -> Verdict {
        let Destination::ServicePort { namespace, service, port } = &self.destination else {
            unreachable!("sockets for datagrams are opened for ports of services");
        };
        let ask = Ask::datagrams((namespace, service, *port), caller.map(request::source));
        decide(&self.worker.table.load(), &ask)
    }

    /// Forgets a session that is over, unless the client has begun another.
    fn forget(&mut self, ended: Option<(SocketAddr, Rc<Session>)>) {
        if let Some((peer, session)) = ended
            && self.sessions.get(&peer).is_some_and(|known| Rc::ptr_eq(known, &session))
        {
            self.sessions.remove(&peer);
        }
    }

    fn make_room(&mut self) {
        if self.sessions.len() < SESSIONS_MAX {
            return;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.moved());
        if let Some(peer) = oldest.map(|(peer, _)| *peer)
            && let Some(session) = self.sessions.remove(&peer)
        {
            session.end(None);
        }
    }
}

/// Who sends from this address.
fn caller(callers: &Callers, address: IpAddr) -> Option<Arc<Caller>> {
    match callers {
        Callers::Anybody => None,
        Callers::One(caller) => Some(Arc::new(caller.clone())),
        Callers::ByAddress(callers) => callers.at(address),
    }
}

// === impl Room ===

impl Room {
    fn with<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut self.0.borrow_mut())
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(RefCell::new(vec![0; DATAGRAM_MAX_BYTES]))
    }
}
