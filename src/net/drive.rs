//! Driving one server connection of HTTP to its end: deadlines and drain.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Limits, Overdue, Pace};

/// How a connection ended.
#[derive(Debug)]
pub enum Ended<E = hyper::Error> {
    /// Both sides were done, or the connection was upgraded.
    Finished,
    /// The peer or the protocol failed.
    Failed(E),
    /// It missed a deadline and was closed.
    Overdue(Overdue),
    /// It was asked to drain and did not finish in time.
    Cut,
}

/// What ended the first wait.
enum First<E> {
    Connection(Result<(), E>),
    /// A deadline was missed, or the drain has begun.
    Other(Option<Overdue>),
}

/// Tells whether what is waited for beside the connection has woken the task. A connection wakes
/// with every packet, and looking at the clock and two other wakers each time was a fiftieth of
/// what a request cost.
struct Aside {
    is_woken: AtomicBool,
    task: AtomicWaker,
}

/// Polls `connection` until it ends, misses a deadline of `pace`, or has had
/// `limits.drain_timeout` to finish after `drain` was cancelled.
///
/// `graceful` is the connection's own `graceful_shutdown`; connections share it by name only.
pub async fn drive<C, E>(
    connection: C,
    graceful: fn(Pin<&mut C>),
    (pace, limits): (&Pace, &Limits),
    drain: &CancellationToken,
) -> Ended<E>
where
    C: Future<Output = Result<(), E>>,
{
    let ended = drive_http(connection, graceful, (pace, limits), drain).await;
    pace.release();
    ended
}

async fn drive_http<C, E>(
    connection: C,
    graceful: fn(Pin<&mut C>),
    (pace, limits): (&Pace, &Limits),
    drain: &CancellationToken,
) -> Ended<E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = pin!(connection);
    let mut other = pin!(async {
        tokio::select! {
            biased;
            overdue = pace.overdue(limits) => Some(overdue),
            () = drain.cancelled() => None,
        }
    });
    let aside = Arc::new(Aside::new());
    let aside_waker = Waker::from(Arc::clone(&aside));
    let first = poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(First::Connection(result));
        }
        aside.task.register(cx.waker());
        if !aside.take() {
            return Poll::Pending;
        }
        other.as_mut().poll(&mut Context::from_waker(&aside_waker)).map(First::Other)
    });
    let overdue = match first.await {
        First::Connection(result) => return finished(result),
        First::Other(overdue) => overdue,
    };
    match overdue {
        // There is nobody to say goodbye to.
        Some(missed @ (Overdue::Head | Overdue::Unread)) => Ended::Overdue(missed),
        Some(Overdue::Idle) => {
            // HTTP/2 says GOAWAY and waits for the peer, who gets one head's time.
            graceful(connection.as_mut());
            let _ = within(limits.head_timeout, connection, pace).await;
            Ended::Overdue(Overdue::Idle)
        }
        None => {
            graceful(connection.as_mut());
            within(limits.drain_timeout, connection, pace).await.map_or(Ended::Cut, finished)
        }
    }
}

async fn within<C: Future>(
    deadline: Duration,
    mut connection: Pin<&mut C>,
    pace: &Pace,
) -> Option<C::Output> {
    let ended = async {
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                // An interim response waits.
                () = pace.looks_again() => {}
            }
        }
    };
    timeout(deadline, ended).await.ok()
}

fn finished<E>(result: Result<(), E>) -> Ended<E> {
    match result {
        Ok(()) => Ended::Finished,
        Err(error) => Ended::Failed(error),
    }
}

// === impl Ended ===

impl<E> Ended<E> {
    /// The same end, its failure in other words.
    pub fn map_err<F>(self, op: impl FnOnce(E) -> F) -> Ended<F> {
        match self {
            Self::Finished => Ended::Finished,
            Self::Failed(error) => Ended::Failed(op(error)),
            Self::Overdue(overdue) => Ended::Overdue(overdue),
            Self::Cut => Ended::Cut,
        }
    }
}

// === impl Aside ===

impl Aside {
    fn new() -> Self {
        // What was never polled has nobody to wake.
        Self { is_woken: AtomicBool::new(true), task: AtomicWaker::new() }
    }

    fn take(&self) -> bool {
        self.is_woken.load(Ordering::Relaxed) && self.is_woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Aside {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}
