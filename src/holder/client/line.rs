//! The connection with the holder: a request out, an answer and its descriptors in.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::{Answered, CallError};
use crate::descriptors;
use crate::protocol::{LineError, REPLY_MAX_BYTES, Reply, Request, line, take_line};

/// A connection and what has come of the next answer.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    received: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

// === impl Line ===

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, received: Vec::new(), descriptors: Vec::new() }
    }

    /// Comes back when the other side ends the connection, or speaks unasked. Cancel safe.
    pub(super) async fn ended(&mut self) {
        // What it says does not matter.
        let _ = self.receive().await;
    }

    /// Asks and reads the answer. Not cancel safe: after half an answer nothing is right any more.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Answered, CallError> {
        self.stream.write_all(&line(request)).await.map_err(|_| CallError::Gone)?;
        let reply = loop {
            match take_line::<Reply>(&mut self.received, REPLY_MAX_BYTES) {
                Ok(Some(reply)) => break reply,
                Ok(None) => {}
                Err(error) => return Err(garbled(&error)),
            }
            if !matches!(self.receive().await, Ok(1..)) {
                return Err(CallError::Gone);
            }
        };
        let Reply { outcome, n_descriptors: wanted } = reply;
        let descriptors = std::mem::take(&mut self.descriptors);
        let found = descriptors.len();
        if found < wanted {
            return Err(CallError::Descriptors { wanted, found });
        }
        Ok(Answered { outcome, descriptors })
    }

    async fn receive(&mut self) -> io::Result<usize> {
        let Self { stream, received, descriptors } = self;
        let read = || descriptors::receive(&*stream, received, descriptors).map_err(io::Error::from);
        stream.async_io(Interest::READABLE, read).await
    }
}

fn garbled(error: &LineError) -> CallError {
    let found = match error {
        LineError::TooLong { .. } => error.to_string(),
        LineError::Unknown(why) => format!("{error}: {why}"),
    };
    CallError::Garbled { found }
}
