//! What lies over a screen: the help, the palette, a note.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::text::{broken, fit, from_column, put};
use super::theme::Theme;
use crate::event::{ExportFormat, Secrets};
use crate::keys::{self, Binding};
use crate::state::copied::COPIES;
use crate::state::exporting::Exporting;
use crate::state::palette::Palette;
use crate::state::{Note, Overlay, State};

/// Columns of the keys.
const KEYS: u16 = 16;

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
        Overlay::Palette(found) => Some(palette(found, state, theme, area, buf)),
        Overlay::Copy => {
            copies(theme, area, buf);
            None
        }
        Overlay::Weight(line) => {
            let inner = frame("weight", 30, 1, theme, area, buf);
            put(buf, inner, 1, 0, line.text(), theme.title);
            let before = u16::try_from(line.cursor()).unwrap_or(0);
            Some(Position::new(inner.x + (1 + before).min(inner.width.saturating_sub(1)), inner.y))
        }
        Overlay::SavedFilters(idx) => {
            saved_filters(*idx, state, theme, area, buf);
            None
        }
        Overlay::Replay(found) => {
            super::replay::draw(found, state, theme, area, buf);
            None
        }
        Overlay::Export(found) => Some(export(found, theme, area, buf)),
        Overlay::Note(found) => {
            note(found, theme, area, buf);
            None
        }
    }
}

fn help(top: usize, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let bindings: Vec<&Binding> = keys::of(state.screen).collect();
    let title = format!(
        "keys of {} · ◆ fork ○ fallback ½ split ▲ key lost ✗ failed ↺ replayed",
        state.screen.title().1
    );
    let inner = frame(&title, 72, bindings.len(), theme, area, buf);
    let top = top.min(bindings.len().saturating_sub(inner.height.into()));
    for (row, binding) in (0..inner.height).zip(&bindings[top..]) {
        line(binding, row, state, theme, inner, buf);
    }
}

fn palette(palette: &Palette, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) -> Position {
    let fitting = palette.fitting();
    let inner = frame("commands", 64, 16, theme, area, buf);
    let column = put(buf, inner, 0, 0, ": ", theme.dim);
    let column = put(buf, inner, column, 0, &palette.text, theme.title);
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let first = crate::state::cursor::first_visible(fitting.len(), palette.idx, rows.height.into());
    for (row, binding) in (0..rows.height).zip(&fitting[first.min(fitting.len())..]) {
        line(binding, row, state, theme, rows, buf);
        if first + usize::from(row) == palette.idx {
            buf.set_style(Rect { y: rows.y + row, height: 1, ..rows }, theme.selected);
        }
    }
    Position::new(inner.x + column.min(inner.width.saturating_sub(1)), inner.y)
}

fn line(binding: &Binding, row: u16, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    put(buf, area, 1, row, &state.keymap.names_of(binding), theme.title);
    put(buf, area, KEYS, row, binding.help, theme.plain);
}

fn copies(theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inner = frame("copy", 40, COPIES.len(), theme, area, buf);
    // On low screens in two columns, so that none is missing.
    let is_low = usize::from(inner.height) < COPIES.len();
    let half = inner.width / 2;
    let columns = if is_low { COPIES.len().div_ceil(2) } else { COPIES.len() };
    for (idx, (key, what)) in COPIES.into_iter().enumerate() {
        let row = u16::try_from(idx % columns).unwrap_or(u16::MAX);
        let x = if idx < columns { inner.x } else { inner.x + half };
        let column = Rect { x, width: if is_low { half } else { inner.width }, ..inner };
        put(buf, column, 1, row, &key.to_string(), theme.title);
        put(buf, column, 4, row, what, theme.plain);
    }
}

fn export(exporting: &Exporting, theme: &Theme, area: Rect, buf: &mut Buffer) -> Position {
    let Exporting { line, format, n_traces, secrets } = exporting;
    let format = match format {
        ExportFormat::Har => "HAR",
        ExportFormat::JsonLines => "JSON lines",
    };
    let secrets = match secrets {
        Secrets::Hidden => "secrets are left out",
        Secrets::Told => "WITH secrets, as they are shown",
    };
    let requests = if *n_traces == 1 { "request" } else { "requests" };
    let title = format!("export {n_traces} {requests} as {format} (tab: the other format)");
    let inner = frame(&title, 76, 2, theme, area, buf);
    put(buf, inner, 1, 1, &format!("{secrets} · enter writes · esc closes"), theme.dim);
    // What is typed last is seen.
    let room = usize::from(inner.width.saturating_sub(3));
    let before = line.text()[..line.cursor()].width();
    let left = before.saturating_sub(room);
    put(buf, inner, 1, 0, &from_column(line.text(), left), theme.title);
    let column = u16::try_from(1 + before - left).unwrap_or(0);
    Position::new(inner.x + column.min(inner.width.saturating_sub(1)), inner.y)
}

fn saved_filters(idx: usize, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let saved = &state.saved_filters;
    let title = "saved filters · enter takes one · s saves the present one · d deletes";
    let inner = frame(title, 76, saved.len().max(1), theme, area, buf);
    if saved.is_empty() {
        put(buf, inner, 1, 0, "none yet", theme.dim);
        return;
    }
    let idx = idx.min(saved.len() - 1);
    let first = crate::state::cursor::first_visible(saved.len(), idx, inner.height.into());
    for (row, (place, text)) in (0..inner.height).zip(saved.iter().enumerate().skip(first)) {
        put(buf, inner, 1, row, text, theme.plain);
        if place == idx {
            buf.set_style(Rect { y: inner.y + row, height: 1, ..inner }, theme.selected);
        }
    }
}

fn note(note: &Note, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let widest = note.lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).max(40);
    // A command is read to be typed: it is broken, not cut.
    let room = usize::from(width.min(area.width)).saturating_sub(3).max(1);
    let lines: Vec<String> = note.lines.iter().flat_map(|line| broken(line, room)).collect();
    let inner = frame(&note.title, width, lines.len(), theme, area, buf);
    let top = note.top.min(lines.len().saturating_sub(inner.height.into()));
    for (row, line) in (0..inner.height).zip(&lines[top..]) {
        put(buf, inner, 0, row, line, theme.plain);
    }
}

/// A cleared frame in the middle; what is inside.
pub(super) fn frame(
    title: &str,
    width: u16,
    n_lines: usize,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Rect {
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
