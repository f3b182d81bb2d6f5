//! The state as a frame: pure, and only what is visible is made into text.
//!
//! ```text
//!  bars      first row: link, screens, server     second row: filter, counts
//!  a screen  live | trace | topology | sandboxes | split | logs | rules | events | diff
//!  bars      last row: figures, losses, a notice or what to press
//!  overlay   help, palette, a note
//! ```
//!
//! Every text from outside is cleaned in `text`, which everything is written with.

mod ascii;
mod bars;
mod diff;
mod events;
mod exchange;
mod graph;
mod live;
mod logs;
mod overlay;
mod prompt;
mod replay;
mod rules;
mod sandboxes;
mod split;
mod text;
mod theme;
mod topology;
mod trace;
mod why;

#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::event::Hit;
use crate::keys::Screen;
use crate::state::State;
use text::put;
use theme::Theme;

/// Below this there is no room for a list: one line says what goes on.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 10;

/// Draws everything.
pub(crate) fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let cursor = paint(state, area, frame.buffer_mut());
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// What lies under the mouse.
pub(crate) fn hit(state: &State, (column, row): (u16, u16)) -> Option<Hit> {
    let (width, height) = state.size;
    if width < WIDTH_MIN || height < HEIGHT_MIN {
        return None;
    }
    if row == 0 {
        return bars::tab_at(state, width, column).map(Hit::Screen);
    }
    let body = Rect { x: 0, y: 2, width, height: height - 3 };
    let (list, first, n_rows) = match state.screen {
        Screen::Live => live::list(state, body)?,
        Screen::Trace => trace::list(state, body)?,
        Screen::Topology if state.is_table() => topology::list(state, body)?,
        Screen::Sandboxes => sandboxes::list(state, body)?,
        Screen::Events => events::list(state, body)?,
        Screen::Logs => logs::list(state, body)?,
        Screen::Diff => diff::list(state, body)?,
        Screen::Topology | Screen::Split | Screen::Rules => return None,
    };
    let idx = first + usize::from(row.checked_sub(list.y)?);
    (list.contains(Position::new(column, row)) && idx < n_rows).then_some(Hit::Row(idx))
}

/// The same into a buffer; where the terminal's cursor belongs, if it is to be seen.
fn paint(state: &State, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let cursor = paint_signs(state, area, buf);
    if state.is_ascii {
        ascii::replace(buf);
    }
    cursor
}

fn paint_signs(state: &State, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = Theme::of(state.theme);
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let line = format!("{} enlarge", bars::figures(state));
        put(buf, area, 0, 0, &line, theme.plain);
        return None;
    }
    let rows = |from: u16, n: u16| Rect { y: area.y + from, height: n, ..area };
    bars::first(state, &theme, rows(0, 1), buf);
    let mut cursor = bars::filter(state, &theme, rows(1, 1), buf);
    bars::last(state, &theme, rows(area.height - 1, 1), buf);
    let body = rows(2, area.height - 3);
    match state.screen {
        Screen::Live => live::draw(state, &theme, body, buf),
        Screen::Trace => trace::draw(state, &theme, body, buf),
        Screen::Topology => topology::draw(state, &theme, body, buf),
        Screen::Sandboxes => sandboxes::draw(state, &theme, body, buf),
        Screen::Logs => logs::draw(state, &theme, body, buf),
        Screen::Events => events::draw(state, &theme, body, buf),
        Screen::Split => split::draw(state, &theme, body, buf),
        Screen::Diff => diff::draw(state, &theme, body, buf),
        Screen::Rules => cursor = rules::draw(state, &theme, body, buf).or(cursor),
    }
    prompt::draw(state, &theme, body, buf);
    match &state.overlay {
        Some(overlay) => overlay::draw(overlay, state, &theme, body, buf),
        None => cursor,
    }
}
