//! Sandboxes: what each forks, whether it is ready, and its key.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::live::cell;
use super::text::{age, put};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::{Rows, first_visible};
use crate::state::objects::{SandboxState, sandbox};

/// Where the rows are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let n_rows = state.sandboxes.n_rows();
    Some((
        body,
        first_visible(n_rows, state.sandbox_cursor.idx(&state.sandboxes)?, body.height.into()),
        n_rows,
    ))
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    // The name and the state take what the room allows, the message what is left.
    let widths: [u16; 6] = match area.width {
        110.. => [20, 11, 24, 16, 5, area.width - 2 - 81],
        80.. => [16, 11, 18, 14, 5, area.width - 2 - 69],
        60.. => [14, 11, area.width - 2 - 49, 14, 5, 0],
        _ => [area.width.saturating_sub(2 + 12 + 13), 11, 0, 12, 0, 0],
    };
    let mut next = 2;
    let columns = widths.map(|width| {
        let place = (next, width);
        next += if width == 0 { 0 } else { width + 1 };
        place
    });
    for (place, title) in columns.into_iter().zip(["NAME", "STATE", "FORKS", "KEY", "AGE", "WHY"]) {
        put(buf, cell(area, place), 0, 0, title, theme.dim);
    }
    let Some(selected) = state.sandbox_cursor.idx(&state.sandboxes) else {
        put(buf, area, 2, 2, nothing(state), theme.dim);
        return;
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let first = first_visible(state.sandboxes.n_rows(), selected, body.height.into());
    for row in 0..body.height {
        let idx = first + usize::from(row);
        let Some(object) = state.sandboxes.row(idx) else { break };
        let line = Rect { y: body.y + row, height: 1, ..body };
        let found = sandbox(object);
        let (word, why, style) = shown(found.state, theme);
        let made = state.age(found.made).map(age).unwrap_or_default();
        let texts = [found.name, word, &found.forks.join(","), found.key, &made, &why];
        for ((place, text), style) in columns.into_iter().zip(texts).zip([
            theme.plain,
            style,
            theme.fork,
            theme.plain,
            theme.dim,
            theme.dim,
        ]) {
            put(buf, cell(line, place), 0, 0, text, style);
        }
        if idx == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
    let last = area.height.saturating_sub(1);
    put(buf, area, 2, last, "enter details · k copy a curl with the key · f its requests", theme.dim);
}

fn shown<'a>(state: SandboxState<'a>, theme: &Theme) -> (&'static str, String, Style) {
    match state {
        SandboxState::Ready => ("● ready", String::new(), theme.good),
        SandboxState::Deleting => ("◌ deleting", String::new(), theme.dim),
        SandboxState::NotReady(reason, message) => {
            ("◐ not ready", format!("{reason}: {message}"), theme.warning)
        }
        SandboxState::New => ("○ new", String::new(), theme.dim),
    }
}

fn nothing(state: &State) -> &'static str {
    match () {
        () if !state.sandboxes.is_known => "Reading.",
        () if state.sandboxes.n_kept() > 0 => "No sandbox fits the filter; X drops it.",
        () => "No sandboxes; `spur sandbox create` makes one.",
    }
}
