//! Which log is followed: of all workloads, of one trace, or a container's.

use std::sync::Arc;

use spur_api::meta;
use spur_route::TraceId;
use spur_trace::Trace;

use super::cursor::{Cursor, Rows};
use super::log::LogSources;
use super::{LogPane, State, objects};
use crate::event::{Action, LogSource};
use crate::keys::Screen;

// === impl State ===

impl State {
    /// On the first visit all workloads are followed.
    pub(super) fn enter_logs(&mut self) -> Vec<Action> {
        match self.log.source {
            None => self.follow_all(None),
            Some(_) => Vec::new(),
        }
    }

    /// Follows what the selected row is of.
    pub(super) fn follow_log(&mut self) -> Vec<Action> {
        let idx = self.pod_cursor.idx(&LogSources(&self.pods)).unwrap_or(LogSources::ALL);
        self.log_pane = LogPane::Lines;
        let Some(idx) = idx.checked_sub(1) else { return self.follow_all(None) };
        let Some(pod) = self.pods.row(idx) else { return Vec::new() };
        let (namespace, pod_name) = (meta::namespace(pod).to_owned(), meta::name(pod).to_owned());
        let containers = objects::containers(pod);
        // Opening the same pod again is its next container.
        let next = match &self.log.source {
            Some(LogSource::Container { namespace: of, pod, container })
                if (of, pod) == (&namespace, &pod_name) =>
            {
                containers.iter().position(|name| name == container)
            }
            _ => None,
        };
        let idx = next.map_or(0, |idx| (idx + 1) % containers.len());
        let container = containers.get(idx).copied().unwrap_or_default().to_owned();
        self.follow(LogSource::Container { namespace, pod: pod_name, container })
    }

    /// Only lines of the selected trace, or all again.
    pub(super) fn toggle_trace_of_log(&mut self) -> Vec<Action> {
        if let Some(LogSource::All { trace: Some(_), .. }) = &self.log.source {
            self.notice = Some("lines of all traces".to_owned());
            return self.follow_all(None);
        }
        let selected = || {
            let listed = self.listed();
            listed.row(self.live.idx(listed)?).cloned()
        };
        let Some(trace) = self.trace.trace.clone().or_else(selected) else {
            self.notice = Some("no trace is selected; enter on a request opens one".to_owned());
            return Vec::new();
        };
        self.follow_trace(&trace)
    }

    /// From the trace to its lines.
    pub(super) fn logs_of_trace(&mut self) -> Vec<Action> {
        let Some(trace) = self.trace.trace.clone() else { return Vec::new() };
        // Entering would begin with another log.
        let mut actions = self.follow_trace(&trace);
        actions.extend(self.show(Screen::Logs));
        actions
    }

    fn follow_trace(&mut self, trace: &Arc<Trace>) -> Vec<Action> {
        self.log_pane = LogPane::Lines;
        self.follow_all(Some(trace.trace_id))
    }

    fn follow_all(&mut self, trace: Option<TraceId>) -> Vec<Action> {
        // Its row is the one that says so.
        self.pod_cursor.select(LogSources(&self.pods).id_at(LogSources::ALL).unwrap_or_default());
        self.follow(LogSource::All { filter: self.filter_of_lines(), trace })
    }

    fn follow(&mut self, source: LogSource) -> Vec<Action> {
        self.log.follow(source.clone());
        self.log_cursor = Cursor::following();
        self.log_left = 0;
        vec![Action::FollowLog(source)]
    }

    /// Tells the server which lines it may leave out, where it sends those of all workloads.
    pub(super) fn filter_log(&mut self) -> Vec<Action> {
        let wanted = self.filter_of_lines();
        match &self.log.source {
            Some(LogSource::All { filter, trace }) if *filter != wanted => {
                let trace = *trace;
                self.follow(LogSource::All { filter: wanted, trace })
            }
            _ => Vec::new(),
        }
    }
}
