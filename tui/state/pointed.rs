//! What the mouse does: a click selects, the wheel goes up and down.

use super::cursor::{Motion, Rows};
use super::log::LogSources;
use super::{LogPane, State};
use crate::event::{Action, Hit, Turn};
use crate::keys::Screen;

/// Rows that one notch of a wheel is.
const NOTCH: usize = 3;

// === impl State ===

impl State {
    pub(super) fn toggle_mouse(&mut self) -> Action {
        self.has_mouse = !self.has_mouse;
        let (notice, action) = match self.has_mouse {
            true => ("the mouse is ours: click, wheel", Action::TakeMouse),
            false => ("the mouse is the terminal's", Action::GiveMouse),
        };
        self.notice = Some(notice.to_owned());
        action
    }

    pub(super) fn clicked(&mut self, hit: Hit) -> Vec<Action> {
        if self.overlay.take().is_some() || self.filter().typing.is_some() {
            return Vec::new();
        }
        match hit {
            Hit::Screen(screen) => return self.show(screen),
            Hit::Row(idx) => self.select(idx),
        }
        Vec::new()
    }

    pub(super) fn turned(&mut self, turn: Turn) {
        self.go(match turn {
            Turn::Up => Motion::Up(NOTCH),
            Turn::Down => Motion::Down(NOTCH),
        });
    }

    fn select(&mut self, idx: usize) {
        fn at<T: Rows>(cursor: &mut super::Cursor<T::Id>, rows: &T, idx: usize) {
            if let Some(id) = rows.id_at(idx) {
                cursor.select(id);
            }
        }
        match self.screen {
            Screen::Live => {
                let traces = self.paused.as_ref().map_or(&self.traces, |paused| &paused.traces);
                at(&mut self.live, traces, idx);
            }
            Screen::Trace => at(&mut self.trace.cursor, &self.trace.waterfall, idx),
            Screen::Topology => at(&mut self.topology_cursor, &self.topology, idx),
            Screen::Sandboxes => at(&mut self.sandbox_cursor, &self.sandboxes, idx),
            Screen::Events => at(&mut self.event_cursor, &self.events, idx),
            Screen::Logs if self.log_pane == LogPane::Pods => {
                at(&mut self.pod_cursor, &LogSources(&self.pods), idx);
            }
            Screen::Diff => {
                if let Some(view) = &mut self.diff {
                    view.idx = idx.min(view.diff.rows.len().saturating_sub(1));
                }
            }
            Screen::Logs | Screen::Split | Screen::Rules => {}
        }
    }
}
