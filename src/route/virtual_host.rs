//! The ordered rules of one host, and which of them takes a request: the first whose
//! conditions hold.
//!
//! An index over the paths finds the rules that can hold at all, so that the time does not
//! grow with the number of rules; their order is kept.

use std::sync::Arc;

use crate::map::Map;
use crate::rules::{HttpMatch, HttpRoute, RequestView, StringMatch};

/// Rules in order.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    routes: Vec<Arc<HttpRoute>>,
    /// A rule and one of its conditions, in order; what comes after a catch-all is left out.
    entries: Vec<Entry>,
    /// Empty where they are scanned.
    index: Index,
}

/// One condition of one rule, or a rule without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    route: usize,
    /// The place in the rule's `matches`.
    condition: Option<usize>,
}

/// The rule that takes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'r> {
    pub(crate) route: &'r Arc<HttpRoute>,
    /// The condition that holds; `None` where the rule has none.
    pub(crate) matched: Option<&'r HttpMatch>,
}

/// Places of entries by what they want of the path, each list in order.
#[derive(Clone, Debug, Default)]
struct Index {
    exact: Map<Box<str>, Vec<usize>>,
    prefix: Map<Box<str>, Vec<usize>>,
    /// The lengths of all prefixes, each once, the shorter first.
    prefix_lens: Vec<usize>,
    /// Those that no path rules out by its text: patterns, any case, no condition.
    others: Vec<usize>,
}

/// Up to so many entries are looked through one by one: the index costs an allocation and a hash
/// for each length of a prefix.
const SCANNED_MAX: usize = 8;

// === impl Rules ===

impl Rules {
    /// Rules in this order, as they stand in one object.
    pub(crate) fn new(routes: Vec<Arc<HttpRoute>>) -> Self {
        let mut entries = Vec::new();
        'routes: for (route_idx, route) in routes.iter().enumerate() {
            if route.matches.is_empty() {
                entries.push(Entry { route: route_idx, condition: None });
                break;
            }
            for (condition_idx, condition) in route.matches.iter().enumerate() {
                entries.push(Entry { route: route_idx, condition: Some(condition_idx) });
                if condition.is_catch_all() {
                    break 'routes;
                }
            }
        }
        entries.shrink_to_fit();
        let is_scanned = entries.len() <= SCANNED_MAX;
        let index = if is_scanned { Index::default() } else { Index::new(&routes, &entries) };
        Self { routes, entries, index }
    }

    /// The rules of several objects for one host: each keeps its order, and what catches all
    /// comes last (`SortVHostRoutes` in Istio's `route.go`).
    pub(crate) fn merged<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let routes = all.into_iter().flat_map(|rules| rules.routes.iter().cloned());
        let (last, mut routes): (Vec<_>, Vec<_>) = routes.partition(|route| route.is_catch_all());
        routes.extend(last);
        Self::new(routes)
    }

    pub(crate) fn routes(&self) -> &[Arc<HttpRoute>] {
        &self.routes
    }

    /// The first rule whose conditions hold.
    pub(crate) fn find(&self, request: &RequestView<'_>) -> Option<Found<'_>> {
        if self.entries.len() <= SCANNED_MAX {
            let mut entries = self.entries.iter();
            return entries.find_map(|entry| self.at(*entry, |condition| condition.holds(request)));
        }
        let mut lists = self.index.lists(request.path);
        loop {
            // The list whose next entry comes first; there are a handful of lists.
            let next = lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list[0])?;
            let (place, rest) = next.split_first()?;
            *next = rest;
            if let Some(found) = self.at(self.entries[*place], |condition| condition.holds(request)) {
                return Some(found);
            }
        }
    }

    fn at(&self, entry: Entry, holds: impl FnOnce(&HttpMatch) -> bool) -> Option<Found<'_>> {
        let route = &self.routes[entry.route];
        let matched = entry.condition.map(|place| &route.matches[place]);
        matched.is_none_or(holds).then_some(Found { route, matched })
    }
}

/// The index and the entries follow from the rules.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.routes == other.routes
    }
}

impl Eq for Rules {}

// === impl Index ===

impl Index {
    fn new(routes: &[Arc<HttpRoute>], entries: &[Entry]) -> Self {
        let mut index = Self::default();
        for (place, entry) in entries.iter().enumerate() {
            let condition = entry.condition.map(|condition| &routes[entry.route].matches[condition]);
            match condition.and_then(|condition| condition.uri.as_ref()) {
                Some(StringMatch::Exact(path)) => index.exact.entry(path.clone()).or_default().push(place),
                Some(StringMatch::Prefix(prefix)) => {
                    index.prefix_lens.push(prefix.len());
                    index.prefix.entry(prefix.clone()).or_default().push(place);
                }
                Some(StringMatch::Regex(_) | StringMatch::IgnoringCase(_)) | None => index.others.push(place),
            }
        }
        index.prefix_lens.sort_unstable();
        index.prefix_lens.dedup();
        index
    }

    /// The lists of entries that may hold for a path.
    fn lists(&self, path: &str) -> Vec<&[usize]> {
        let mut lists: Vec<&[usize]> = Vec::new();
        lists.extend(self.exact.get(path).map(Vec::as_slice));
        for len in self.prefix_lens.iter().take_while(|len| **len <= path.len()) {
            let prefix = path.get(..*len);
            lists.extend(prefix.and_then(|prefix| self.prefix.get(prefix)).map(Vec::as_slice));
        }
        lists.push(&self.others);
        lists
    }
}
