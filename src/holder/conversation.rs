//! One client of the holder.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::descriptors;
use crate::holding::Holding;
use crate::protocol::{LineError, REQUEST_MAX_BYTES, Request, line, take_line};

/// A connection and what has come of the next request.
#[derive(Debug)]
pub(crate) struct Conversation {
    stream: UnixStream,
    received: Vec<u8>,
}

/// Why a client is let go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LetGo {
    /// It has gone, which is how a Spur ends.
    #[error("it has closed the connection")]
    Gone,
    /// It asks what nobody of ours asks.
    #[error(transparent)]
    Garbage(#[from] LineError),
    /// It asks faster than it reads: answers are not kept for it.
    #[error("it does not read what it is answered: {0}")]
    Deaf(Errno),
}

// === impl Conversation ===

impl Conversation {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Reads once and answers what has come whole. Descriptors that a client sends are not
    /// received, which closes them.
    pub(crate) fn hear(&mut self, holding: &mut Holding) -> Result<(), LetGo> {
        let mut piece = [0; 4096];
        match recv(&self.stream, &mut piece[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(LetGo::Gone),
            Ok((n_bytes, _)) => self.received.extend_from_slice(&piece[..n_bytes]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => return Err(LetGo::Gone),
        }
        while let Some(request) = take_line::<Request>(&mut self.received, REQUEST_MAX_BYTES)? {
            holding
                .answer(request, |reply, passed| descriptors::send(&self.stream, &line(reply), passed))
                .map_err(LetGo::Deaf)?;
        }
        Ok(())
    }
}

impl AsFd for Conversation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
