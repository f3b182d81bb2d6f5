//! Capture, injection and scope, without any server.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{Context, scope};
use crate::propagation::lists;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

#[track_caller]
fn check_inject(incoming: &[(&str, &str)], outgoing: &[(&str, &str)], expected: &[(&str, &str)]) {
    let mut found = headers(outgoing);
    Context::from_headers(&headers(incoming)).inject(&mut found);
    assert_eq!(found, headers(expected));
}

#[test]
fn the_context_goes_out_unchanged_and_nothing_else_does() {
    let context = [
        ("spur-key", "pr-1"),
        ("baggage", "user=7,spur-key=pr-1;ttl=1"),
        ("baggage", "second=line"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "spur=pr-1,vendor=x"),
        ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
        ("x-request-id", "r-1"),
    ];
    let mut incoming = context.to_vec();
    incoming.extend([("authorization", "secret"), ("cookie", "a=b"), ("host", "shop")]);
    check_inject(&incoming, &[], &context);
}

#[test]
fn lists_are_merged_by_member() {
    check_inject(
        &[("baggage", "user=1,spur-key=pr-1"), ("tracestate", "spur=pr-1,v=1")],
        &[("baggage", "user=2"), ("tracestate", "v=2")],
        &[
            ("baggage", "user=2"),
            ("baggage", "spur-key=pr-1"),
            ("tracestate", "v=2"),
            ("tracestate", "spur=pr-1"),
        ],
    );
}

#[test]
fn a_span_of_the_services_own_stands() {
    check_inject(
        &[("traceparent", "00-11-22-01"), ("tracestate", "spur=pr-1")],
        &[("traceparent", "00-11-33-01")],
        &[("traceparent", "00-11-33-01"), ("tracestate", "spur=pr-1")],
    );
    check_inject(
        &[("x-b3-traceid", "1"), ("x-b3-spanid", "2"), ("x-b3-parentspanid", "3")],
        &[("x-b3-traceid", "1"), ("x-b3-spanid", "4")],
        &[("x-b3-traceid", "1"), ("x-b3-spanid", "4")],
    );
    check_inject(
        &[("b3", "1-2"), ("spur-key", "pr-1")],
        &[("x-b3-traceid", "1")],
        &[("x-b3-traceid", "1"), ("spur-key", "pr-1")],
    );
}

#[test]
fn a_key_that_the_caller_chose_stands() {
    check_inject(&[("spur-key", "theirs")], &[("spur-key", "mine")], &[("spur-key", "mine")]);
}

#[test]
fn headers_agreed_upon_go_along() {
    let custom = HeaderName::from_static("x-tenant");
    let incoming = headers(&[("x-tenant", "blue"), ("x-other", "1")]);
    let mut outgoing = HeaderMap::new();
    Context::from_headers_and(&incoming, &[custom]).inject(&mut outgoing);
    assert_eq!(outgoing, headers(&[("x-tenant", "blue")]));
}

#[tokio::test]
async fn the_context_is_current_inside_its_scope_only() {
    let key = || Context::current().routing_key().map(str::to_owned);
    let with = |value| Context::from_headers(&headers(&[("spur-key", value)]));

    assert_eq!(key(), None);
    scope(with("outer"), async {
        assert_eq!(key().as_deref(), Some("outer"));
        scope(with("inner"), async {
            assert_eq!(key().as_deref(), Some("inner"));
        })
        .await;
        scope(Context::default(), async {
            assert_eq!(key(), None);
        })
        .await;
        assert_eq!(key().as_deref(), Some("outer"));

        let bare = tokio::spawn(async move { key() }).await.unwrap();
        assert_eq!(bare, None);
        let given = tokio::spawn(scope(Context::current(), async move { key() }));
        assert_eq!(given.await.unwrap().as_deref(), Some("outer"));
    })
    .await;
    assert_eq!(key(), None);
}

/// A list of up to 80 members, so that the bound of 64 is crossed as well.
fn list() -> impl Strategy<Value = String> {
    let member = ("[a-d][0-9]{0,2}", "[a-z0-9%;]{0,200}");
    prop::collection::vec(member.prop_map(|(name, value)| format!("{name}={value}")), 0..80)
        .prop_map(|members| members.join(", "))
}

proptest! {
    // A case holds up to 160 members of 200 bytes: 64 of them cross both bounds often.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_keeps_what_is_there_within_the_limits(incoming in list(), own in list()) {
        let context = Context::from_headers(&headers(&[("baggage", &incoming)]));
        let mut once = headers(&[("baggage", &own)]);
        context.inject(&mut once);
        let mut twice = once.clone();
        context.inject(&mut twice);
        prop_assert_eq!(&once, &twice, "injecting twice is injecting once");

        let split = |map: &HeaderMap| -> Vec<Vec<u8>> {
            let lines = map.get_all("baggage").iter().map(HeaderValue::as_bytes);
            lists::members(lines).map(<[u8]>::to_vec).collect()
        };
        let (before, after) = (split(&headers(&[("baggage", &own)])), split(&once));
        prop_assert_eq!(&after[..before.len()], &before[..], "own members stay, first");
        let wanted = split(&headers(&[("baggage", &incoming)]));
        prop_assert!(after[before.len()..].iter().all(|member| wanted.contains(member)), "whole members only");

        let n_bytes: usize = after.iter().map(|member| member.len() + 1).sum();
        let is_cut = after.len() > before.len() && (after.len() > 64 || n_bytes > 8193);
        prop_assert!(!is_cut, "{} members, {n_bytes} bytes", after.len());
        let lost = wanted.iter().filter(|member| {
            !after.iter().any(|other| lists::name(other) == lists::name(member))
        });
        let longest = wanted.iter().map(Vec::len).max().unwrap_or(0);
        if after.len() < 64 && n_bytes + longest <= 8192 {
            prop_assert_eq!(lost.count(), 0, "nothing is lost below the limits");
        }
    }
}
