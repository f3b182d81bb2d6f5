//! The dialog in which a request is sent again.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::exchange;
use super::overlay::frame;
use super::text::put;
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::first_visible;
use crate::state::replay::{Replay, Stage};

/// Columns: a difference with both its sides.
const WIDTH: u16 = 92;

pub(super) fn draw(replay: &Replay, state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let n_lines = match &replay.stage {
        Stage::Choosing | Stage::Confirming | Stage::Sent(_) => replay.choices().len() + 4,
        // Lines may be broken in two.
        Stage::Answered(lines, _) => lines.len() * 2 + 2,
    };
    let inner = frame(&format!("replay ↺ {}", replay.what), WIDTH, n_lines, theme, area, buf);
    let last = inner.height.saturating_sub(1);
    let body = Rect { height: last, ..inner };
    let (prompt, style) = match &replay.stage {
        Stage::Choosing => ("space ticks · b baseline and key · enter sends · esc closes", theme.dim),
        Stage::Confirming => ("it may change something: y sends it, any other key does not", theme.warning),
        Stage::Sent(_) => ("sending", theme.dim),
        Stage::Answered(..) => ("j k down, up · enter chooses again · esc closes", theme.dim),
    };
    // A notice says what is wrong with the choice.
    let prompt = state.notice.as_deref().unwrap_or(prompt);
    put(buf, inner, 1, last, prompt, style);
    match &replay.stage {
        Stage::Answered(lines, top) => exchange::lines(lines, *top, theme, body, buf),
        Stage::Choosing | Stage::Confirming | Stage::Sent(_) => choices(replay, theme, body, buf),
    }
}

fn choices(replay: &Replay, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let choices = replay.choices();
    put(buf, area, 1, 0, "to (two and more are compared with the first, which is asked twice)", theme.dim);
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    // With a line between targets and the rest.
    let at = |idx: usize| idx + usize::from(idx >= replay.n_targets());
    let first = first_visible(choices.len() + 1, at(replay.idx), list.height.into());
    for (idx, choice) in choices.iter().enumerate() {
        let Some(row) = at(idx).checked_sub(first).and_then(|row| u16::try_from(row).ok()) else { continue };
        if row >= list.height {
            break;
        }
        let tick = if choice.is_chosen { "[x]" } else { "[ ]" };
        put(buf, list, 1, row, &format!("{tick} {}", choice.text), theme.plain);
        if idx == replay.idx {
            buf.set_style(Rect { y: list.y + row, height: 1, ..list }, theme.selected);
        }
    }
}
