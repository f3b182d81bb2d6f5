//! Spur's side: asks the holder, one question at a time.
//!
//! A task owns the connection, so that a question whose asker has gone is still read to its end,
//! and the descriptors that come with it are closed: the next answer belongs to the next question.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::protocol::{Held, Interface, Outcome, Place, Protocol, Refusal, Request, VERSION};

mod line;

use line::Line;

/// How long the holder may take to answer, which takes it some 100 µs: a machine that does not run
/// it for ten seconds does not carry requests, either.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Askers that wait for the one before; more wait for room.
const CALLS_MAX: usize = 16;

/// How often a holder that is just starting is tried. Its start takes some 5 ms.
const TRY_EVERY: Duration = Duration::from_millis(5);

/// A holder that has answered. Cheap to clone; the connection ends with the last.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Question -- `Holder` --> the connection's task.
    calls_tx: mpsc::Sender<Call>,
    gone: CancellationToken,
}

/// A socket that the holder keeps a copy of.
#[derive(Debug)]
pub enum Socket {
    /// Of [`Protocol::Tcp`].
    Tcp(TcpListener),
    /// Of [`Protocol::Udp`].
    Udp(UdpSocket),
}

/// Why there is no holder to ask.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("cannot connect to the holder at `{}`", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not answer as a holder does, or has no such interface.
    #[error("the holder at `{}` does not welcome us", path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What it did instead.
        #[source]
        source: CallError,
    },
    /// It was made by another Spur, and has to be made anew.
    #[error("the holder at `{}` speaks version {found}, not {VERSION}", path.display())]
    Version {
        /// The socket.
        path: PathBuf,
        /// What it speaks.
        found: u32,
    },
}

/// Why a question was not answered as it was meant to be.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The holder has ended, or the connection with it.
    #[error("the holder has gone")]
    Gone,
    /// It is stuck; the connection is given up.
    #[error("the holder did not answer within {ANSWER_WITHIN:?}")]
    Late,
    /// It said what no holder says; the connection is given up.
    #[error("the holder's answer makes no sense: {found}")]
    Garbled {
        /// What is wrong with it.
        found: String,
    },
    /// It, or the kernel, did not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There was no room for descriptors in this process.
    #[error("of {wanted} descriptors {found} were received: this process has too many open")]
    Descriptors {
        /// How many were sent.
        wanted: usize,
        /// How many arrived.
        found: usize,
    },
    /// The connection that the holder began came to nothing.
    #[error("cannot connect to `{address}`")]
    Connect {
        /// Whom it was to reach.
        address: SocketAddrV4,
        /// What the system said, or that it took too long.
        #[source]
        source: io::Error,
    },
}

/// A question and who waits for the answer.
#[derive(Debug)]
struct Call {
    request: Request,
    answer_tx: oneshot::Sender<Result<Answered, CallError>>,
}

#[derive(Debug)]
struct Answered {
    outcome: Outcome,
    descriptors: Vec<OwnedFd>,
}

// === impl Holder ===

impl Holder {
    /// Connects to the holder that listens at `path`; `interface` gets the addresses from now on.
    ///
    /// # Errors
    /// There is none, it is not one of ours, or it has no such interface.
    pub async fn connect(path: &Path, interface: Interface) -> Result<Self, ConnectError> {
        let connected = UnixStream::connect(path).await;
        let stream =
            connected.map_err(|source| ConnectError::Unreachable { path: path.to_owned(), source })?;
        let holder = Self::at_the_end_of(stream);
        match holder.call(Request::Hello { version: VERSION, interface }).await {
            Ok(Answered { outcome: Outcome::Welcome { version: VERSION }, .. }) => Ok(holder),
            Ok(Answered { outcome: Outcome::Welcome { version: found }, .. }) => {
                Err(ConnectError::Version { path: path.to_owned(), found })
            }
            Ok(other) => Err(ConnectError::Answer { path: path.to_owned(), source: other.unexpected() }),
            Err(source) => Err(ConnectError::Answer { path: path.to_owned(), source }),
        }
    }

    /// The holder at the other end of `stream`, which is this program too (`hold_for`).
    ///
    /// # Errors
    /// It has gone, has no such interface, or does not answer as a holder does.
    pub async fn over(
        stream: std::os::unix::net::UnixStream,
        interface: Interface,
    ) -> Result<Self, CallError> {
        let garbled = |error: io::Error| CallError::Garbled { found: error.to_string() };
        stream.set_nonblocking(true).map_err(garbled)?;
        let holder = Self::at_the_end_of(UnixStream::from_std(stream).map_err(garbled)?);
        match holder.call(Request::Hello { version: VERSION, interface }).await? {
            Answered { outcome: Outcome::Welcome { version: VERSION }, .. } => Ok(holder),
            other => Err(other.unexpected()),
        }
    }

    fn at_the_end_of(stream: UnixStream) -> Self {
        let (calls_tx, calls_rx) = mpsc::channel(CALLS_MAX);
        let gone = CancellationToken::new();
        // Ends when the last `Holder` has gone, or the other side.
        tokio::spawn(converse(Line::new(stream), calls_rx, gone.clone().drop_guard()));
        Self { calls_tx, gone }
    }

    /// The same with a holder that may be just starting.
    ///
    /// # Errors
    /// As of the last try; a holder that answers something else is not tried again.
    pub async fn connect_within(
        path: &Path,
        interface: Interface,
        within: Duration,
    ) -> Result<Self, ConnectError> {
        let end = tokio::time::Instant::now() + within;
        loop {
            match Self::connect(path, interface.clone()).await {
                Err(ConnectError::Unreachable { .. }) if tokio::time::Instant::now() < end => {
                    sleep(TRY_EVERY).await;
                }
                other => return other,
            }
        }
    }

    /// Comes back when the holder has ended: its owner connects anew, or starts another.
    /// Listeners that it passed go on as long as somebody has them.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// A TCP listener at an address of the namespace, ready for tokio. The holder keeps it until it
    /// is closed, and gives the same to whoever asks with the same tag.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `EADDRINUSE` where something else listens.
    pub async fn listen(&self, tag: &str, address: SocketAddrV4) -> Result<TcpListener, CallError> {
        let place = Place::tcp(*address.ip(), address.port());
        self.call(Request::Listen { tag: tag.to_owned(), place }).await?.one().map(TcpListener::from)
    }

    /// A UDP socket at an address of the namespace, as [`Holder::listen`].
    ///
    /// # Errors
    /// [`CallError::Refused`] with `EADDRINUSE` where something else is bound.
    pub async fn listen_udp(&self, tag: &str, address: SocketAddrV4) -> Result<UdpSocket, CallError> {
        let place = Place::udp(*address.ip(), address.port());
        self.call(Request::Listen { tag: tag.to_owned(), place }).await?.one().map(UdpSocket::from)
    }

    /// What is held, in the order of the places.
    ///
    /// # Errors
    /// The holder has gone.
    pub async fn list(&self) -> Result<Vec<Held>, CallError> {
        let mut listed = Vec::new();
        self.pages(false, |held, _| listed.extend(held)).await?;
        Ok(listed)
    }

    /// What is held with the sockets themselves, for a Spur that takes over from one that was
    /// killed.
    ///
    /// # Errors
    /// The holder has gone, or there is no room for as many descriptors.
    pub async fn take_over(&self) -> Result<Vec<(Held, Socket)>, CallError> {
        let mut taken = Vec::new();
        let pair = |held: Vec<Held>, descriptors: Vec<OwnedFd>| {
            let sockets = descriptors.into_iter().zip(held);
            taken.extend(sockets.map(|(descriptor, held)| {
                let socket = Socket::of(held.place.protocol, descriptor);
                (held, socket)
            }));
        };
        self.pages(true, pair).await?;
        Ok(taken)
    }

    /// Ends a listener, also that of whoever still accepts on it, and takes its address away with
    /// the last at it: connections that were accepted there have to be over by then. What is not
    /// held is closed.
    ///
    /// # Errors
    /// The holder has gone, or the address could not be taken away.
    pub async fn close(&self, place: Place) -> Result<(), CallError> {
        self.call(Request::Close { place }).await?.done()
    }

    /// A connection from inside the namespace.
    ///
    /// # Errors
    /// [`CallError::Connect`] where it came to nothing in that time.
    pub async fn dial(&self, address: SocketAddrV4, within: Duration) -> Result<TcpStream, CallError> {
        let failed = |source| CallError::Connect { address, source };
        let dialled = async {
            let request = Request::Dial { address: *address.ip(), port: address.port() };
            let begun = std::net::TcpStream::from(self.call(request).await?.one()?);
            let stream = TcpStream::from_std(begun).map_err(failed)?;
            // As connect(2) has it for sockets that do not wait: writable is the end, and then
            // there is an error or none.
            stream.writable().await.map_err(failed)?;
            match stream.take_error().map_err(failed)? {
                Some(error) => Err(failed(error)),
                None => Ok(stream),
            }
        };
        timeout(within, dialled).await.unwrap_or_else(|_| {
            let words = format!("no answer within {within:?}");
            Err(failed(io::Error::new(io::ErrorKind::TimedOut, words)))
        })
    }

    /// A UDP socket at an address of the namespace, which is the caller's alone; `0.0.0.0:0` takes
    /// what is free.
    ///
    /// # Errors
    /// The kernel did not let bind it.
    pub async fn datagram(&self, address: SocketAddrV4) -> Result<UdpSocket, CallError> {
        let request = Request::Datagram { address: *address.ip(), port: address.port() };
        self.call(request).await?.one().map(UdpSocket::from)
    }

    async fn pages(
        &self,
        descriptors: bool,
        mut take: impl FnMut(Vec<Held>, Vec<OwnedFd>),
    ) -> Result<(), CallError> {
        let mut after = None;
        loop {
            let answered = self.call(Request::List { after, descriptors }).await?;
            let Answered { outcome: Outcome::Listed { held, more }, descriptors: sockets } = answered else {
                return Err(answered.unexpected());
            };
            if descriptors && held.len() != sockets.len() {
                let found = format!("{} sockets and {} descriptors", held.len(), sockets.len());
                return Err(CallError::Garbled { found });
            }
            let last = held.last().map(|held| held.place);
            take(held, sockets);
            // An empty page that says that there is more would be asked for without end.
            match (more, last) {
                (true, Some(last)) => after = Some(last),
                _ => return Ok(()),
            }
        }
    }

    async fn call(&self, request: Request) -> Result<Answered, CallError> {
        let (answer_tx, answer_rx) = oneshot::channel();
        self.calls_tx.send(Call { request, answer_tx }).await.map_err(|_| CallError::Gone)?;
        let answered = answer_rx.await.map_err(|_| CallError::Gone)??;
        match answered.outcome {
            Outcome::Refused(refusal) => Err(refusal.into()),
            _ => Ok(answered),
        }
    }
}

/// The connection's task.
async fn converse(mut line: Line, mut calls_rx: mpsc::Receiver<Call>, _gone: DropGuard) {
    loop {
        let call = tokio::select! {
            call = calls_rx.recv() => call,
            // Nobody speaks unasked: this is the end, or garbage.
            () = line.ended() => return,
        };
        let Some(Call { request, answer_tx }) = call else { return };
        if answer_tx.is_closed() {
            continue;
        }
        let answered = timeout(ANSWER_WITHIN, line.ask(&request)).await.unwrap_or(Err(CallError::Late));
        let is_over = matches!(answered, Err(CallError::Gone | CallError::Late | CallError::Garbled { .. }));
        // Who has gone meanwhile needs no answer, and its descriptors are closed here.
        let _ = answer_tx.send(answered);
        if is_over {
            return;
        }
    }
}

// === impl Answered ===

impl Answered {
    fn one(mut self) -> Result<OwnedFd, CallError> {
        match (&self.outcome, self.descriptors.pop()) {
            (Outcome::Done, Some(descriptor)) if self.descriptors.is_empty() => Ok(descriptor),
            _ => Err(self.unexpected()),
        }
    }

    fn done(self) -> Result<(), CallError> {
        match self.outcome {
            Outcome::Done => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(self) -> CallError {
        let Self { outcome, descriptors } = self;
        CallError::Garbled { found: format!("{outcome:?} with {} descriptors", descriptors.len()) }
    }
}

// === impl Socket ===

impl Socket {
    fn of(protocol: Protocol, descriptor: OwnedFd) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp(descriptor.into()),
            Protocol::Udp => Self::Udp(descriptor.into()),
        }
    }
}

#[cfg(test)]
mod tests;
