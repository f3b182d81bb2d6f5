//! Live: one row per entry request, and what is to be said about the selected one.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget};
use spur_trace::{Hop, Trace, short_duration};

use super::text::{age, put, put_right, time};
use super::theme::Theme;
use super::{trace as trace_screen, why};
use crate::state::cursor::{Rows, first_visible};
use crate::state::waterfall::waterfall;
use crate::state::{Cell, Link, State};

/// From here on the trace of the selected request stands beside the list.
const BESIDE_FROM: (u16, u16) = (160, 40);

/// From here on a few of its hops stand under the list.
const UNDER_FROM: u16 = 30;

/// Rows of that, with its border.
const UNDER_ROWS: u16 = 8;

/// Where each column begins and how wide it is; 0 is left out.
struct Columns {
    time: (u16, u16),
    method: (u16, u16),
    status: (u16, u16),
    duration: (u16, u16),
    path: (u16, u16),
    key: (u16, u16),
    way: (u16, u16),
}

/// The list, and what of the selected request stands beside it or under it.
struct Panes {
    list: Rect,
    rest: Option<Rect>,
    is_beside: bool,
}

fn panes(area: Rect) -> Panes {
    // Two rows of the frame above and one below.
    let is_beside = area.width >= BESIDE_FROM.0 && area.height + 3 >= BESIDE_FROM.1;
    let (list, rest) = match () {
        () if is_beside => {
            let width = area.width * 11 / 20;
            let rest = Rect { x: area.x + width + 1, width: area.width - width - 1, ..area };
            (Rect { width, ..area }, Some(rest))
        }
        () if area.height >= UNDER_FROM - 3 => {
            let height = area.height - UNDER_ROWS;
            let rest = Rect { y: area.y + height, height: UNDER_ROWS, ..area };
            (Rect { height, ..area }, Some(rest))
        }
        () => (area, None),
    };
    Panes { list, rest, is_beside }
}

/// Where the rows of the list are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let listed = state.listed();
    let list = panes(area).list;
    let body = Rect { y: list.y + 1, height: list.height.saturating_sub(1), ..list };
    let first = first_visible(listed.n_rows(), state.live.idx(listed)?, body.height.into());
    Some((body, first, listed.n_rows()))
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let listed = state.listed();
    let selected = state.live.idx(listed);
    let trace = selected.and_then(|idx| listed.row(idx));
    let Panes { list, rest, is_beside } = panes(area);
    rows(state, theme, list, buf);
    let (Some(rest), Some(trace)) = (rest, trace) else { return };
    if is_beside { beside(state, trace, theme, rest, buf) } else { under(trace, theme, rest, buf) }
}

fn rows(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let listed = state.listed();
    let columns = Columns::of(area.width);
    columns.titles(theme, area, buf);
    let Some(selected) = state.live.idx(listed) else {
        put(buf, area, 2, 2, nothing(state), theme.dim);
        return;
    };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let first = first_visible(listed.n_rows(), selected, body.height.into());
    for row in 0..body.height {
        let idx = first + usize::from(row);
        let Some(trace) = listed.row(idx) else { break };
        let line = Rect { y: body.y + row, height: 1, ..body };
        columns.row(state, trace, theme, line, buf);
        if state.marked.as_ref().is_some_and(|marked| marked.trace_id == trace.trace_id) {
            put(buf, line, 1, 0, "m", theme.title);
        }
        if idx == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
            buf.set_style(cell(line, columns.of_cell(state.cell)), theme.cell);
        }
    }
}

/// Why there are no rows.
fn nothing(state: &State) -> &'static str {
    match &state.link {
        Link::Connecting => "Connecting.",
        Link::Down(_) => "No server answers; it is asked again every second.",
        Link::Live if state.facts.is_tracing_off => "`spur up` was started with `--tracing off`.",
        Link::Live if !state.filter().is_empty() => "No request fits the filter; X drops it.",
        Link::Live => "No requests yet; send one through the entry that `spur status` shows.",
    }
}

/// A few hops in words.
fn under(trace: &Trace, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let block = Block::bordered().border_style(theme.dim).title(title(trace, area.width));
    let inner = block.inner(area);
    block.render(area, buf);
    let n_lines = inner.height.saturating_sub(1);
    let waterfall = waterfall(trace);
    for (row, span) in (0..n_lines).zip(trace.spans.iter().filter(|_| trace.hops.is_empty())) {
        let what = format!("{} {}", span.resource.service, span.name);
        let column = put(buf, inner, 1, row, &what, theme.plain);
        let style = if span.is_failed() { theme.failure } else { theme.plain };
        let column = put(buf, inner, column.max(30) + 2, row, &span.outcome(), style);
        put(buf, inner, column + 2, row, &short_duration(span.duration), theme.dim);
    }
    let hops: Vec<&Hop> = waterfall.hops(trace).collect();
    for (row, hop) in (0..n_lines).zip(&hops) {
        let from = hop.start.source.as_ref().map_or("gw", |source| &source.workload);
        let (route, style) = trace_screen::route(hop, theme);
        let column = put(buf, inner, 1, row, &format!("{from} → {}", hop.name()), theme.plain);
        let column = put(buf, inner, column.max(30) + 2, row, &route, style);
        put(buf, inner, column + 2, row, hop.start.decision.reason.code(), theme.dim);
    }
    let (n_rows, of_what) = match hops.len() {
        0 => (trace.spans.len(), "spans"),
        n_hops => (n_hops, "hops"),
    };
    let n_more = n_rows.saturating_sub(n_lines.into());
    let more = if n_more > 0 { format!("{n_more} more {of_what} · ") } else { String::new() };
    put(
        buf,
        inner,
        1,
        n_lines,
        &format!("{more}enter trace · w why · d diff · r replay · m mark · y copy · h l = filter by a cell"),
        theme.dim,
    );
}

/// The whole waterfall, and the reasons of its first hop.
fn beside(state: &State, trace: &Trace, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let waterfall = waterfall(trace);
    let n_facts = 14.min(area.height / 2);
    let above = Rect { height: area.height - n_facts, ..area };
    let below = Rect { y: area.y + above.height, height: n_facts, ..area };
    let in_view = (Duration::ZERO, waterfall.length);
    trace_screen::waterfall(trace, &waterfall, None, in_view, theme, above, buf);
    // What is worth a look first: what failed, lost its key, or was forked.
    let hops = || waterfall.hops(trace);
    let worth = hops()
        .find(|hop| hop.lost_key.is_some())
        .or_else(|| hops().rfind(|hop| hop.is_failed()))
        .or_else(|| hops().find(|hop| hop.is_forked()))
        .or_else(|| hops().next());
    if let Some(hop) = worth {
        why::draw(hop, state.facts.routes_revision, 0, why::Focus::Elsewhere, theme, below, buf);
    }
}

/// ` 4f2a…9c31 ─ GET /cart/42 ─ 200 ─ 31ms `, or of spans alone ` 4f2a…9c31 ─ cron nightly ─ ok ─ 31ms `.
pub(super) fn title(trace: &Trace, width: u16) -> String {
    let id = trace.trace_id.to_string();
    let (what, took) = match (entry(trace), trace.root_span()) {
        (Some(hop), _) => {
            let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
            (format!(" ─ {} {target} ─ {}", hop.start.method, status(hop)), trace.duration)
        }
        (None, Some(root)) => {
            (format!(" ─ {} {} ─ {}", root.resource.service, root.name, root.outcome()), root.duration)
        }
        (None, None) => (String::new(), trace.duration),
    };
    let text = format!("{}…{}{what} ─ {}", &id[..4], &id[28..], short_duration(took));
    format!(" {} ", super::text::fit(&text, usize::from(width).saturating_sub(6)))
}

/// The request that everything else followed from.
pub(super) fn entry(trace: &Trace) -> Option<&Hop> {
    trace.hops.iter().find(|hop| hop.parent.is_none()).or(trace.hops.first())
}

/// `200`, `-` where it failed before there was one, `…` where it goes on.
pub(super) fn status(hop: &Hop) -> String {
    match (&hop.end, hop.progress.and_then(|progress| progress.status)) {
        (Some(end), _) => end.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        (None, Some(status)) => format!("{status}…"),
        (None, None) => "…".to_owned(),
    }
}

// === impl Columns ===

impl Columns {
    /// Columns go in a fixed order as the room does: key, way, time.
    fn of(width: u16) -> Self {
        let (time, path, key) = match width {
            110.. => (12, 28, 14),
            80.. => (5, 24, 0),
            _ => (0, 0, 0),
        };
        // Two for the mark of the selected row.
        let mut next = 2;
        let mut column = |width: u16| {
            let place = (next, width);
            next += if width == 0 { 0 } else { width + 1 };
            place
        };
        let (time, method, status, duration) = (column(time), column(6), column(4), column(7));
        let has_way = path > 0;
        let path = column(if has_way { path } else { width.saturating_sub(2 + 7 + 5 + 8) });
        let key = column(key);
        let way = (next, if has_way { width.saturating_sub(next) } else { 0 });
        Self { time, method, status, duration, path, key, way }
    }

    /// Where the selected cell is; the service is the way's first word.
    fn of_cell(&self, cell: Cell) -> (u16, u16) {
        match cell {
            Cell::Method => self.method,
            Cell::Status => self.status,
            Cell::Path => self.path,
            Cell::Key => self.key,
            Cell::Service => self.way,
        }
    }

    fn titles(&self, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let Self { time, method, status, duration, path, key, way } = self;
        let time_title = if time.1 < 10 { "AGO" } else { "TIME" };
        for (place, title) in [
            (time, time_title),
            (method, "METH"),
            (status, "ST"),
            (path, "PATH"),
            (key, "KEY"),
            (way, "ROUTE (entry ▸ … ▸ leaf)"),
        ] {
            if place.1 > 0 {
                put(buf, cell(area, *place), 0, 0, title, theme.dim);
            }
        }
        put_right(buf, cell(area, *duration), duration.1, 0, "DUR", theme.dim);
    }

    fn row(&self, state: &State, trace: &Trace, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let Self { time: time_at, method, status: status_at, duration: duration_at, path, key, way } = self;
        if time_at.1 > 0 {
            let ago = || age(state.now.duration_since(trace.started).unwrap_or_default());
            let text = if time_at.1 < 10 { ago() } else { time(trace.started) };
            put(buf, cell(area, *time_at), 0, 0, &text, theme.dim);
        }
        let Some(entry) = entry(trace) else {
            self.spans(trace, theme, area, buf);
            return;
        };
        put(buf, cell(area, *method), 0, 0, entry.start.method.as_str(), theme.plain);
        let style = if trace.is_failed() { theme.failure } else { theme.plain };
        put(buf, cell(area, *status_at), 0, 0, &status(entry), style);
        let took = if trace.is_finished {
            trace.duration
        } else {
            state.now.duration_since(trace.started).unwrap_or_default()
        };
        put_right(buf, cell(area, *duration_at), duration_at.1, 0, &short_duration(took), theme.plain);
        let target = entry.start.target.as_ref().map_or("", |target| target.as_str());
        let again = if entry.start.replay_of.is_some() { "↺ " } else { "" };
        put(buf, cell(area, *path), 0, 0, &format!("{again}{target}"), theme.plain);
        if key.1 > 0 {
            put(buf, cell(area, *key), 0, 0, trace.key.as_deref().unwrap_or("–"), theme.plain);
        }
        if way.1 > 0 {
            self.way(trace, theme, area, buf);
        }
    }

    /// Of a trace that no request came through the proxy of: the span that the others followed from.
    fn spans(&self, trace: &Trace, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let Self { time: _, method, status, duration, path, key, way } = self;
        let Some(root) = trace.root_span() else { return };
        put(buf, cell(area, *method), 0, 0, "SPANS", theme.dim);
        let style = if root.is_failed() { theme.failure } else { theme.plain };
        put(buf, cell(area, *status), 0, 0, &root.outcome(), style);
        put_right(buf, cell(area, *duration), duration.1, 0, &short_duration(root.duration), theme.plain);
        let service = &root.resource.service;
        // Where there is no room for a way, both are in one.
        let name = if way.1 > 0 { root.name.to_string() } else { format!("{service} {}", root.name) };
        put(buf, cell(area, *path), 0, 0, &name, theme.plain);
        if key.1 > 0 {
            put(buf, cell(area, *key), 0, 0, "–", theme.plain);
        }
        if way.1 > 0 {
            put(buf, cell(area, *way), 0, 0, service, theme.plain);
        }
    }

    /// The way word by word, each in the style of its mark.
    fn way(&self, trace: &Trace, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let area = cell(area, self.way);
        let way = trace.path();
        let mut column = 0;
        // What does not fit is cut as a whole.
        for word in super::text::fit(&way, area.width.into()).split_inclusive(' ') {
            column = put(buf, area, column, 0, word, theme.marked(word));
        }
    }
}

/// The part of a row that is a column.
pub(super) fn cell(row: Rect, (column, width): (u16, u16)) -> Rect {
    let column = column.min(row.width);
    Rect { x: row.x + column, width: width.min(row.width - column), ..row }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use spur_trace::Span;

    use super::*;
    use crate::event::{Event, Told};
    use crate::made::{at, trace};
    use crate::run::text;
    use crate::state::ThemeName;

    fn span(
        id: u64,
        parent: Option<u64>,
        (service, name): (&str, &str),
        more: serde_json::Value,
    ) -> Arc<Span> {
        let mut span = json!({
            "trace_id": format!("4f2a{:028x}", 1), "span_id": format!("{id:016x}"),
            "parent_id": parent.map(|id| format!("{id:016x}")), "service": service, "name": name,
            "kind": "internal", "started": "2026-11-20T12:04:00Z", "duration_us": 2500,
        });
        span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Arc::new(serde_json::from_value(span).unwrap())
    }

    /// Rows of Live with one trace, which has spans alone.
    fn rows((width, height): (u16, u16), spans: Vec<Arc<Span>>) -> String {
        let mut state = State::new("https://127.0.0.1:7443".to_owned(), ThemeName::Mono, at(10));
        let mut trace = trace(1, Vec::new());
        Arc::make_mut(&mut trace).spans = spans;
        state.update(Event::Told(Told::Trace(trace)));
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&state, &Theme::of(ThemeName::Mono), buf.area, &mut buf);
        text(&buf)
    }

    #[test]
    fn spans_alone_are_shown_by_their_root() {
        let root = span(1, None, ("cron", "nightly"), json!({"status": "error", "duration_us": 7000}));
        let child = span(2, Some(1), ("mail", "send"), json!({"attributes": {"http.status_code": 202}}));
        let spans = vec![child, root];
        insta::assert_snapshot!(rows((110, 27), spans.clone()), @"
          TIME         METH   ST       DUR PATH                         KEY            ROUTE (entry ▸ … ▸ leaf)
        ▶ 12:04:00.000 SPANS  err    7.0ms nightly                      –              cron

















        ┌ 4f2a…0001 ─ cron nightly ─ err ─ 7.0ms ────────────────────────────────────────────────────────────────────┐
        │ mail send                      202  2.5ms                                                                  │
        │ cron nightly                   err  7.0ms                                                                  │
        │                                                                                                            │
        │                                                                                                            │
        │                                                                                                            │
        │ enter trace · w why · d diff · r replay · m mark · y copy · h l = filter by a cell                         │
        └────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
        ");
        insta::assert_snapshot!(rows((60, 3), spans.clone()), @"
          METH   ST       DUR PATH
        ▶ SPANS  err    7.0ms cron nightly
        ");
        insta::assert_snapshot!(rows((160, 3), spans), @"
          TIME         METH   ST       DUR PATH                         KEY            ROUTE (entry ▸ … ▸ leaf)
        ▶ 12:04:00.000 SPANS  err    7.0ms nightly                      –              cron
        ");
        // Nothing at all is no trace of a server, and no reason to panic.
        rows((160, 40), Vec::new());
    }
}
