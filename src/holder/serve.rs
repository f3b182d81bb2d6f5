//! The holder's life: one thread that sleeps until it is asked or told to end.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::conversation::{Conversation, LetGo};
use crate::holding::Holding;
use crate::signals::Signals;

/// A Spur is one client, and one that was just killed another; who comes when there are eight waits
/// until one goes.
const CLIENTS_MAX: usize = 8;

/// How long no client is accepted after the kernel could not: it cannot at once, either.
const ACCEPT_AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Holds sockets for whoever connects to a unix socket at `path`, until SIGTERM or SIGINT.
///
/// Everybody who reaches the path may: in a container the holder runs as another user than Spur
/// does outside, so the folder that is mounted there has to be the owner's alone.
///
/// # Errors
/// The path cannot be bound, or another holder answers there; or the kernel fails to wait.
pub fn hold(path: &Path) -> io::Result<()> {
    // First of all, since what comes before a handler is lost for pid 1.
    let signals = Signals::install()?;
    let listener = bind(path)?;
    raise_descriptors();
    let ended = serve(&listener, &signals);
    // The next one finds a free path, and clients need not try in vain.
    let _ = std::fs::remove_file(path);
    ended
}

/// Holds sockets for the one client at the other end of `stream`, until it has gone or SIGTERM or
/// SIGINT comes.
///
/// # Errors
/// The kernel fails to wait.
pub fn hold_for(stream: UnixStream) -> io::Result<()> {
    let signals = Signals::install()?;
    raise_descriptors();
    let (mut client, mut holding) = (Conversation::new(stream), Holding::new());
    loop {
        signals.reap();
        let (is_over, is_asked) = {
            let mut waited = [
                PollFd::from_borrowed_fd(signals.ends(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.children(), PollFlags::IN),
                PollFd::new(&client, PollFlags::IN),
            ];
            wait(&mut waited, None)?;
            (is_ready(&waited[0]), is_ready(&waited[2]))
        };
        if is_over || is_asked && !stays(&mut client, &mut holding) {
            return Ok(());
        }
    }
}

/// Does nothing until SIGTERM or SIGINT, so that a pod's network outlives each of its containers.
///
/// # Errors
/// The kernel fails to wait.
pub fn pause() -> io::Result<()> {
    let signals = Signals::install()?;
    loop {
        signals.reap();
        let mut waited = [
            PollFd::from_borrowed_fd(signals.ends(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.children(), PollFlags::IN),
        ];
        wait(&mut waited, None)?;
        if is_ready(&waited[0]) {
            return Ok(());
        }
    }
}

fn serve(listener: &UnixListener, signals: &Signals) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut holding = Holding::new();
    let mut clients: Vec<Conversation> = Vec::new();
    let mut can_accept = true;
    loop {
        signals.reap();
        let is_accepting = can_accept && clients.len() < CLIENTS_MAX;
        let (is_asked, ready) = {
            let mut waited = vec![
                PollFd::from_borrowed_fd(signals.ends(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.children(), PollFlags::IN),
                PollFd::new(listener, if is_accepting { PollFlags::IN } else { PollFlags::empty() }),
            ];
            waited.extend(clients.iter().map(|client| PollFd::new(client, PollFlags::IN)));
            wait(&mut waited, (!can_accept).then_some(&ACCEPT_AGAIN))?;
            if is_ready(&waited[0]) {
                return Ok(());
            }
            (is_accepting && is_ready(&waited[2]), waited[3..].iter().map(is_ready).collect::<Vec<_>>())
        };
        let mut ready = ready.into_iter();
        clients.retain_mut(|client| !ready.next().unwrap_or(false) || stays(client, &mut holding));
        can_accept = true;
        if is_asked {
            match accept(listener) {
                Ok(client) => clients.extend(client),
                Err(error) => {
                    eprintln!("failed to accept a client: {error}");
                    can_accept = false;
                }
            }
        }
    }
}

/// `None` where it has gone before it was accepted.
fn accept(listener: &UnixListener) -> io::Result<Option<Conversation>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(Conversation::new(stream))),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Ok(None),
            _ => Err(error),
        },
    }
}

/// Whether a client that was heard may go on.
fn stays(client: &mut Conversation, holding: &mut Holding) -> bool {
    match client.hear(holding) {
        Ok(()) => true,
        Err(LetGo::Gone) => false,
        Err(why @ (LetGo::Garbage(_) | LetGo::Deaf(_))) => {
            let source = std::error::Error::source(&why);
            let source = source.map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("dropped a client: {why}{source}");
            false
        }
    }
}

fn wait(waited: &mut [PollFd<'_>], at_most: Option<&Timespec>) -> io::Result<()> {
    match poll(waited, at_most) {
        // A handler ran, and its byte is read next time.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_ready(waited: &PollFd<'_>) -> bool {
    !waited.revents().is_empty()
}

/// Binds, in the place of a holder that has gone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// A container is often given 1,024 descriptors and the right to more.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it may not, fewer sockets are held.
    let _ = setrlimit(Resource::Nofile, limit);
}
