//! A pseudo-terminal as its master's side sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rustix::termios::{Winsize, tcsetwinsize};
use tokio::process::{ChildStdin, ChildStdout};

use crate::session::TerminalSize;

/// The master's side, to change the terminal's size. When this, its reader and its writer
/// are dropped, the session on the other side is hung up (SIGHUP).
#[derive(Clone)]
pub(super) struct Terminal(Arc<OwnedFd>);

/// Written while a master is opened, read while a process is started: for a moment the
/// new descriptor is not closed on exec, and a process that inherited it would keep the
/// session from being hung up.
static OPENING: RwLock<()> = RwLock::new(());

/// Held while a process is started.
pub(super) fn no_terminal_is_opened() -> RwLockReadGuard<'static, ()> {
    OPENING.read().unwrap_or_else(PoisonError::into_inner)
}

// === impl Terminal ===

impl Terminal {
    /// Starts a command as the leader of a new session, whose terminal this becomes.
    pub(super) fn spawn(command: Command, size: TerminalSize) -> io::Result<(Child, Self)> {
        let (master, slave) = {
            let _alone = OPENING.write().unwrap_or_else(PoisonError::into_inner);
            pty_process::blocking::open().map_err(plain)?
        };
        let terminal = Self(Arc::new(OwnedFd::from(master)));
        terminal.resize(size)?;
        let _none_is_opened = no_terminal_is_opened();
        let child = pty_process::blocking::Command::from(command).spawn(slave).map_err(plain)?;
        Ok((child, terminal))
    }

    /// What is read and written like the pipes of a child, by descriptors of their own.
    /// Linux tells the end by an error (EIO), once nobody has the other side open. The
    /// input has no end: who wants to say so types Ctrl-D. Needs a tokio runtime.
    pub(super) fn pipes(&self) -> io::Result<(ChildStdin, ChildStdout)> {
        let stdin = ChildStdin::from_std(self.0.try_clone()?.into())?;
        let stdout = ChildStdout::from_std(self.0.try_clone()?.into())?;
        Ok((stdin, stdout))
    }

    /// Tells the foreground programs by SIGWINCH, if it is another size than before.
    pub(super) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let TerminalSize { columns, rows } = size;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.0, size)?)
    }
}

/// The system's own error, from which the cause of a failed start is told.
fn plain(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(errno) => errno.into(),
    }
}
