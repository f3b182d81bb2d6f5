//! Deadlines of a connection: idle for too long between requests, a head that drips, or a peer
//! that does not read.
//!
//! hyper's header timer cannot tell the two apart and costs an allocation for
//! each request; this watches the bytes from below ([`Paced`]) and the requests
//! from above ([`Busy`]), and one sleeping timer per connection looks at both.
//!
//! The same bytes are read for what hyper hides of them (`framing`), and whoever answers a request
//! asks here whether its head is at fault.
//!
//! How fast a body comes is left to whoever reads it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    HeadFault, Limits, Protocol,
    framing::Scan,
    interim::{Interims, Writing},
    linger::Linger,
};

/// The pace of one connection, shared by its stream, its service and its driver.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Shared>);

/// Held while a request is in progress; dropped, the connection may be idle again.
#[derive(Debug)]
pub struct Busy(Arc<Shared>);

/// Held while a request was sent on and its response has not begun.
#[derive(Debug)]
pub struct Passing(Interim);

/// Where interim responses to one try of a request go.
#[derive(Debug, Clone)]
pub struct Interim {
    number: u64,
    shared: Arc<Shared>,
}

/// Which deadline a connection has missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// A request head began and did not end.
    Head,
    /// No request came.
    Idle,
    /// The peer took none of what was to be written.
    Unread,
}

/// A stream that tells its [`Pace`] when bytes come, and lingers when it is shut
/// down: a socket that is closed with bytes unread is reset, and the reset can
/// overtake the last response (RFC 9112 9.6).
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    pace: Pace,
    scan: Scan,
    interim: Writing,
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    protocol: Protocol,
    n_busy: AtomicUsize,
    /// Requests that have begun so far.
    n_begun: AtomicU64,
    /// The head that is at fault, as [`pack`] writes it, or [`FAULTLESS`].
    fault: AtomicU64,
    phase: AtomicU8,
    /// Milliseconds from `started` to the beginning of the phase.
    since_ms: AtomicU64,
    /// Milliseconds from `started` to the write that the peer did not take, or [`FLOWING`].
    stuck_ms: AtomicU64,
    /// HTTP is over on this connection: it was upgraded.
    is_released: AtomicBool,
    interims: Interims,
    /// The driver must look again: a head has begun and not all of it is here, or an interim
    /// response waits.
    look_again: Notify,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;

/// What is written is taken.
const FLOWING: u64 = u64::MAX;

/// No head is at fault.
const FAULTLESS: u64 = u64::MAX;

// === impl Pace ===

impl Pace {
    /// A connection that has just told its protocol and is idle from now on.
    pub fn new(protocol: Protocol) -> Self {
        Self(Arc::new(Shared {
            started: Instant::now(),
            protocol,
            n_busy: AtomicUsize::new(0),
            n_begun: AtomicU64::new(0),
            fault: AtomicU64::new(FAULTLESS),
            phase: AtomicU8::new(IDLE),
            since_ms: AtomicU64::new(0),
            stuck_ms: AtomicU64::new(FLOWING),
            is_released: AtomicBool::new(false),
            interims: Interims::new(),
            look_again: Notify::new(),
        }))
    }

    /// A request begins; it lasts until the guard is dropped.
    pub fn begin(&self) -> Busy {
        self.0.n_busy.fetch_add(1, Ordering::AcqRel);
        self.0.n_begun.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// What is wrong with the head of the request that began last, or with one before it: then it
    /// has to be refused and the connection closed. Always `None` over HTTP/2.
    ///
    /// To be asked right after [`begin`](Self::begin). HTTP/1 requests begin one after the other,
    /// each after its head was read.
    pub fn head_fault(&self) -> Option<HeadFault> {
        match self.0.fault.load(Ordering::Acquire) {
            FAULTLESS => None,
            packed => {
                let (head_idx, fault) = unpack(packed)?;
                (u64::from(head_idx) < self.0.n_begun.load(Ordering::Relaxed)).then_some(fault)
            }
        }
    }

    /// The request in progress is sent on and its interim responses (1xx) are passed on, until the
    /// guard is dropped. HTTP/1.1 only, of which requests come one after the other.
    pub fn pass_interims(&self) -> Passing {
        Passing(Interim { number: self.0.interims.begin(), shared: Arc::clone(&self.0) })
    }

    /// Completes when the connection has to be polled for something that it does not wait for.
    pub(crate) async fn looks_again(&self) {
        self.0.look_again.notified().await;
    }

    /// Completes when the connection has missed a deadline of `limits`.
    pub async fn overdue(&self, limits: &Limits) -> Overdue {
        loop {
            let now = Instant::now();
            let (due, overdue) = self.due(now, limits);
            if due <= now {
                return overdue;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.0.look_again.notified() => {}
            }
        }
    }

    /// HTTP is over; what follows on the stream is nobody's to read but its owner's.
    pub(crate) fn release(&self) {
        self.0.is_released.store(true, Ordering::Release);
    }

    /// When to look next, and what has been missed if that is not after `now`.
    fn due(&self, now: Instant, limits: &Limits) -> (Instant, Overdue) {
        let Some(patience) = limits.unread_timeout else {
            return self.due_between_requests(now, limits);
        };
        match self.0.stuck_ms.load(Ordering::Acquire) {
            FLOWING => {
                let (due, overdue) = self.due_between_requests(now, limits);
                // To be looked at earlier: a write may get stuck right after this look.
                (due.min(now + patience), overdue)
            }
            since_ms => (self.0.started + Duration::from_millis(since_ms) + patience, Overdue::Unread),
        }
    }

    fn due_between_requests(&self, now: Instant, limits: &Limits) -> (Instant, Overdue) {
        let since = self.0.started + Duration::from_millis(self.0.since_ms.load(Ordering::Acquire));
        if self.0.n_busy.load(Ordering::Acquire) > 0 {
            // Not before a whole idle time from now can it be overdue.
            return (now + limits.idle_timeout, Overdue::Idle);
        }
        match self.0.phase.load(Ordering::Acquire) {
            HEAD => (since + limits.head_timeout, Overdue::Head),
            _ => (since + limits.idle_timeout, Overdue::Idle),
        }
    }

    /// Bytes came. Between HTTP/1 requests they begin a head; HTTP/2 has frames
    /// that belong to no request (PING, SETTINGS, WINDOW_UPDATE), so there only
    /// requests count.
    fn saw_bytes(&self) {
        if self.0.protocol == Protocol::Http1
            && self.0.n_busy.load(Ordering::Acquire) == 0
            && self.0.phase.load(Ordering::Acquire) == IDLE
        {
            self.0.enter(HEAD);
        }
    }

    /// A write was tried: the peer took some of it, or none.
    fn tried_to_write<T>(&self, polled: &Poll<T>) {
        let is_stuck = self.0.stuck_ms.load(Ordering::Relaxed) != FLOWING;
        match (polled.is_pending(), is_stuck) {
            (true, false) => self.0.stuck_ms.store(self.0.elapsed_ms(), Ordering::Release),
            (false, true) => self.0.stuck_ms.store(FLOWING, Ordering::Release),
            _ => {}
        }
    }

    /// The reader wants more than has come.
    fn wants_more(&self) {
        if self.0.phase.load(Ordering::Acquire) == HEAD && self.0.n_busy.load(Ordering::Acquire) == 0 {
            self.0.look_again.notify_one();
        }
    }
}

fn pack((head_idx, fault): (u32, HeadFault)) -> u64 {
    u64::from(head_idx) << 8 | fault as u64
}

fn unpack(packed: u64) -> Option<(u32, HeadFault)> {
    let fault = HeadFault::ALL.into_iter().find(|fault| *fault as u64 == packed & 0xff)?;
    Some((u32::try_from(packed >> 8).ok()?, fault))
}

// === impl Shared ===

impl Shared {
    fn enter(&self, phase: u8) {
        self.since_ms.store(self.elapsed_ms(), Ordering::Release);
        self.phase.store(phase, Ordering::Release);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(IDLE);
        self.0.n_busy.fetch_sub(1, Ordering::AcqRel);
    }
}

// === impl Passing ===

impl Passing {
    /// Takes the interim responses, on the thread that drives the connection.
    pub fn interim(&self) -> Interim {
        self.0.clone()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.shared.interims.end(self.0.number);
    }
}

// === impl Interim ===

impl Interim {
    /// Passes on the head of one, as it stands on the wire; `false` where it is left out, since its
    /// try is over, an earlier response is not written yet, or too much waits.
    pub fn pass(&self, head: &[u8]) -> bool {
        let is_taken = self.shared.interims.offer(self.number, head);
        if is_taken {
            self.shared.look_again.notify_one();
        }
        is_taken
    }
}

// === impl Paced ===

impl<S> Paced<S> {
    /// Lets `pace` see the bytes of `stream`, and what is wrong with them by `limits`.
    pub fn new(stream: S, pace: Pace, limits: &Limits) -> Self {
        let scan = match pace.0.protocol {
            Protocol::Http1 => Scan::new(limits.bare_line_feeds),
            Protocol::Http2 | Protocol::Tls | Protocol::Other => Scan::off(),
        };
        Self { stream, pace, scan, interim: Writing::default(), linger: None }
    }

    /// The stream beneath.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    fn scan(&mut self, bytes: &[u8]) {
        if self.pace.0.is_released.load(Ordering::Relaxed) {
            self.scan.stop();
        }
        if let Some(fault) = self.scan.read(bytes) {
            self.pace.0.fault.store(pack(fault), Ordering::Release);
        }
    }
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    /// Writes the interim responses that wait.
    fn poll_interims(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, pace, interim, .. } = self;
        let polled = pace.0.interims.poll_write(interim, stream, cx);
        if polled.is_pending() {
            pace.tried_to_write(&polled);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) if buf.filled().len() > n_before => {
                self.pace.saw_bytes();
                self.scan(&buf.filled()[n_before..]);
            }
            Poll::Ready(_) => {}
            Poll::Pending => self.pace.wants_more(),
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_interims(cx))?;
        self.pace.0.interims.begins_message();
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pace.tried_to_write(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interims(cx))?;
        self.pace.0.interims.begins_message();
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pace.tried_to_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.0.interims.ends_message();
        ready!(self.poll_interims(cx))?;
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // hyper flushes when nothing waits to be written but what is written below it.
        self.pace.tried_to_write(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, pace, scan: _, interim: _, linger } = &mut *self;
        if pace.0.is_released.load(Ordering::Acquire) {
            return Pin::new(stream).poll_shutdown(cx);
        }
        let linger = match linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                linger.insert(Linger::new())
            }
        };
        linger.poll(stream, cx).map(Ok)
    }
}
