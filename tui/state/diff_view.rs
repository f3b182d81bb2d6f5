//! Two traces side by side, and how they come to be there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use spur_trace::filter::{Expr, Field};
use spur_trace::{
    DiffSide, Difference, Filter, Noise, ResponseDifference, Trace, TraceDiff, baselines, compare, diff,
    usual,
};

use super::captures::OfHop;
use super::cursor::Motion;
use super::replay::difference;
use super::terms::{equals, is_absent};
use super::{Note, Overlay, State};
use crate::event::{Action, Ask, Secrets};
use crate::keys::Screen;

/// Requests that a median is taken of; more make it no truer.
const BASELINES_MAX: usize = 200;

/// What is compared, and where the user is in it.
#[derive(Clone, Debug)]
pub(crate) struct DiffView {
    pub(crate) a: Arc<Trace>,
    pub(crate) b: Arc<Trace>,
    /// What A is, in words.
    pub(crate) a_is: String,
    pub(crate) b_is: String,
    pub(crate) diff: TraceDiff,
    pub(crate) idx: usize,
    /// How long each hop of B usually takes without a key, where that is known.
    usual: Vec<Option<(Duration, usize)>>,
}

// === impl DiffView ===

impl DiffView {
    fn new((a, a_is): (Arc<Trace>, String), (b, b_is): (Arc<Trace>, String)) -> Self {
        Self { diff: diff(&a, &b), a, b, a_is, b_is, idx: 0, usual: Vec::new() }
    }

    fn swapped(&self) -> Self {
        Self::new((self.b.clone(), self.b_is.clone()), (self.a.clone(), self.a_is.clone()))
    }

    pub(super) fn go(&mut self, motion: Motion) {
        let last = self.diff.rows.len().saturating_sub(1);
        self.idx = match motion {
            Motion::Up(n) => self.idx.saturating_sub(n),
            Motion::Down(n) => self.idx.saturating_add(n).min(last),
            Motion::Top => 0,
            Motion::Bottom => last,
        };
    }

    /// The rows that differ, rising.
    fn differences(&self) -> impl DoubleEndedIterator<Item = usize> {
        let rows = self.diff.rows.iter().enumerate();
        rows.filter(|(_, row)| row.difference() != Difference::Same).map(|(idx, _)| idx)
    }

    /// How long the selected call of B usually takes, and of how many that is the median.
    pub(crate) fn usually(&self) -> Option<(Duration, usize)> {
        let b = self.diff.rows.get(self.idx)?.b.as_ref()?;
        self.usual.get(b.hop_idx).copied().flatten()
    }

    /// How long the longer of both took.
    pub(crate) fn length(&self) -> Duration {
        self.a.duration.max(self.b.duration)
    }
}

// === impl State ===

impl State {
    /// The request that is looked at.
    fn looked_at(&self) -> Option<Arc<Trace>> {
        match self.screen {
            Screen::Trace => self.trace.trace.clone(),
            _ => {
                let listed = self.listed();
                listed.row(self.live.idx(listed)?).cloned()
            }
        }
    }

    /// Marks it here, and for the server, which keeps it then.
    pub(super) fn mark(&mut self) -> Vec<Action> {
        let Some(trace) = self.looked_at() else { return Vec::new() };
        let id = trace.trace_id;
        if self.marked.as_ref().is_some_and(|marked| marked.trace_id == trace.trace_id) {
            self.marked = None;
            self.notice = Some("the mark is gone".to_owned());
            return self.ask(Ask::Unmark(id)).into_iter().collect();
        }
        self.notice = Some(format!("marked {}; d on another compares them", short(&trace)));
        // One at a time has the letter; the server keeps the others' marks.
        self.marked = Some(trace);
        self.ask(Ask::Mark(id)).into_iter().collect()
    }

    /// What is different about the answers of the selected call; or why that is not known.
    pub(crate) fn answers_compared(&self) -> Result<Vec<ResponseDifference>, String> {
        let none = || "only one of both has this call".to_owned();
        let view = self.diff.as_ref().ok_or_else(none)?;
        let row = view.diff.rows.get(view.idx).ok_or_else(none)?;
        let side = |trace: &'_ Arc<Trace>, side: &Option<DiffSide>| {
            let hop = &trace.hops[side.as_ref().ok_or_else(none)?.hop_idx];
            match self.captures.of_hop(hop, Secrets::Hidden) {
                OfHop::There(capture) => {
                    capture.response.clone().ok_or_else(|| "one of both got no response".to_owned())
                }
                OfHop::NotCaptured => {
                    Err("answers not captured (`spur up --capture all` captures each)".to_owned())
                }
                OfHop::Dropped => Err("what was captured had to make room".to_owned()),
                OfHop::Asked => Err("asking for the answers".to_owned()),
                OfHop::Failed(why) => Err(why.to_owned()),
            }
        };
        let (a, b) = (side(&view.a, &row.a)?, side(&view.b, &row.b)?);
        Ok(compare(&a, &b, &Noise::default()))
    }

    /// Opens them.
    pub(super) fn open_bodies(&mut self) {
        match self.answers_compared() {
            Ok(found) if found.is_empty() => {
                self.notice = Some("the answers are the same".to_owned());
            }
            Ok(found) => {
                let lines = found.iter().map(|found| difference(found).text.trim().to_owned()).collect();
                let title = "answers, A → B".to_owned();
                self.overlay = Some(Overlay::Note(Note { title, lines, top: 0 }));
            }
            Err(why) => self.notice = Some(why),
        }
    }

    /// Compares with the marked one, or else with the rolling baseline of the route.
    pub(super) fn compare(&mut self) -> Vec<Action> {
        let Some(b) = self.looked_at() else { return Vec::new() };
        let marked = self.marked.clone().filter(|marked| marked.trace_id != b.trace_id);
        if let Some(a) = marked {
            return self.show_diff((a, "the marked one".to_owned()), b);
        }
        let all = self.listed();
        let found: Vec<_> =
            baselines(&b, all.all_newest_first(), BASELINES_MAX).into_iter().cloned().collect();
        if !found.is_empty() {
            return self.compare_with_median(found, b);
        }
        // The server may have some that the filter keeps from us.
        let Some(entry) = b.entry() else { return Vec::new() };
        let filter = Filter::from(Expr::All(vec![
            is_absent(Field::Key),
            equals(Field::Svc, entry.name()),
            equals(Field::Method, entry.start.method.as_str()),
        ]));
        if !self.is_connected() {
            self.notice =
                Some("no request of this route without a key is here, and no server answers".to_owned());
            return Vec::new();
        }
        self.compared = Some(b);
        self.notice = Some("asking the server for requests without a key".to_owned());
        self.ask(Ask::Baselines(filter.to_string())).into_iter().collect()
    }

    /// Takes in what the server has to compare with.
    pub(super) fn take_baselines(&mut self, answer: Result<Value, String>) -> Vec<Action> {
        let Some(b) = self.compared.take() else { return Vec::new() };
        let traces = answer.and_then(|traces| {
            let traces: Result<Vec<Arc<Trace>>, _> = serde_json::from_value(traces);
            traces.map_err(|error| error.to_string())
        });
        match traces {
            Ok(traces) => {
                let found: Vec<_> =
                    baselines(&b, traces.iter().rev(), BASELINES_MAX).into_iter().cloned().collect();
                if found.is_empty() {
                    self.notice = Some(
                        "no request of this route without a key is there to compare with; m marks one"
                            .to_owned(),
                    );
                    return Vec::new();
                }
                self.compare_with_median(found, b)
            }
            Err(error) => {
                self.notice = Some(error);
                Vec::new()
            }
        }
    }

    fn compare_with_median(&mut self, mut found: Vec<Arc<Trace>>, b: Arc<Trace>) -> Vec<Action> {
        let n = found.len();
        found.sort_by_key(|trace| trace.duration);
        let usual = usual(&b, &found);
        let median = found.swap_remove((n - 1) / 2);
        let what = if n == 1 {
            "the only one without a key".to_owned()
        } else {
            format!("the median of {n} without a key")
        };
        let actions = self.show_diff((median, what), b);
        if let Some(view) = &mut self.diff {
            view.usual = usual;
        }
        actions
    }

    fn show_diff(&mut self, a: (Arc<Trace>, String), b: Arc<Trace>) -> Vec<Action> {
        let b_is = match &b.key {
            Some(key) => format!("key {key}"),
            None => "without a key".to_owned(),
        };
        self.diff = Some(DiffView::new(a, (b, b_is)));
        self.show(Screen::Diff)
    }

    pub(super) fn swap(&mut self) {
        self.diff = self.diff.as_ref().map(DiffView::swapped);
    }

    pub(super) fn next_difference(&mut self) {
        let next = self.diff.as_ref().and_then(|view| view.differences().find(|idx| *idx > view.idx));
        self.go_to_row(next);
    }

    pub(super) fn previous_difference(&mut self) {
        let before = self.diff.as_ref().and_then(|view| view.differences().rfind(|idx| *idx < view.idx));
        self.go_to_row(before);
    }

    fn go_to_row(&mut self, idx: Option<usize>) {
        match (&mut self.diff, idx) {
            (Some(view), Some(idx)) => view.idx = idx,
            _ => self.notice = Some("no further difference".to_owned()),
        }
    }

    /// Opens B, or A where B has no such call, at the selected one.
    pub(super) fn open_compared(&mut self) -> Vec<Action> {
        let Some(view) = &self.diff else { return Vec::new() };
        let row = view.diff.rows.get(view.idx);
        let (trace, side) = match row.map(|row| (&row.a, &row.b)) {
            Some((_, Some(side))) => (view.b.clone(), side.clone()),
            Some((Some(side), None)) => (view.a.clone(), side.clone()),
            Some((None, None)) | None => return Vec::new(),
        };
        let span = trace.hops[side.hop_idx].start.id.span_id;
        self.trace.show(trace);
        self.trace.cursor.select(span);
        self.show(Screen::Trace)
    }
}

/// `4f2a…9c31`.
pub(crate) fn short(trace: &Trace) -> String {
    let id = trace.trace_id.to_string();
    format!("{}…{}", &id[..4], &id[28..])
}
