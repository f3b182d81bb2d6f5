//! Random targets and headers: what is let through has one form, and nothing in it is of the
//! connection.

use http::{HeaderName, Request};
use proptest::prelude::*;
use proptest::sample::select;
use spur_net::EscapedSlashes;

use super::*;

/// Pieces that mean something to somebody who reads paths.
const PIECES: [&str; 22] = [
    "/", "//", ".", "..", "%2e", "%2E", "%2e%2e", ".%2e", "%2f", "%5C", "\\", ";", ";x", "a", "admin", "%61",
    "%41", "%25", "%2", "%", "%20", "...",
];

/// Headers of all sorts, with values that are right and wrong.
const HEADERS: [(&str, &str); 24] = [
    ("host", "shop"),
    ("host", "other:80"),
    ("host", "a@b"),
    ("connection", "close"),
    ("connection", "x-mine, keep-alive"),
    ("connection", "authorization, host, te"),
    ("connection", "upgrade"),
    ("keep-alive", "5"),
    ("proxy-connection", "x"),
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "gzip"),
    ("content-length", "0"),
    ("content-length", "5"),
    ("te", "trailers"),
    ("te", "gzip, trailers"),
    ("te", "gzip"),
    ("upgrade", "websocket"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAA"),
    ("sec-websocket-key", "k"),
    ("x-mine", "1"),
    ("authorization", "secret"),
    ("cookie", "a=b"),
    ("expect", "100-continue"),
];

/// Of one connection (RFC 9110 7.6.1); `te` is looked at by itself.
const OF_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"];

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&PIECES), 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Segments as whoever resolves a path understands them, even one who decodes first.
fn segments(path: &str) -> Vec<String> {
    path.split(['/', '\\']).map(|it| it.to_ascii_lowercase().replace("%2e", ".")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_path_has_one_form_without_dots(path in paths()) {
        let made = path::normalise(&path, EscapedSlashes::Keep);
        prop_assume!(made.is_ok());
        let made = made.unwrap().map_or_else(|| path.clone(), |made| String::from_utf8(made).unwrap());
        prop_assert!(made.starts_with('/'), "{made}");
        prop_assert_eq!(path::normalise(&made, EscapedSlashes::Keep), Ok(None), "once is enough: {}", made);
        let dotted = segments(&made).into_iter().find(|it| it == "." || it == "..");
        prop_assert_eq!(dotted, None, "{} of {}", made, path);
        // None comes about: what is escaped twice stays escaped.
        let escaped = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.matches("%2f").count() + text.matches("%5c").count()
        };
        prop_assert!(escaped(&made) <= escaped(&path), "{made} of {path}");
        if path::normalise(&path, EscapedSlashes::Reject).is_ok() {
            prop_assert_eq!(escaped(&path), 0, "{}", path);
        }
    }

    #[test]
    fn what_is_let_through_has_one_host_and_nothing_of_the_connection(
        path in paths(),
        picked in prop::collection::vec(select(&HEADERS), 0..8),
        method in select(&["GET", "POST", "OPTIONS"]),
        version in select(&[Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]),
    ) {
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in &picked {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let fields = Fields::of(&parts.headers);
        let n_hosts = picked.iter().filter(|(name, _)| *name == "host").count();
        let has = |wanted: (&str, &str)| picked.contains(&wanted);
        let Ok(clean) = clean(&mut parts, fields, &Limits::default()) else { return Ok(()) };
        prop_assert!(n_hosts <= 1 && !has(("host", "a@b")) && !has(("transfer-encoding", "gzip")));
        prop_assert_eq!(clean.host.is_some(), n_hosts == 1);
        prop_assert!(n_hosts == 1 || version == Version::HTTP_10);
        prop_assert!(!parts.headers.contains_key("host"));
        for name in OF_CONNECTION {
            prop_assert!(!parts.headers.contains_key(name), "{name} of {picked:?}");
        }
        let te: Vec<_> = parts.headers.get_all("te").iter().collect();
        let accepts_trailers = has(("te", "trailers")) || has(("te", "gzip, trailers"));
        prop_assert_eq!(te, vec!["trailers"; usize::from(accepts_trailers)]);
        // What `Connection` names goes, but for what the next hop needs.
        let is_named = has(("connection", "x-mine, keep-alive"));
        prop_assert_eq!(parts.headers.contains_key("x-mine"), has(("x-mine", "1")) && !is_named);
        for kept in ["authorization", "cookie", "content-length"] {
            let n_sent = picked.iter().filter(|(name, _)| *name == kept).count();
            // RFC 9113 8.2.3.
            let is_joined = kept == "cookie" && version == Version::HTTP_2;
            let n_sent = if is_joined { n_sent.min(1) } else { n_sent };
            let kept = HeaderName::from_static(kept);
            prop_assert_eq!(parts.headers.get_all(kept).iter().count(), n_sent);
        }
        let is_websocket = clean.upgrade == Upgrade::WebSocket;
        prop_assert!(!is_websocket || version == Version::HTTP_11 && method == "GET");
        prop_assert!(!is_websocket || has(("connection", "upgrade")) && has(("upgrade", "websocket")));
    }
}
