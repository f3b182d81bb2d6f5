//! The state and what feeds it, with or without a terminal.

use std::time::SystemTime;

use tokio::sync::mpsc;

use super::Settings;
use super::feeds::Feeds;
use crate::event::{Action, Event, Told};
use crate::state::State;

/// News that wait to be taken in. When it is full the feeds wait, and the
/// server counts what they miss.
const TOLD_MAX: usize = 1_024;

/// News that are taken in before keys are looked at again: a few milliseconds.
const BATCH_MAX: usize = 256;

/// See above.
pub(super) struct Session {
    pub(super) state: State,
    feeds: Feeds,
    told_rx: mpsc::Receiver<Told>,
}

// === impl Session ===

impl Session {
    /// Begins to listen to the server.
    pub(super) fn start(settings: Settings, now: SystemTime) -> Self {
        let Settings { client, url, theme } = settings;
        // told -- the feeds --> the session
        let (told_tx, told_rx) = mpsc::channel(TOLD_MAX);
        Self { state: State::new(url, theme, now), feeds: Feeds::start(client, told_tx), told_rx }
    }

    /// Takes in an event, and does what is to be done but for what needs a terminal.
    pub(super) fn apply(&mut self, event: Event) -> Vec<Action> {
        let actions = self.state.update(event);
        for action in &actions {
            match action {
                Action::Watch(watched) => self.feeds.watch(*watched),
                Action::FollowLog(source) => self.feeds.follow_log(source.clone()),
                Action::Quit | Action::Suspend | Action::Copy(_) => {}
            }
        }
        actions
    }

    /// Waits for news and takes in what there is of them. May be dropped
    /// while it waits without losing any.
    pub(super) async fn listen(&mut self) {
        let Some(told) = self.told_rx.recv().await else {
            // The feeds hold the other end for as long as this lives.
            return std::future::pending().await;
        };
        let mut next = Some(told);
        for _ in 0..BATCH_MAX {
            let Some(told) = next else { break };
            self.apply(Event::Told(told));
            next = self.told_rx.try_recv().ok();
        }
        if let Some(told) = next {
            self.apply(Event::Told(told));
        }
    }
}
