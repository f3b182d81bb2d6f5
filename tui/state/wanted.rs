//! What the user wants, done.

use spur_api::meta;
use spur_trace::Filter;
use spur_trace::filter::Field;

use super::cell::Wanted;
use super::cursor::{Cursor, Motion, Rows};
use super::log::LogSources;
use super::objects::{self, SandboxState};
use super::palette::Palette;
use super::terms::equals;
use super::topology_view::Reach;
use super::trace_view::TracePane;
use super::{LogPane, Note, Overlay, Paused, State, ThemeName};
use crate::event::{Action, Ask, Watched};
use crate::keys::{Meaning, Screen};

/// Screens that `back` remembers; nobody finds their way further back.
const BACK_MAX: usize = 16;

/// Columns that one step pans a log.
const PAN_COLUMNS: usize = 8;

/// A log is longer than nobody pans.
const PAN_MAX: usize = super::log::LINE_MAX_BYTES;

// === impl State ===

impl State {
    pub(super) fn wanted(&mut self, meaning: Meaning) -> Vec<Action> {
        match meaning {
            Meaning::Show(screen) => return self.show(screen),
            Meaning::Up => self.go(Motion::Up(1)),
            Meaning::Down => self.go(Motion::Down(1)),
            Meaning::PageUp => self.go(Motion::Up(self.page())),
            Meaning::PageDown => self.go(Motion::Down(self.page())),
            Meaning::Top => self.go(Motion::Top),
            Meaning::Bottom => self.go(Motion::Bottom),
            Meaning::Left => self.left(),
            Meaning::Right => self.right(),
            Meaning::Open => return self.open(),
            Meaning::Back => return self.go_back(),
            Meaning::NextPane => self.next_pane(),
            Meaning::ZoomPane => self.trace.is_zoomed = !self.trace.is_zoomed,
            Meaning::Why => return self.why(),
            Meaning::Reveal => self.reveal(),
            Meaning::Replay => return self.open_replay(),
            Meaning::Export => self.open_export(),
            Meaning::Bodies => self.open_bodies(),
            Meaning::LogsOfTrace => return self.logs_of_trace(),
            Meaning::OnlyTrace => return self.toggle_trace_of_log(),
            Meaning::Previous => self.neighbour(Motion::Up(1)),
            Meaning::Next => self.neighbour(Motion::Down(1)),
            Meaning::ZoomIn => self.trace.zoom_in(),
            Meaning::ZoomOut => self.trace.zoom_out(),
            Meaning::ZoomReset => self.trace.zoom_reset(),
            Meaning::Filter => self.filter_mut().open(),
            Meaning::ClearFilter => self.filter_mut().set(""),
            Meaning::WithCell => self.add_term(Wanted::With),
            Meaning::WithoutCell => self.add_term(Wanted::Without),
            Meaning::SavedFilters => self.overlay = Some(Overlay::SavedFilters(0)),
            Meaning::Pause => self.pause(),
            Meaning::Copy => self.open_copy(),
            Meaning::CopyWithKey => return self.copy_with_key(),
            Meaning::Requests => return self.requests_of_sandbox(),
            Meaning::Mark => return self.mark(),
            Meaning::Diff => return self.compare(),
            Meaning::NextDifference => self.next_difference(),
            Meaning::PreviousDifference => self.previous_difference(),
            Meaning::Swap => self.swap(),
            Meaning::Less => self.change_weight(-1),
            Meaning::More => self.change_weight(1),
            Meaning::MuchLess => self.change_weight(-10),
            Meaning::MuchMore => self.change_weight(10),
            Meaning::TypeWeight => self.open_weight(),
            Meaning::NoWeight => self.set_weight(0),
            Meaning::AllWeight => self.set_weight(u32::MAX),
            Meaning::Balance => self.balance(),
            Meaning::Undo => return self.undo(),
            Meaning::Edit => (self.playground.is_editing, self.playground.is_answer_focused) = (true, false),
            Meaning::Load => return self.load_request(),
            Meaning::Recount => return self.recount(),
            Meaning::Table => self.has_table = Some(!self.is_table()),
            Meaning::Highlight => self.set_reach(Reach::Highlight),
            Meaning::Hide => self.set_reach(Reach::Hide),
            Meaning::Earlier => return self.step(1),
            Meaning::Later => return self.step(-1),
            Meaning::Theme => self.next_theme(),
            Meaning::Mouse => return vec![self.toggle_mouse()],
            Meaning::Keymap => {
                let lines = self.keymap.lines();
                self.overlay =
                    Some(Overlay::Note(Note { title: "keys by their actions".to_owned(), lines, top: 0 }));
            }
            Meaning::Help => self.overlay = Some(Overlay::Help(0)),
            Meaning::Palette => self.overlay = Some(Overlay::Palette(Palette::of(self.screen))),
            Meaning::Suspend => return vec![Action::Suspend],
            Meaning::Quit => return vec![Action::Quit],
        }
        Vec::new()
    }

    pub(super) fn show(&mut self, screen: Screen) -> Vec<Action> {
        if screen != self.screen {
            if self.back.len() == BACK_MAX {
                self.back.remove(0);
            }
            self.back.push(self.screen);
        }
        self.enter(screen)
    }

    pub(super) fn enter(&mut self, screen: Screen) -> Vec<Action> {
        self.screen = screen;
        let mut actions = Vec::new();
        let watched: &[Watched] = match screen {
            Screen::Sandboxes => &[Watched::Sandboxes],
            Screen::Events => &[Watched::Events],
            Screen::Logs => {
                actions.extend(self.enter_logs());
                &[Watched::Pods]
            }
            Screen::Topology => {
                actions.extend(self.ask(Ask::Edges { ago_s: self.ago_s }));
                &[]
            }
            Screen::Split => {
                actions.extend(self.ask(Ask::Shares));
                &[Watched::VirtualServices]
            }
            Screen::Trace => {
                if self.trace.trace.is_none() {
                    self.look_at_selected();
                }
                &[]
            }
            Screen::Live | Screen::Rules | Screen::Diff => &[],
        };
        actions.extend(watched.iter().filter_map(|watched| self.watch(*watched)));
        actions
    }

    /// What is watched once stays watched.
    pub(super) fn watch(&mut self, watched: Watched) -> Option<Action> {
        self.watched.insert(watched).then_some(Action::Watch(watched))
    }

    fn go_back(&mut self) -> Vec<Action> {
        if self.screen == Screen::Split && self.discard() {
            self.notice = Some("the edit is gone".to_owned());
            return Vec::new();
        }
        match self.back.pop() {
            Some(screen) => self.enter(screen),
            None => Vec::new(),
        }
    }

    pub(super) fn go(&mut self, motion: Motion) {
        match self.screen {
            Screen::Live => {
                let traces = self.paused.as_ref().map_or(&self.traces, |paused| &paused.traces);
                self.live.go(motion, traces);
            }
            Screen::Trace => {
                let n_lines = if self.trace.pane == TracePane::Exchange { self.exchange().len() } else { 0 };
                self.trace.go(motion, n_lines);
            }
            Screen::Diff => {
                if let Some(view) = &mut self.diff {
                    view.go(motion);
                }
            }
            Screen::Split => self.split_cursor.go(motion, &self.splits),
            Screen::Rules => self.playground.go(motion),
            Screen::Topology => self.topology_cursor.go(motion, &self.topology),
            Screen::Sandboxes => self.sandbox_cursor.go(motion, &self.sandboxes),
            Screen::Events => self.event_cursor.go(motion, &self.events),
            Screen::Logs => match self.log_pane {
                LogPane::Pods => self.pod_cursor.go(motion, &LogSources(&self.pods)),
                LogPane::Lines => self.log_cursor.go(motion, &self.log),
            },
        }
    }

    /// Rows of a page: the body of the frame, less two that stay in view.
    fn page(&self) -> usize {
        usize::from(self.size.1).saturating_sub(5).max(1)
    }

    fn left(&mut self) {
        match self.screen {
            Screen::Live => self.choose_cell(self.cell.left()),
            Screen::Logs => self.log_left = self.log_left.saturating_sub(PAN_COLUMNS),
            _ => self.trace.pan_left(),
        }
    }

    fn right(&mut self) {
        match self.screen {
            Screen::Live => self.choose_cell(self.cell.right()),
            Screen::Logs => self.log_left = (self.log_left + PAN_COLUMNS).min(PAN_MAX),
            _ => self.trace.pan_right(),
        }
    }

    fn open(&mut self) -> Vec<Action> {
        match self.screen {
            Screen::Live => {
                self.trace.pane = TracePane::Waterfall;
                self.open_trace()
            }
            Screen::Topology => match self.topology_cursor.idx(&self.topology) {
                Some(idx) => {
                    let filter = Filter::from(self.topology.edges[idx].filter()).to_string();
                    self.set_filter(&filter);
                    self.show(Screen::Live)
                }
                None => Vec::new(),
            },
            Screen::Sandboxes => {
                self.overlay = self.sandbox_details().map(Overlay::Note);
                Vec::new()
            }
            Screen::Logs => self.follow_log(),
            Screen::Diff => self.open_compared(),
            Screen::Split => self.apply_weights(),
            Screen::Rules => self.ask_where(),
            Screen::Trace | Screen::Events => Vec::new(),
        }
    }

    fn open_trace(&mut self) -> Vec<Action> {
        if self.look_at_selected() { self.show(Screen::Trace) } else { Vec::new() }
    }

    /// Takes the trace that is selected in the list; whether there is one.
    fn look_at_selected(&mut self) -> bool {
        let listed = self.listed();
        let Some(trace) = self.live.idx(listed).and_then(|idx| listed.row(idx)).cloned() else {
            return false;
        };
        // From here on the list stays at the one that was opened.
        self.live.select(trace.trace_id);
        self.captures.forget_failures();
        self.trace.show(trace);
        true
    }

    fn why(&mut self) -> Vec<Action> {
        if self.screen == Screen::Live {
            self.trace.pane = TracePane::Why;
            return self.open_trace();
        }
        self.trace.toggle_why();
        Vec::new()
    }

    fn neighbour(&mut self, motion: Motion) {
        let traces = self.paused.as_ref().map_or(&self.traces, |paused| &paused.traces);
        if let Some(trace) = &self.trace.trace {
            self.live.select(trace.trace_id);
        }
        self.live.go(motion, traces);
        self.look_at_selected();
    }

    fn next_pane(&mut self) {
        match self.screen {
            Screen::Logs => {
                self.log_pane = match self.log_pane {
                    LogPane::Pods => LogPane::Lines,
                    LogPane::Lines => LogPane::Pods,
                };
            }
            Screen::Rules => self.playground.is_answer_focused = !self.playground.is_answer_focused,
            _ => self.trace.next_pane(),
        }
    }

    fn pause(&mut self) {
        match self.screen {
            Screen::Events => stay(&mut self.event_cursor, &self.events),
            Screen::Logs => stay(&mut self.log_cursor, &self.log),
            Screen::Live
            | Screen::Trace
            | Screen::Topology
            | Screen::Sandboxes
            | Screen::Split
            | Screen::Rules
            | Screen::Diff => {
                self.paused = match self.paused.take() {
                    Some(_) => None,
                    None => Some(Box::new(Paused { traces: self.traces.clone(), n_arrived: 0 })),
                };
                let newest = self.trace.trace.as_ref().and_then(|trace| self.traces.get(&trace.trace_id));
                if let Some(newest) = newest.cloned().filter(|_| self.paused.is_none()) {
                    self.trace.renew(&newest, false);
                }
            }
        }
    }

    fn copy_with_key(&mut self) -> Vec<Action> {
        let Some(sandbox) = self.sandbox_cursor.idx(&self.sandboxes).and_then(|idx| self.sandboxes.row(idx))
        else {
            return Vec::new();
        };
        let Some(curl) = objects::curl(sandbox, self.facts.entry_port) else {
            self.notice = Some(format!("{} has no key yet", meta::name(sandbox)));
            return Vec::new();
        };
        let title = format!("{}: copied, where the terminal allows it", meta::name(sandbox));
        self.overlay = Some(Overlay::Note(Note { title, lines: vec![curl.clone()], top: 0 }));
        vec![Action::Copy(curl)]
    }

    fn requests_of_sandbox(&mut self) -> Vec<Action> {
        let selected = self.sandbox_cursor.idx(&self.sandboxes).and_then(|idx| self.sandboxes.row(idx));
        let key = selected.map_or("", |sandbox| objects::sandbox(sandbox).key).to_owned();
        if key.is_empty() {
            return Vec::new();
        }
        self.set_filter(&Filter::from(equals(Field::Key, &key)).to_string());
        self.show(Screen::Live)
    }

    fn sandbox_details(&self) -> Option<Note> {
        let object = self.sandboxes.row(self.sandbox_cursor.idx(&self.sandboxes)?)?;
        let row = objects::sandbox(object);
        let state = match row.state {
            SandboxState::Ready => "ready".to_owned(),
            SandboxState::Deleting => "being deleted".to_owned(),
            SandboxState::NotReady(reason, message) => format!("not ready: {reason}: {message}"),
            SandboxState::New => "new".to_owned(),
        };
        let mut lines = vec![format!("state    {state}"), format!("key      {}", row.key)];
        for fork in meta::list(object, "/status/forks") {
            let state = match fork.pointer("/ready").and_then(serde_json::Value::as_bool) {
                Some(true) => "ready",
                _ => meta::text(fork, "/message"),
            };
            let (of, workload) = (meta::text(fork, "/of/name"), meta::text(fork, "/workload"));
            lines.push(format!("fork     {of} by {workload}: {state}"));
        }
        for endpoint in meta::list(object, "/status/endpoints") {
            lines.push(format!("preview  {}", meta::text(endpoint, "/url")));
        }
        let deletion = meta::text(object, "/status/deletionTime");
        if !deletion.is_empty() {
            lines.push(format!("deleted  at {deletion}"));
        }
        lines.extend(objects::curl(object, self.facts.entry_port));
        Some(Note { title: format!("sandbox {}/{}", row.namespace, row.name), lines, top: 0 })
    }

    fn next_theme(&mut self) {
        if !self.can_colour {
            self.notice = Some("colours are off: NO_COLOR or --theme mono".to_owned());
            return;
        }
        self.theme = match self.theme {
            ThemeName::Ansi => ThemeName::Light,
            ThemeName::Light => ThemeName::Mono,
            ThemeName::Mono => ThemeName::Ansi,
        };
    }
}

/// Stops following, or follows again.
fn stay<Id: Clone + PartialEq>(cursor: &mut Cursor<Id>, rows: &impl Rows<Id = Id>) {
    if cursor.is_following() { cursor.go(Motion::Up(0), rows) } else { cursor.go(Motion::Bottom, rows) }
}
