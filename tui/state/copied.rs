//! What can be copied of a request.

use spur_trace::{Capture, Hop, Trace, entry_host, export};

use super::captures::OfHop;
use super::{Overlay, State};
use crate::event::{Action, Secrets};
use crate::keys::{Key, Screen};

/// What can be copied, by its key.
pub(crate) const COPIES: [(char, &str); 7] = [
    ('c', "curl command"),
    ('h', "httpie command"),
    ('b', "body of the request"),
    ('u', "url"),
    ('t', "trace id"),
    ('k', "header with its key"),
    ('j', "all of it as JSON"),
];

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
        let Some(trace) = self.copied_from() else { return Vec::new() };
        if !COPIES.iter().any(|(key, _)| *key == what) {
            return Vec::new();
        }
        match self.copy(trace, what) {
            Ok(text) => {
                // A JSON of a screen and more is named, not shown.
                let first = text.lines().next().unwrap_or_default();
                let shown = if what == 'j' { "the trace as JSON" } else { first };
                let left_out =
                    if text.contains("REDACTED") { " (REDACTED: R on the trace shows it)" } else { "" };
                self.notice = Some(format!("copied {shown}{left_out}"));
                vec![Action::Copy(text)]
            }
            Err(why) => {
                self.notice = Some(why);
                Vec::new()
            }
        }
    }

    pub(super) fn copied_from(&self) -> Option<&Trace> {
        match self.screen {
            Screen::Trace => self.trace.trace.as_deref(),
            _ => {
                let listed = self.listed();
                listed.row(self.live.idx(listed)?).map(|trace| &**trace)
            }
        }
    }

    /// The text, or why there is none.
    fn copy(&self, trace: &Trace, what: char) -> Result<String, String> {
        let none = || "this request has none".to_owned();
        match what {
            't' => Ok(trace.trace_id.to_string()),
            'k' => trace.key.as_ref().map(|key| format!("spur-key: {key}")).ok_or_else(none),
            'j' => serde_json::to_string_pretty(trace).map_err(|error| error.to_string()),
            'u' => {
                let hop = self.copied_hop(trace).ok_or_else(none)?;
                let target = hop.start.target.as_ref().map_or("/", |target| target.as_str());
                let port = self.facts.entry_port.ok_or_else(none)?;
                let service = hop.start.decision.service.as_ref().ok_or_else(none)?;
                Ok(format!("http://{}.{}.localhost:{port}{target}", service.name, service.namespace))
            }
            'b' => {
                let (_, capture) = self.copied_capture(trace)?;
                if capture.request.body.bytes.is_empty() {
                    return Err("the request has no body".to_owned());
                }
                let text = String::from_utf8(capture.request.body.bytes.clone());
                text.map_err(|_| "the body is no text; c copies a curl that sends it".to_owned())
            }
            'c' | 'h' => {
                let (hop, capture) = self.copied_capture(trace)?;
                let site = format!("http://127.0.0.1:{}", self.facts.entry_port.ok_or_else(none)?);
                let host = entry_host(hop, capture);
                if what == 'c' {
                    return Ok(export::curl(&capture.request, &site, host.as_deref()));
                }
                let simple = export::httpie(&capture.request, &site, host.as_deref());
                simple.ok_or_else(|| "too much for httpie; c copies a curl".to_owned())
            }
            _ => Err(none()),
        }
    }

    /// The chosen hop where one is, and else the entry.
    fn copied_hop<'a>(&'a self, trace: &'a Trace) -> Option<&'a Hop> {
        match self.screen {
            Screen::Trace => self.trace.hop().or(trace.entry()),
            _ => trace.entry(),
        }
    }

    fn copied_capture<'a>(&'a self, trace: &'a Trace) -> Result<(&'a Hop, &'a Capture), String> {
        let hop = self.copied_hop(trace).ok_or_else(|| "no request led to this span".to_owned())?;
        let secrets = if self.screen == Screen::Trace { self.trace.secrets } else { Secrets::Hidden };
        match self.captures.of_hop(hop, secrets) {
            OfHop::There(capture) => Ok((hop, capture)),
            OfHop::NotCaptured => Err("not captured; `spur up --capture all` captures each".to_owned()),
            OfHop::Dropped => Err("what was captured had to make room for newer requests".to_owned()),
            OfHop::Asked => Err("the server is being asked; once more copies it".to_owned()),
            OfHop::Failed(why) => Err(why.to_owned()),
        }
    }
}
