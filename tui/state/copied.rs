//! What can be copied of a request.

use super::{Overlay, State};
use crate::event::Action;
use crate::keys::{Key, Screen};
use spur_trace::Trace;

/// What can be copied, by its key.
pub(crate) const COPIES: [(char, &str); 4] =
    [('u', "url"), ('t', "trace id"), ('k', "header with its key"), ('j', "all of it as JSON")];

// === impl State ===

impl State {
    pub(super) fn open_copy(&mut self) {
        if self.copied_from().is_some() {
            self.overlay = Some(Overlay::Copy);
        }
    }

    pub(super) fn copy_chosen(&mut self, key: Key) -> Vec<Action> {
        self.overlay = None;
        let what = match key {
            Key::Suspend => return vec![Action::Suspend],
            Key::Char(what) => what,
            _ => return Vec::new(),
        };
        match self.copied_from().and_then(|trace| self.copy(trace, what)) {
            Some(text) => {
                // A JSON of a screen and more is named, not shown.
                let first = text.lines().next().unwrap_or_default();
                let shown = if what == 'j' { "the trace as JSON" } else { first };
                self.notice = Some(format!("copied {shown}"));
                vec![Action::Copy(text)]
            }
            None => {
                if COPIES.iter().any(|(key, _)| *key == what) {
                    self.notice = Some("this request has none".to_owned());
                }
                Vec::new()
            }
        }
    }

    fn copied_from(&self) -> Option<&Trace> {
        match self.screen {
            Screen::Trace => self.trace.trace.as_deref(),
            _ => {
                let listed = self.listed();
                listed.row(self.live.idx(listed)?).map(|trace| &**trace)
            }
        }
    }

    fn copy(&self, trace: &Trace, what: char) -> Option<String> {
        match what {
            't' => Some(trace.trace_id.to_string()),
            'k' => trace.key.as_ref().map(|key| format!("spur-key: {key}")),
            'j' => serde_json::to_string_pretty(trace).ok(),
            'u' => {
                // The chosen hop where one is.
                let hop = match self.screen {
                    Screen::Trace => self.trace.hop().or(trace.entry())?,
                    _ => trace.entry()?,
                };
                let target = hop.start.target.as_ref().map_or("/", |target| target.as_str());
                let port = self.facts.entry_port?;
                let service = hop.start.decision.service.as_ref()?;
                Some(format!("http://{}.{}.localhost:{port}{target}", service.name, service.namespace))
            }
            _ => None,
        }
    }
}
