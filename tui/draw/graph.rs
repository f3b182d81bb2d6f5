//! A topology drawn: nodes in layers, lines between them, and on each line how much goes there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use spur_trace::short_duration;
use unicode_width::UnicodeWidthStr;

use super::text::put;
use super::theme::Theme;
use super::topology::{rate, style};
use crate::state::State;
use crate::state::graph::{Graph, Link, graph};
use crate::state::topology::Edge;

/// Longest name of a node; what is longer is cut.
const NAME_MAX: u16 = 28;

/// How much a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    /// Rate, errors, p95.
    All,
    /// Rate and errors.
    Errors,
    /// The rate.
    Rate,
}

/// Where layers and gutters are.
struct Columns {
    /// First column and width of each layer's names.
    layers: Vec<(u16, u16)>,
    /// Who sends lines in each gutter, in the order of their rows: each has a column of its own there.
    senders: Vec<Vec<usize>>,
    width: u16,
    label: Label,
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let topology = &state.topology;
    let graph = graph(topology);
    let columns = Columns::of(&graph, &topology.edges, area.width);
    let selected = state.topology_cursor.idx(topology);
    let shown = graph.links.iter().find(|link| Some(link.edge_idx) == selected && link.is_last);
    // Moved so that the selected edge is in view.
    let (left, top) = shown.map_or((0, 0), |link| {
        let end = columns.layers[graph.nodes[link.to].layer];
        let left = (end.0 + end.1).saturating_sub(area.width);
        (left, crate::state::cursor::first_visible(graph.n_rows, link.to_row, area.height.into()))
    });
    let mut canvas = Canvas { left, top, area, buf };
    for link in graph.links.iter().filter(|link| Some(link.edge_idx) != selected) {
        line(
            link,
            &graph,
            &columns,
            &topology.edges,
            style(state, &topology.edges[link.edge_idx], theme),
            &mut canvas,
        );
    }
    // The selected one over the others.
    for link in graph.links.iter().filter(|link| Some(link.edge_idx) == selected) {
        let style = style(state, &topology.edges[link.edge_idx], theme);
        line(link, &graph, &columns, &topology.edges, style.patch(theme.title), &mut canvas);
        if link.is_last {
            label(link, &graph, &columns, &topology.edges, theme.selected, &mut canvas);
        }
    }
    for node in &graph.nodes {
        let Some(name) = &node.name else { continue };
        let (column, width) = columns.layers[node.layer];
        let mark = if node.is_fork { "◆" } else { "" };
        let name = super::text::fit(&format!("{mark}{name}"), width.into()).into_owned();
        let style = if node.is_fork { theme.fork } else { theme.title };
        canvas.text(column, node.row, &name, style);
    }
}

/// A line from one node to the next, with its label where it ends.
fn line(
    link: &Link,
    graph: &Graph,
    columns: &Columns,
    edges: &[Edge],
    style: Style,
    canvas: &mut Canvas<'_>,
) {
    let (from, to) = (&graph.nodes[link.from], &graph.nodes[link.to]);
    let (to_column, _) = columns.layers[to.layer];
    if link.is_back {
        // Lines from right to left would cross everything: it is named where it comes in.
        let name = from.name.as_deref().unwrap_or_default();
        canvas.text(to_column.saturating_sub(3 + width(name)), link.to_row, &format!("{name} ↩"), style);
        return;
    }
    let edge = &edges[link.edge_idx];
    let (from_column, from_width) = columns.layers[from.layer];
    let name = from.name.as_deref().map_or(0, |name| width(name) + u16::from(from.is_fork)).min(from_width);
    let start = from_column + if name == 0 { 0 } else { name + 1 };
    let trunk = columns.trunk(from.layer, link.from, from_column + from_width);
    let end = to_column.saturating_sub(1);
    let stroke = stroke(edge);
    (start..trunk).for_each(|column| canvas.join(column, from.row, Sides::ACROSS, stroke, style));
    match from.row == link.to_row {
        true => canvas.join(trunk, from.row, Sides::ACROSS, stroke, style),
        false => {
            let (above, below) = (from.row.min(link.to_row), from.row.max(link.to_row));
            let (first, last) = match from.row < link.to_row {
                true => (Sides::LEFT | Sides::DOWN, Sides::UP | Sides::RIGHT),
                false => (Sides::LEFT | Sides::UP, Sides::DOWN | Sides::RIGHT),
            };
            canvas.join(trunk, from.row, first, stroke, style);
            (above + 1..below)
                .for_each(|row| canvas.join(trunk, row, Sides::UP | Sides::DOWN, stroke, style));
            canvas.join(trunk, link.to_row, last, stroke, style);
        }
    }
    (trunk + 1..end).for_each(|column| canvas.join(column, link.to_row, Sides::ACROSS, stroke, style));
    if link.is_last {
        label(link, graph, columns, edges, style, canvas);
        canvas.text(end.saturating_sub(1), link.to_row, "▶", style);
    } else {
        canvas.join(end, link.to_row, Sides::ACROSS, stroke, style);
        (to_column..columns.trunk_start(to.layer))
            .for_each(|column| canvas.join(column, link.to_row, Sides::ACROSS, stroke, style));
    }
}

fn label(
    link: &Link,
    graph: &Graph,
    columns: &Columns,
    edges: &[Edge],
    style: Style,
    canvas: &mut Canvas<'_>,
) {
    if link.is_back {
        return;
    }
    let text = columns.label.text(&edges[link.edge_idx]);
    let end = columns.layers[graph.nodes[link.to].layer].0.saturating_sub(3);
    canvas.text(end.saturating_sub(width(&text)), link.to_row, &text, style);
}

/// The more goes there the heavier it is.
fn stroke(edge: &Edge) -> char {
    match edge.per_second {
        rate if rate < 10.0 => '─',
        rate if rate < 100.0 => '═',
        _ => '━',
    }
}

/// Columns of the longest name of who calls back to a layer.
fn back_width(graph: &Graph, layer: usize) -> u16 {
    let links = graph.links.iter().filter(|link| link.is_back && graph.nodes[link.to].layer == layer);
    links.map(|link| width(graph.nodes[link.from].name.as_deref().unwrap_or_default()) + 3).max().unwrap_or(0)
}

fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

// === impl Label ===

impl Label {
    fn text(self, edge: &Edge) -> String {
        let figures = &edge.figures;
        // Not by colour alone: `!` from one of a hundred, `!!` from one of ten.
        let failed = figures.failed() * 100.0;
        let cry = match failed {
            failed if failed >= 10.0 => "!!",
            failed if failed >= 1.0 => "!",
            _ => "",
        };
        let rate = format!("{}/s", rate(edge.per_second));
        match self {
            Self::All => format!("{rate} {failed:.1}%{cry} {}", short_duration(figures.p95)),
            Self::Errors => format!("{rate} {failed:.1}%{cry}"),
            Self::Rate => format!("{rate}{cry}"),
        }
    }
}

// === impl Columns ===

impl Columns {
    /// With the longest labels that fit, and the shortest where none does.
    fn of(graph: &Graph, edges: &[Edge], room: u16) -> Self {
        let with = |label| Self::with(graph, edges, label);
        let found = [Label::All, Label::Errors].map(with).into_iter().find(|columns| columns.width <= room);
        found.unwrap_or_else(|| with(Label::Rate))
    }

    fn with(graph: &Graph, edges: &[Edge], label: Label) -> Self {
        let mut columns = Self { layers: Vec::new(), senders: Vec::new(), width: 0, label };
        // Who calls back to the first layer is named before it.
        let mut column = 1 + back_width(graph, 0);
        for layer in 0..graph.n_layers {
            let here = graph.nodes.iter().filter(|node| node.layer == layer);
            let name = |node: &crate::state::graph::Node| {
                node.name.as_ref().map_or(0, |name| width(name) + u16::from(node.is_fork))
            };
            let name_width = here.map(name).max().unwrap_or(0).clamp(1, NAME_MAX);
            columns.layers.push((column, name_width));
            let mut senders: Vec<usize> = graph
                .links
                .iter()
                .filter(|link| !link.is_back && graph.nodes[link.from].layer == layer)
                .map(|link| link.from)
                .collect();
            senders.sort_by_key(|idx| (graph.nodes[*idx].row, *idx));
            senders.dedup();
            let labels = graph.links.iter().filter(|link| graph.nodes[link.to].layer == layer + 1);
            let label_width = labels
                .filter(|link| !link.is_back)
                .map(|link| width(&label.text(&edges[link.edge_idx])))
                .max()
                .unwrap_or(0)
                .max(back_width(graph, layer + 1));
            let n_senders = u16::try_from(senders.len()).unwrap_or(u16::MAX).min(64);
            columns.width = column + name_width;
            // A blank, the trunks, a stroke, the label, a stroke, the arrow, a blank.
            column = column
                .saturating_add(name_width)
                .saturating_add(2 + n_senders + 1)
                .saturating_add(label_width)
                .saturating_add(4);
            columns.senders.push(senders);
        }
        columns
    }

    /// The first column in which lines of a layer go up or down.
    fn trunk_start(&self, layer: usize) -> u16 {
        self.layers[layer].0 + self.layers[layer].1 + 1
    }

    /// The column in which a node's lines go up or down.
    fn trunk(&self, layer: usize, node: usize, name_end: u16) -> u16 {
        let place = self.senders[layer].iter().position(|sender| *sender == node).unwrap_or(0);
        // The upper ones to the right, so that those that go down cross fewer.
        let place = self.senders[layer].len().saturating_sub(1 + place).min(63);
        name_end + 1 + u16::try_from(place).unwrap_or(0)
    }
}

/// To which sides of a cell lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sides(u8);

impl Sides {
    const LEFT: Self = Self(1);
    const RIGHT: Self = Self(2);
    const UP: Self = Self(4);
    const DOWN: Self = Self(8);
    const ACROSS: Self = Self(3);

    /// Signs by their sides.
    const SIGNS: [char; 16] =
        [' ', '─', '─', '─', '│', '┘', '└', '┴', '│', '┐', '┌', '┬', '│', '┤', '├', '┼'];

    fn of(sign: char) -> Self {
        if matches!(sign, '═' | '━') {
            return Self::ACROSS;
        }
        // The last of equal ones: `─` has both sides.
        let found = Self::SIGNS.iter().rposition(|other| *other == sign && sign != ' ').unwrap_or(0);
        Self(u8::try_from(found).unwrap_or(0))
    }
}

impl std::ops::BitOr for Sides {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A part of the buffer, moved.
struct Canvas<'a> {
    left: u16,
    top: usize,
    area: Rect,
    buf: &'a mut Buffer,
}

impl Canvas<'_> {
    /// Adds a line to what a cell has already.
    fn join(&mut self, column: u16, row: usize, sides: Sides, stroke: char, style: Style) {
        let Some((column, row)) = self.at(column, row) else { return };
        let (x, y) = (self.area.x + column, self.area.y + row);
        if x >= self.area.right() || y >= self.area.bottom() {
            return;
        }
        let Some(cell) = self.buf.cell_mut((x, y)) else { return };
        let before = cell.symbol().chars().next().unwrap_or(' ');
        let all = Sides::of(before) | sides;
        let sign = match all == Sides::ACROSS {
            true => stroke,
            false => Sides::SIGNS[usize::from(all.0 & 15)],
        };
        cell.set_char(sign).set_style(style);
    }

    fn text(&mut self, column: u16, row: usize, text: &str, style: Style) {
        let hidden = self.left.saturating_sub(column);
        let text = super::text::from_column(text, hidden.into());
        if let Some((column, row)) = self.at(column.max(self.left), row) {
            put(self.buf, self.area, column, row, &text, style);
        }
    }

    /// Where that is in the area, if it is not to the left of it or above.
    fn at(&self, column: u16, row: usize) -> Option<(u16, u16)> {
        Some((column.checked_sub(self.left)?, u16::try_from(row.checked_sub(self.top)?).ok()?))
    }
}
