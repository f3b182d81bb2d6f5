//! The pane beside the reasons: what was sent, what came back, lines of logs, times.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget};

use super::text::{broken, put};
use super::theme::Theme;
use super::why::Focus;
use crate::state::State;
use crate::state::exchange::Said;
use crate::state::trace_view::Tab;

/// Draws the lines from the first that is in view on.
pub(super) fn draw(state: &State, focus: Focus, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let style = if focus == Focus::Here { theme.title } else { theme.dim };
    let block = Block::bordered().border_style(style);
    let inner = block.inner(area);
    block.render(area, buf);
    title(state, focus, theme, Rect { height: 1, ..area }, buf);
    lines(&state.exchange(), state.trace.exchange_top, theme, inner, buf);
}

/// `request ▸ response ▸ logs(3) ▸ timing`, the one that is shown in brackets.
fn title(state: &State, focus: Focus, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let n_lines = state.lines_of_trace().and_then(|logs| logs.found.as_ref().ok()).map(Vec::len);
    let logs = n_lines.map_or_else(|| "logs".to_owned(), |n| format!("logs({n})"));
    let tabs = [
        (Tab::Request, "request"),
        (Tab::Response, "response"),
        (Tab::Logs, logs.as_str()),
        (Tab::Timing, "timing"),
    ];
    let area = Rect { width: area.width.saturating_sub(2), ..area };
    let mut column = put(buf, area, 1, 0, " ", theme.dim);
    for (idx, (tab, name)) in tabs.into_iter().enumerate() {
        if idx > 0 {
            column = put(buf, area, column, 0, " ▸ ", theme.dim);
        }
        let is_shown = tab == state.trace.tab;
        let style = if is_shown && focus == Focus::Here { theme.title } else { theme.dim };
        let name = if is_shown { format!("[{name}]") } else { name.to_owned() };
        column = put(buf, area, column, 0, &name, style);
    }
    put(buf, area, column, 0, " ", theme.dim);
}

/// Lines from one on, broken where they are too long.
pub(super) fn lines(said: &[Said], top: usize, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let mut row = 0;
    for Said { text, weight } in said.iter().skip(top) {
        for part in broken(text, usize::from(area.width.saturating_sub(1)).max(1)) {
            if row == area.height {
                return;
            }
            put(buf, area, 1, row, &part, theme.weight(*weight));
            row += 1;
        }
    }
}
