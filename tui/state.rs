//! What the interface knows and where the user is; no drawing, no IO.
//!
//! [`State::update`] takes an event and says what is to be done. What the
//! server tells is taken in by `told`, what the user wants is done by `wanted`.

pub(crate) mod captures;
pub(crate) mod cursor;
pub(crate) mod diff_view;
pub(crate) mod exchange;
pub(crate) mod exporting;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod graph;
pub(crate) mod line;
pub(crate) mod log;
pub(crate) mod objects;
pub(crate) mod palette;
pub(crate) mod playground;
pub(crate) mod rates;
pub(crate) mod recount;
pub(crate) mod replay;
pub(crate) mod reported;
pub(crate) mod share;
pub(crate) mod split;
pub(crate) mod terms;
pub(crate) mod topology;
pub(crate) mod topology_view;
pub(crate) mod trace_view;
pub(crate) mod traces;
pub(crate) mod waterfall;
pub(crate) mod why;

mod asking;
mod cell;
pub(crate) mod copied;
mod filtering;
mod following;
mod indented;
mod pointed;
mod request;
pub(crate) mod splitting;
mod told;
mod typed;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use spur_route::TraceId;
use spur_trace::{Filter, Trace};

use crate::event::{Action, Ask, Event, Watched};
use crate::keymap::Keymap;
use crate::keys::{Key, Screen};
use captures::{Captures, TraceLogs};
pub(crate) use cell::Cell;
use cursor::Cursor;
use diff_view::DiffView;
use exporting::Exporting;
use filter::FilterLine;
use line::Line;
use log::Log;
use objects::Objects;
use palette::Palette;
use playground::Playground;
use rates::{Rates, Sampling};
use replay::Replay;
use split::{Answerers, Draft, RowId, Splits};
use splitting::{Applying, Undo};
use topology::{EdgeId, Topology};
use topology_view::Reach;
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
    pub(crate) keymap: Keymap,
    /// Whether only ASCII is drawn.
    pub(crate) is_ascii: bool,
    /// Whether the mouse is ours.
    pub(crate) has_mouse: bool,
    filters: Lists<FilterLine>,
    /// What the lists were told to want.
    applied: Lists<Arc<Filter>>,
    /// The filter that the server was given.
    subscribed: String,
    /// Filters that were typed before, the latest last.
    history: VecDeque<String>,
    pub(crate) saved_filters: Vec<String>,

    pub(crate) traces: Traces,
    pub(crate) paused: Option<Box<Paused>>,
    /// Traces that the server could not tell us of, because we were too slow.
    pub(crate) n_missed: u64,
    pub(crate) rates: Rates,
    pub(crate) sampling: Sampling,
    pub(crate) live: Cursor<TraceId>,
    /// The column of the selected cell.
    pub(crate) cell: Cell,
    pub(crate) trace: TraceView,
    pub(crate) captures: Captures,
    trace_logs: Option<TraceLogs>,
    /// The trace that others are compared with.
    pub(crate) marked: Option<Arc<Trace>>,
    /// The trace for which the server looks for others.
    compared: Option<Arc<Trace>>,
    pub(crate) diff: Option<DiffView>,
    /// The answer that the topology is made of.
    edges: Value,
    pub(crate) topology: Topology,
    /// How long before now its time ended, in seconds.
    pub(crate) ago_s: u64,
    pub(crate) topology_cursor: Cursor<EdgeId>,
    /// Whether the user wants the table; `None`: whatever fits.
    has_table: Option<bool>,
    pub(crate) reach: Reach,

    pub(crate) sandboxes: Objects,
    pub(crate) sandbox_cursor: Cursor<String>,
    pub(crate) events: Objects,
    pub(crate) event_cursor: Cursor<String>,
    pub(crate) pods: Objects,
    pub(crate) virtual_services: Objects,
    pub(crate) pod_cursor: Cursor<String>,
    pub(crate) splits: Splits,
    pub(crate) split_cursor: Cursor<RowId>,
    pub(crate) draft: Option<Draft>,
    applying: Option<Applying>,
    undo: Vec<Undo>,
    answerers: Answerers,
    /// The answer that observed shares are made of.
    shares: Value,
    pub(crate) playground: Playground,
    pub(crate) log: Log,
    pub(crate) log_cursor: Cursor<u64>,
    pub(crate) log_pane: LogPane,
    /// Columns that are panned out at the left of the log.
    pub(crate) log_left: usize,

    /// What the server was asked to tell of.
    watched: HashSet<Watched>,
    /// What it was asked and has not answered.
    asked: HashSet<Ask>,
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
    /// What can be copied, of the request that is selected.
    Copy,
    /// Filters that were saved, and which of them is selected.
    SavedFilters(usize),
    /// A weight that is typed.
    Weight(Line),
    /// A request to be sent again.
    Replay(Box<Replay>),
    /// Traces to be written into a file.
    Export(Exporting),
}

/// A title and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
    /// The first line that is in view.
    pub(crate) top: usize,
}

/// Something for each kind of list: they have little in common to be filtered by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists<T> {
    requests: T,
    sandboxes: T,
    events: T,
    lines: T,
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
            keymap: Keymap::default(),
            is_ascii: false,
            has_mouse: false,
            filters: Lists::default(),
            applied: Lists::default(),
            subscribed: String::new(),
            history: VecDeque::new(),
            saved_filters: Vec::new(),
            traces: Traces::default(),
            paused: None,
            n_missed: 0,
            rates: Rates::default(),
            sampling: Sampling::default(),
            live: Cursor::following(),
            cell: Cell::Path,
            trace: TraceView::default(),
            captures: Captures::default(),
            trace_logs: None,
            marked: None,
            compared: None,
            diff: None,
            edges: Value::Null,
            ago_s: 0,
            topology: Topology::default(),
            topology_cursor: Cursor::first(),
            has_table: None,
            reach: Reach::Nothing,
            sandboxes: Objects::default(),
            sandbox_cursor: Cursor::first(),
            events: Objects::default(),
            event_cursor: Cursor::following(),
            pods: Objects::default(),
            virtual_services: Objects::default(),
            pod_cursor: Cursor::first(),
            splits: Splits::default(),
            split_cursor: Cursor::first(),
            draft: None,
            applying: None,
            undo: Vec::new(),
            answerers: Answerers::default(),
            shares: Value::Null,
            playground: Playground::default(),
            log: Log::default(),
            log_cursor: Cursor::following(),
            log_pane: LogPane::Pods,
            log_left: 0,
            watched: HashSet::new(),
            asked: HashSet::new(),
            is_dirty: true,
        }
    }

    /// Takes in an event and says what is to be done about it.
    pub(crate) fn update(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Key(key) => {
                self.is_dirty = true;
                self.notice = None;
                let mut actions = self.key(key);
                actions.extend(self.apply_filters());
                actions.extend(self.ask_missing());
                actions
            }
            Event::Pasted(text) => {
                self.is_dirty = true;
                self.paste(&text);
                self.apply_filters()
            }
            Event::Size(width, height) => {
                self.is_dirty |= self.size != (width, height);
                self.size = (width, height);
                Vec::new()
            }
            Event::Time(now) => self.time(now),
            Event::Told(told) => {
                let (is_seen, mut actions) = self.told(told);
                self.is_dirty |= is_seen;
                actions.extend(self.ask_missing());
                actions
            }
            Event::Clicked(hit) => {
                self.is_dirty = true;
                let mut actions = self.clicked(hit);
                actions.extend(self.ask_missing());
                actions
            }
            Event::Turned(turn) => {
                self.is_dirty = true;
                self.turned(turn);
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
        if self.filter().typing.is_some() {
            self.type_filter(key);
            return Vec::new();
        }
        if self.screen == Screen::Rules && self.playground.is_editing {
            return self.edit_request(key);
        }
        match &self.overlay {
            Some(Overlay::Weight(_)) => self.type_weight(key),
            Some(Overlay::Palette(_)) => self.type_command(key),
            Some(Overlay::Copy) => self.copy_chosen(key),
            Some(Overlay::Replay(_)) => self.choose_targets(key),
            Some(Overlay::Export(_)) => self.name_export(key),
            Some(Overlay::SavedFilters(_)) => self.choose_filter(key),
            Some(Overlay::Help(_) | Overlay::Note(_)) => self.read_on(key),
            None => match self.keymap.meaning(key, self.screen) {
                Some(meaning) => self.wanted(meaning),
                None => Vec::new(),
            },
        }
    }

    fn time(&mut self, now: SystemTime) -> Vec<Action> {
        self.now = now;
        self.traces.set_now(now);
        // That nothing came is drawn as that nothing was left out.
        let before = self.sampling.one_of().max(1);
        self.sampling.tick();
        self.is_dirty |= self.sampling.one_of().max(1) != before;
        if terms::asks_age(&self.applied.requests) {
            self.traces.set_filter(self.applied.requests.clone());
        }
        // Ages grow; a frame in which none has is no bytes.
        self.is_dirty |= match self.screen {
            Screen::Sandboxes | Screen::Events => true,
            Screen::Live | Screen::Trace => self.traces.n_in_flight() > 0,
            Screen::Topology | Screen::Split | Screen::Logs | Screen::Rules | Screen::Diff => false,
        };
        let mut asks = vec![Ask::Rates];
        match self.screen {
            Screen::Topology if self.paused.is_none() => asks.push(Ask::Edges { ago_s: self.ago_s }),
            Screen::Split if self.paused.is_none() => asks.push(Ask::Shares),
            _ => {}
        }
        asks.into_iter().filter_map(|ask| self.ask(ask)).collect()
    }

    /// Asks the server, where it is there and has not been asked the same already.
    fn ask(&mut self, ask: Ask) -> Option<Action> {
        (self.is_connected() && self.asked.insert(ask.clone())).then_some(Action::Ask(ask))
    }

    fn is_connected(&self) -> bool {
        self.link == Link::Live
    }

    /// How long ago a time of the API is.
    pub(crate) fn age(&self, time: &str) -> Option<Duration> {
        let time: jiff::Timestamp = time.parse().ok()?;
        Some(self.now.duration_since(time.into()).unwrap_or_default())
    }
}
