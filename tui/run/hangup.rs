//! The end of a terminal that goes away.
//!
//! A terminal that has hung up reads as at its end, for ever, and crossterm 0.29 asks it again without
//! a pause (`event/source/unix/mio.rs`, `try_read`): the loop is not heard from any more, signals
//! included. So a thread of its own waits for the hang-up, which also comes where SIGHUP is ignored
//! (nohup(1)), and ends the process: there is nobody left to show anything to.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::terminal;

/// As a shell tells of who died of SIGHUP: 128 + 1.
const EXIT_CODE: i32 = 129;

/// How long the loop has to end by itself, which gives everything back in order.
const PATIENCE: Duration = Duration::from_millis(500);

/// Ends this process when the terminal that stdin is goes away.
///
/// # Errors
/// The system gives no thread.
pub(super) fn watch() -> io::Result<()> {
    let wait = || {
        let stdin = io::stdin();
        // Nothing is asked for: a hang-up is always told (poll(2)).
        let has_hung_up = loop {
            match poll(&mut [PollFd::new(&stdin, PollFlags::empty())], None) {
                Ok(_) => break true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break false,
            }
        };
        if has_hung_up {
            std::thread::sleep(PATIENCE);
            terminal::restore();
            std::process::exit(EXIT_CODE);
        }
    };
    std::thread::Builder::new().name("spur-ui-hangup".to_owned()).spawn(wait).map(drop)
}
