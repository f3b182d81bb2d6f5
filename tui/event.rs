//! What happens to the interface, and what it wants done.
//!
//! Events come in over one queue, actions go out; neither does anything by
//! itself. Which key means what is in `keys`.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use spur_trace::Trace;

use crate::keys::Key;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Pasted(String),
    /// The terminal has this many columns and rows.
    Size(u16, u16),
    /// It is this late.
    Time(SystemTime),
    /// The server said something.
    Told(Told),
}

/// What the server says, or the connection to it.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Traces come.
    Connected,
    /// Nothing comes, and why; it is being tried again.
    Disconnected(String),
    /// A trace was published.
    Trace(Arc<Trace>),
    /// So many traces went by because we were too slow.
    Missed(u64),
    /// All traces that are not finished.
    InFlight(Vec<Arc<Trace>>),
    /// What `/spur/v1/status` has.
    Facts(Value),
    /// All objects of a kind, as a list has them.
    Listed(Watched, Vec<Value>),
    /// An object is there, new or changed.
    There(Watched, Value),
    /// An object is gone.
    Gone(Watched, Value),
    /// A line of the log that is followed.
    LogLine(LogSource, String),
    /// The log that is followed ended, and how.
    LogEnded(LogSource, String),
}

/// Kinds of objects that a screen shows; watched from the first visit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Watched {
    /// Sandboxes.
    Sandboxes,
    /// Events of the API.
    Events,
    /// Pods, for their logs.
    Pods,
}

/// Whose log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LogSource {
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod.
    pub(crate) pod: String,
    /// The container.
    pub(crate) container: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// End.
    Quit,
    /// Stop as a job, until the shell lets us go on.
    Suspend,
    /// Put a text on the clipboard.
    Copy(String),
    /// Say from now on what happens to objects of a kind.
    Watch(Watched),
    /// Follow this log, and no other.
    FollowLog(LogSource),
}
