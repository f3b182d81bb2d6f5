//! The filter line in use: typed, completed, remembered, saved, and told to lists and server.

use spur_trace::filter::{Field, complete, live_values};

use super::filter::{FilterLine, Menu};
use super::{Overlay, State};
use crate::event::Action;
use crate::keys::{Key, Screen};

/// Filters that up-arrow finds; nobody goes further back.
const HISTORY_MAX: usize = 100;

/// Filters that are saved; they fit a screen.
pub(crate) const SAVED_MAX: usize = 50;

/// Requests whose values are offered: the newest, which tell what there is now.
const LIVE_MAX: usize = 500;

// === impl State ===

impl State {
    /// The line of the screen.
    pub(crate) fn filter(&self) -> &FilterLine {
        match self.screen {
            Screen::Sandboxes => &self.filters.sandboxes,
            Screen::Events => &self.filters.events,
            Screen::Logs => &self.filters.lines,
            Screen::Live
            | Screen::Trace
            | Screen::Topology
            | Screen::Split
            | Screen::Rules
            | Screen::Diff => &self.filters.requests,
        }
    }

    pub(super) fn filter_mut(&mut self) -> &mut FilterLine {
        match self.screen {
            Screen::Sandboxes => &mut self.filters.sandboxes,
            Screen::Events => &mut self.filters.events,
            Screen::Logs => &mut self.filters.lines,
            Screen::Live
            | Screen::Trace
            | Screen::Topology
            | Screen::Split
            | Screen::Rules
            | Screen::Diff => &mut self.filters.requests,
        }
    }

    /// While the filter is typed it holds at once.
    pub(super) fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => {
                let text = self.filter().text().trim().to_owned();
                if self.filter_mut().close() {
                    self.remember(text);
                }
            }
            Key::Esc => self.filter_mut().give_up(),
            Key::Tab => self.complete(),
            Key::Up => self.recall(1),
            Key::Down => self.recall(-1),
            Key::Backspace => self.filter_mut().backspace(),
            Key::Char(character) => self.filter_mut().push(character),
            key => drop(self.filter_mut().line.edit(key)),
        }
    }

    /// Pasted text is one line of a filter, or nothing.
    pub(super) fn paste(&mut self, text: &str) {
        if self.screen == Screen::Rules && self.playground.is_editing {
            self.playground.paste(text);
            return;
        }
        if self.filter().typing.is_some() {
            let line = text.lines().next().unwrap_or_default();
            line.chars().for_each(|character| self.filter_mut().push(character));
        }
    }

    /// Takes another filter for requests.
    pub(super) fn set_filter(&mut self, text: &str) {
        self.filters.requests.set(text);
        self.remember(text.to_owned());
    }

    /// Tells each list what is wanted since the last key, and the server what it may leave out, once
    /// nothing is typed any more.
    pub(super) fn apply_filters(&mut self) -> Vec<Action> {
        let wanted = &self.filters.requests.active;
        if *wanted != self.applied.requests {
            self.traces.set_filter(wanted.clone());
            if let Some(paused) = &mut self.paused {
                paused.traces.set_filter(wanted.clone());
            }
            self.applied.requests = wanted.clone();
            self.count_edges();
        }
        let wanted = &self.filters.sandboxes.active;
        if *wanted != self.applied.sandboxes {
            self.sandboxes.set_filter(wanted.clone());
            self.applied.sandboxes = wanted.clone();
        }
        let wanted = &self.filters.events.active;
        if *wanted != self.applied.events {
            self.events.set_filter(wanted.clone());
            self.applied.events = wanted.clone();
        }
        let wanted = &self.filters.lines.active;
        if *wanted != self.applied.lines {
            self.log.set_filter(wanted.clone());
            self.applied.lines = wanted.clone();
        }
        let mut actions = Vec::new();
        let line = &self.filters.requests;
        let text = line.active.to_string();
        if line.typing.is_none() && text != self.subscribed {
            self.subscribed.clone_from(&text);
            self.sampling.n_left_out = 0;
            actions.push(Action::Subscribe(text));
        }
        if self.filters.lines.typing.is_none() {
            actions.extend(self.filter_log());
        }
        actions
    }

    /// The filter of lines, in words.
    pub(super) fn filter_of_lines(&self) -> String {
        self.filters.lines.active.to_string()
    }

    /// Goes on filtering until it is time to stop.
    pub(crate) fn filter_on(&mut self, is_time: &mut dyn FnMut() -> bool) {
        self.is_dirty |= match &mut self.paused {
            // What is seen comes first.
            Some(paused) if paused.traces.filtered_percent().is_some() => paused.traces.filter_on(is_time),
            _ => self.traces.filter_on(is_time),
        };
    }

    /// Whether there is more to be filtered.
    pub(crate) fn is_filtering(&self) -> bool {
        let paused = self.paused.as_ref().and_then(|paused| paused.traces.filtered_percent());
        paused.or(self.traces.filtered_percent()).is_some()
    }

    fn complete(&mut self) {
        let line = self.filter();
        if let Some(mut menu) = line.typing.as_ref().and_then(|typing| typing.menu.clone()) {
            menu.idx = (menu.idx + 1) % menu.candidates.len();
            self.filter_mut().complete(menu);
            return;
        }
        let live = |field: &Field| {
            live_values(field, self.listed().all_newest_first().take(LIVE_MAX).map(|trace| &**trace))
        };
        let found = complete(line.text(), line.line.cursor(), &live);
        if !found.candidates.is_empty() {
            self.filter_mut().complete(Menu { offset: found.offset, candidates: found.candidates, idx: 0 });
        }
    }

    fn recall(&mut self, step: isize) {
        let at = self.filter().typing.as_ref().and_then(|typing| typing.history_at);
        let at = match (at, step) {
            (None, 1) => Some(0),
            (Some(at), 1) => Some(at + 1),
            (Some(0) | None, _) => None,
            (Some(at), _) => Some(at - 1),
        };
        let text = match at {
            Some(at) => match self.history.iter().nth_back(at) {
                Some(text) => text.clone(),
                None => return,
            },
            None => String::new(),
        };
        let line = self.filter_mut();
        line.set(&text);
        if let Some(typing) = &mut line.typing {
            typing.history_at = at;
        }
    }

    fn remember(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.history.retain(|before| *before != text);
        self.history.push_back(text);
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
    }

    /// In the list of saved filters.
    pub(super) fn choose_filter(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::SavedFilters(idx)) = &mut self.overlay else { return Vec::new() };
        let last = self.saved_filters.len().saturating_sub(1);
        *idx = (*idx).min(last);
        match key {
            Key::Char('j') | Key::Down => *idx = (*idx + 1).min(last),
            Key::Char('k') | Key::Up => *idx = idx.saturating_sub(1),
            Key::Enter => {
                let text = self.saved_filters.get(*idx).cloned();
                self.overlay = None;
                if let Some(text) = text {
                    self.filter_mut().set(&text);
                    self.remember(text);
                }
            }
            Key::Char('s') => {
                let text = self.filter().active.to_string();
                if text.is_empty() {
                    self.notice = Some("there is no filter to save; / types one".to_owned());
                } else if !self.saved_filters.contains(&text) {
                    self.saved_filters.push(text);
                    self.saved_filters.truncate(SAVED_MAX);
                    return vec![Action::SaveFilters(self.saved_filters.clone())];
                }
            }
            Key::Char('d') if !self.saved_filters.is_empty() => {
                self.saved_filters.remove(*idx);
                return vec![Action::SaveFilters(self.saved_filters.clone())];
            }
            Key::Suspend => return vec![Action::Suspend],
            _ => self.overlay = None,
        }
        Vec::new()
    }
}
