//! The screen of rules in use: a request is typed or loaded, and the server asked about it.

use super::State;
use super::recount::Recount;
use crate::event::{Action, Ask};
use crate::keys::{Key, Screen};

/// What is said where nobody can be asked.
const NO_SERVER: &str = "no server answers; it is asked again when one does";

// === impl State ===

impl State {
    pub(super) fn ask_where(&mut self) -> Vec<Action> {
        let Ask::Explain(query) = self.playground.question() else { return Vec::new() };
        if !self.is_connected() {
            self.playground.take(&query, Err(NO_SERVER.to_owned()));
        }
        self.ask(Ask::Explain(query)).into_iter().collect()
    }

    pub(super) fn edit_request(&mut self, key: Key) -> Vec<Action> {
        if key == Key::Suspend {
            return vec![Action::Suspend];
        }
        if self.playground.edit(key) { self.ask_where() } else { Vec::new() }
    }

    /// Takes the hop that was looked at, or the request that is selected in the list.
    pub(super) fn load_request(&mut self) -> Vec<Action> {
        let of_list = || {
            let listed = self.listed();
            listed.row(self.live.idx(listed)?).and_then(|trace| trace.entry().cloned())
        };
        let hop = match self.back.last() {
            Some(Screen::Trace) => self.trace.hop().cloned(),
            _ => of_list(),
        };
        let Some(hop) = hop else {
            self.notice = Some("no request is selected".to_owned());
            return Vec::new();
        };
        self.playground.load(&hop);
        self.ask_where()
    }

    pub(super) fn recount(&mut self) -> Vec<Action> {
        if !self.is_connected() {
            self.notice = Some(NO_SERVER.to_owned());
            return Vec::new();
        }
        self.playground.recount = Some(Recount::of(self.listed().all_newest_first()));
        self.recount_on()
    }

    /// Asks the next question. Where the server is gone meanwhile, none of the rest is answered.
    pub(super) fn recount_on(&mut self) -> Vec<Action> {
        while let Some(ask) = self.playground.recount.as_mut().and_then(Recount::next) {
            if self.is_connected() {
                return self.ask(ask).into_iter().collect();
            }
            if let (Ask::Recount(query), Some(recount)) = (ask, &mut self.playground.recount) {
                recount.take(&query, Err(NO_SERVER.to_owned()));
            }
        }
        Vec::new()
    }
}
