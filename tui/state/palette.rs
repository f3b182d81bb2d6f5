//! The palette: every command of the screen, found by a few of its letters.

use crate::keys::{self, Binding, Key, Meaning, Screen};

/// What was typed, and which of the commands that fit is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    screen: Screen,
    pub(crate) text: String,
    pub(crate) idx: usize,
}

// === impl Palette ===

impl Palette {
    pub(crate) fn of(screen: Screen) -> Self {
        Self { screen, text: String::new(), idx: 0 }
    }

    /// The commands that fit, those with the letters close together first.
    pub(crate) fn fitting(&self) -> Vec<&'static Binding> {
        let mut fitting: Vec<(usize, &Binding)> = keys::of(self.screen)
            .filter(|binding| binding.meaning != Meaning::Palette)
            .filter_map(|binding| Some((gap(&self.text, binding.help)?, binding)))
            .collect();
        fitting.sort_by_key(|(gap, _)| *gap);
        fitting.into_iter().map(|(_, binding)| binding).collect()
    }

    pub(crate) fn chosen(&self) -> Option<Meaning> {
        self.fitting().get(self.idx).map(|binding| binding.meaning)
    }

    pub(crate) fn key(&mut self, key: Key) {
        match key {
            Key::Char(character) if self.text.len() < 64 => {
                self.text.push(character);
                self.idx = 0;
            }
            Key::Backspace => {
                self.text.pop();
                self.idx = 0;
            }
            Key::Down => self.idx = (self.idx + 1).min(self.fitting().len().saturating_sub(1)),
            Key::Up => self.idx = self.idx.saturating_sub(1),
            _ => {}
        }
    }
}

/// How many letters stand before and between those that were typed; `None` where one is missing.
fn gap(typed: &str, text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let mut rest = text.char_indices();
    let mut last = 0;
    for wanted in typed.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        last = rest.find(|(_, found)| *found == wanted)?.0 + 1;
    }
    Some(last.saturating_sub(typed.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_a_command() {
        let check = |typed: &str, expected: Option<Meaning>| {
            let mut palette = Palette::of(Screen::Live);
            typed.chars().for_each(|c| palette.key(Key::Char(c)));
            assert_eq!(palette.chosen(), expected, "{typed}");
        };
        check("sandb", Some(Meaning::Show(Screen::Sandboxes)));
        check("thm", Some(Meaning::Theme));
        check("zzz", None);
        check("zoom", None);
    }
}
