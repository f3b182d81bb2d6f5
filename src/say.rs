//! Words to people, on standard error; kept back while the terminal interface has the screen.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Lines that are kept back; the oldest go. They come when the interface is closed, and more than a
/// few screens nobody reads then.
const HELD_MAX: usize = 200;

/// What is kept back; `None` while everything is said at once.
static HELD: Mutex<Option<Kept>> = Mutex::new(None);

#[derive(Default)]
struct Kept {
    lines: VecDeque<Vec<u8>>,
    n_dropped: u64,
}

/// While this lives, what is said is kept back; it is said when this is dropped.
#[must_use]
pub(crate) struct Held(());

/// Where the log is written, line by line.
pub(crate) struct Log;

/// Writes one line. Standard error may be a file on a full disk, or a pipe that nobody reads any
/// more: then the line is lost, where `eprintln!` would panic.
pub(crate) fn say(line: impl Display) {
    write(format!("{line}\n").into_bytes());
}

fn write(line: Vec<u8>) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *held {
        None => {
            let _lost = io::stderr().lock().write_all(&line);
        }
        Some(kept) => {
            kept.lines.push_back(line);
            if kept.lines.len() > HELD_MAX {
                kept.lines.pop_front();
                kept.n_dropped += 1;
            }
        }
    }
}

// === impl Held ===

impl Held {
    /// Keeps back from here on.
    pub(crate) fn begin() -> Self {
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept::default());
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let kept = HELD.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        if kept.n_dropped > 0 {
            say(format_args!("({} earlier lines are left out)", kept.n_dropped));
        }
        kept.lines.into_iter().for_each(write);
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
