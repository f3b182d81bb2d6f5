//! Two traces side by side.

use std::fmt::Write;
use std::sync::Arc;

use spur_trace::{Trace, baselines, diff, usual};

use crate::world::{Hop, hop, trace};

/// Each row: depth, call, both sides, and the word for it.
fn drawn(a: &Trace, b: &Trace) -> String {
    let mut text = String::new();
    for row in diff(a, b).rows {
        let side = |side: &Option<spur_trace::DiffSide>| match side {
            Some(side) => {
                let status = side.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
                let fork = side.fork.as_ref().map(|fork| format!(" ◆{fork}")).unwrap_or_default();
                format!("{status} {}ms{fork}", side.duration.map_or(0, |it| it.as_millis()))
            }
            None => "–".to_owned(),
        };
        let name = format!("{}{} {}#{}", "  ".repeat(row.depth), row.service, row.path, row.ordinal);
        writeln!(text, "{name} | {} | {} | {:?}", side(&row.a), side(&row.b), row.difference()).unwrap();
    }
    text
}

fn shop(more: &[Hop]) -> Arc<Trace> {
    let hops = [
        hop(1, "frontend", 0, 200).path("/cart/42"),
        hop(2, "cart", 10, 60).path("/items/42").from("frontend").parent(1),
        hop(3, "price", 20, 25).path("/p").from("cart").parent(2),
        hop(4, "price", 30, 35).path("/p").from("cart").parent(2),
    ];
    trace(&[&hops, more].concat())
}

#[test]
fn calls_are_aligned_by_service_path_and_how_often_they_came() {
    let a = shop(&[hop(5, "email", 70, 78).from("frontend").parent(1)]);
    let b = trace(&[
        hop(1, "frontend", 0, 800).path("/cart/77").status(503),
        hop(2, "cart", 10, 60).path("/items/77").from("frontend").parent(1),
        hop(3, "price", 20, 24).path("/p").from("cart").parent(2),
        hop(4, "fraud", 26, 28).from("cart").parent(2),
        hop(5, "price", 30, 600).path("/p").from("cart").parent(2).fork("pr-421-price"),
    ]);
    insta::assert_snapshot!(drawn(&a, &b), @r"
    frontend /cart/42#1 | 200 200ms | 503 800ms | Changed
      cart /items/42#1 | 200 50ms | 200 50ms | Same
        price /p#1 | 200 5ms | 200 4ms | Same
        fraud /#1 | – | 200 2ms | New
        price /p#2 | 200 5ms | 200 570ms ◆pr-421 | Changed
      email /#1 | 200 8ms | – | Gone
    ");
}

#[test]
fn a_trace_equals_itself_and_what_is_gone_one_way_is_new_the_other() {
    let (a, b) = (shop(&[]), shop(&[hop(9, "email", 70, 78).from("frontend").parent(1)]));
    assert!(diff(&a, &a).rows.iter().all(|row| row.a == row.b));
    let words =
        |a, b| diff(a, b).rows.iter().map(|row| format!("{:?}", row.difference())).collect::<Vec<_>>();
    assert_eq!(words(&a, &b).iter().filter(|word| *word == "New").count(), 1);
    assert_eq!(words(&b, &a).iter().filter(|word| *word == "Gone").count(), 1);
}

#[test]
fn every_hop_is_in_one_row() {
    let (a, b) = (shop(&[]), trace(&[hop(1, "other", 0, 5)]));
    let found = diff(&a, &b);
    let idxs = |side: &dyn Fn(&spur_trace::DiffRow) -> Option<usize>| {
        let mut idxs: Vec<usize> = found.rows.iter().filter_map(side).collect();
        idxs.sort_unstable();
        idxs
    };
    assert_eq!(idxs(&|row| row.a.as_ref().map(|it| it.hop_idx)), [0, 1, 2, 3]);
    assert_eq!(idxs(&|row| row.b.as_ref().map(|it| it.hop_idx)), [0]);
    // Both are what came in.
    assert!(found.rows[0].a.is_some() && found.rows[0].b.is_some());
}

#[test]
fn baselines_are_without_a_key_and_of_the_same_route() {
    let entry = |span, path: &'static str| hop(span, "frontend", 0, 20).path(path).in_trace(span.into());
    let keyed = trace(&[entry(1, "/cart/42").key("pr-421")]);
    let all = [
        trace(&[entry(2, "/cart/77")]),
        trace(&[entry(3, "/cart/9").key("k")]),
        trace(&[entry(4, "/products")]),
        trace(&[entry(5, "/cart/0b5c91d0-77aa")]),
    ];
    let found = baselines(&keyed, &all, 10);
    assert_eq!(found.iter().map(|it| it.trace_id).collect::<Vec<_>>(), [all[0].trace_id, all[3].trace_id]);
    assert_eq!(baselines(&keyed, &all, 1).len(), 1);
}

#[test]
fn what_is_usual_is_the_median_of_the_same_calls() {
    let of = |ms: u64, more: &[Hop]| {
        let hops = [hop(1, "frontend", 0, ms + 20), hop(2, "cart", 5, 5 + ms).from("frontend").parent(1)];
        trace(&[&hops, more].concat())
    };
    let one = of(90, &[hop(3, "fraud", 6, 7).from("frontend").parent(1)]);
    let others = [of(10, &[]), of(30, &[]), of(20, &[hop(3, "email", 6, 7).from("frontend").parent(1)])];
    let found: Vec<_> = usual(&one, &others).iter().map(|it| it.map(|(it, n)| (it.as_millis(), n))).collect();
    assert_eq!(found, [Some((40, 3)), Some((20, 3)), None]);
    assert_eq!(usual(&one, &Vec::<Arc<Trace>>::new()), [None, None, None]);
}
