//! What was captured of the traces that are looked at, asked for when it is needed.

use std::collections::VecDeque;

use serde_json::Value;
use spur_route::TraceId;
use spur_trace::{Capture, Hop, LogLine, Trace};

use super::State;
use super::trace_view::{Tab, TracePane};
use crate::event::{Action, Ask, Secrets};
use crate::keys::Screen;

/// Traces whose captures are kept here: both of a comparison, and those that are leafed through.
const TRACES_MAX: usize = 4;

/// Those of a few traces, the latest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures(VecDeque<Known>);

/// What the server said of a trace.
#[derive(Clone, Debug)]
struct Known {
    of: TraceId,
    secrets: Secrets,
    /// Hops that were captured when it was asked.
    n_captured: usize,
    found: Result<Vec<Capture>, String>,
}

/// What is known of a hop's head and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfHop<'a> {
    There(&'a Capture),
    /// Its server has none, and never had.
    NotCaptured,
    /// It had one, and dropped it.
    Dropped,
    /// It is being asked.
    Asked,
    /// Why it did not say.
    Failed(&'a str),
}

/// The lines of all logs that belong to a trace.
#[derive(Clone, Debug)]
pub(crate) struct TraceLogs {
    of: TraceId,
    /// The publication that they belong to: a later one may have more.
    seq: u64,
    pub(crate) found: Result<Vec<LogLine>, String>,
}

// === impl Captures ===

impl Captures {
    /// What is known of a hop; with secrets where they may be shown and the server told them.
    pub(crate) fn of_hop(&self, hop: &Hop, secrets: Secrets) -> OfHop<'_> {
        if hop.captured.is_none() {
            return OfHop::NotCaptured;
        }
        let may_be_shown = |known: &&Known| {
            known.of == hop.start.id.trace_id
                && (secrets == Secrets::Told || known.secrets == Secrets::Hidden)
        };
        match self.0.iter().find(may_be_shown).map(|known| &known.found) {
            None => OfHop::Asked,
            Some(Err(why)) => OfHop::Failed(why),
            Some(Ok(found)) => {
                found.iter().find(|capture| capture.id == hop.start.id).map_or(OfHop::Dropped, OfHop::There)
            }
        }
    }

    /// Whether the server has more than is known here.
    fn wants(&self, trace: &Trace, secrets: Secrets) -> bool {
        let n_captured = n_captured(trace);
        let is_known = |known: &Known| {
            known.of == trace.trace_id && known.secrets == secrets && known.n_captured >= n_captured
        };
        n_captured > 0 && !self.0.iter().any(is_known)
    }

    fn take(&mut self, known: Known) {
        self.forget(known.of);
        self.0.push_back(known);
        if self.0.len() > TRACES_MAX {
            self.0.pop_front();
        }
    }

    /// Forgets what is known of a trace, so that it is asked for again.
    pub(super) fn forget(&mut self, trace_id: TraceId) {
        self.0.retain(|known| known.of != trace_id);
    }

    /// Forgets what the server did not say.
    pub(super) fn forget_failures(&mut self) {
        self.0.retain(|known| known.found.is_ok());
    }
}

fn n_captured(trace: &Trace) -> usize {
    trace.hops.iter().filter(|hop| hop.captured.is_some()).count()
}

// === impl State ===

impl State {
    /// Asks for whatever the screen shows and is not known yet.
    pub(super) fn ask_missing(&mut self) -> Vec<Action> {
        let mut asks = Vec::new();
        let mut of = |trace: &Trace, secrets| {
            if self.captures.wants(trace, secrets) {
                asks.push(Ask::Captures(trace.trace_id, secrets));
            }
        };
        match self.screen {
            Screen::Trace => {
                if let Some(trace) = &self.trace.trace {
                    of(trace, self.trace.secrets);
                }
            }
            Screen::Diff => {
                if let Some(view) = &self.diff {
                    of(&view.a, Secrets::Hidden);
                    of(&view.b, Secrets::Hidden);
                }
            }
            Screen::Live if self.overlay == Some(super::Overlay::Copy) => {
                if let Some(trace) = self.copied_from() {
                    of(trace, Secrets::Hidden);
                }
            }
            _ => {}
        }
        let wants_logs = self.screen == Screen::Trace
            && (self.trace.pane, self.trace.tab) == (TracePane::Exchange, Tab::Logs);
        if let Some(trace) = self.trace.trace.as_ref().filter(|_| wants_logs) {
            let is_known = |logs: &TraceLogs| (logs.of, logs.seq) == (trace.trace_id, trace.seq);
            if !self.trace_logs.as_ref().is_some_and(is_known) {
                asks.push(Ask::LogsOf(trace.trace_id));
            }
        }
        asks.into_iter().filter_map(|ask| self.ask(ask)).collect()
    }

    pub(super) fn take_captures(&mut self, (of, secrets): (TraceId, Secrets), answer: Result<Value, String>) {
        let found = answer.and_then(|mut answer| {
            serde_json::from_value(answer["captures"].take()).map_err(|error| error.to_string())
        });
        let looked_at = [&self.trace.trace].into_iter().flatten().map(|trace| &**trace);
        let compared = self.diff.iter().flat_map(|view| [&*view.a, &*view.b]);
        let n_captured = looked_at
            .chain(compared)
            .chain(self.copied_from())
            .find(|trace| trace.trace_id == of)
            .map_or(0, n_captured);
        self.captures.take(Known { of, secrets, n_captured, found });
    }

    pub(super) fn take_trace_logs(&mut self, of: TraceId, answer: Result<Value, String>) {
        let found = answer.and_then(|lines| serde_json::from_value(lines).map_err(|error| error.to_string()));
        let looked_at = self.trace.trace.as_ref().filter(|trace| trace.trace_id == of);
        self.trace_logs = looked_at.map(|trace| TraceLogs { of, seq: trace.seq, found });
    }

    /// What is known of the lines of the trace that is looked at.
    pub(crate) fn lines_of_trace(&self) -> Option<&TraceLogs> {
        let trace = self.trace.trace.as_ref()?;
        self.trace_logs.as_ref().filter(|logs| logs.of == trace.trace_id)
    }

    /// Shows secrets, or hides them again: those that are here are forgotten.
    pub(super) fn reveal(&mut self) {
        let Some(trace) = &self.trace.trace else { return };
        let (secrets, notice) = match self.trace.secrets {
            Secrets::Hidden => (Secrets::Told, "secrets are shown; R hides them"),
            Secrets::Told => (Secrets::Hidden, "secrets are hidden"),
        };
        self.captures.forget(trace.trace_id);
        self.trace.secrets = secrets;
        self.notice = Some(notice.to_owned());
    }
}
