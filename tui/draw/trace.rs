//! Trace: the hops as a waterfall, why the chosen one went where it went, and what was sent and answered.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use spur_trace::{Hop, Span, Trace, short_duration};

use super::live::{cell, status, title};
use super::text::{put, put_right};
use super::theme::Theme;
use super::{exchange, why};
use crate::state::State;
use crate::state::cursor::{Rows, first_visible};
use crate::state::trace_view::{TracePane, TraceView};
use crate::state::waterfall::{Of, Row, Waterfall};

/// From here on both panes are seen at once.
const BOTH_FROM: (u16, u16) = (80, 21);

/// From here on the reasons and the exchange are seen at once.
const THREE_FROM: u16 = 120;

/// Where each column begins and how wide it is; 0 is left out.
struct Columns {
    name: (u16, u16),
    status: (u16, u16),
    own: (u16, u16),
    total: (u16, u16),
    bar: (u16, u16),
    route: (u16, u16),
}

/// Where each pane is, if it is seen.
#[derive(Default)]
struct Panes {
    waterfall: Option<Rect>,
    why: Option<Rect>,
    exchange: Option<Rect>,
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let view = &state.trace;
    let Some(trace) = &view.trace else {
        put(buf, area, 2, 2, "No trace was opened yet; 1 shows the requests, enter opens one.", theme.dim);
        return;
    };
    put(buf, area, 0, 0, &headline(trace, view.waterfall.n_orphans), theme.title);
    let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let panes = Panes::of(area, view);
    let selected = view.cursor.idx(&view.waterfall);
    if let Some(area) = panes.waterfall {
        waterfall(trace, &view.waterfall, selected, view.in_view(), theme, area, buf);
    }
    let focus = |pane| if view.pane == pane { why::Focus::Here } else { why::Focus::Elsewhere };
    if let Some(area) = panes.why {
        let focus = focus(TracePane::Why);
        match (view.span(), view.hop()) {
            (Some(span), _) => why::draw_reported(span, view.why_top, focus, theme, area, buf),
            (None, Some(hop)) => {
                why::draw(hop, state.facts.routes_revision, view.why_top, focus, theme, area, buf);
            }
            (None, None) => {}
        }
    }
    if let Some(area) = panes.exchange {
        exchange::draw(state, focus(TracePane::Exchange), theme, area, buf);
    }
}

/// Where the rows of the waterfall are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let view = &state.trace;
    let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let area = Panes::of(area, view).waterfall?;
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let n_rows = view.waterfall.n_rows();
    Some((body, first_visible(n_rows, view.cursor.idx(&view.waterfall)?, body.height.into()), n_rows))
}

/// What the trace is, and what is odd about it, which is said and not hidden.
fn headline(trace: &Trace, n_orphans: usize) -> String {
    let n_forks = trace.hops.iter().filter(|hop| hop.is_forked()).count();
    let n_lost = trace.lost_key_hops().count();
    let parts = [
        Some(title(trace, u16::MAX)),
        trace.key.as_ref().map(|key| format!(" key {key} ")),
        Some(format!(" {} hops: {n_forks} fork", trace.hops.len())),
        (n_lost > 0).then(|| format!(", {n_lost} LOST the key")),
        (n_orphans > 0).then(|| format!("  ⚠ {n_orphans} without their parent")),
        (trace.n_dropped_hops > 0).then(|| format!("  ⚠ {} hops not kept", trace.n_dropped_hops)),
        (!trace.is_finished).then(|| "  … in flight".to_owned()),
    ];
    parts.into_iter().flatten().collect()
}

/// The rows that are visible, with a bar for each within the time in view.
pub(super) fn waterfall(
    trace: &Trace,
    waterfall: &Waterfall,
    selected: Option<usize>,
    in_view: (Duration, Duration),
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let columns = Columns::of(area.width);
    columns.titles(in_view, theme, area, buf);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = first_visible(waterfall.n_rows(), selected.unwrap_or(0), body.height.into());
    for (row, place) in (0..body.height).zip(&waterfall.rows[first.min(waterfall.rows.len())..]) {
        let line = Rect { y: body.y + row, height: 1, ..body };
        match place.of {
            Of::Hop(idx) => columns.row(&trace.hops[idx], place, in_view, theme, line, buf),
            Of::Span(idx) => columns.span(&trace.spans[idx], place, in_view, theme, line, buf),
        }
        if Some(first + usize::from(row)) == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
}

/// Who took a hop, in a mark and words.
pub(super) fn route(hop: &Hop, theme: &Theme) -> (String, Style) {
    let decision = &hop.start.decision;
    if let Some(key) = &hop.lost_key {
        return (format!("▲ LOST {key}"), theme.warning);
    }
    if let spur_route::Version::Sandbox(sandbox) = &decision.version {
        return (format!("◆ fork {}", sandbox.name), theme.fork);
    }
    if decision.fell_back {
        return ("○ baseline, fallback".to_owned(), theme.warning);
    }
    if decision.reason.refusal_status().is_some() {
        return ("✗ refused".to_owned(), theme.failure);
    }
    match decision.share {
        Some(share) => (format!("½ baseline {}/{}", share.weight, share.of), theme.plain),
        None => ("baseline".to_owned(), theme.plain),
    }
}

// === impl Panes ===

impl Panes {
    /// One where there is room for one or it was zoomed; else the waterfall above, and below it the
    /// reasons or the exchange, or both.
    fn of(area: Rect, view: &TraceView) -> Self {
        if view.is_zoomed || area.width < BOTH_FROM.0 || area.height < BOTH_FROM.1 - 4 {
            return match view.pane {
                TracePane::Waterfall => Self { waterfall: Some(area), ..Self::default() },
                TracePane::Why => Self { why: Some(area), ..Self::default() },
                TracePane::Exchange => Self { exchange: Some(area), ..Self::default() },
            };
        }
        let height = (area.height / 2).min(15);
        let under = Rect { y: area.y + area.height - height, height, ..area };
        let waterfall = Some(Rect { height: area.height - height, ..area });
        if area.width < THREE_FROM {
            return match view.pane {
                TracePane::Exchange => Self { waterfall, why: None, exchange: Some(under) },
                TracePane::Waterfall | TracePane::Why => Self { waterfall, why: Some(under), exchange: None },
            };
        }
        let width = area.width / 2;
        let beside = Rect { x: under.x + width, width: under.width - width, ..under };
        Self { waterfall, why: Some(Rect { width, ..under }), exchange: Some(beside) }
    }
}

// === impl Columns ===

impl Columns {
    fn of(width: u16) -> Self {
        let (own, bar_share, route) = match width {
            110.. => (7, 34, 20),
            80.. => (0, 28, 16),
            60.. => (0, 30, 0),
            _ => (0, 0, 0),
        };
        let bar = width * bar_share / 100;
        let taken = 4 + 1 + 7 + 1 + if own > 0 { own + 1 } else { 0 };
        let rest = if bar > 0 { bar + 1 } else { 0 } + if route > 0 { route + 1 } else { 0 };
        let name = width.saturating_sub(2 + 1 + taken + rest);
        let mut next = 2;
        let mut column = |width: u16| {
            let place = (next, width);
            next += if width == 0 { 0 } else { width + 1 };
            place
        };
        Self {
            name: column(name),
            status: column(4),
            own: column(own),
            total: column(7),
            bar: column(bar),
            route: column(route),
        }
    }

    fn titles(&self, (from, to): (Duration, Duration), theme: &Theme, area: Rect, buf: &mut Buffer) {
        put(buf, cell(area, self.name), 0, 0, "HOP", theme.dim);
        put(buf, cell(area, self.status), 0, 0, "ST", theme.dim);
        put_right(buf, cell(area, self.own), self.own.1, 0, "SELF", theme.dim);
        put_right(buf, cell(area, self.total), self.total.1, 0, "TOTAL", theme.dim);
        let bar = cell(area, self.bar);
        let column = put(buf, bar, 0, 0, &short_duration(from), theme.dim);
        if column + 8 < bar.width {
            put_right(buf, bar, bar.width, 0, &short_duration(to), theme.dim);
        }
        put(buf, cell(area, self.route), 0, 0, "ROUTE", theme.dim);
    }

    fn row(
        &self,
        hop: &Hop,
        row: &Row,
        in_view: (Duration, Duration),
        theme: &Theme,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let name = cell(area, self.name);
        // A third of the column at most is indent.
        let indent = u16::try_from(row.depth).unwrap_or(u16::MAX).min(name.width / 3);
        let (route, style) = route(hop, theme);
        let style = if hop.is_failed() { theme.failure } else { style };
        let failed = if hop.is_failed() { "✗" } else { "" };
        let mark: String = route.chars().next().filter(|mark| "▲◆○½".contains(*mark)).into_iter().collect();
        let marked = format!("{failed}{mark}{}", hop.name());
        let column = put(buf, name, indent, 0, &marked, style);
        let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
        put(buf, name, column + 1, 0, &format!("{} {target}", hop.start.method), theme.dim);
        put(buf, cell(area, self.status), 0, 0, &status(hop), style);
        put_right(buf, cell(area, self.own), self.own.1, 0, &short_duration(row.own), theme.plain);
        put_right(buf, cell(area, self.total), self.total.1, 0, &short_duration(row.total), theme.plain);
        bar(hop, row, in_view, style, cell(area, self.bar), buf);
        put(buf, cell(area, self.route), 0, 0, &route, style);
    }

    /// An operation that an application reported, in less.
    fn span(
        &self,
        span: &Span,
        row: &Row,
        in_view: (Duration, Duration),
        theme: &Theme,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let name = cell(area, self.name);
        let indent = u16::try_from(row.depth).unwrap_or(u16::MAX).min(name.width / 3);
        let style = if span.is_failed() { theme.failure } else { theme.dim };
        let failed = if span.is_failed() { "✗" } else { "" };
        put(buf, name, indent, 0, &format!("{failed}├ {}", span.name), style);
        put_right(buf, cell(area, self.total), self.total.1, 0, &short_duration(row.total), theme.dim);
        thin_bar(row, in_view, style, cell(area, self.bar), buf);
        put(buf, cell(area, self.route), 0, 0, &format!("span of {}", span.resource.service), theme.dim);
    }
}

/// `─` the time of a span.
fn thin_bar(row: &Row, in_view: (Duration, Duration), style: Style, area: Rect, buf: &mut Buffer) {
    if let Some((first, last)) = cells(row.starts, row.starts + row.total, in_view, area.width) {
        for column in first..=last {
            put(buf, area, column, 0, "─", style);
        }
    }
}

/// `━` the time of a hop, `═` of a fork; `✗` at its end where it failed, `…` where it goes on.
fn bar(hop: &Hop, row: &Row, (from, to): (Duration, Duration), style: Style, area: Rect, buf: &mut Buffer) {
    let Some((first, last)) = cells(row.starts, row.starts + row.total, (from, to), area.width) else {
        return;
    };
    let stroke = if hop.is_forked() { "═" } else { "━" };
    let end = match () {
        () if row.starts + row.total > to => stroke,
        () if hop.is_failed() => "✗",
        () if hop.is_open() => "…",
        () => stroke,
    };
    for column in first..=last {
        put(buf, area, column, 0, if column == last { end } else { stroke }, style);
    }
}

/// The first and the last cell of what lies between two times; `None` where nothing of it is in view.
fn cells(
    starts: Duration,
    ends: Duration,
    (from, to): (Duration, Duration),
    width: u16,
) -> Option<(u16, u16)> {
    let length = to.saturating_sub(from).as_secs_f64();
    if width == 0 || ends < from || starts > to {
        return None;
    }
    if length == 0.0 {
        return Some((0, width - 1));
    }
    let at = |time: Duration| {
        let share = time.saturating_sub(from).as_secs_f64() / length * f64::from(width);
        // `as` cuts off, which is meant, and stays within `u16`.
        (share as u16).min(width - 1)
    };
    let first = at(starts.max(from));
    // A bar that ends where a cell begins does not touch that cell.
    let last = at(ends.min(to).saturating_sub(Duration::from_nanos(1))).max(first);
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_where_its_time_is() {
        let ms = Duration::from_millis;
        let check = |starts, ends, view: (u64, u64), expected| {
            let found = cells(ms(starts), ms(ends), (ms(view.0), ms(view.1)), 10);
            assert_eq!(found, expected, "{starts}..{ends} in {view:?}");
        };
        check(0, 100, (0, 100), Some((0, 9)));
        check(0, 50, (0, 100), Some((0, 4)));
        check(50, 50, (0, 100), Some((5, 5)));
        check(100, 100, (0, 100), Some((9, 9)));
        check(30, 100, (50, 60), Some((0, 9)));
        check(0, 10, (50, 60), None);
        check(0, 0, (0, 0), Some((0, 9)));
    }
}
