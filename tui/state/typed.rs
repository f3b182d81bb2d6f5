//! Keys that are text: the filter line, the palette, and what is read over the screen.

use super::filter::{FILTER_MAX_CHARS, Filter};
use super::{Overlay, State};
use crate::event::Action;
use crate::keys::Key;

// === impl State ===

impl State {
    /// While the filter is typed it holds at once.
    pub(super) fn type_filter(&mut self, key: Key) {
        let line = &mut self.filter;
        match key {
            Key::Enter | Key::Tab => {
                line.before = None;
                return;
            }
            Key::Esc => line.text = line.before.take().unwrap_or_default(),
            Key::Backspace if line.text.is_empty() => line.before = None,
            Key::Backspace => drop(line.text.pop()),
            Key::Char(character) => push(&mut line.text, character),
            _ => return,
        }
        self.apply_filter();
    }

    /// Pasted text is one line of a filter, or nothing.
    pub(super) fn paste(&mut self, text: &str) {
        if self.filter.before.is_none() {
            return;
        }
        let line = text.lines().next().unwrap_or_default();
        line.chars().filter(|c| !c.is_control()).for_each(|c| push(&mut self.filter.text, c));
        self.apply_filter();
    }

    pub(super) fn set_filter(&mut self, text: String) {
        self.filter.text = text;
        self.apply_filter();
    }

    pub(super) fn apply_filter(&mut self) {
        let filter = Filter::read(&self.filter.text);
        self.traces.set_filter(filter.clone());
        if let Some(paused) = &mut self.paused {
            paused.traces.set_filter(filter.clone());
        }
        self.sandboxes.set_filter(filter.clone());
        self.events.set_filter(filter.clone());
        self.log.set_filter(filter);
        self.count_edges();
    }

    pub(super) fn type_command(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::Palette(palette)) = &mut self.overlay else { return Vec::new() };
        match key {
            Key::Esc => self.overlay = None,
            Key::Enter => {
                let chosen = palette.chosen();
                self.overlay = None;
                if let Some(meaning) = chosen {
                    return self.wanted(meaning);
                }
            }
            key => palette.key(key),
        }
        Vec::new()
    }

    /// In the help or a note: down, up, or away with it.
    pub(super) fn read_on(&mut self, key: Key) -> Vec<Action> {
        match (&mut self.overlay, key) {
            (Some(Overlay::Help(top)), Key::Char('j') | Key::Down | Key::PageDown) => {
                // As many rows as there can be; drawing shows the last where there are fewer.
                *top = top.saturating_add(1).min(crate::keys::BINDINGS.len());
            }
            (Some(Overlay::Help(top)), Key::Char('k') | Key::Up | Key::PageUp) => {
                *top = top.saturating_sub(1);
            }
            (_, Key::Suspend) => return vec![Action::Suspend],
            _ => self.overlay = None,
        }
        Vec::new()
    }
}

fn push(text: &mut String, character: char) {
    if text.chars().count() < FILTER_MAX_CHARS {
        text.push(character);
    }
}
