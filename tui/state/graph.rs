//! A topology laid out in layers from left to right: where each node stands and how each edge runs.
//!
//! ```text
//!  layer 0   gutter          layer 1    gutter           layer 2
//!  gw ──────┬──── 4/s ──▶ front ──┬──── 2/s ──▶ cart
//!                                 └──── 1/s ──▶ ◆cart (pr-1)
//! ```
//!
//! A node is a version of a service, under what it is a fork of. Every edge comes in on a row of its
//! own, so that its label has room; an edge over several layers passes through places in between,
//! which take a row each.

use std::collections::{BTreeMap, HashMap};

use super::topology::Topology;

/// A topology as a drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) n_layers: usize,
    pub(crate) n_rows: usize,
}

/// A version of a service, or a place that an edge passes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name; `None` where an edge passes.
    pub(crate) name: Option<String>,
    pub(crate) is_fork: bool,
    pub(crate) layer: usize,
    /// The first of its rows.
    pub(crate) row: usize,
}

/// A part of an edge, from a node to one in the next layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its place in the topology.
    pub(crate) edge_idx: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// On which row it comes in.
    pub(crate) to_row: usize,
    /// Whether it ends here.
    pub(crate) is_last: bool,
    /// Whether it goes from right to left: a call back to who is above it.
    pub(crate) is_back: bool,
}

/// Lays out a topology.
pub(crate) fn graph(topology: &Topology) -> Graph {
    let Named { mut nodes, ends, baselines } = named(topology);
    let is_back = layered(&mut nodes, &ends, &baselines);
    let mut graph = Graph { nodes, ..Graph::default() };
    graph.n_layers = graph.nodes.iter().map(|node| node.layer + 1).max().unwrap_or(0);
    // Each edge in parts of one layer.
    for (edge_idx, ((from, to), is_back)) in ends.iter().copied().zip(is_back).enumerate() {
        let mut at = from;
        let (first, last) = (graph.nodes[from].layer, graph.nodes[to].layer);
        if !is_back {
            for layer in first + 1..last {
                graph.nodes.push(Node { name: None, is_fork: false, layer, row: 0 });
                let passed = graph.nodes.len() - 1;
                graph.links.push(Link { edge_idx, from: at, to: passed, to_row: 0, is_last: false, is_back });
                at = passed;
            }
        }
        graph.links.push(Link { edge_idx, from: at, to, to_row: 0, is_last: true, is_back });
    }
    placed(&mut graph, &baselines);
    graph
}

struct Named {
    nodes: Vec<Node>,
    /// The nodes of each edge.
    ends: Vec<(usize, usize)>,
    /// What each fork is a fork of.
    baselines: HashMap<usize, usize>,
}

/// Nodes are who answers; a caller is the one that answers under its name.
fn named(topology: &Topology) -> Named {
    let mut nodes: Vec<Node> = Vec::new();
    let mut idx_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_workload: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    let mut by_service: HashMap<&str, usize> = HashMap::new();
    let mut node = |nodes: &mut Vec<Node>, name: &str, is_fork: bool| {
        *idx_of.entry(name.to_owned()).or_insert_with(|| {
            nodes.push(Node { name: Some(name.to_owned()), is_fork, layer: 0, row: 0 });
            nodes.len() - 1
        })
    };
    for edge in &topology.edges {
        let idx = node(&mut nodes, &edge.id.to, edge.sandbox.is_some());
        if let Some(workload) = &edge.workload {
            by_workload.entry((workload, edge.sandbox.as_deref())).or_insert(idx);
        }
        if edge.sandbox.is_none() {
            by_service.entry(&edge.service).or_insert(idx);
        }
    }
    let ends: Vec<(usize, usize)> = topology
        .edges
        .iter()
        .map(|edge| {
            // A name may have a namespace before it.
            let bare = edge.caller.rsplit('/').next().unwrap_or_default();
            let known = by_workload.get(&(bare, edge.from_sandbox.as_deref())).copied();
            let from = known.unwrap_or_else(|| node(&mut nodes, &edge.id.from, edge.from_sandbox.is_some()));
            (from, node(&mut nodes, &edge.id.to, false))
        })
        .collect();
    let forks = topology.edges.iter().zip(&ends).filter(|(edge, _)| edge.sandbox.is_some());
    let baselines = forks
        .filter_map(|(edge, (_, fork))| Some((*fork, by_service.get(edge.service.as_str()).copied()?)))
        .collect();
    Named { nodes, ends, baselines }
}

/// Gives each node the layer after the last of its callers, and says which edges go back: those that
/// would close a ring. A fork stands in the layer of what it is a fork of, or after it.
fn layered(nodes: &mut [Node], ends: &[(usize, usize)], baselines: &HashMap<usize, usize>) -> Vec<bool> {
    let mut calls: HashMap<usize, Vec<usize>> = HashMap::new();
    for (idx, (from, _)) in ends.iter().enumerate() {
        calls.entry(*from).or_default().push(idx);
    }
    // Depth first from who nobody calls, then from whoever is left.
    let is_called: Vec<bool> = (0..nodes.len()).map(|node| ends.iter().any(|(_, to)| *to == node)).collect();
    let roots = (0..nodes.len()).filter(|node| !is_called[*node]);
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Open,
        Done,
    }
    let mut seen = vec![Seen::Not; nodes.len()];
    let mut is_back = vec![false; ends.len()];
    let mut order = Vec::new();
    for root in roots.chain(0..nodes.len()) {
        let mut stack = vec![(root, 0)];
        while let Some((node, place)) = stack.pop() {
            if place == 0 {
                if seen[node] != Seen::Not {
                    continue;
                }
                seen[node] = Seen::Open;
            }
            match calls.get(&node).and_then(|calls| calls.get(place)) {
                Some(edge) => {
                    stack.push((node, place + 1));
                    let to = ends[*edge].1;
                    if seen[to] == Seen::Open {
                        is_back[*edge] = true;
                    } else if seen[to] == Seen::Not {
                        stack.push((to, 0));
                    }
                }
                None => {
                    seen[node] = Seen::Done;
                    order.push(node);
                }
            }
        }
    }
    // From callers to called, so that a layer is settled before it is used.
    for node in order.into_iter().rev() {
        if let Some(baseline) = baselines.get(&node) {
            nodes[node].layer = nodes[node].layer.max(nodes[*baseline].layer);
        }
        for edge in calls.get(&node).into_iter().flatten().filter(|edge| !is_back[**edge]) {
            let to = ends[*edge].1;
            nodes[to].layer = nodes[to].layer.max(nodes[node].layer + 1);
        }
    }
    is_back
}

/// Gives each node its rows, layer by layer, as near to its first caller as there is room.
fn placed(graph: &mut Graph, baselines: &HashMap<usize, usize>) {
    let mut n_in: Vec<usize> = vec![0; graph.nodes.len()];
    for link in &graph.links {
        n_in[link.to] += 1;
    }
    for layer in 0..graph.n_layers {
        let mut here: Vec<usize> =
            (0..graph.nodes.len()).filter(|idx| graph.nodes[*idx].layer == layer).collect();
        // By the first caller's row; a fork right under what it is a fork of.
        let caller_row = |idx: usize, graph: &Graph| {
            let callers = graph.links.iter().filter(|link| link.to == idx && !link.is_back);
            callers.map(|link| graph.nodes[link.from].row).min().unwrap_or(0)
        };
        here.sort_by_key(|idx| {
            let leader =
                baselines.get(idx).copied().filter(|it| graph.nodes[*it].layer == layer).unwrap_or(*idx);
            (caller_row(leader, graph), leader, leader != *idx, *idx)
        });
        let mut free = 0;
        for idx in here {
            let is_led = baselines.get(&idx).is_some_and(|it| graph.nodes[*it].layer == layer);
            let wanted = if is_led { free } else { caller_row(idx, graph) };
            let row = wanted.max(free);
            graph.nodes[idx].row = row;
            free = row + n_in[idx].max(1);
        }
        graph.n_rows = graph.n_rows.max(free);
    }
    // Those that come in: from above first, so that lines cross little.
    for idx in 0..graph.nodes.len() {
        let mut links: Vec<usize> =
            (0..graph.links.len()).filter(|link| graph.links[*link].to == idx).collect();
        links.sort_by_key(|link| {
            let link = &graph.links[*link];
            (link.is_back, graph.nodes[link.from].row, link.edge_idx)
        });
        for (place, link) in links.into_iter().enumerate() {
            graph.links[link].to_row = graph.nodes[idx].row + place;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::topology::topology;
    use super::*;
    use crate::made::{edge_row, fork_row};

    fn drawn(calls: &[(&str, &str, &str)]) -> Vec<String> {
        let row = |(from, to, by): &(&str, &str, &str)| {
            let mut row = match by.strip_prefix("fork of ") {
                Some(sandbox) => fork_row(from, (to, sandbox), 60, 0),
                None => edge_row(from, to, by, 60, 0),
            };
            if let Some((caller, sandbox)) = from.split_once(" of ") {
                row["edge"]["from"]["name"] = json!(caller);
                row["from_sandbox"] = json!(sandbox);
            }
            row
        };
        let rows: Vec<_> = calls.iter().map(row).collect();
        let summary = json!({"from": 0, "to": 59, "rows": rows});
        let graph = graph(&topology(&summary, [].iter()));
        let mut lines: Vec<String> = graph
            .nodes
            .iter()
            .map(|node| {
                let name = node.name.as_deref().unwrap_or("(passing)");
                format!("{} {} {name}", node.layer, node.row)
            })
            .collect();
        lines.sort();
        lines.extend(graph.links.iter().filter(|link| link.is_back).map(|link| {
            let name = |idx: usize| graph.nodes[idx].name.clone().unwrap();
            format!("back {} → {}", name(link.from), name(link.to))
        }));
        lines
    }

    #[test]
    fn layers_go_from_the_entry_and_forks_stand_under_their_baseline() {
        let found = drawn(&[
            ("gw", "front", "front"),
            ("front", "cart", "cart"),
            ("front", "cart", "fork of pr-1"),
            ("front", "zoo", "zoo"),
            ("cart", "stock", "stock"),
            ("cart of pr-1", "stock", "stock"),
            ("front", "stock", "stock"),
        ]);
        assert_eq!(
            found,
            ["0 0 gw", "1 0 front", "2 0 cart", "2 1 cart (pr-1)", "2 2 zoo", "2 3 (passing)", "3 0 stock",]
        );
    }

    #[test]
    fn a_call_back_ends_nothing() {
        let found = drawn(&[("gw", "a", "a"), ("a", "b", "b"), ("b", "a", "a"), ("b", "b", "b")]);
        assert_eq!(found, ["0 0 gw", "1 0 a", "2 0 b", "back b → a", "back b → b"]);
        // A ring that nobody leads to.
        assert_eq!(drawn(&[("x", "y", "y"), ("y", "x", "x")]).len(), 3);
    }

    #[test]
    fn no_two_edges_come_in_on_one_row_of_a_layer() {
        let calls = ["a", "b", "c", "d"].map(|to| ("gw", to, to));
        let more = [("a", "z", "z"), ("b", "z", "z"), ("c", "z", "z"), ("d", "y", "y"), ("a", "y", "y")];
        let rows: Vec<_> =
            calls.iter().chain(&more).map(|(from, to, by)| edge_row(from, to, by, 1, 0)).collect();
        let summary = json!({"from": 0, "to": 59, "rows": rows});
        let graph = graph(&topology(&summary, [].iter()));
        let mut seen = std::collections::HashSet::new();
        for link in &graph.links {
            assert!(seen.insert((graph.nodes[link.to].layer, link.to_row)), "{graph:?}");
            assert!(link.to_row < graph.n_rows);
        }
        assert_eq!(graph.links.len(), 9);
    }
}
