//! Driving one hyper server connection to its end: deadlines and drain.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Limits, Overdue, Pace};

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// Both sides were done, or the connection was upgraded.
    Finished,
    /// The peer or the protocol failed.
    Failed(hyper::Error),
    /// It missed a deadline and was closed.
    Overdue(Overdue),
    /// It was asked to drain and did not finish in time.
    Cut,
}

/// Polls `connection` until it ends, misses a deadline of `pace`, or has had
/// `limits.drain_timeout` to finish after `drain` was cancelled.
///
/// `graceful` is the connection's own `graceful_shutdown`; hyper's connection
/// types share it by name only.
pub async fn drive<C>(
    connection: C,
    graceful: fn(Pin<&mut C>),
    (pace, limits): (&Pace, &Limits),
    drain: &CancellationToken,
) -> Ended
where
    C: Future<Output = hyper::Result<()>>,
{
    let ended = drive_http(connection, graceful, (pace, limits), drain).await;
    pace.release();
    ended
}

async fn drive_http<C>(
    connection: C,
    graceful: fn(Pin<&mut C>),
    (pace, limits): (&Pace, &Limits),
    drain: &CancellationToken,
) -> Ended
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let overdue = tokio::select! {
        biased;
        result = connection.as_mut() => return finished(result),
        overdue = pace.overdue(limits) => Some(overdue),
        () = drain.cancelled() => None,
    };
    match overdue {
        // There is nobody to say goodbye to.
        Some(missed @ (Overdue::Head | Overdue::Unread)) => Ended::Overdue(missed),
        Some(Overdue::Idle) => {
            // HTTP/2 says GOAWAY and waits for the peer, who gets one head's time.
            graceful(connection.as_mut());
            let _ = within(limits.head_timeout, connection).await;
            Ended::Overdue(Overdue::Idle)
        }
        None => {
            graceful(connection.as_mut());
            within(limits.drain_timeout, connection).await.map_or(Ended::Cut, finished)
        }
    }
}

async fn within<C: Future>(deadline: Duration, connection: Pin<&mut C>) -> Option<C::Output> {
    timeout(deadline, connection).await.ok()
}

fn finished(result: hyper::Result<()>) -> Ended {
    match result {
        Ok(()) => Ended::Finished,
        Err(error) => Ended::Failed(error),
    }
}
