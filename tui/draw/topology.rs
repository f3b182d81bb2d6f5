//! Topology: who calls whom, how often, how well; as a table of edges, or drawn by `graph`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use spur_trace::short_duration;

use super::graph;
use super::live::cell;
use super::text::{put, put_right};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::{Rows, first_visible};
use crate::state::topology::Edge;
use crate::state::topology_view::Reach;

/// Columns of the figures, from the right: the title and the width; where the room is small
/// only the first are left.
const FIGURES: [(&str, u16); 5] = [("REQ/S", 7), ("ERR%", 6), ("P95", 7), ("P50", 7), ("LOST", 5)];

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let above = Rect { height: area.height.saturating_sub(1), ..area };
    if state.is_table() || state.topology.edges.is_empty() {
        table(state, theme, above, buf);
    } else {
        graph::draw(state, theme, above, buf);
    }
    put(buf, area, 1, area.height - 1, &footer(state), theme.dim);
}

/// The selected edge in words, and which minute this is.
fn footer(state: &State) -> String {
    let topology = &state.topology;
    let when = match state.ago_s {
        0 => String::new(),
        ago_s => format!("{} min ago · ", ago_s / 60),
    };
    let others = match topology.n_others {
        0 => String::new(),
        n => format!(" · {n} calls more, counted without their ends"),
    };
    let edge = topology.edges.get(state.topology_cursor.idx(topology).unwrap_or(0));
    let Some(Edge { id, figures, per_second, n_lost_key, .. }) = edge else { return when };
    let lost = if *n_lost_key > 0 { format!("  {n_lost_key} LOST the key") } else { String::new() };
    format!(
        "{when}edge {} → {}  {} req/s  err {:.1}%  p50 {} p95 {} p99 {}{lost}  enter its requests{others}",
        id.from,
        id.to,
        rate(*per_second),
        figures.failed() * 100.0,
        short_duration(figures.p50),
        short_duration(figures.p95),
        short_duration(figures.p99)
    )
}

/// One a minute is something, too.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 1.0 { format!("{per_second:.2}") } else { format!("{per_second:.1}") }
}

/// Where the rows of the table are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let topology = &state.topology;
    let selected = state.topology_cursor.idx(topology)?;
    Some((body, first_visible(topology.n_rows(), selected, body.height.into()), topology.n_rows()))
}

fn table(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
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
        let why = match state.reach {
            Reach::Hide => "No calls in that minute that the filter wants; H shows the others.",
            Reach::Nothing | Reach::Highlight => "No calls in that minute.",
        };
        put(buf, area, 2, 2, why, theme.dim);
        return;
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = first_visible(topology.n_rows(), selected, body.height.into());
    for (row, edge) in (0..body.height).zip(&topology.edges[first..]) {
        let line = Rect { y: body.y + row, height: 1, ..body };
        let style = style(state, edge, theme);
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

/// What is failing, or is not to be overlooked; where some are highlighted the others step back.
pub(super) fn style(state: &State, edge: &Edge, theme: &Theme) -> Style {
    if state.reach == Reach::Highlight {
        return if state.wants_edge(edge) { theme.title } else { theme.dim };
    }
    match () {
        () if edge.figures.n_failed > 0 => theme.failure,
        () if edge.n_lost_key > 0 => theme.warning,
        () if edge.sandbox.is_some() => theme.fork,
        () => theme.plain,
    }
}

fn figure(edge: &Edge, title: &str) -> String {
    match title {
        "REQ/S" => rate(edge.per_second),
        "ERR%" => format!("{:.1}", edge.figures.failed() * 100.0),
        "P50" => short_duration(edge.figures.p50),
        "P95" => short_duration(edge.figures.p95),
        _ => edge.n_lost_key.to_string(),
    }
}
