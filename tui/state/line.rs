//! A line that is typed, with a cursor in it.

use crate::keys::Key;

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    /// A byte of the text, between two characters.
    cursor: usize,
}

// === impl Line ===

impl Line {
    /// With the cursor at its end.
    pub(crate) fn of(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Takes a character in, where there is room for one.
    pub(crate) fn push(&mut self, character: char, max_chars: usize) {
        if !character.is_control() && self.text.chars().count() < max_chars {
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    /// Puts a text in the place of what stands from a byte up to the cursor.
    pub(crate) fn replace(&mut self, from: usize, text: &str) {
        if from <= self.cursor && self.text.is_char_boundary(from) {
            self.text.replace_range(from..self.cursor, text);
            self.cursor = from + text.len();
        }
    }

    /// Moves, or takes away; whether the key was one for that.
    pub(crate) fn edit(&mut self, key: Key) -> bool {
        match key {
            Key::Left => self.cursor = self.before().unwrap_or(0),
            Key::Right => {
                self.cursor += self.text[self.cursor..].chars().next().map_or(0, char::len_utf8);
            }
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Backspace => {
                if let Some(before) = self.before() {
                    self.text.remove(before);
                    self.cursor = before;
                }
            }
            _ => return false,
        }
        true
    }

    fn before(&self) -> Option<usize> {
        self.text[..self.cursor].char_indices().next_back().map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_characters() {
        let mut line = Line::of("aü日");
        line.edit(Key::Left);
        line.edit(Key::Left);
        line.push('x', 9);
        assert_eq!((line.text(), line.cursor()), ("axü日", 2));
        line.edit(Key::Backspace);
        line.edit(Key::Home);
        line.edit(Key::Backspace);
        line.edit(Key::Left);
        line.push('\n', 9);
        line.push('y', 3);
        assert_eq!((line.text(), line.cursor()), ("aü日", 0));
        line.edit(Key::Right);
        line.edit(Key::Right);
        line.edit(Key::Right);
        line.edit(Key::Right);
        assert_eq!(line.cursor(), line.text().len());
        line.replace(1, "b");
        assert_eq!((line.text(), line.cursor()), ("ab", 2));
    }
}
