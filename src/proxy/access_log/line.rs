//! An entry as one line, for people or for programs.
//!
//! Everything that comes from outside passes the terminal sanitiser, so that no line can be broken
//! off or feigned; secrets in a query are replaced. Of the headers only four are told, none of
//! which holds a credential.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{HeaderValue, Version};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use spur_route::Rule;
use spur_trace::sanitize::sanitize_bytes_for_terminal;
use spur_trace::{HopEnd, HopStart, redact_target, sanitize_for_terminal};

use super::Entry;
use super::flags::response_flags;

/// How a line is written (`accessLogEncoding`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// In Istio's default order, then `name=value` of what only Spur knows.
    #[default]
    Text,
    /// An object.
    Json,
}

/// What a line tells, in order; strings are safe to print.
struct Told<'a> {
    started: String,
    method: &'a str,
    path: Cow<'a, str>,
    protocol: &'static str,
    status: u16,
    flags: &'static str,
    details: Cow<'a, str>,
    duration_ms: u128,
    forwarded_for: Cow<'a, str>,
    user_agent: Cow<'a, str>,
    request_id: Cow<'a, str>,
    authority: Cow<'a, str>,
    upstream: String,
    peer: String,
    /// What Istio has no name for; empty ones are left out.
    more: Vec<(&'static str, String)>,
}

/// Appends the line of an entry with its end.
pub(super) fn write(encoding: Encoding, entry: &Entry, out: &mut String) {
    let told = Told::of(entry);
    match encoding {
        Encoding::Text => told.text(entry, out),
        Encoding::Json => {
            let object = Value::Object(told.object(entry));
            let _infallible = writeln!(out, "{object}");
        }
    }
}

// === impl Told ===

impl<'a> Told<'a> {
    fn of(entry: &'a Entry) -> Self {
        let (asked, end) = (&entry.begun.asked, &entry.end);
        let start = entry.begun.start.as_ref();
        let header = |value: &'a Option<HeaderValue>| match value {
            Some(value) => sanitize_bytes_for_terminal(value.as_bytes()),
            None => Cow::Borrowed(""),
        };
        let path = redact_target(asked.target.as_ref().map_or("", |target| target.as_str()));
        Self {
            started: Timestamp::try_from(asked.started)
                .map_or_else(|_| String::new(), |time| format!("{time:.3}")),
            method: asked.method.as_str(),
            path: safe(path),
            protocol: match (&asked.target, asked.version) {
                (None, _) if asked.method == http::Method::CONNECT && asked.authority.is_none() => "TCP",
                (_, Version::HTTP_10) => "HTTP/1.0",
                (_, Version::HTTP_2) => "HTTP/2",
                _ => "HTTP/1.1",
            },
            status: end.status.unwrap_or(0),
            flags: response_flags(start.map(|start| &start.decision), end),
            details: end.error.map_or(Cow::Borrowed(""), |error| Cow::Borrowed(error.code())),
            duration_ms: end.duration.as_millis(),
            forwarded_for: header(&asked.forwarded_for),
            user_agent: header(&asked.user_agent),
            request_id: header(&asked.request_id),
            authority: asked.authority.as_deref().map_or(Cow::Borrowed(""), sanitize_for_terminal),
            upstream: end
                .served_by
                .as_ref()
                .map_or_else(String::new, |endpoint| endpoint.address.to_string()),
            peer: asked.peer.to_string(),
            more: start.map(|start| more(start, end)).unwrap_or_default(),
        }
    }

    fn text(&self, entry: &Entry, out: &mut String) {
        let end = &entry.end;
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { quoted(text) };
        let _infallible = write!(
            out,
            r#"[{}] "{} {} {}" {} {} {} {} {} {} "{}" "{}" "{}" "{}" "{}" {}"#,
            self.started,
            self.method,
            or_dash(&self.path),
            self.protocol,
            self.status,
            self.flags,
            or_dash(&self.details),
            end.request_bytes,
            end.response_bytes,
            self.duration_ms,
            or_dash(&self.forwarded_for),
            or_dash(&self.user_agent),
            or_dash(&self.request_id),
            or_dash(&self.authority),
            or_dash(&self.upstream),
            or_dash(&self.peer),
        );
        for (name, value) in &self.more {
            // As in logfmt, so that a space does not begin the next one.
            let _infallible = match value.contains(' ') {
                true => write!(out, " {name}=\"{}\"", quoted(value)),
                false => write!(out, " {name}={}", quoted(value)),
            };
        }
        out.push('\n');
    }

    fn object(&self, entry: &Entry) -> Map<String, Value> {
        let or_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        let fields = [
            ("start_time", json!(self.started)),
            ("method", json!(self.method)),
            ("path", or_null(&self.path)),
            ("protocol", json!(self.protocol)),
            ("response_code", json!(self.status)),
            ("response_flags", json!(self.flags)),
            ("response_code_details", or_null(&self.details)),
            ("bytes_received", json!(entry.end.request_bytes)),
            ("bytes_sent", json!(entry.end.response_bytes)),
            ("duration", json!(u64::try_from(self.duration_ms).unwrap_or(u64::MAX))),
            ("x_forwarded_for", or_null(&self.forwarded_for)),
            ("user_agent", or_null(&self.user_agent)),
            ("request_id", or_null(&self.request_id)),
            ("authority", or_null(&self.authority)),
            ("upstream_host", or_null(&self.upstream)),
            ("downstream_remote_address", or_null(&self.peer)),
        ];
        let more = self.more.iter().map(|(name, value)| (*name, json!(value)));
        fields.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What Istio has no name for.
fn more(start: &HopStart, end: &HopEnd) -> Vec<(&'static str, String)> {
    let decision = &start.decision;
    let all = [
        ("service", decision.service.as_ref().map(ToString::to_string)),
        ("version", Some(decision.version.to_string()).filter(|_| decision.service.is_some())),
        ("rule", decision.rule.as_deref().map(rule_text)),
        ("reason", Some(decision.reason.code().to_owned())),
        ("key", decision.key.as_ref().map(|key| sanitize_for_terminal(&key.value).into_owned())),
        ("source", start.source.as_ref().map(|source| format!("{}/{}", source.namespace, source.workload))),
        ("grpc_status", end.grpc_status.map(|status| status.to_string())),
        ("trace_id", Some(start.id.trace_id.to_string())),
        ("span_id", Some(start.id.span_id.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `VirtualService/shop/web http[0]`.
fn rule_text(rule: &Rule) -> String {
    let route = rule.route.as_deref().map_or_else(String::new, |route| format!(" {route}"));
    format!("{:?}/{}/{}{}", rule.kind, rule.namespace, rule.name, sanitize_for_terminal(&route))
}

fn safe(text: Cow<'_, str>) -> Cow<'_, str> {
    match sanitize_for_terminal(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(safe) => Cow::Owned(safe),
    }
}

/// Text that a quotation mark does not end.
fn quoted(text: &str) -> String {
    text.replace('"', "\\x22")
}
