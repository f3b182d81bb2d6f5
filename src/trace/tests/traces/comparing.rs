//! What is different about two responses, and what is noise.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use spur_trace::{CapturedBody, CapturedResponse, Noise, compare};

fn response(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: impl AsRef<[u8]>,
) -> CapturedResponse {
    let mut captured = CapturedBody::default();
    captured.add(body.as_ref());
    captured.has_ended = true;
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    CapturedResponse {
        status,
        began: Duration::ZERO,
        headers: headers.collect(),
        body: captured,
        trailers: HeaderMap::new(),
    }
}

/// `part: left → right`, noise in brackets.
fn told(left: &CapturedResponse, right: &CapturedResponse, noise: &Noise) -> Vec<String> {
    let side = |side: Option<String>| side.unwrap_or_else(|| "–".to_owned());
    let line = |it: spur_trace::ResponseDifference| {
        let line = format!("{}: {} → {}", it.part, side(it.left), side(it.right));
        if it.is_noise { format!("({line})") } else { line }
    };
    compare(left, right, noise).into_iter().map(line).collect()
}

#[test]
fn json_is_compared_by_its_values() {
    let left =
        json!({"total": 12.0, "items": [{"sku": "a", "n": 1}, {"sku": "b"}], "odd name": 1, "same": null});
    let right =
        json!({"same": null, "items": [{"n": 2, "sku": "a"}], "odd name": 2, "total": 12, "new": true});
    let (left, right) = (response(200, &[], left.to_string()), response(200, &[], format!("{right:#}")));
    assert_eq!(
        told(&left, &right, &Noise::default()),
        [
            "body .items[0].n: 1 → 2",
            "body .items[1]: {\"sku\":\"b\"} → –",
            "body [\"odd name\"]: 1 → 2",
            "body .new: – → true",
        ]
    );
}

#[test]
fn heads_are_compared_without_what_always_differs() {
    let left =
        response(200, &[("date", "a"), ("x-version", "v1"), ("content-length", "3"), ("etag", "1")], "one");
    let right = response(503, &[("date", "b"), ("x-version", "v2"), ("vary", "x")], "one");
    assert_eq!(
        told(&left, &right, &Noise::default()),
        ["status: 200 → 503", "header etag: 1 → –", "header vary: – → x", "header x-version: v1 → v2"]
    );
}

#[test]
fn text_is_compared_by_lines_and_bytes_by_place() {
    let of = |body: &[u8]| response(200, &[], body);
    let none = Noise::default();
    assert_eq!(told(&of(b"a\nb\nc"), &of(b"a\nx\nc"), &none), ["body: b → x"]);
    assert_eq!(told(&of(b"a\n"), &of(b"a\nb\n"), &none), ["body: – → b"]);
    assert_eq!(told(&of(b"a\n"), &of(b"a"), &none), ["body: – → –"]);
    assert_eq!(
        told(&of(b"\xff\x00\x01"), &of(b"\xff\x02"), &none),
        ["body: 3 bytes, the first 1 the same → 2 bytes, the first 1 the same"]
    );
    assert_eq!(told(&of(b"a"), &of(b"a"), &none), Vec::<String>::new());
}

#[test]
fn what_differs_of_itself_is_noise() {
    let at = |time: u32, price: f64, id: &'static str| {
        response(200, &[("x-request-id", id)], json!({"at": {"time": time}, "price": price}).to_string())
    };
    let noise = Noise::among(&[at(1, 12.0, "a"), at(2, 12.0, "b"), at(3, 12.0, "c")]);
    assert!(!noise.is_empty());
    assert_eq!(
        told(&at(1, 12.0, "a"), &at(9, 10.8, "d"), &noise),
        ["(header x-request-id: a → d)", "(body .at.time: 1 → 9)", "body .price: 12.0 → 10.8"]
    );
    assert!(Noise::among(&[]).is_empty() && Noise::among(&[at(1, 1.0, "a")]).is_empty());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map("[ab]", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn bodies_differ_exactly_where_their_values_do(left in any_json(), right in any_json()) {
        let (a, b) = (response(200, &[], left.to_string()), response(200, &[], right.to_string()));
        let found = compare(&a, &b, &Noise::default());
        prop_assert_eq!(found.is_empty(), left == right, "{:?}", found);
        // The other way round the sides are exchanged.
        let back = compare(&b, &a, &Noise::default());
        prop_assert_eq!(found.len(), back.len());
        // And all of it is noise to who has seen it.
        let noise = Noise::among(&[a.clone(), b.clone()]);
        prop_assert!(compare(&a, &b, &noise).iter().all(|found| found.is_noise));
    }
}
