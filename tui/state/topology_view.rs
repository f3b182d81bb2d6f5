//! How the topology is looked at: drawn or as a table, now or before, all of it or what the filter wants.

use super::State;
use super::topology::{AGO_MAX_SECONDS, Edge, WINDOW_SECONDS};
use crate::event::{Action, Ask};

/// Under this a drawing has no room for its labels.
const DRAWN_FROM_WIDTH: u16 = 100;

/// With more nodes nobody follows the lines; a filter makes them fewer (kiali#8230).
const DRAWN_NODES_MAX: usize = 40;

/// What the filter of requests does to a topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Nothing,
    /// What it wants stands out.
    Highlight,
    /// What it does not want is not there.
    Hide,
}

// === impl State ===

impl State {
    /// Whether it is a table, by what the user wants or what fits.
    pub(crate) fn is_table(&self) -> bool {
        let fits = self.size.0 >= DRAWN_FROM_WIDTH && self.topology.n_nodes() <= DRAWN_NODES_MAX;
        self.has_table.unwrap_or(!fits)
    }

    /// Whether the filter of requests wants an edge.
    pub(crate) fn wants_edge(&self, edge: &Edge) -> bool {
        edge.is_wanted(&self.applied.requests)
    }

    pub(super) fn set_reach(&mut self, reach: Reach) {
        self.reach = if self.reach == reach { Reach::Nothing } else { reach };
        self.count_edges();
    }

    /// Goes a minute back, or on.
    pub(super) fn step(&mut self, minutes: i64) -> Vec<Action> {
        let step = minutes.saturating_mul(WINDOW_SECONDS.cast_signed());
        let ago_s = self.ago_s.saturating_add_signed(step).min(AGO_MAX_SECONDS);
        if ago_s == self.ago_s {
            return Vec::new();
        }
        self.ago_s = ago_s;
        self.ask(Ask::Edges { ago_s }).into_iter().collect()
    }
}
