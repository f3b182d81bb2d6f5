//! What happened, as plain data: every call with its beginning, its end and its
//! answer, and everything that each watch was told. Clients write it, checkers
//! read it, and a run that fails leaves it as text.

use std::fmt::Write as _;
use std::time::Duration;

pub(crate) type Revision = u64;

/// Since the run began, on one monotonic clock for every client and watch.
pub(crate) type Moment = Duration;

/// The label that a selection goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shade {
    Light,
    Dark,
}

/// What a client puts into an object. No two writes of a run have the same value,
/// so that a value names its write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) value: String,
    pub(crate) shade: Shade,
}

/// An object as the server showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) uid: String,
    pub(crate) revision: Revision,
    pub(crate) content: Content,
}

/// What a write makes of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// POST: only where there is nothing.
    Create(Content),
    /// PUT: only where there is something.
    Replace(Content),
    /// PATCH: only where there is something.
    Patch(Content),
    /// DELETE: only where there is something.
    Delete,
}

/// A write with its preconditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) key: String,
    pub(crate) change: Change,
    pub(crate) only_at: Option<Revision>,
    pub(crate) only_uid: Option<String>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Write(Write),
    Get(String),
    List(Option<Shade>, Extent),
}

/// Which state a list is of, and how it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The newest state.
    Whole,
    /// The newest state when the first page was asked for, in pages.
    Pages,
    /// The state at an older revision.
    At(Revision),
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The object as written or read.
    Object(Seen),
    /// Deleted; the uid says which object of the key.
    Deleted(String),
    Listing(Revision, Vec<Seen>),
    /// 409: there is one already.
    Exists,
    /// 409: a precondition does not hold.
    Conflict,
    NotFound,
    /// 410: that revision is not kept any more.
    Expired,
    /// The server says that nothing was written.
    NotWritten(String),
    /// A write that may or may not have taken place; a read whose connection was lost.
    Unknown(String),
    /// What no server in these states may say.
    Odd(String),
}

/// One call of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    pub(crate) invoked: Moment,
    pub(crate) returned: Moment,
    pub(crate) call: Call,
    pub(crate) answer: Answer,
}

/// What a watch's event says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One thing that a watcher was told, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A whole state, by a list or by initial events: what follows begins here.
    State(Revision, Vec<Seen>),
    /// Asked to go on after this revision, the last one that it was told.
    Resumed(Revision),
    Event(EventKind, Seen),
    Bookmark(Revision),
    /// The stream ended.
    Broken(String),
    /// 410: this revision is not kept any more.
    Expired(Revision),
    /// What no server in these states may say.
    Odd(String),
}

/// Everything one watcher was told, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watching {
    pub(crate) name: String,
    pub(crate) shade: Option<Shade>,
    pub(crate) notices: Vec<(Moment, Notice)>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Operation>,
    pub(crate) watchings: Vec<Watching>,
    /// What was done to the server, for people.
    pub(crate) faults: Vec<(Moment, String)>,
}

// === impl Shade ===

impl Shade {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        [Self::Light, Self::Dark].into_iter().find(|shade| shade.text() == text)
    }
}

// === impl Change ===

impl Change {
    pub(crate) fn content(&self) -> Option<&Content> {
        match self {
            Self::Create(content) | Self::Replace(content) | Self::Patch(content) => Some(content),
            Self::Delete => None,
        }
    }
}

// === impl Operation ===

impl Operation {
    pub(crate) fn write(&self) -> Option<&Write> {
        match &self.call {
            Call::Write(write) => Some(write),
            Call::Get(_) | Call::List(..) => None,
        }
    }

    pub(crate) fn is_unknown_write(&self) -> bool {
        self.write().is_some() && matches!(self.answer, Answer::Unknown(_))
    }

    pub(crate) fn is_lost_read(&self) -> bool {
        self.write().is_none() && matches!(self.answer, Answer::Unknown(_))
    }
}

// === impl History ===

impl History {
    pub(crate) fn count(&self, is_counted: impl Fn(&Notice) -> bool) -> usize {
        self.watchings.iter().flat_map(|watching| &watching.notices).filter(|(_, n)| is_counted(n)).count()
    }

    /// One line for each thing that happened, by when it was known.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<(Moment, String)> = self.faults.clone();
        lines.extend(self.operations.iter().map(|operation| {
            let Operation { client, invoked, returned, call, answer } = operation;
            (*returned, format!("client {client} from {invoked:?}: {call:?} -> {answer:?}"))
        }));
        for Watching { name, notices, .. } in &self.watchings {
            lines.extend(notices.iter().map(|(at, notice)| (*at, format!("watcher {name}: {notice:?}"))));
        }
        lines.sort();
        lines.iter().fold(String::new(), |mut text, (at, line)| {
            writeln!(text, "{:10.6} {line}", at.as_secs_f64()).expect("a String takes everything");
            text
        })
    }
}
