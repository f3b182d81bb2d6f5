//! The state and what feeds it, with or without a terminal.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::feeds::Feeds;
use super::{PanicIn, Settings};
use crate::event::{Action, Event, Export, Put, Told};
use crate::state::State;

/// News that wait to be taken in. When it is full the feeds wait, and the
/// server counts what they miss.
const TOLD_MAX: usize = 1_024;

/// News that are taken in before keys are looked at again: a few milliseconds.
const BATCH_MAX: usize = 256;

/// How long is filtered before keys are looked at again: nobody feels it, and a frame has room
/// beside it.
const SLICE: Duration = Duration::from_millis(4);

/// See above.
pub(super) struct Session {
    pub(super) state: State,
    pub(super) panic_in: Option<PanicIn>,
    feeds: Feeds,
    saved_filters: Option<PathBuf>,
    told_rx: mpsc::Receiver<Told>,
}

// === impl Session ===

impl Session {
    /// Begins to listen to the server.
    pub(super) fn start(settings: Settings, now: SystemTime) -> Self {
        let Settings { client, url, theme, is_ascii, keymap, saved_filters, panic_in } = settings;
        // told -- the feeds --> the session
        let (told_tx, told_rx) = mpsc::channel(TOLD_MAX);
        let mut state = State::new(url, theme, now);
        (state.is_ascii, state.keymap) = (is_ascii, keymap);
        let mut feeds = Feeds::start(client, told_tx);
        if let Some(path) = saved_filters.clone() {
            feeds.read_filters(path);
        }
        Self { state, panic_in, feeds, saved_filters, told_rx }
    }

    /// Panics in a task of its own.
    pub(super) fn panic_in_task(&mut self) {
        self.feeds.panic();
    }

    /// Takes in an event, and does what is to be done but for what needs a terminal.
    pub(super) fn apply(&mut self, event: Event) -> Vec<Action> {
        let actions = self.state.update(event);
        for action in &actions {
            match action {
                Action::Watch(watched) => self.feeds.watch(*watched),
                Action::FollowLog(source) => self.feeds.follow_log(source.clone()),
                Action::Subscribe(filter) => self.feeds.subscribe(filter.clone()),
                Action::Ask(ask) => self.feeds.ask(ask.clone()),
                Action::Put(put) => self.feeds.put(Put::clone(put)),
                Action::Export(export) => self.feeds.export(Export::clone(export)),
                Action::SaveFilters(filters) => {
                    if let Some(path) = self.saved_filters.clone() {
                        self.feeds.save_filters(path, filters.clone());
                    }
                }
                Action::Quit | Action::Suspend | Action::Copy(_) | Action::TakeMouse | Action::GiveMouse => {}
            }
        }
        if self.state.is_filtering() {
            self.filter_on();
        }
        actions
    }

    /// Filters for one slice of time.
    pub(super) fn filter_on(&mut self) {
        let until = Instant::now() + SLICE;
        self.state.filter_on(&mut || Instant::now() >= until);
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
