//! Which of the ready endpoints comes next: round robin, for each worker by itself.

use std::{cell::RefCell, collections::HashMap, ptr};

use spur_route::Endpoint;

/// How often each list of endpoints was picked from.
#[derive(Debug)]
pub(crate) struct Picks {
    /// Workers begin at different endpoints, so that little traffic is spread, too.
    first: usize,
    turns: RefCell<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    table_revision: u64,
    /// By the list's place in memory, which holds for one table. As many entries
    /// as the table has lists; a new table empties it.
    by_list: HashMap<*const Endpoint, usize>,
}

// === impl Picks ===

impl Picks {
    pub(crate) fn new(first: usize) -> Self {
        Self { first, turns: RefCell::default() }
    }

    /// The index of the endpoint of `backends` to try first; `backends` is not empty.
    pub(crate) fn next(&self, table_revision: u64, backends: &[Endpoint]) -> usize {
        if backends.len() == 1 {
            return 0;
        }
        let mut turns = self.turns.borrow_mut();
        if turns.table_revision != table_revision {
            turns.table_revision = table_revision;
            turns.by_list.clear();
        }
        let turn = turns.by_list.entry(ptr::from_ref(&backends[0])).or_insert(self.first);
        let idx = *turn % backends.len();
        *turn = turn.wrapping_add(1);
        idx
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn endpoints(n: usize) -> Arc<[Endpoint]> {
        (0..n)
            .map(|idx| Endpoint {
                address: ([127, 0, 0, 1], 1000 + u16::try_from(idx).unwrap()).into(),
                pod: format!("pod-{idx}").into(),
                workload: "shop".into(),
            })
            .collect()
    }

    #[test]
    fn every_endpoint_gets_its_turn() {
        let (picks, three) = (Picks::new(0), endpoints(3));
        let picked: Vec<usize> = (0..6).map(|_| picks.next(1, &three)).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn lists_take_turns_by_themselves() {
        let (picks, a, b) = (Picks::new(0), endpoints(2), endpoints(2));
        let picked: Vec<usize> = [&a, &b, &a, &b].map(|list| picks.next(1, list)).to_vec();
        assert_eq!(picked, [0, 0, 1, 1]);
    }

    #[test]
    fn a_new_table_starts_anew() {
        let (picks, two) = (Picks::new(1), endpoints(2));
        assert_eq!([picks.next(1, &two), picks.next(2, &two)], [1, 1]);
    }
}
