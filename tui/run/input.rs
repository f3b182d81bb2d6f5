//! What the terminal sends: keys, pastes, changes of size.
//!
//! crossterm's stream is read in a task of its own. Each look at it takes a lock that its thread
//! holds and some system calls, also where nothing was typed; and it wakes who looked at it first
//! since the last event. Looked at beside a flood of news it cost a third of the interface's time,
//! and looked at in passing (`now_or_never`) it woke nobody: keys waited for up to 220 ms for
//! something else to happen (`just bench-firehose`, 30 Nov 2026).

use std::io;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Events that wait to be taken in; a long paste is one event.
const WAITING_MAX: usize = 256;

/// The terminal's events; no longer read once this is dropped.
pub(super) struct Input {
    events_rx: mpsc::Receiver<io::Result<Event>>,
    reader: AbortHandle,
}

// === impl Input ===

impl Input {
    /// Begins to read.
    pub(super) fn start() -> Self {
        // events -- the reader --> the loop
        let (events_tx, events_rx) = mpsc::channel(WAITING_MAX);
        let reader = tokio::spawn(async move {
            let mut events = EventStream::new();
            while let Some(event) = events.next().await {
                if events_tx.send(event).await.is_err() {
                    return;
                }
            }
        });
        Self { events_rx, reader: reader.abort_handle() }
    }

    /// The next event; `None` when the terminal is gone. May be dropped while it waits without losing
    /// any.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events_rx.recv().await?.ok()
    }

    /// An event that waits already, if one does.
    pub(super) fn waiting(&mut self) -> Option<Event> {
        // An error is met again by who waits.
        self.events_rx.try_recv().ok()?.ok()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
