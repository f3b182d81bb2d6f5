//! Split: what weights say, and what became of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use spur_trace::short_duration;

use super::live::cell;
use super::text::{count, put, put_right};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::first_visible;
use crate::state::share::Observed;
use crate::state::split::{Side, Split, WINDOW_SECONDS};
use crate::state::splitting::slashed;

/// A line of the screen.
enum Line<'a> {
    Title(&'a Split),
    Destination {
        split: &'a Split,
        idx: usize,
        side: &'a Side,
    },
    /// What the edit would do, or what is odd.
    Note(String),
}

/// Where each column begins and how wide it is; 0 is left out.
struct Columns {
    name: (u16, u16),
    bar: (u16, u16),
    weight: (u16, u16),
    observed: (u16, u16),
    failed: (u16, u16),
    p95: (u16, u16),
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let selected = state.split_cursor.id(&state.splits);
    if state.splits.0.is_empty() {
        let why = match state.virtual_services.is_known {
            true => "No VirtualService has a rule with several destinations.",
            false => "Reading.",
        };
        put(buf, area, 2, 2, why, theme.dim);
        return;
    }
    let sides: Vec<Vec<Side>> = state.splits.0.iter().map(|split| state.sides(split)).collect();
    let mut lines = Vec::new();
    let mut selected_line = 0;
    for (split, sides) in state.splits.0.iter().zip(&sides) {
        lines.push(Line::Title(split));
        for (idx, side) in sides.iter().enumerate() {
            if selected.as_ref().is_some_and(|id| id.split == split.id && id.destination_idx == idx) {
                selected_line = lines.len();
            }
            lines.push(Line::Destination { split, idx, side });
        }
        lines.extend(note(state, split, sides).map(Line::Note));
    }
    let columns = Columns::of(area.width);
    columns.titles(theme, area, buf);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let first = first_visible(lines.len(), selected_line, body.height.into());
    for (row, (place, line)) in (0..body.height).zip(lines.iter().enumerate().skip(first)) {
        let area = Rect { y: body.y + row, height: 1, ..body };
        match line {
            Line::Title(split) => drop(put(buf, area, 1, 0, &split.title(), theme.title)),
            Line::Destination { split, idx, side } => {
                columns.destination(state, split, (*idx, side), theme, area, buf);
            }
            Line::Note(text) => drop(put(buf, area, 3, 0, text, theme.warning)),
        }
        if place == selected_line {
            put(buf, area, 0, 0, "▶", theme.plain);
            buf.set_style(area, theme.selected);
        }
    }
    let help = match area.width {
        100.. => {
            "←/→ 1 %  ⇧←/⇧→ 10 %  = type  0 none  x all  b balance  enter apply (after a dry run)  esc discard  u undo"
        }
        _ => "←/→ 1%  ⇧ 10%  = 0 x b  enter apply  esc  u undo",
    };
    put(buf, area, 1, area.height.saturating_sub(1), help, theme.dim);
}

/// Of an edit what it would do; else where the truth is not what is configured.
fn note(state: &State, split: &Split, sides: &[Side]) -> Option<String> {
    let (before, after) = (split.weights(), state.shown_weights(split));
    let of: u32 = after.iter().sum();
    let n: u64 = sides.iter().map(|side| side.figures.n).sum();
    if before != after {
        let change = format!("edited {} → {} (not applied yet", slashed(&before), slashed(&after));
        let last = split.destinations.last()?;
        let share = f64::from(*after.last()?) / f64::from(of.max(1));
        // Cut off: about so many.
        let n_there = (n as f64 * share).round() as u64;
        let number = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
        return Some(match n {
            0 => format!("{change})"),
            n => format!(
                "{change}); of the last {} requests about {} → {}",
                number(n),
                number(n_there),
                last.title()
            ),
        });
    }
    // 95 of 100 intervals hold the weight; with several sides one is outside more often.
    let is_off = sides.iter().zip(&before).any(|(side, weight)| {
        let share = f64::from(*weight) / f64::from(of.max(1));
        n >= NOTED_FROM && side.observed.is_some_and(|it| share < it.from - SLACK || share > it.to + SLACK)
    });
    is_off.then(|| {
        "observed is not what is configured: weights changed lately, or keys and sticky sessions choose"
            .to_owned()
    })
}

/// Fewer requests say nothing.
const NOTED_FROM: u64 = 100;

/// What may lie beyond an interval before it is worth a word: a hundredth.
const SLACK: f64 = 0.01;

// === impl Columns ===

impl Columns {
    fn of(width: u16) -> Self {
        let (bar, weight, observed, failed, p95) = match width {
            120.. => (width / 3, 10, 16, 10, 10),
            80.. => (width / 5, 9, 13, 8, 8),
            60.. => (0, 8, 13, 7, 7),
            _ => (0, 6, 13, 0, 0),
        };
        let taken: u16 =
            [bar, weight, observed, failed, p95].iter().filter(|it| **it > 0).map(|it| it + 1).sum();
        let mut next = 2;
        let mut column = |width: u16| {
            let place = (next, width);
            next += if width == 0 { 0 } else { width + 1 };
            place
        };
        Self {
            name: column(width.saturating_sub(2 + taken)),
            bar: column(bar),
            weight: column(weight),
            observed: column(observed),
            failed: column(failed),
            p95: column(p95),
        }
    }

    fn titles(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        put(buf, cell(area, self.name), 0, 0, "DESTINATION", theme.dim);
        let minutes = format!("IN {} MIN", WINDOW_SECONDS / 60);
        for (place, title) in [
            (self.weight, "WEIGHT"),
            (self.observed, minutes.as_str()),
            (self.failed, "ERR%"),
            (self.p95, "P95"),
        ] {
            put_right(buf, cell(area, place), place.1, 0, title, theme.dim);
        }
    }

    fn destination(
        &self,
        state: &State,
        split: &Split,
        (idx, side): (usize, &Side),
        theme: &Theme,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let (before, weights) = (split.weights(), state.shown_weights(split));
        let of: u32 = weights.iter().sum();
        let (weight, destination) = (weights[idx], &split.destinations[idx]);
        let share = f64::from(weight) / f64::from(of.max(1));
        let style = if weight == before[idx] { theme.plain } else { theme.warning };
        put(buf, cell(area, self.name), 1, 0, &destination.title(), theme.plain);
        let bar = cell(area, self.bar);
        if bar.width > 2 {
            let room = bar.width - 2;
            // `as` cuts off, and stays within `u16`.
            let n_full = ((share * f64::from(room)).round() as u16).min(room);
            let text = format!("[{}{}]", "█".repeat(n_full.into()), "·".repeat((room - n_full).into()));
            put(buf, bar, 0, 0, &text, style);
        }
        put_right(buf, cell(area, self.weight), self.weight.1, 0, &format!("{:.0} %", share * 100.0), style);
        let observed = side.observed.map_or_else(|| "–".to_owned(), |it| interval(&it));
        put_right(buf, cell(area, self.observed), self.observed.1, 0, &observed, theme.plain);
        if side.figures.n == 0 {
            return;
        }
        let failed = side.figures.failed() * 100.0;
        let style = if failed >= 1.0 { theme.failure } else { theme.plain };
        put_right(buf, cell(area, self.failed), self.failed.1, 0, &format!("{failed:.1}"), style);
        let p95 = short_duration(side.figures.p95);
        put_right(buf, cell(area, self.p95), self.p95.1, 0, &p95, theme.plain);
    }
}

/// `10.4 % ±0.8`: the wider half of an interval that is lopsided.
fn interval(observed: &Observed) -> String {
    let Observed { share, from, to } = observed;
    format!("{:.1} % ±{:.1}", share * 100.0, (to - share).max(share - from) * 100.0)
}
