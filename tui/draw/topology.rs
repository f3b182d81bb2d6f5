//! Topology as a table of edges: who calls whom, how often, how well.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use spur_trace::short_duration;

use super::live::cell;
use super::text::{put, put_right};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::{Rows, first_visible};
use crate::state::topology::Edge;

/// Columns of the figures, from the right: the title and the width; where the room is small
/// only the first are left.
const FIGURES: [(&str, u16); 5] = [("REQ/S", 7), ("ERR%", 6), ("P95", 7), ("P50", 7), ("LOST", 5)];

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let n_figures = match area.width {
        80.. => 5,
        50.. => 3,
        _ => 2,
    };
    let figures = &FIGURES[..n_figures];
    let taken: u16 = figures.iter().map(|(_, width)| width + 1).sum();
    let names = area.width.saturating_sub(2 + taken);
    let (from, to) = ((2, names / 2), (2 + names / 2 + 1, names.saturating_sub(names / 2 + 1)));
    put(buf, cell(area, from), 0, 0, "CALLER", theme.dim);
    put(buf, cell(area, to), 0, 0, "SERVICE", theme.dim);
    let mut column = 2 + names;
    for (title, width) in figures {
        put_right(buf, cell(area, (column + 1, *width)), *width, 0, title, theme.dim);
        column += width + 1;
    }
    let topology = &state.topology;
    let Some(selected) = state.topology_cursor.idx(topology) else {
        put(buf, area, 2, 2, "No calls in the last minute.", theme.dim);
        return;
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = first_visible(topology.n_rows(), selected, body.height.into());
    for (row, edge) in (0..body.height).zip(&topology.edges[first..]) {
        let line = Rect { y: body.y + row, height: 1, ..body };
        let style = match () {
            () if edge.n_failed > 0 => theme.failure,
            () if edge.n_lost_key > 0 => theme.warning,
            () if edge.sandbox.is_some() => theme.fork,
            () => theme.plain,
        };
        put(buf, cell(line, from), 0, 0, &edge.id.from, theme.plain);
        let mark = if edge.sandbox.is_some() { "◆" } else { "" };
        put(buf, cell(line, to), 0, 0, &format!("▸ {mark}{}", edge.id.to), style);
        let mut column = 2 + names;
        for (title, width) in figures {
            put_right(buf, cell(line, (column + 1, *width)), *width, 0, &figure(edge, title), style);
            column += width + 1;
        }
        if first + usize::from(row) == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
}

fn figure(edge: &Edge, title: &str) -> String {
    let failed = if edge.n_calls == 0 { 0.0 } else { edge.n_failed as f64 / edge.n_calls as f64 };
    match title {
        // One a minute is something, too.
        "REQ/S" if edge.per_second < 1.0 => format!("{:.2}", edge.per_second),
        "REQ/S" => format!("{:.1}", edge.per_second),
        "ERR%" => format!("{:.1}", failed * 100.0),
        "P50" => short_duration(edge.p50),
        "P95" => short_duration(edge.p95),
        _ => edge.n_lost_key.to_string(),
    }
}
