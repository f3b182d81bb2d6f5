//! Traces as an HTTP archive (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>), which
//! browsers, proxies and load generators read.
//!
//! A trace is a page, and each of its hops an entry; what was not captured of a hop is unknown
//! (`-1`, empty lists), as the format has it. What is ours has a name with `_`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Version};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::capture::{Capture, CapturedBody};
use crate::trace::{Hop, Trace};

/// The archive of traces, each with what was captured of it.
#[must_use]
pub fn har(traces: &[(Arc<Trace>, Vec<Capture>)]) -> Value {
    let pages: Vec<Value> = traces.iter().map(|(trace, _)| page(trace)).collect();
    let entries = traces.iter().flat_map(|(trace, captures)| {
        trace.hops.iter().map(|hop| {
            let capture = captures.iter().find(|capture| capture.id == hop.start.id);
            entry(trace, hop, capture)
        })
    });
    json!({"log": {
        "version": "1.2",
        "creator": {"name": "spur", "version": env!("CARGO_PKG_VERSION")},
        "pages": pages,
        "entries": entries.collect::<Vec<_>>(),
    }})
}

fn page(trace: &Trace) -> Value {
    let title = trace.entry().map_or_else(String::new, |hop| {
        let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
        format!("{} {target}", hop.start.method)
    });
    json!({
        "startedDateTime": time(trace.started),
        "id": trace.trace_id.to_string(),
        "title": title,
        "pageTimings": {"onLoad": ms(trace.duration)},
        "_key": trace.key,
    })
}

fn entry(trace: &Trace, hop: &Hop, capture: Option<&Capture>) -> Value {
    let end = hop.end.as_deref();
    let duration = end.map_or(Duration::ZERO, |end| end.duration);
    let response = capture.and_then(|capture| capture.response.as_ref());
    // What is not known counts as waiting.
    let sent = capture.and_then(|capture| capture.request.ended).unwrap_or(Duration::ZERO);
    let began = response.map_or(duration, |response| response.began).max(sent);
    let mut entry = json!({
        "pageref": trace.trace_id.to_string(),
        "startedDateTime": time(hop.start.started),
        "time": ms(duration),
        "request": request(hop, capture),
        "response": told_response(hop, capture),
        "cache": {},
        "timings": {
            "send": ms(sent),
            "wait": ms(began.saturating_sub(sent)),
            "receive": ms(duration.saturating_sub(began)),
        },
        "_spanId": hop.start.id.span_id.to_string(),
        "_parentSpanId": hop.parent.map(|parent| parent.to_string()),
        "_from": hop.caller(),
        "_to": hop.name(),
        "_version": hop.start.decision.version.to_string(),
        "_reason": hop.start.decision.reason.code(),
        "_key": hop.key(),
    });
    if let Some(endpoint) = hop.endpoint() {
        entry["serverIPAddress"] = json!(endpoint.address.ip().to_string());
    }
    if let Some(error) = end.and_then(|end| end.error) {
        // As mitmproxy and browsers name it.
        entry["_error"] = json!(error.code());
    }
    entry
}

fn request(hop: &Hop, capture: Option<&Capture>) -> Value {
    let start = &hop.start;
    let captured = capture.map(|capture| &capture.request);
    let target = captured.map(|request| &request.target).or(start.target.as_ref());
    let target = target.map_or("", |target| target.as_str());
    let authority = captured.and_then(|request| request.authority.as_deref());
    let host = authority.unwrap_or_else(|| hop.name());
    let scheme = if captured.is_some_and(|request| request.is_tls) { "https" } else { "http" };
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let none = HeaderMap::new();
    let headers = captured.map_or(&none, |request| &request.headers);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split(';')).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        json!({"name": name.trim(), "value": value.trim()})
    });
    let mut told = json!({
        "method": start.method.as_str(),
        "url": format!("{scheme}://{host}{target}"),
        "httpVersion": version(start.http_version),
        "cookies": cookies.collect::<Vec<_>>(),
        "headers": fields(headers),
        "queryString": pairs(query),
        // The text of heads is not kept.
        "headersSize": -1,
        "bodySize": hop.end.as_ref().map_or(-1, |end| i64::try_from(end.request_bytes).unwrap_or(-1)),
    });
    if let Some(request) = captured.filter(|request| request.body.n_bytes > 0) {
        told["postData"] = post_data(&request.body, headers);
    }
    told
}

fn told_response(hop: &Hop, capture: Option<&Capture>) -> Value {
    let end = hop.end.as_deref();
    let captured = capture.and_then(|capture| capture.response.as_ref());
    let none = HeaderMap::new();
    let headers = captured.map_or(&none, |response| &response.headers);
    let status = end.and_then(|end| end.status).unwrap_or(0);
    let n_bytes = end.map_or(-1, |end| i64::try_from(end.response_bytes).unwrap_or(-1));
    let content = match captured {
        Some(response) => content(&response.body, headers),
        None => json!({"size": n_bytes.max(0), "mimeType": ""}),
    };
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).map(|value| {
        let pair = value.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        json!({"name": name.trim(), "value": value.trim()})
    });
    json!({
        "status": status,
        "statusText": reason.unwrap_or(""),
        "httpVersion": version(hop.start.http_version),
        "cookies": cookies.collect::<Vec<_>>(),
        "headers": fields(headers),
        "content": content,
        "redirectURL": headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or(""),
        "headersSize": -1,
        "bodySize": n_bytes,
    })
}

/// What a request sent. The format has no word for bytes that are no text here, so that the one of
/// responses stands as ours.
fn post_data(body: &CapturedBody, headers: &HeaderMap) -> Value {
    let (text, is_base64) = text(body);
    let mut data = json!({"mimeType": media_type(headers), "params": [], "text": text});
    if is_base64 {
        data["_encoding"] = json!("base64");
    }
    if let Some(comment) = comment(body) {
        data["comment"] = json!(comment);
    }
    data
}

/// What a response brought.
fn content(body: &CapturedBody, headers: &HeaderMap) -> Value {
    let (text, is_base64) = text(body);
    let mut content = json!({"size": body.n_bytes, "mimeType": media_type(headers), "text": text});
    if is_base64 {
        content["encoding"] = json!("base64");
    }
    if let Some(comment) = comment(body) {
        content["comment"] = json!(comment);
    }
    content
}

/// A body as text, and whether that is base64.
fn text(body: &CapturedBody) -> (String, bool) {
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(&body.bytes), true),
    }
}

fn media_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn comment(body: &CapturedBody) -> Option<String> {
    let (kept, n_bytes) = (body.bytes.len(), body.n_bytes);
    body.is_cut().then(|| format!("the first {kept} of {n_bytes} bytes"))
}

fn fields(headers: &HeaderMap) -> Vec<Value> {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| json!({"name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes())});
    headers.iter().map(field).collect()
}

fn pairs(query: &str) -> Vec<Value> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        json!({"name": name, "value": value})
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn version(version: Version) -> String {
    format!("{version:?}")
}

fn time(time: SystemTime) -> String {
    format!("{:.6}", Timestamp::try_from(time).unwrap_or(Timestamp::MAX))
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    // Less than 2^53 microseconds are 285 years.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let us = duration.as_micros() as f64;
    us / 1000.0
}
