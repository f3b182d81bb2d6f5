//! The trace that is looked at: its hops as rows, the chosen one, and the part of the time in view.

use std::sync::Arc;
use std::time::Duration;

use spur_route::SpanId;
use spur_trace::{Hop, Span, Trace};

use super::cursor::{Cursor, Motion};
use super::waterfall::{Of, Row, Waterfall, waterfall};
use crate::event::Secrets;

/// Deepest zoom: the thousandth part of the time.
const ZOOM_MAX: u32 = 10;

/// See above. It holds the trace itself, which stays when the list drops it.
#[derive(Clone, Debug)]
pub(crate) struct TraceView {
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) waterfall: Waterfall,
    pub(crate) cursor: Cursor<SpanId>,
    pub(crate) pane: TracePane,
    /// Whether the pane with the keys has the whole screen.
    pub(crate) is_zoomed: bool,
    /// What of the request is shown.
    pub(crate) tab: Tab,
    /// Whether secrets of the request are shown.
    pub(crate) secrets: Secrets,
    /// The first line of the reasons that is in view.
    pub(crate) why_top: usize,
    /// The same of the request.
    pub(crate) exchange_top: usize,
    /// The time in view is the whole, halved so often.
    zoom: u32,
    from: Duration,
}

/// Which part has the keys, and is seen where there is room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TracePane {
    Waterfall,
    Why,
    /// What was sent and what came back.
    Exchange,
}

/// What the pane of the exchange shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Request,
    Response,
    Logs,
    Timing,
}

// === impl TraceView ===

impl Default for TraceView {
    fn default() -> Self {
        Self {
            trace: None,
            waterfall: Waterfall::default(),
            cursor: Cursor::first(),
            pane: TracePane::Waterfall,
            is_zoomed: false,
            tab: Tab::Request,
            secrets: Secrets::Hidden,
            why_top: 0,
            exchange_top: 0,
            zoom: 0,
            from: Duration::ZERO,
        }
    }
}

impl TraceView {
    /// Looks at a trace from its first hop.
    pub(crate) fn show(&mut self, trace: Arc<Trace>) {
        let waterfall = waterfall(&trace);
        let Self { pane, is_zoomed, tab, .. } = *self;
        *self = Self { trace: Some(trace), waterfall, pane, is_zoomed, tab, ..Self::default() };
    }

    /// Takes in news of a trace, where it is the one that is looked at.
    pub(crate) fn renew(&mut self, trace: &Arc<Trace>, is_paused: bool) {
        let is_ours = self.trace.as_ref().is_some_and(|ours| {
            ours.trace_id == trace.trace_id && (trace.is_finished || trace.hops.len() >= ours.hops.len())
        });
        if is_ours && !is_paused {
            self.waterfall = waterfall(trace);
            self.trace = Some(trace.clone());
        }
    }

    /// The chosen row.
    pub(crate) fn row(&self) -> Option<&Row> {
        self.waterfall.rows.get(self.cursor.idx(&self.waterfall)?)
    }

    /// The chosen hop; of a span the one that it lies under.
    pub(crate) fn hop(&self) -> Option<&Hop> {
        let trace = self.trace.as_ref()?;
        let idx = match self.row()?.of {
            Of::Hop(idx) => idx,
            Of::Span(idx) => trace.hops_of_spans().get(idx).copied().flatten()?,
        };
        trace.hops.get(idx)
    }

    /// The row of the chosen hop.
    pub(crate) fn hop_row(&self) -> Option<&Row> {
        let span = self.hop()?.start.id.span_id;
        let idx = self.waterfall.spans.iter().position(|found| *found == span)?;
        self.waterfall.rows.get(idx)
    }

    /// The chosen span, where it is none that the proxy saw.
    pub(crate) fn span(&self) -> Option<&Span> {
        match self.row()?.of {
            Of::Hop(_) => None,
            Of::Span(idx) => self.trace.as_ref()?.spans.get(idx).map(|span| &**span),
        }
    }

    /// Goes; of the exchange there are so many lines.
    pub(crate) fn go(&mut self, motion: Motion, n_lines: usize) {
        match self.pane {
            TracePane::Waterfall => {
                self.cursor.go(motion, &self.waterfall);
                (self.why_top, self.exchange_top) = (0, 0);
            }
            TracePane::Why => self.why_top = moved(self.why_top, motion, WHY_LINES_MAX),
            TracePane::Exchange => {
                self.exchange_top = moved(self.exchange_top, motion, n_lines.saturating_sub(1));
            }
        }
    }

    /// Waterfall, reasons, and each part of the exchange.
    pub(crate) fn next_pane(&mut self) {
        let next = match self.tab {
            Tab::Request => Some(Tab::Response),
            Tab::Response => Some(Tab::Logs),
            Tab::Logs => Some(Tab::Timing),
            Tab::Timing => None,
        };
        (self.pane, self.tab) = match (self.pane, next) {
            (TracePane::Waterfall, _) => (TracePane::Why, self.tab),
            (TracePane::Why, _) => (TracePane::Exchange, Tab::Request),
            (TracePane::Exchange, Some(next)) => (TracePane::Exchange, next),
            (TracePane::Exchange, None) => (TracePane::Waterfall, Tab::Request),
        };
        self.exchange_top = 0;
    }

    /// The reasons, or away from them.
    pub(crate) fn toggle_why(&mut self) {
        self.pane = if self.pane == TracePane::Why { TracePane::Waterfall } else { TracePane::Why };
    }

    pub(crate) fn zoom_in(&mut self) {
        self.zoom = (self.zoom + 1).min(ZOOM_MAX);
    }

    pub(crate) fn zoom_out(&mut self) {
        self.zoom = self.zoom.saturating_sub(1);
    }

    pub(crate) fn zoom_reset(&mut self) {
        (self.zoom, self.from) = (0, Duration::ZERO);
    }

    pub(crate) fn pan_left(&mut self) {
        self.from = self.in_view().0.saturating_sub(self.width() / 4);
    }

    pub(crate) fn pan_right(&mut self) {
        let from = self.in_view().0 + self.width() / 4;
        self.from = from.min(self.waterfall.length);
    }

    /// The part of the time in view: from and to.
    pub(crate) fn in_view(&self) -> (Duration, Duration) {
        let width = self.width();
        let from = self.from.min(self.waterfall.length.saturating_sub(width));
        (from, from + width)
    }

    fn width(&self) -> Duration {
        self.waterfall.length / (1 << self.zoom)
    }
}

fn moved(top: usize, motion: Motion, last: usize) -> usize {
    match motion {
        Motion::Up(n) => top.saturating_sub(n),
        Motion::Down(n) => top.saturating_add(n).min(last),
        Motion::Top => 0,
        Motion::Bottom => last,
    }
}

/// No hop has more reasons; the view stops at the last that there are.
const WHY_LINES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::cursor::Rows;
    use super::*;
    use crate::made::{hop, trace};

    #[test]
    fn what_is_in_view_stays_within_the_trace() {
        let ms = Duration::from_millis;
        let mut view = TraceView::default();
        view.show(trace(1, vec![hop("gw", "front").lasting(80_000)]));
        assert_eq!(view.in_view(), (ms(0), ms(80)));
        view.zoom_in();
        view.zoom_in();
        assert_eq!(view.in_view(), (ms(0), ms(20)));
        (0..100).for_each(|_| view.pan_right());
        assert_eq!(view.in_view(), (ms(60), ms(80)));
        view.pan_left();
        assert_eq!(view.in_view().0, ms(55));
        view.zoom_out();
        assert_eq!(view.in_view(), (ms(40), ms(80)));
        view.zoom_reset();
        assert_eq!(view.in_view(), (ms(0), ms(80)));
    }

    #[test]
    fn tab_goes_through_the_panes_and_through_the_exchange() {
        let mut view = TraceView::default();
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push((view.pane, view.tab));
            view.next_pane();
        }
        let exchange = [Tab::Request, Tab::Response, Tab::Logs, Tab::Timing];
        let exchange = exchange.map(|tab| (TracePane::Exchange, tab));
        assert_eq!(
            seen[..2].iter().map(|(pane, _)| *pane).collect::<Vec<_>>(),
            [TracePane::Waterfall, TracePane::Why]
        );
        assert_eq!(seen[2..], exchange);
        assert_eq!(view.pane, TracePane::Waterfall);
    }

    #[test]
    fn a_late_hop_leaves_the_chosen_one_chosen() {
        let mut view = TraceView::default();
        view.show(trace(1, vec![hop("gw", "a"), hop("a", "c").under(0, 2000)]));
        view.go(Motion::Down(1), 0);
        let chosen = view.hop().unwrap().name().to_owned();
        let more = vec![hop("gw", "a"), hop("a", "c").under(0, 2000), hop("a", "b").under(0, 3000)];
        view.renew(&trace(1, more), false);
        assert_eq!((view.hop().unwrap().name(), view.waterfall.n_rows()), (chosen.as_str(), 3));
        view.renew(&trace(2, vec![hop("gw", "x")]), false);
        assert_eq!(view.waterfall.n_rows(), 3);
    }
}
