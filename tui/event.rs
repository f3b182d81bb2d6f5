//! What happens to the interface, and what it wants done.
//!
//! Events come in over one queue, actions go out; neither does anything by
//! itself. Which key means what is in `keys`.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use spur_route::TraceId;
use spur_trace::{LogLine, Trace};

use crate::keys::{Key, Screen};

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
    /// The mouse was pressed on this.
    Clicked(Hit),
    /// The wheel was turned, down or up.
    Turned(Turn),
}

/// What lies under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The name of a screen.
    Screen(Screen),
    /// A row of the list, counted from its first.
    Row(usize),
}

/// A way to turn a wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Towards the first row.
    Up,
    /// Towards the last one.
    Down,
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
    /// So many ordinary traces were left out, because there are more than anybody reads.
    Sampled(u64),
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
    LogLine(LogSource, Box<LogLine>),
    /// The log that is followed ended, and how.
    LogEnded(LogSource, String),
    /// What was asked is answered, or why it is not.
    Answered(Ask, Result<Value, String>),
    /// An object was put, or why it was not.
    Put(Put, Result<Value, Refusal>),
    /// Filters that were saved before.
    SavedFilters(Vec<String>),
    /// Something was done.
    Done(String),
    /// Something could not be done, and why.
    Failed(String),
}

/// A question to the server, or a wish; at most one of each is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    /// What came in at the entry in the last seconds.
    Rates,
    /// Who called whom in a minute, which ended so many seconds ago.
    Edges {
        /// So many.
        ago_s: u64,
    },
    /// Who answered by which rule in the last minutes.
    Shares,
    /// Requests that fit a filter, to compare with.
    Baselines(String),
    /// Where a request would go, by the query of `/spur/v1/explain`.
    Explain(String),
    /// The same for a recorded request, to be counted.
    Recount(String),
    /// Heads and bodies of a trace's hops.
    Captures(TraceId, Secrets),
    /// The lines of all logs that belong to a trace.
    LogsOf(TraceId),
    /// A request sent again, in the words of `/spur/v1/replay`.
    Replay(String),
    /// A trace kept as marked.
    Mark(TraceId),
    /// Its mark taken off.
    Unmark(TraceId),
}

/// Whether the values of passwords, tokens and the like are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Secrets {
    /// They are left out, by the server.
    #[default]
    Hidden,
    /// As they came.
    Told,
}

/// Traces that are written into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// The file, from the folder that the interface was started in.
    pub(crate) path: String,
    /// As what.
    pub(crate) format: ExportFormat,
    /// In their order.
    pub(crate) traces: Vec<Arc<Trace>>,
    /// What of captured requests is written.
    pub(crate) secrets: Secrets,
}

/// A format that other tools read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// An HTTP archive, with what was captured.
    Har,
    /// A trace a line, as `spur trace -o json` has it.
    JsonLines,
}

/// An object to be put in the place of what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    /// Its path.
    pub(crate) path: String,
    /// The whole object, with the resourceVersion that it was read at.
    pub(crate) object: Value,
    /// Whether the server only says whether it would take it.
    pub(crate) is_dry_run: bool,
}

/// Why the server did not take an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status; 409 where somebody else has changed it meanwhile.
    pub(crate) code: u16,
    /// In words.
    pub(crate) message: String,
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
    /// VirtualServices, for their weights.
    VirtualServices,
}

/// Whose log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogSource {
    /// What a container prints.
    Container {
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// What all workloads print and report.
    All {
        /// Lines that fit this filter.
        filter: String,
        /// Lines of this trace.
        trace: Option<TraceId>,
    },
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
    /// Tell from now on of traces that fit this filter, and no others.
    Subscribe(String),
    /// Ask the server.
    Ask(Ask),
    /// Put an object.
    Put(Box<Put>),
    /// Write traces into a file.
    Export(Box<Export>),
    /// Keep these filters for the next time.
    SaveFilters(Vec<String>),
    /// Take the mouse.
    TakeMouse,
    /// Give it back to the terminal.
    GiveMouse,
}
