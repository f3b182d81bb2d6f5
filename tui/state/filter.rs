//! The filter line: what is typed, the last filter that could be read, and what is wrong since.
//!
//! The language is `spur_trace::filter`'s, for requests, objects and lines of logs alike; each kind
//! of list has a line of its own, since they have little in common to ask for.

use std::sync::Arc;

use spur_trace::filter::Field;
use spur_trace::{Filter, FilterError};

use super::line::Line;
use super::terms::without_last;

/// Longest filter: what a person types.
pub(crate) const FILTER_MAX_CHARS: usize = 400;

/// A filter line.
#[derive(Clone, Debug, Default)]
pub(crate) struct FilterLine {
    pub(crate) line: Line,
    /// The last that could be read.
    pub(crate) active: Arc<Filter>,
    /// What is wrong with the line, where it cannot be read.
    pub(crate) error: Option<FilterError>,
    /// While it is typed.
    pub(crate) typing: Option<Typing>,
}

/// See above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typing {
    /// What it was before.
    before: String,
    /// Whether nothing was typed yet.
    is_fresh: bool,
    /// How far back in what was typed before.
    pub(crate) history_at: Option<usize>,
    /// What may stand at the cursor.
    pub(crate) menu: Option<Menu>,
}

/// Candidates for the word at the cursor, and which of them stands there.
#[derive(Clone, Debug)]
pub(crate) struct Menu {
    pub(crate) offset: usize,
    pub(crate) candidates: Vec<String>,
    pub(crate) idx: usize,
}

// === impl FilterLine ===

impl FilterLine {
    pub(crate) fn text(&self) -> &str {
        self.line.text()
    }

    /// Whether everything is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Begins to be typed, with a space after what there is.
    pub(crate) fn open(&mut self) {
        let before = self.text().to_owned();
        if !before.is_empty() {
            self.line = Line::of(format!("{before} "));
        }
        self.typing = Some(Typing { before, is_fresh: true, ..Typing::default() });
    }

    /// Ends being typed; `false` where it cannot be read and has to be typed on.
    pub(crate) fn close(&mut self) -> bool {
        if self.error.is_some() {
            return false;
        }
        self.typing = None;
        let text = self.text().trim().to_owned();
        self.set(&text);
        true
    }

    /// Is again what it was before it was typed.
    pub(crate) fn give_up(&mut self) {
        if let Some(typing) = self.typing.take() {
            self.set(&typing.before);
        }
    }

    /// Takes another text.
    pub(crate) fn set(&mut self, text: &str) {
        self.line = Line::of(text);
        self.read();
    }

    /// Types a character.
    pub(crate) fn push(&mut self, character: char) {
        self.line.push(character, FILTER_MAX_CHARS);
        self.touched();
    }

    /// Takes away what is before the cursor: of a prompt in which nothing was typed yet the last
    /// term, and of one that is empty the prompt.
    pub(crate) fn backspace(&mut self) {
        if self.text().is_empty() {
            self.typing = None;
            return;
        }
        if self.typing.as_ref().is_some_and(|typing| typing.is_fresh) {
            self.set(&without_last(&self.active));
            if !self.is_empty() {
                self.line = Line::of(format!("{} ", self.text()));
            }
            return;
        }
        self.line.edit(crate::keys::Key::Backspace);
        self.touched();
    }

    /// Puts a candidate in its place.
    pub(crate) fn complete(&mut self, menu: Menu) {
        let Some(candidate) = menu.candidates.get(menu.idx).cloned() else { return };
        self.line.replace(menu.offset, &candidate);
        self.touched();
        if let Some(typing) = &mut self.typing {
            typing.menu = Some(menu);
        }
    }

    fn touched(&mut self) {
        if let Some(typing) = &mut self.typing {
            typing.is_fresh = false;
            typing.menu = None;
        }
        self.read();
    }

    /// What can be read holds at once; what cannot leaves the last one that could. A word that may
    /// become a field is not looked for while it is typed: nothing has it.
    fn read(&mut self) {
        let text = self.text().to_owned();
        self.error = Filter::parse(&text).err();
        let whole =
            if self.typing.is_some() { &text[..text.len() - begun_field(&text).len()] } else { &text };
        let filter = Filter::parse(whole).ok().filter(|_| self.error.is_none());
        if let Some(filter) = filter.filter(|filter| *filter != *self.active) {
            self.active = Arc::new(filter);
        }
    }
}

/// The end of a text that may be the beginning of a field.
fn begun_field(text: &str) -> &str {
    let word = text.rsplit([' ', '(', '{', '!', '&', '|', '>']).next().unwrap_or_default();
    let is_begun = !word.is_empty() && Field::all().any(|field| field.name.starts_with(word));
    if is_begun { word } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> FilterLine {
        let mut line = FilterLine::default();
        line.open();
        text.chars().for_each(|character| line.push(character));
        line
    }

    #[test]
    fn what_cannot_be_read_leaves_the_last_that_could() {
        let mut line = typed("svc:cart status:");
        assert_eq!(line.active.to_string(), "svc:cart");
        assert_eq!(line.error.as_ref().map(|error| error.offset), Some(16));
        assert!(!line.close());
        line.push('5');
        line.push('x');
        line.push('x');
        assert!(line.close() && line.error.is_none());
        assert_eq!(line.active.to_string(), "svc:cart status:5xx");
    }

    #[test]
    fn a_field_that_is_begun_is_a_word_only_when_it_is_done() {
        let mut line = typed("cart stat");
        assert_eq!(line.active.to_string(), "cart");
        line.close();
        assert_eq!(line.active.to_string(), "cart stat");
        assert_eq!(typed("cart !statu").active.to_string(), "cart");
        assert_eq!(typed("cart statue").active.to_string(), "cart statue");
    }

    #[test]
    fn backspace_in_a_fresh_prompt_takes_the_last_term() {
        let mut line = typed("svc:cart (key=a | key=b) !hop:lost");
        line.close();
        line.open();
        line.backspace();
        assert_eq!(line.text(), "svc:cart (key=a | key=b) ");
        line.backspace();
        assert_eq!(line.text(), "svc:cart ");
        line.push('x');
        line.backspace();
        assert_eq!(line.text(), "svc:cart ");
        line.backspace();
        assert_eq!(line.text(), "svc:cart");
        line.give_up();
        assert_eq!(line.text(), "svc:cart (key=a | key=b) !hop:lost");
    }
}
