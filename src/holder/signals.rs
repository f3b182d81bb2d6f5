//! Signals as bytes in sockets that can be waited for.
//!
//! The kernel gives pid 1 of a namespace only signals that it has handlers for (pid_namespaces(7)):
//! without these, `docker stop` would wait for its whole time and then kill.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::{WaitOptions, wait};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// The process' handlers, which stay for its whole life.
#[derive(Debug)]
pub(crate) struct Signals {
    ends: UnixStream,
    children: UnixStream,
}

// === impl Signals ===

impl Signals {
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { ends: on(&[SIGTERM, SIGINT])?, children: on(&[SIGCHLD])? })
    }

    /// Readable as soon as the process is told to end, and from then on.
    pub(crate) fn ends(&self) -> BorrowedFd<'_> {
        self.ends.as_fd()
    }

    /// Readable when a child has ended.
    pub(crate) fn children(&self) -> BorrowedFd<'_> {
        self.children.as_fd()
    }

    /// Takes the ends of children: pid 1 inherits those of every process that has left some.
    pub(crate) fn reap(&self) {
        // What was told before is done now.
        while matches!((&self.children).read(&mut [0; 64]), Ok(1..)) {}
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

fn on(signals: &[i32]) -> io::Result<UnixStream> {
    let (told, telling) = UnixStream::pair()?;
    told.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, telling.try_clone()?)?;
    }
    Ok(told)
}
