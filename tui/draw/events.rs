//! Events: what the API says has happened, the newest last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use spur_api::meta;

use super::live::cell;
use super::text::{age, put};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::{Rows, first_visible};
use crate::state::objects;

/// Where the rows are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let n_rows = state.events.n_rows();
    Some((body, first_visible(n_rows, state.event_cursor.idx(&state.events)?, body.height.into()), n_rows))
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let widths: [u16; 4] = match area.width {
        110.. => [5, 22, 36, area.width - 2 - 66],
        80.. => [5, 18, 24, area.width - 2 - 50],
        60.. => [5, 0, 22, area.width - 2 - 29],
        _ => [5, 0, 0, area.width.saturating_sub(2 + 6)],
    };
    let mut next = 2;
    let columns = widths.map(|width| {
        let place = (next, width);
        next += if width == 0 { 0 } else { width + 1 };
        place
    });
    for (place, title) in columns.into_iter().zip(["AGO", "REASON", "OBJECT", "MESSAGE"]) {
        put(buf, cell(area, place), 0, 0, title, theme.dim);
    }
    let Some(selected) = state.event_cursor.idx(&state.events) else {
        let why = match () {
            () if !state.events.is_known => "Reading.",
            () if state.events.n_kept() > 0 => "No event fits the filter; X drops it.",
            () => "No events.",
        };
        put(buf, area, 2, 2, why, theme.dim);
        return;
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = first_visible(state.events.n_rows(), selected, body.height.into());
    for row in 0..body.height {
        let idx = first + usize::from(row);
        let Some(event) = state.events.row(idx) else { break };
        let line = Rect { y: body.y + row, height: 1, ..body };
        let is_warning = meta::text(event, "/type") == "Warning";
        let style = if is_warning { theme.warning } else { theme.plain };
        let ago = state.age(objects::time(event)).map(age).unwrap_or_default();
        let mark = if is_warning { "⚠ " } else { "" };
        let reason = format!("{mark}{}", meta::text(event, "/reason"));
        let kind = meta::text(event, "/involvedObject/kind").to_lowercase();
        let object = format!("{kind}/{}", meta::text(event, "/involvedObject/name"));
        let times = match meta::number(event, "/count") {
            Some(n @ 2..) => format!(" (×{n})"),
            _ => String::new(),
        };
        // Without a column of its own the mark goes with the message.
        let mark = if columns[1].1 == 0 { mark } else { "" };
        let message = format!("{mark}{}{times}", meta::text(event, "/message"));
        for (place, text) in columns.into_iter().zip([&ago, &reason, &object, &message]) {
            put(buf, cell(line, place), 0, 0, text, style);
        }
        if idx == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
}
