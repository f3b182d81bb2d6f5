//! The state as a frame: pure, and only what is visible is made into text.
//!
//! ```text
//!  bars      first row: link, screens, server     second row: filter, counts
//!  a screen  live | trace | topology | sandboxes | logs | events
//!  bars      last row: figures, losses, a notice or what to press
//!  overlay   help, palette, a note
//! ```
//!
//! Every text from outside is cleaned in `text`, which everything is written with.

mod bars;
mod events;
mod live;
mod logs;
mod overlay;
mod sandboxes;
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
    if let Some(cursor) = paint(state, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// The same into a buffer; where the terminal's cursor belongs, if it is to be seen.
fn paint(state: &State, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = Theme::of(state.theme);
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let line = format!("{} enlarge", bars::figures(state));
        put(buf, area, 0, 0, &line, theme.plain);
        return None;
    }
    let rows = |from: u16, n: u16| Rect { y: area.y + from, height: n, ..area };
    bars::first(state, &theme, rows(0, 1), buf);
    let cursor = bars::filter(state, &theme, rows(1, 1), buf);
    bars::last(state, &theme, rows(area.height - 1, 1), buf);
    let body = rows(2, area.height - 3);
    match state.screen {
        Screen::Live => live::draw(state, &theme, body, buf),
        Screen::Trace => trace::draw(state, &theme, body, buf),
        Screen::Topology => topology::draw(state, &theme, body, buf),
        Screen::Sandboxes => sandboxes::draw(state, &theme, body, buf),
        Screen::Logs => logs::draw(state, &theme, body, buf),
        Screen::Events => events::draw(state, &theme, body, buf),
    }
    match &state.overlay {
        Some(overlay) => overlay::draw(overlay, state, &theme, body, buf),
        None => cursor,
    }
}
