//! The one thread that writes: takes what waits, commits it together, publishes, answers.

mod group;
mod recovery;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::disk::Disk;
use crate::history::Ledger;
use crate::published::{News, Shared};
use crate::snapshot::{Opened, Snapshot};
use crate::tables::State;
use crate::{Expect, Key, Options, Revision, Stored, WriteError};

use group::{Applied, Failure};
use recovery::Mode;

/// What the writer is sent.
#[derive(Debug)]
pub(crate) enum Message {
    Write(Waiting),
    /// Finish what came before, and end.
    Stop,
}

/// A write whose caller waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) key: Key,
    pub(crate) encoded: Vec<u8>,
    pub(crate) expect: Expect,
    pub(crate) operation: Operation,
    pub(crate) answer_tx: oneshot::Sender<Result<Written, WriteError>>,
    /// Its share of the queue's bound, given back with the answer.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What to do with the object.
#[derive(Debug)]
pub(crate) enum Operation {
    Put(Bytes),
    Delete { last: Option<Bytes> },
}

/// An acknowledged write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) revision: Revision,
    /// What a deletion removed.
    pub(crate) removed: Option<Stored>,
}

/// Owns the database handle and what the next commit builds on.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    options: Options,
    opened: Arc<Opened>,
    state: State,
    ledger: Ledger,
    mode: Mode,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        options: Options,
        opened: Arc<Opened>,
        state: State,
        ledger: Ledger,
    ) -> Self {
        Self { shared, disk, options, opened, state, ledger, mode: Mode::Ready }
    }

    /// Runs until it is told to stop, or until no one can write any more.
    pub(crate) fn run(mut self, queue_rx: Receiver<Message>) {
        self.lay_first_ballast();
        loop {
            let first = match self.next(&queue_rx) {
                Ok(Message::Write(first)) => first,
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.tend();
                    continue;
                }
            };
            let (group, then) = self.gather(first, &queue_rx);
            self.write(group);
            if then == Then::Stop {
                break;
            }
        }
        // Closing writes too.
        self.check_directory();
        // Callers that come now find the queue closed; what they sent is dropped unexecuted.
        drop(queue_rx);
        self.shared.close();
    }

    fn next(&self, queue_rx: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        match self.mode.due() {
            None => queue_rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => queue_rx.recv_timeout(due.saturating_duration_since(Instant::now())),
        }
    }

    /// Everything that waits already, up to what one commit takes. What comes during the commit
    /// makes the next group: nobody is made to wait for company.
    fn gather(&self, first: Waiting, queue_rx: &Receiver<Message>) -> (Vec<Waiting>, Then) {
        let mut bytes = first.operation.size();
        let mut group = vec![first];
        while group.len() < self.options.group_max_writes && bytes < self.options.group_max_bytes {
            match queue_rx.try_recv() {
                Ok(Message::Write(waiting)) => {
                    bytes += waiting.operation.size();
                    group.push(waiting);
                }
                Ok(Message::Stop) => return (group, Then::Stop),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        (group, Then::GoOn)
    }

    fn write(&mut self, mut group: Vec<Waiting>) {
        while !group.is_empty() {
            self.check_directory();
            let Some(mut admitted) = self.admit(group) else { return };
            match self.commit(&admitted) {
                Ok(Committed { answers, news }) => {
                    group = admitted.split_off(answers.len());
                    // Before the watches: a writer waits for its answer, and they have nobody waiting.
                    for (waiting, answer) in admitted.into_iter().zip(answers) {
                        waiting.answer(answer);
                    }
                    if let Some(news) = news {
                        self.shared.announce(news);
                    }
                    self.opened.gated.catch_up();
                }
                Err(failure) => return self.recover(failure, admitted),
            }
        }
    }

    /// Commits and publishes.
    fn commit(&mut self, group: &[Waiting]) -> Result<Committed, Failure> {
        let applied = group::apply(&self.opened, self.state, &mut self.ledger, group, &self.options)?;
        let Applied { state, changes, answers } = applied;
        if changes.is_empty() {
            return Ok(Committed { answers, news: None });
        }
        let snapshot = Snapshot::take(self.opened.clone(), state.revision)
            .map_err(|error| Failure::after_commit(error.into()))?;
        self.state = state;
        self.shared.count_commit(changes.len());
        Ok(Committed { answers, news: Some(self.shared.publish(changes, snapshot)) })
    }
}

/// What came of a group.
struct Committed {
    /// In the group's order; fewer where it is too large for one commit.
    answers: Vec<Result<Written, WriteError>>,
    /// `None` where nothing has changed.
    news: Option<News>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

// === impl Waiting ===

impl Waiting {
    fn answer(self, answer: Result<Written, WriteError>) {
        // The caller may have given up waiting.
        let _ = self.answer_tx.send(answer);
    }
}

// === impl Operation ===

impl Operation {
    fn size(&self) -> usize {
        match self {
            Self::Put(value) => value.len(),
            Self::Delete { last } => last.as_ref().map_or(0, Bytes::len),
        }
    }
}
