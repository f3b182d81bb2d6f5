//! The table against the struct, and what can be written.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_field_has_a_row_and_every_row_a_field() {
    let text = format!("{:?}", Limits::default());
    let unset = format!("{:?}", Limits::unset());
    let fields = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let (set, unset) = (fields(&text), fields(&unset));
    assert_eq!(set.len(), LIMITS.len());
    for (set, unset) in set.iter().zip(&unset) {
        assert_ne!(set, unset, "a row sets this field");
    }
}

#[test]
fn names_are_unique_and_defaults_are_what_they_say() {
    let names: BTreeSet<&str> = LIMITS.iter().map(|limit| limit.name).collect();
    assert_eq!(names.len(), LIMITS.len());
    for limit in LIMITS {
        let mut limits = Limits::default();
        limits.set(&format!("{}={}", limit.name, limit.default)).unwrap();
        assert_eq!(limits, Limits::default(), "{}", limit.name);
    }
}

#[test]
fn a_limit_is_set_in_its_unit() {
    let mut limits = Limits::default();
    for assignment in
        ["head-bytes=128KiB", "idle-timeout=5m", "body-timeout=none", "headers=50", "bare-line-feeds=accept"]
    {
        limits.set(assignment).unwrap();
    }
    let wanted = Limits {
        h1_buffer_max_bytes: 128 * 1024,
        idle_timeout: Duration::from_secs(300),
        body_timeout: None,
        n_headers_max: 50,
        bare_line_feeds: BareLineFeeds::Accept,
        ..Limits::default()
    };
    assert_eq!(limits, wanted);
    // What hyper is given, it takes.
    let _builders = (limits.http1(), limits.http2(hyper_util::rt::TokioExecutor::new()));
}

#[test]
fn what_cannot_be_set_is_said_with_what_can() {
    for (assignment, wanted) in [
        ("headers", "limit `headers` is not of the form NAME=VALUE"),
        ("header=1", "no limit `header`\nhint: there are connections, first-bytes-timeout, "),
        ("headers=0", "limit `headers`: `0` is not a number from 1 to 65535"),
        ("head-bytes=1KiB", "limit `head-bytes`: `1KiB` is not a size such as 64KiB, from 8KiB to 16MiB"),
        ("head-bytes=9999999MiB", "is not a size"),
        ("idle-timeout=10", "limit `idle-timeout`: `10` is not a time such as 500ms, 10s or 5m"),
        ("idle-timeout=0s", "is not a time"),
        ("idle-timeout=-1s", "is not a time"),
        ("idle-timeout=none", "is not a time such as 500ms, 10s or 5m"),
        ("unread-timeout=x", "is not a time such as 500ms, 10s or 5m, or none"),
        ("escaped-slashes=no", "limit `escaped-slashes`: `no` is not keep or reject"),
    ] {
        let mut limits = Limits::default();
        let said = limits.set(assignment).unwrap_err().to_string();
        assert!(said.contains(wanted), "{assignment}: {said}");
        assert_eq!(limits, Limits::default(), "{assignment}: nothing is set");
    }
}
