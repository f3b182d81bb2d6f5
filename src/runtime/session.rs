//! A conversation with a command, or with a container itself, while it runs:
//! what `exec` and `attach` give. Plain ends of streams; what carries them to a
//! client is the caller's.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

/// Which streams are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Somebody will write to it.
    pub stdin: bool,
    /// Its standard output is read. With a terminal it is, wanted or not.
    pub stdout: bool,
    /// Its standard error is read; with a terminal there is none of its own.
    pub stderr: bool,
    /// It gets a terminal, of this size to begin with.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Which of its two outputs a command wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output, and all that comes from a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a command's standard input is written.
pub type Stdin = Box<dyn AsyncWrite + Send + Unpin>;

/// A conversation under way.
///
/// Nothing is read ahead: what the caller does not take stays with the command, which
/// waits for it. Dropping [`Session::exit`] hangs up: a command that was run for this
/// session is ended, with its process group, where the runtime can (Docker cannot); a container
/// that was attached to runs on.
pub struct Session {
    /// Where its standard input is written; `None` where it has none. Shut down or dropped,
    /// the command reads the end of its input, unless it reads from a terminal.
    pub stdin: Option<Stdin>,
    /// What it writes, split anywhere; ends when no more comes.
    pub output: BoxStream<'static, (OutputStream, Bytes)>,
    /// caller -- every new size, in order --> the terminal; `None` where there is none
    pub size_tx: Option<mpsc::Sender<TerminalSize>>,
    /// How it ended: its exit code, or 128 + the signal's number. To be awaited beside the
    /// streams: sizes may be applied meanwhile.
    pub exit: BoxFuture<'static, i32>,
    /// Whether the conversation is over when the caller's input is.
    pub ends_with_stdin: bool,
}

/// The exit code of an end of which nobody knows how it was (Kubernetes' number).
pub(crate) const UNKNOWN_EXIT: i32 = 137;

// === impl Streams ===

impl Streams {
    /// Both outputs and nothing else.
    pub const OUTPUT: Self = Self { stdin: false, stdout: true, stderr: true, terminal: None };
}

// === impl TerminalSize ===

impl Default for TerminalSize {
    /// That of a VT100, which programs assume where they are told nothing.
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

// === impl Session ===

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("ends_with_stdin", &self.ends_with_stdin).finish_non_exhaustive()
    }
}
