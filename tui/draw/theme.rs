//! How things look. Nothing is said by colour alone: a mark or a word says it too.
//!
//! The background is the terminal's own, so that what is read is as readable as
//! the user's own prompt.

use ratatui::style::{Color, Modifier, Style};

use crate::state::ThemeName;
use crate::state::why::Weight;

/// A style for each thing that is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) plain: Style,
    pub(super) dim: Style,
    pub(super) title: Style,
    pub(super) selected: Style,
    /// A list that lies over something else.
    pub(super) menu: Style,
    /// The cell of the selected row that a filter would be made of.
    pub(super) cell: Style,
    pub(super) good: Style,
    pub(super) warning: Style,
    pub(super) failure: Style,
    /// What a sandbox changed.
    pub(super) fork: Style,
}

// === impl Theme ===

impl Theme {
    pub(super) fn of(name: ThemeName) -> Self {
        match name {
            ThemeName::Ansi => Self::coloured(Color::DarkGray, Color::Green, Color::Yellow, Color::Magenta),
            // Bright yellow and grey vanish on white.
            ThemeName::Light => Self::coloured(Color::Reset, Color::Green, Color::Blue, Color::Magenta),
            ThemeName::Mono => Self {
                plain: Style::new(),
                dim: Style::new(),
                title: Style::new().add_modifier(Modifier::BOLD),
                selected: Style::new().add_modifier(Modifier::REVERSED),
                menu: Style::new().add_modifier(Modifier::UNDERLINED),
                cell: Style::new().add_modifier(Modifier::UNDERLINED.union(Modifier::BOLD)),
                good: Style::new(),
                warning: Style::new().add_modifier(Modifier::UNDERLINED),
                failure: Style::new().add_modifier(Modifier::BOLD),
                fork: Style::new().add_modifier(Modifier::BOLD),
            },
        }
    }

    fn coloured(dim: Color, good: Color, warning: Color, fork: Color) -> Self {
        let colour = |colour| Style::new().fg(colour);
        Self {
            plain: Style::new(),
            dim: colour(dim),
            title: Style::new().add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            menu: Style::new().add_modifier(Modifier::UNDERLINED),
            cell: Style::new().add_modifier(Modifier::UNDERLINED.union(Modifier::BOLD)),
            good: colour(good),
            warning: colour(warning),
            failure: colour(Color::Red).add_modifier(Modifier::BOLD),
            fork: colour(fork).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn weight(&self, weight: Weight) -> Style {
        match weight {
            Weight::Plain => self.plain,
            Weight::Dim => self.dim,
            Weight::Fork => self.fork,
            Weight::Warning => self.warning,
            Weight::Failure => self.failure,
        }
    }

    /// Of a word with one of the marks of a way (`spur_trace::Trace::path`).
    pub(super) fn marked(&self, word: &str) -> Style {
        match word {
            word if word.contains('✗') => self.failure,
            word if word.contains('▲') => self.warning,
            word if word.contains('◆') => self.fork,
            _ => self.plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour_anywhere() {
        let theme = Theme::of(ThemeName::Mono);
        let Theme { plain, dim, title, selected, menu, cell, good, warning, failure, fork } = theme;
        for style in [plain, dim, title, selected, menu, cell, good, warning, failure, fork] {
            assert_eq!((style.fg, style.bg), (None, None), "{style:?}");
        }
    }
}
