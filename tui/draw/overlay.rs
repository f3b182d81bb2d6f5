//! What lies over a screen: the help, the palette, a note.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::text::{fit, put};
use super::theme::Theme;
use crate::keys::{self, Binding, Key};
use crate::state::palette::Palette;
use crate::state::{Note, Overlay, State};

/// Columns of the keys.
const KEYS: u16 = 14;

/// Draws it in the middle; where the terminal's cursor belongs, if something is typed.
pub(super) fn draw(
    overlay: &Overlay,
    state: &State,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Option<Position> {
    match overlay {
        Overlay::Help(top) => {
            help(*top, state, theme, area, buf);
            None
        }
        Overlay::Palette(found) => Some(palette(found, theme, area, buf)),
        Overlay::Note(found) => {
            note(found, theme, area, buf);
            None
        }
    }
}

fn help(top: usize, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let bindings: Vec<&Binding> = keys::of(state.screen).collect();
    let title = format!("keys of {} · ◆ fork ○ fallback ▲ key lost ✗ failed", state.screen.title().1);
    let inner = frame(&title, 64, bindings.len(), theme, area, buf);
    let top = top.min(bindings.len().saturating_sub(inner.height.into()));
    for (row, binding) in (0..inner.height).zip(&bindings[top..]) {
        line(binding, row, theme, inner, buf);
    }
}

fn palette(palette: &Palette, theme: &Theme, area: Rect, buf: &mut Buffer) -> Position {
    let fitting = palette.fitting();
    let inner = frame("commands", 64, 16, theme, area, buf);
    let column = put(buf, inner, 0, 0, ": ", theme.dim);
    let column = put(buf, inner, column, 0, &palette.text, theme.title);
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let first = crate::state::cursor::first_visible(fitting.len(), palette.idx, rows.height.into());
    for (row, binding) in (0..rows.height).zip(&fitting[first.min(fitting.len())..]) {
        line(binding, row, theme, rows, buf);
        if first + usize::from(row) == palette.idx {
            buf.set_style(Rect { y: rows.y + row, height: 1, ..rows }, theme.selected);
        }
    }
    Position::new(inner.x + column.min(inner.width.saturating_sub(1)), inner.y)
}

fn line(binding: &Binding, row: u16, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let keys: Vec<String> = binding.keys.iter().copied().map(Key::name).collect();
    put(buf, area, 1, row, &keys.join(" "), theme.title);
    put(buf, area, KEYS, row, binding.help, theme.plain);
}

fn note(note: &Note, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let widest = note.lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).max(40);
    // A command is read to be typed: it is broken, not cut.
    let room = usize::from(width.min(area.width)).saturating_sub(3).max(1);
    let lines: Vec<String> = note.lines.iter().flat_map(|line| broken(line, room)).collect();
    let inner = frame(&note.title, width, lines.len(), theme, area, buf);
    for (row, line) in (0..inner.height).zip(&lines) {
        put(buf, inner, 0, row, line, theme.plain);
    }
}

/// A text in pieces of so many columns.
fn broken(text: &str, width: usize) -> Vec<String> {
    let clean = spur_trace::sanitize_for_terminal(text);
    let mut lines = vec![String::new()];
    for character in clean.chars() {
        let line = lines.last_mut().expect("there is one from the beginning");
        let mut longer = line.clone();
        longer.push(character);
        if longer.width() > width && !line.is_empty() {
            lines.push(character.to_string());
        } else {
            *line = longer;
        }
    }
    lines
}

/// A cleared frame in the middle; what is inside.
fn frame(title: &str, width: u16, n_lines: usize, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let width = width.min(area.width);
    let height = u16::try_from(n_lines + 2).unwrap_or(u16::MAX).min(area.height);
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    let area = Rect { x, y, width, height };
    Clear.render(area, buf);
    let title = format!(" {} ", fit(title, usize::from(width).saturating_sub(6)));
    let block = Block::bordered().border_style(theme.title).title(title);
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}
