//! Keys where something lies over the screen: the palette, and what is read.

use super::{Overlay, State};
use crate::event::Action;
use crate::keys::Key;

// === impl State ===

impl State {
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
            (Some(Overlay::Note(note)), Key::Char('j') | Key::Down | Key::PageDown) => {
                note.top = note.top.saturating_add(1).min(note.lines.len());
            }
            (Some(Overlay::Note(note)), Key::Char('k') | Key::Up | Key::PageUp) => {
                note.top = note.top.saturating_sub(1);
            }
            (_, Key::Suspend) => return vec![Action::Suspend],
            _ => self.overlay = None,
        }
        Vec::new()
    }
}
