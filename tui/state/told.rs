//! What the server tells, taken in.

use serde_json::Value;
use spur_api::meta;

use super::cursor::Rows;
use super::objects::Objects;
use super::{Facts, Link, State};
use crate::event::{Told, Watched};
use crate::keys::Screen;

// === impl State ===

impl State {
    /// Takes it in; whether something that may be seen has changed.
    pub(super) fn told(&mut self, told: Told) -> bool {
        match told {
            Told::Connected => {
                let is_new = self.link != Link::Live;
                self.link = Link::Live;
                is_new
            }
            Told::Disconnected(why) => {
                let link = Link::Down(why);
                let is_new = self.link != link;
                self.link = link;
                is_new
            }
            Told::Trace(trace) => {
                self.trace.renew(&trace, self.paused.is_some());
                let is_new = self.traces.put(trace.clone());
                if is_new {
                    self.counted.count(&trace);
                }
                if let Some(paused) = &mut self.paused {
                    paused.n_arrived += u64::from(is_new);
                }
                true
            }
            Told::Missed(n_traces) => {
                self.n_missed += n_traces;
                true
            }
            Told::InFlight(traces) => {
                let before = self.traces.n_in_flight();
                for trace in &traces {
                    self.trace.renew(trace, self.paused.is_some());
                }
                self.traces.set_in_flight(traces);
                before > 0 || self.traces.n_in_flight() > 0
            }
            Told::Facts(facts) => {
                let facts = Facts::read(&facts);
                let is_new = facts != self.facts;
                self.facts = facts;
                is_new
            }
            Told::Listed(watched, objects) => {
                self.objects(watched).set(objects);
                self.shows(watched)
            }
            Told::There(watched, object) => {
                self.objects(watched).put(object);
                self.shows(watched)
            }
            Told::Gone(watched, object) => {
                self.objects(watched).remove(&object);
                self.shows(watched)
            }
            Told::LogLine(source, line) => {
                let is_wanted = self.log.source.as_ref() == Some(&source);
                if is_wanted {
                    self.log.push(line);
                }
                is_wanted && self.screen == Screen::Logs
            }
            Told::LogEnded(source, how) => {
                let is_wanted = self.log.source.as_ref() == Some(&source);
                if is_wanted {
                    self.log.ended = Some(how);
                }
                is_wanted && self.screen == Screen::Logs
            }
        }
    }

    fn objects(&mut self, watched: Watched) -> &mut Objects {
        match watched {
            Watched::Sandboxes => &mut self.sandboxes,
            Watched::Events => &mut self.events,
            Watched::Pods => &mut self.pods,
        }
    }

    fn shows(&self, watched: Watched) -> bool {
        match watched {
            Watched::Sandboxes => self.screen == Screen::Sandboxes,
            Watched::Events => self.screen == Screen::Events,
            Watched::Pods => self.screen == Screen::Logs,
        }
    }

    /// How many rows the screen has, and of how many.
    pub(crate) fn counts(&self) -> (usize, usize) {
        match self.screen {
            Screen::Live | Screen::Trace => {
                let listed = self.listed();
                (listed.n_rows(), listed.n_kept() + listed.n_in_flight())
            }
            Screen::Topology => (self.topology.n_rows(), self.topology.n_rows()),
            Screen::Sandboxes => (self.sandboxes.n_rows(), self.sandboxes.n_kept()),
            Screen::Events => (self.events.n_rows(), self.events.n_kept()),
            Screen::Logs => (self.log.n_rows(), self.log.n_kept()),
        }
    }
}

// === impl Facts ===

impl Facts {
    fn read(facts: &Value) -> Self {
        let entry: Option<http::Uri> = meta::text(facts, "/entry").parse().ok();
        let lost = meta::number(facts, "/traces/lostRecords").unwrap_or(0);
        Self {
            routes_revision: meta::number(facts, "/routesRevision"),
            entry_port: entry.and_then(|uri| uri.port_u16()),
            n_lost_records: u64::try_from(lost).unwrap_or(0),
            is_tracing_off: meta::text(facts, "/tracing") == "off",
        }
    }
}
