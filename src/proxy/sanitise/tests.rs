//! The rows of the request table, one case each.

use http::{HeaderMap, Request};

use super::*;

/// A request as hyper would hand it over.
fn parts(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().version(version).method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// By the usual limits.
fn check(parts: &mut Parts) -> Result<Clean, BadRequest> {
    let fields = Fields::of(&parts.headers);
    clean(parts, fields, &Limits::default())
}

fn h1(headers: &[(&str, &str)]) -> Result<(Clean, HeaderMap), BadRequest> {
    let mut parts = parts(Version::HTTP_11, "GET", "/cart?id=1", headers);
    check(&mut parts).map(|clean| (clean, parts.headers))
}

fn h2(uri: &str, headers: &[(&str, &str)]) -> Result<String, BadRequest> {
    let mut parts = parts(Version::HTTP_2, "GET", uri, headers);
    check(&mut parts).map(|clean| clean.host.unwrap().to_string())
}

#[test]
fn http1_wants_exactly_one_valid_host() {
    assert_eq!(h1(&[("host", "shop:80")]).unwrap().0.host.unwrap(), "shop:80");
    for (headers, wanted) in [
        (&[][..], BadRequest::NoHost),
        (&[("host", "a"), ("host", "a")], BadRequest::ManyHosts),
        (&[("host", "a/../b")], BadRequest::InvalidHost),
        (&[("host", "u@evil")], BadRequest::InvalidHost),
        (&[("host", "")], BadRequest::InvalidHost),
    ] {
        assert_eq!(h1(headers).unwrap_err(), wanted, "{headers:?}");
    }
}

#[test]
fn http10_may_have_no_host() {
    let mut old = parts(Version::HTTP_10, "GET", "/", &[]);
    assert_eq!(check(&mut old).unwrap().host, None);
}

#[test]
fn the_absolute_form_beats_the_host_header() {
    let mut absolute = parts(Version::HTTP_11, "GET", "http://shop/cart", &[("host", "other")]);
    let clean = check(&mut absolute).unwrap();
    assert_eq!(clean.host.unwrap(), "shop");
    assert_eq!(clean.target, "/cart");
    assert!(!absolute.headers.contains_key("host"));
}

#[test]
fn an_absolute_form_needs_a_host_header_and_an_http_scheme() {
    let mut alone = parts(Version::HTTP_11, "GET", "http://shop/", &[]);
    assert_eq!(check(&mut alone).unwrap_err(), BadRequest::NoHost);
    let mut other = parts(Version::HTTP_11, "GET", "ftp://shop/", &[("host", "shop")]);
    assert_eq!(check(&mut other).unwrap_err(), BadRequest::InvalidTarget);
}

#[test]
fn http2_wants_one_authority() {
    assert_eq!(h2("http://shop/", &[]).unwrap(), "shop");
    assert_eq!(h2("http://shop/", &[("host", "SHOP")]).unwrap(), "shop");
    assert_eq!(h2("/", &[("host", "shop")]).unwrap(), "shop");
    assert_eq!(h2("/", &[]).unwrap_err(), BadRequest::NoHost);
    assert_eq!(h2("http://shop/", &[("host", "evil")]).unwrap_err(), BadRequest::HostDiffers);
    assert_eq!(h2("http://u@evil/", &[]).unwrap_err(), BadRequest::InvalidHost);
    assert_eq!(h2("javascript://shop/", &[]).unwrap_err(), BadRequest::InvalidTarget);
}

#[test]
fn an_asterisk_is_for_options_only() {
    let mut options = parts(Version::HTTP_11, "OPTIONS", "*", &[("host", "shop")]);
    assert_eq!(check(&mut options).unwrap().target, "*");
    let mut get = parts(Version::HTTP_11, "GET", "*", &[("host", "shop")]);
    assert_eq!(check(&mut get).unwrap_err(), BadRequest::InvalidTarget);
}

#[test]
fn a_target_that_is_no_path_is_refused() {
    let mut authority_form = parts(Version::HTTP_11, "GET", "shop:80", &[("host", "shop")]);
    assert_eq!(check(&mut authority_form).unwrap_err(), BadRequest::InvalidTarget);
    let long = format!("/{}", "x".repeat(16 * 1024));
    let mut long = parts(Version::HTTP_11, "GET", &long, &[("host", "shop")]);
    assert_eq!(check(&mut long).unwrap_err(), BadRequest::LongTarget(16 * 1024));
    let mut connect = parts(Version::HTTP_11, "CONNECT", "shop:80", &[("host", "shop")]);
    assert_eq!(check(&mut connect).unwrap_err(), BadRequest::Connect);
}

#[test]
fn a_transfer_encoding_is_chunked_or_refused() {
    assert!(h1(&[("host", "a"), ("transfer-encoding", "Chunked")]).is_ok());
    for codings in [&["gzip, chunked"][..], &["chunked", "chunked"], &["identity"]] {
        let mut headers = vec![("host", "a")];
        headers.extend(codings.iter().map(|c| ("transfer-encoding", *c)));
        assert_eq!(h1(&headers).unwrap_err(), BadRequest::TransferEncoding, "{codings:?}");
    }
}

#[test]
fn fields_of_the_connection_are_taken_off() {
    let (_, headers) = h1(&[
        ("host", "a"),
        ("connection", "close, X-Hop, authorization, x-forwarded-for"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip, trailers"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-kept", "1"),
    ])
    .unwrap();
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "te", "x-forwarded-for", "x-kept"]);
    assert_eq!(headers["te"], "trailers");
}

#[test]
fn only_a_websocket_is_an_upgrade() {
    let ask = |upgrade: &str, extra: &[(&str, &str)]| {
        let mut headers = vec![
            ("host", "a"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", upgrade),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        headers.extend(extra);
        h1(&headers).map(|(clean, _)| clean.upgrade)
    };
    assert_eq!(ask("WebSocket", &[]), Ok(Upgrade::WebSocket));
    assert_eq!(ask("h2c", &[]), Ok(Upgrade::No));
    assert_eq!(ask("websocket, h2c", &[]), Ok(Upgrade::No));
    assert_eq!(ask("websocket", &[("content-length", "5")]), Err(BadRequest::InvalidUpgrade));
    let no_key = [("host", "a"), ("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(h1(&no_key).unwrap_err(), BadRequest::InvalidUpgrade);
    assert_eq!(ask("websocket", &[("sec-websocket-key", "two")]), Err(BadRequest::InvalidUpgrade));
    let unnamed = h1(&[("host", "a"), ("upgrade", "websocket")]).unwrap().0;
    assert_eq!(unnamed.upgrade, Upgrade::No, "Connection has to name it");
}

#[test]
fn cookies_of_http2_are_joined() {
    let mut many = parts(Version::HTTP_2, "GET", "http://a/", &[("cookie", "a=1"), ("cookie", "b=2")]);
    check(&mut many).unwrap();
    let cookies: Vec<_> = many.headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}
