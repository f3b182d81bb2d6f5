//! Rules: a request that nobody sends, and where it would go.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, Widget};
use unicode_width::UnicodeWidthStr;

use super::text::{fit, from_column, put};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::first_visible;
use crate::state::playground::Playground;

/// Columns of the labels.
const LABEL: u16 = 9;

/// Rows of the request that are seen, where there is room for more than it.
const REQUEST_ROWS: u16 = 6;

/// Draws it; where the terminal's cursor belongs while something is typed.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let playground = &state.playground;
    let n_lines = u16::try_from(playground.lines.len()).unwrap_or(u16::MAX);
    let height = (n_lines.clamp(4, REQUEST_ROWS) + 2).min(area.height / 2).max(3);
    let above = Rect { height, ..area };
    let below = Rect { y: area.y + height, height: area.height.saturating_sub(height + 2), ..area };
    let cursor = request(playground, theme, above, buf);
    answer(playground, theme, below, buf);
    let row = |from_end: u16| area.height.saturating_sub(from_end);
    let (text, style) = match &playground.recount {
        Some(recount) => (recount.sentence(), theme.title),
        None => ("D counts how many recent requests would go elsewhere now".to_owned(), theme.dim),
    };
    put(buf, area, 1, row(2), &text, style);
    let help = match playground.is_editing {
        true => "enter asks · tab next line · esc ends",
        false => "e edit · enter ask · L load the selected request · tab answer",
    };
    put(buf, area, 1, row(1), help, theme.dim);
    cursor
}

fn request(playground: &Playground, theme: &Theme, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let title = match &playground.loaded {
        Some(from) => {
            format!("where would this go? · loaded: {from}; of its headers the key alone is recorded")
        }
        None => "where would this go?".to_owned(),
    };
    let inner = pane(&title, !playground.is_answer_focused, theme, area, buf);
    let first = first_visible(playground.lines.len(), playground.focus, inner.height.into());
    let mut cursor = None;
    for (row, (idx, line)) in (0..inner.height).zip(playground.lines.iter().enumerate().skip(first)) {
        let area = Rect { y: inner.y + row, height: 1, ..inner };
        put(buf, area, 1, 0, Playground::label(idx), theme.dim);
        let is_here = idx == playground.focus;
        let room = usize::from(area.width.saturating_sub(LABEL + 1));
        let before = line.text()[..line.cursor()].width();
        let n_hidden = if is_here && playground.is_editing { before.saturating_sub(room) } else { 0 };
        let (text, style) = match (line.text(), idx) {
            ("", 2) => ("(outside)", theme.dim),
            ("", _) => ("–", theme.dim),
            (text, _) => (text, theme.plain),
        };
        let is_typed_here = is_here && playground.is_editing;
        if !(is_typed_here && line.text().is_empty()) {
            put(buf, area, LABEL, 0, &from_column(text, n_hidden), style);
        }
        if is_typed_here {
            let at = LABEL + u16::try_from(before - n_hidden).unwrap_or(0);
            cursor = Some(Position::new(area.x + at.min(area.width.saturating_sub(1)), area.y));
        }
        if is_here && !playground.is_answer_focused {
            put(buf, area, 0, 0, "▶", theme.plain);
            if !playground.is_editing {
                buf.set_style(area, theme.selected);
            }
        }
    }
    cursor
}

fn answer(playground: &Playground, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    let inner = pane("answer", playground.is_answer_focused, theme, area, buf);
    let lines = playground.answer_lines();
    if lines.is_empty() {
        let text = if playground.is_waiting() { "asking" } else { "Nothing was asked yet; enter asks." };
        put(buf, inner, 1, 0, text, theme.dim);
        return;
    }
    let is_error = matches!(playground.answer, Some(Err(_)));
    let wrapped: Vec<(String, Style)> = lines
        .iter()
        .flat_map(|line| {
            let style = if is_error { theme.failure } else { style(line, theme) };
            super::why::wrapped(line, inner.width.saturating_sub(2).into())
                .into_iter()
                .map(move |part| (part, style))
        })
        .collect();
    let top = playground.top.min(wrapped.len().saturating_sub(inner.height.into()));
    for (row, (line, style)) in (0..inner.height).zip(&wrapped[top..]) {
        put(buf, inner, 1, row, line, *style);
    }
}

/// By the mark with which a line begins.
fn style(line: &str, theme: &Theme) -> Style {
    match line.trim_start().chars().next() {
        Some('✔') => theme.good,
        Some('✘' | '–') => theme.dim,
        _ if line.trim_start().starts_with("because") => theme.title,
        _ if line.trim_start().starts_with("refused") => theme.failure,
        _ => theme.plain,
    }
}

/// A border with a title; what is inside.
fn pane(title: &str, has_keys: bool, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let title = format!(" {} ", fit(title, usize::from(area.width).saturating_sub(6)));
    let style = if has_keys { theme.title } else { theme.dim };
    let block = Block::bordered().border_style(style).title(title);
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}
