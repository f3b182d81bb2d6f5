//! What the interface knows and where the user is; no drawing, no IO.
//!
//! [`State::update`] takes an event and says what is to be done. What the
//! server tells is taken in by `told`, what the user wants is done by `wanted`.

pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod log;
pub(crate) mod objects;
pub(crate) mod palette;
pub(crate) mod stats;
pub(crate) mod topology;
pub(crate) mod trace_view;
pub(crate) mod traces;
pub(crate) mod waterfall;
pub(crate) mod why;

mod told;
mod typed;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use spur_route::TraceId;

use crate::event::{Action, Event, Watched};
use crate::keys::{self, Key, Screen};
use cursor::Cursor;
use log::Log;
use objects::Objects;
use palette::Palette;
use stats::{Counts, Stats};
use topology::{EdgeId, Topology};
use trace_view::TraceView;
use traces::Traces;

/// Everything that can be seen, and what is needed to go on.
#[derive(Debug)]
pub(crate) struct State {
    /// The time of the last event that told it.
    pub(crate) now: SystemTime,
    pub(crate) size: (u16, u16),
    /// The server's address.
    pub(crate) server: String,
    pub(crate) link: Link,
    pub(crate) facts: Facts,
    pub(crate) theme: ThemeName,
    /// Whether there may be colours.
    can_colour: bool,

    pub(crate) screen: Screen,
    /// The screens before this one, the latest last.
    back: Vec<Screen>,
    pub(crate) overlay: Option<Overlay>,
    /// What was done, until the next key.
    pub(crate) notice: Option<String>,
    pub(crate) filter: FilterLine,

    pub(crate) traces: Traces,
    pub(crate) paused: Option<Box<Paused>>,
    /// Traces that the server could not tell us of, because we were too slow.
    pub(crate) n_missed: u64,
    counted: Counts,
    pub(crate) stats: Stats,
    pub(crate) live: Cursor<TraceId>,
    pub(crate) trace: TraceView,
    pub(crate) topology: Topology,
    pub(crate) topology_cursor: Cursor<EdgeId>,

    pub(crate) sandboxes: Objects,
    pub(crate) sandbox_cursor: Cursor<String>,
    pub(crate) events: Objects,
    pub(crate) event_cursor: Cursor<String>,
    pub(crate) pods: Objects,
    pub(crate) pod_cursor: Cursor<String>,
    pub(crate) log: Log,
    pub(crate) log_cursor: Cursor<u64>,
    pub(crate) log_pane: LogPane,
    /// Columns that are panned out at the left of the log.
    pub(crate) log_left: usize,

    /// What the server was asked to tell of.
    watched: HashSet<Watched>,
    /// Whether what is drawn may have changed.
    is_dirty: bool,
}

/// The connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Live,
    /// It is being tried again; why it is down.
    Down(String),
}

/// What we use of `/spur/v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The revision of the routing table that decides.
    pub(crate) routes_revision: Option<i64>,
    pub(crate) entry_port: Option<u16>,
    /// Records that were overwritten before they were read.
    pub(crate) n_lost_records: u64,
    pub(crate) is_tracing_off: bool,
}

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThemeName {
    /// The 16 colours of the terminal, on its own background.
    Ansi,
    /// The same for light backgrounds, where yellow and cyan are hard to read.
    Light,
    /// No colours: bold, reverse, underline.
    Mono,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// The keys of this screen, from this row on.
    Help(usize),
    Palette(Palette),
    /// Something to read.
    Note(Note),
}

/// A title and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
}

/// The line under the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterLine {
    pub(crate) text: String,
    /// While it is typed: what it was before.
    pub(crate) before: Option<String>,
}

/// The view as it was when the user stopped it; recording goes on behind it.
#[derive(Clone, Debug)]
pub(crate) struct Paused {
    pub(crate) traces: Traces,
    /// Traces that came since then.
    pub(crate) n_arrived: u64,
}

/// Which half of the screen with logs has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogPane {
    Pods,
    Lines,
}

// === impl State ===

impl State {
    /// Before anything has happened.
    pub(crate) fn new(server: String, theme: ThemeName, now: SystemTime) -> Self {
        Self {
            now,
            size: (0, 0),
            server,
            link: Link::Connecting,
            facts: Facts::default(),
            theme,
            can_colour: theme != ThemeName::Mono,
            screen: Screen::Live,
            back: Vec::new(),
            overlay: None,
            notice: None,
            filter: FilterLine::default(),
            traces: Traces::default(),
            paused: None,
            n_missed: 0,
            counted: Counts::default(),
            stats: Stats::default(),
            live: Cursor::following(),
            trace: TraceView::default(),
            topology: Topology::default(),
            topology_cursor: Cursor::first(),
            sandboxes: Objects::default(),
            sandbox_cursor: Cursor::first(),
            events: Objects::default(),
            event_cursor: Cursor::following(),
            pods: Objects::default(),
            pod_cursor: Cursor::first(),
            log: Log::default(),
            log_cursor: Cursor::following(),
            log_pane: LogPane::Pods,
            log_left: 0,
            watched: HashSet::new(),
            is_dirty: true,
        }
    }

    /// Takes in an event and says what is to be done about it.
    pub(crate) fn update(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Key(key) => {
                self.is_dirty = true;
                self.notice = None;
                self.key(key)
            }
            Event::Pasted(text) => {
                self.is_dirty = true;
                self.paste(&text);
                Vec::new()
            }
            Event::Size(width, height) => {
                self.is_dirty |= self.size != (width, height);
                self.size = (width, height);
                Vec::new()
            }
            Event::Time(now) => {
                self.time(now);
                Vec::new()
            }
            Event::Told(told) => {
                self.is_dirty |= self.told(told);
                Vec::new()
            }
        }
    }

    /// Whether a frame is due.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Makes a frame due, whatever has changed: the terminal may show something else.
    pub(crate) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Whether a frame is due; asking makes it undue.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }

    /// The traces as they are looked at.
    pub(crate) fn listed(&self) -> &Traces {
        self.paused.as_ref().map_or(&self.traces, |paused| &paused.traces)
    }

    fn key(&mut self, key: Key) -> Vec<Action> {
        if key == Key::Interrupt {
            return vec![Action::Quit];
        }
        if self.filter.before.is_some() {
            self.type_filter(key);
            return Vec::new();
        }
        match &self.overlay {
            Some(Overlay::Palette(_)) => self.type_command(key),
            Some(Overlay::Help(_) | Overlay::Note(_)) => self.read_on(key),
            None => match keys::meaning(key, self.screen) {
                Some(meaning) => self.wanted(meaning),
                None => Vec::new(),
            },
        }
    }

    fn time(&mut self, now: SystemTime) {
        self.now = now;
        let stats = self.counted.stats(now);
        self.is_dirty |= self.stats != stats;
        self.stats = stats;
        match self.screen {
            Screen::Topology => self.count_edges(),
            // Ages grow; a frame in which none has is no bytes.
            Screen::Sandboxes | Screen::Events => self.is_dirty = true,
            Screen::Live | Screen::Trace => self.is_dirty |= self.traces.n_in_flight() > 0,
            Screen::Logs => {}
        }
    }

    fn count_edges(&mut self) {
        if self.paused.is_some() {
            return;
        }
        let topology = topology::topology(self.traces.newest_first(), self.now, self.traces.complete_since());
        self.is_dirty |= topology != self.topology;
        self.topology = topology;
    }

    /// How long ago a time of the API is.
    pub(crate) fn age(&self, time: &str) -> Option<Duration> {
        let time: jiff::Timestamp = time.parse().ok()?;
        Some(self.now.duration_since(time.into()).unwrap_or_default())
    }
}
