//! What is selected, as a term of a filter.

use spur_trace::filter::{Expr, Field};
use spur_trace::{Filter, Trace};

use super::State;
use super::terms::{contains, equals, has_status, is_absent, not, with};
use crate::keys::Screen;

/// A column of the list of requests of which a term can be made, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Method,
    Status,
    Path,
    Key,
    Service,
}

/// Whether what is selected is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    With,
    Without,
}

// === impl Cell ===

impl Cell {
    const ALL: [Self; 5] = [Self::Method, Self::Status, Self::Path, Self::Key, Self::Service];

    pub(super) fn left(self) -> Self {
        Self::ALL[self.place().saturating_sub(1)]
    }

    pub(super) fn right(self) -> Self {
        Self::ALL[(self.place() + 1).min(Self::ALL.len() - 1)]
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|cell| *cell == self).unwrap_or(0)
    }

    /// What a trace has there.
    fn term(self, trace: &Trace) -> Option<Expr> {
        let entry = trace.entry()?;
        Some(match self {
            Self::Method => equals(Field::Method, entry.start.method.as_str()),
            Self::Status => match entry.end.as_ref().and_then(|end| end.status) {
                Some(status) => has_status(status),
                None => is_absent(Field::Status),
            },
            Self::Path => match &entry.start.target {
                // The same path with another query is the same thing to look at.
                Some(target) => contains(Field::Path, target.path()),
                None => is_absent(Field::Path),
            },
            Self::Key => match &trace.key {
                Some(key) => equals(Field::Key, key),
                None => is_absent(Field::Key),
            },
            Self::Service => equals(Field::Svc, entry.name()),
        })
    }
}

// === impl State ===

impl State {
    /// Says which, since not every column is seen at every width.
    pub(super) fn choose_cell(&mut self, cell: Cell) {
        self.cell = cell;
        let name = match cell {
            Cell::Method => "method",
            Cell::Status => "status",
            Cell::Path => "path",
            Cell::Key => "key",
            Cell::Service => "service",
        };
        self.notice = Some(format!("= and ! filter by this {name}"));
    }

    /// Adds a term for what is selected to the filter.
    pub(super) fn add_term(&mut self, wanted: Wanted) {
        let Some(term) = self.term() else { return };
        let term = if wanted == Wanted::With { term } else { not(term) };
        let text = with(&Filter::clone(&self.filters.requests.active), term);
        self.set_filter(&text);
    }

    fn term(&self) -> Option<Expr> {
        match self.screen {
            Screen::Live => {
                let listed = self.listed();
                self.cell.term(listed.row(self.live.idx(listed)?)?)
            }
            Screen::Trace => Some(equals(Field::Svc, self.trace.hop()?.name())),
            Screen::Topology => {
                let idx = self.topology_cursor.idx(&self.topology)?;
                self.topology.edges.get(idx).map(super::topology::Edge::filter)
            }
            Screen::Sandboxes
            | Screen::Split
            | Screen::Logs
            | Screen::Rules
            | Screen::Events
            | Screen::Diff => None,
        }
    }
}
