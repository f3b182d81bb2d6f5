//! Under a filter that is typed: what is wrong with it and where, or what may stand there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};
use spur_trace::FilterError;
use unicode_width::UnicodeWidthStr;

use super::bars::PROMPT;
use super::text::put;
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::first_visible;
use crate::state::filter::Menu;

/// Candidates that are seen at once.
const MENU_ROWS: u16 = 8;

/// Draws over the first rows of the body.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let line = state.filter();
    let Some(typing) = &line.typing else { return };
    // As far as the line was moved to the left to be seen at its cursor.
    let column_of = |byte: usize| {
        let before = line.text().get(..byte).unwrap_or(line.text());
        u16::try_from(PROMPT.width() + before.width()).unwrap_or(u16::MAX).min(area.width.saturating_sub(2))
    };
    match (&typing.menu, &line.error) {
        (Some(found), _) if found.candidates.len() > 1 => {
            menu(found, column_of(found.offset), theme, area, buf);
        }
        (_, Some(wrong)) => error(wrong, column_of(wrong.offset), theme, area, buf),
        _ => {}
    }
}

/// The caret, the message beside it or under it, and the hint.
fn error(error: &FilterError, column: u16, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let FilterError { len, message, hint, .. } = error;
    let carets = "^".repeat((*len).clamp(1, usize::from(area.width.saturating_sub(column)).max(1)));
    let width = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
    let beside = format!("{carets} {message}");
    let has_room = column.saturating_add(width(&beside)) <= area.width;
    let mut lines = if has_room { vec![(column, beside)] } else { vec![(column, carets)] };
    let rest = (!has_room).then(|| message.clone()).into_iter();
    for text in rest.chain(hint.as_ref().map(|hint| format!("hint: {hint}"))) {
        // Under the caret, or as far to the left as it needs.
        for part in super::why::wrapped(&text, area.width.saturating_sub(2).into()) {
            lines.push((column.min(area.width.saturating_sub(width(&part) + 1)), part));
        }
    }
    for (row, (column, text)) in (0..area.height).zip(lines) {
        let line = Rect { y: area.y + row, height: 1, ..area };
        Clear.render(line, buf);
        put(buf, line, column, 0, &text, theme.failure);
    }
}

fn menu(menu: &Menu, column: u16, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let widest = menu.candidates.iter().map(|text| text.width()).max().unwrap_or(0);
    let width = u16::try_from(widest + 2).unwrap_or(u16::MAX).min(area.width);
    let n_rows = u16::try_from(menu.candidates.len()).unwrap_or(u16::MAX).min(MENU_ROWS).min(area.height);
    let x = area.x + column.min(area.width - width);
    let list = Rect { x, width, height: n_rows, ..area };
    Clear.render(list, buf);
    let first = first_visible(menu.candidates.len(), menu.idx, n_rows.into());
    for (row, (idx, text)) in (0..n_rows).zip(menu.candidates.iter().enumerate().skip(first)) {
        put(buf, list, 1, row, text, theme.plain);
        let style = if idx == menu.idx { theme.selected } else { theme.menu };
        buf.set_style(Rect { y: list.y + row, height: 1, ..list }, style);
    }
}
