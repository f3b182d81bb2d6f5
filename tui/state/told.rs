//! What the server tells, taken in.

use serde_json::Value;
use spur_api::meta;

use super::cursor::Rows;
use super::objects::Objects;
use super::rates::Rates;
use super::topology::topology;
use super::topology_view::Reach;
use super::{Facts, Link, Overlay, State};
use crate::event::{Action, Ask, Told, Watched};
use crate::keys::Screen;

// === impl State ===

impl State {
    /// Takes it in; whether something that may be seen has changed, and what is to be done.
    pub(super) fn told(&mut self, told: Told) -> (bool, Vec<Action>) {
        match told {
            Told::Answered(ask, answer) => self.answered(ask, answer),
            Told::Put(put, answer) => (true, self.put(put, answer)),
            told => (self.news(told), Vec::new()),
        }
    }

    fn news(&mut self, told: Told) -> bool {
        match told {
            Told::Connected => {
                let is_new = self.link != Link::Live;
                self.link = Link::Live;
                is_new
            }
            Told::Disconnected(why) => {
                if self.link == Link::Live {
                    self.traces.begin_anew();
                }
                let link = Link::Down(why);
                let is_new = self.link != link;
                self.link = link;
                is_new
            }
            Told::Trace(trace) => {
                let told = trace.clone();
                self.trace.renew(&trace, self.paused.is_some());
                let is_new = self.traces.put(trace);
                if is_new {
                    self.sampling.told();
                }
                self.answerers.learn(&told);
                if let Some(paused) = &mut self.paused {
                    paused.n_arrived += u64::from(is_new);
                }
                true
            }
            Told::Missed(n_traces) => {
                self.n_missed += n_traces;
                true
            }
            Told::Sampled(n_traces) => {
                self.sampling.left_out(n_traces);
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
                self.changed(watched)
            }
            Told::There(watched, object) => {
                self.objects(watched).put(object);
                self.changed(watched)
            }
            Told::Gone(watched, object) => {
                self.objects(watched).remove(&object);
                self.changed(watched)
            }
            Told::LogLine(source, line) => {
                let is_wanted = self.log.source.as_ref() == Some(&source);
                if is_wanted {
                    self.log.push(*line);
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
            Told::SavedFilters(filters) => {
                self.saved_filters = filters;
                matches!(self.overlay, Some(Overlay::SavedFilters(_)))
            }
            Told::Done(notice) | Told::Failed(notice) => {
                self.notice = Some(notice);
                true
            }
            Told::Answered(..) | Told::Put(..) => unreachable!("they are taken in by their own"),
        }
    }

    fn answered(&mut self, ask: Ask, answer: Result<Value, String>) -> (bool, Vec<Action>) {
        self.asked.remove(&ask);
        match (ask, answer) {
            (Ask::Rates, Ok(summary)) => {
                let rates = Rates::read(&summary);
                let is_new = rates != self.rates;
                self.rates = rates;
                (is_new, Vec::new())
            }
            // While it is paused it is asked for by who steps through time, and otherwise not at all.
            (Ask::Edges { ago_s }, Ok(summary)) if ago_s == self.ago_s => {
                self.edges = summary;
                (self.count_edges(), Vec::new())
            }
            (Ask::Shares, Ok(summary)) => {
                let is_new = summary != self.shares;
                if is_new {
                    self.shares = summary;
                }
                (is_new && self.screen == Screen::Split, Vec::new())
            }
            (Ask::Baselines(_), answer) => (true, self.take_baselines(answer)),
            (Ask::Explain(query), answer) => {
                self.playground.take(&query, answer);
                (true, Vec::new())
            }
            (Ask::Recount(query), answer) => {
                if let Some(recount) = &mut self.playground.recount {
                    recount.take(&query, answer);
                }
                (true, self.recount_on())
            }
            (Ask::Captures(trace, secrets), answer) => {
                self.take_captures((trace, secrets), answer);
                (true, Vec::new())
            }
            (Ask::LogsOf(trace), answer) => {
                self.take_trace_logs(trace, answer);
                (true, Vec::new())
            }
            (Ask::Replay(body), answer) => {
                self.take_replay(&body, answer);
                (true, Vec::new())
            }
            (Ask::Mark(_) | Ask::Unmark(_), Ok(_)) => (false, Vec::new()),
            (Ask::Mark(_) | Ask::Unmark(_), Err(why)) => {
                self.notice = Some(format!("marked here alone: {why}"));
                (true, Vec::new())
            }
            // The next second asks again; a server that is gone is told by the stream of traces.
            (Ask::Rates | Ask::Edges { .. } | Ask::Shares, _) => (false, Vec::new()),
        }
    }

    /// Makes the topology of what was answered; whether it is another one.
    pub(super) fn count_edges(&mut self) -> bool {
        let mut topology = topology(&self.edges, self.traces.all_newest_first());
        if self.reach == Reach::Hide {
            topology.edges.retain(|edge| self.wants_edge(edge));
        }
        let is_new = topology != self.topology;
        self.topology = topology;
        is_new
    }

    fn objects(&mut self, watched: Watched) -> &mut Objects {
        match watched {
            Watched::Sandboxes => &mut self.sandboxes,
            Watched::Events => &mut self.events,
            Watched::Pods => &mut self.pods,
            Watched::VirtualServices => &mut self.virtual_services,
        }
    }

    /// Takes in that objects have changed; whether that may be seen.
    fn changed(&mut self, watched: Watched) -> bool {
        match watched {
            Watched::VirtualServices => self.count_splits(),
            Watched::Sandboxes => self.offer_keys(),
            Watched::Events | Watched::Pods => {}
        }
        self.shows(watched)
    }

    fn shows(&self, watched: Watched) -> bool {
        match watched {
            Watched::Sandboxes => {
                self.screen == Screen::Sandboxes || matches!(self.overlay, Some(Overlay::Replay(_)))
            }
            Watched::Events => self.screen == Screen::Events,
            Watched::Pods => self.screen == Screen::Logs,
            Watched::VirtualServices => self.screen == Screen::Split,
        }
    }

    /// How many rows the screen has, and of how many.
    pub(crate) fn counts(&self) -> (usize, usize) {
        match self.screen {
            Screen::Live | Screen::Trace | Screen::Diff | Screen::Rules => {
                let listed = self.listed();
                (listed.n_rows(), listed.n_kept() + listed.n_in_flight())
            }
            Screen::Topology => (self.topology.n_rows(), self.topology.n_rows()),
            Screen::Sandboxes => (self.sandboxes.n_rows(), self.sandboxes.n_kept()),
            Screen::Split => (self.splits.0.len(), self.virtual_services.n_kept()),
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
