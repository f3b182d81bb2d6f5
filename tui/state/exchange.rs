//! What a hop's client sent and got, as lines: heads, bodies, lines of logs, times.
//!
//! Texts come from requests and are cleaned where they are drawn.

use http::HeaderMap;
use spur_trace::{Capture, CapturedBody, Hop, InTrace, LogLine, Trace, short_duration};

use super::State;
use super::captures::{OfHop, TraceLogs};
use super::indented::indented;
use super::trace_view::Tab;
use super::waterfall::Row;
use super::why::Weight;
use crate::event::Secrets;

/// Longer lines are broken, so that every part of them is reached by going down.
const LINE_MAX_CHARS: usize = 240;

/// What the server puts in the place of a secret.
const REDACTED: &str = "REDACTED";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) weight: Weight,
}

// === impl State ===

impl State {
    /// What the pane of the exchange shows of the chosen hop.
    pub(crate) fn exchange(&self) -> Vec<Said> {
        let view = &self.trace;
        let Some(trace) = &view.trace else { return Vec::new() };
        let hop = view.hop();
        let found = hop.map(|hop| self.captures.of_hop(hop, view.secrets));
        let (Some(hop), Some(row), Some(found)) = (hop, view.hop_row(), found) else {
            return match view.tab {
                Tab::Logs => logs(trace, None, self.lines_of_trace()),
                Tab::Request | Tab::Response | Tab::Timing => vec![dim("no request led to this span")],
            };
        };
        match view.tab {
            Tab::Request => request(found, view.secrets),
            Tab::Response => response(hop, found, view.secrets),
            Tab::Logs => logs(trace, Some(hop), self.lines_of_trace()),
            Tab::Timing => timing(trace, hop, row, found),
        }
    }
}

/// What the hop's client sent.
pub(crate) fn request(found: OfHop<'_>, secrets: Secrets) -> Vec<Said> {
    let capture = match there(found) {
        Ok(capture) => capture,
        Err(why) => return why,
    };
    let request = &capture.request;
    let mut lines = vec![plain(format!("{} {} {:?}", request.method, request.target, request.http_version))];
    if let Some(authority) = &request.authority
        && !request.headers.contains_key(http::header::HOST)
    {
        lines.push(plain(format!("host: {authority}")));
    }
    headers(&request.headers, secrets, &mut lines);
    body(&request.body, &mut lines);
    lines
}

/// What it got.
pub(crate) fn response(hop: &Hop, found: OfHop<'_>, secrets: Secrets) -> Vec<Said> {
    let capture = match there(found) {
        Ok(capture) => capture,
        Err(why) => return why,
    };
    let Some(response) = &capture.response else {
        let what = if hop.is_open() { "no response yet" } else { "it got no response" };
        let error = hop.end.as_ref().and_then(|end| end.error);
        let why = error.map_or_else(String::new, |error| format!(": {}", error.code()));
        return vec![Said { text: format!("{what}{why}"), weight: Weight::Warning }];
    };
    let weight = if hop.is_failed() { Weight::Failure } else { Weight::Plain };
    let reason = http::StatusCode::from_u16(response.status).ok().and_then(|s| s.canonical_reason());
    let status = format!("{} {}", response.status, reason.unwrap_or_default());
    let mut lines = vec![Said { text: status.trim_end().to_owned(), weight }];
    headers(&response.headers, secrets, &mut lines);
    body(&response.body, &mut lines);
    if !response.trailers.is_empty() {
        lines.push(dim("trailers"));
        headers(&response.trailers, secrets, &mut lines);
    }
    lines
}

/// The lines of a trace; those of others than the hop's pod stand back.
pub(crate) fn logs(trace: &Trace, hop: Option<&Hop>, known: Option<&TraceLogs>) -> Vec<Said> {
    let lines = match known.map(|known| &known.found) {
        None => return vec![dim("asking the server")],
        Some(Err(why)) => return vec![Said { text: why.clone(), weight: Weight::Warning }],
        Some(Ok(lines)) if lines.is_empty() => {
            return vec![
                dim("no line names this trace, or was written by its pods meanwhile"),
                dim("hint: l follows the logs of this trace"),
            ];
        }
        Some(Ok(lines)) => lines,
    };
    let pod = hop.and_then(Hop::endpoint).map(|endpoint| &endpoint.pod);
    let mut said = Vec::new();
    for line in lines {
        let is_of_hop = pod.is_none() || line.pod.as_deref() == pod.map(|pod| &**pod);
        let weight = if is_of_hop { level(line) } else { Weight::Dim };
        // What a clock says alone may be another request's.
        let doubt = if line.in_trace(trace) == Some(InTrace::ByTime) { "~ " } else { "" };
        let text = format!("{doubt}{} {}", line.service, line.message);
        said.extend(broken(&text).map(|text| Said { text, weight }));
    }
    said
}

/// How much attention a line asks for by its level.
pub(crate) fn level(line: &LogLine) -> Weight {
    match line.severity.word() {
        "error" | "fatal" => Weight::Failure,
        "warn" => Weight::Warning,
        "debug" | "trace" => Weight::Dim,
        _ => Weight::Plain,
    }
}

/// When what happened, from the trace's start and from the hop's.
pub(crate) fn timing(trace: &Trace, hop: &Hop, row: &Row, found: OfHop<'_>) -> Vec<Said> {
    let mut lines = Vec::new();
    let mut say = |what: &str, time, how: &str| {
        lines.push(plain(format!("{what:<9}{:>8}  {how}", short_duration(time)).trim_end().to_owned()));
    };
    say("begins", row.starts, "after the trace");
    if let OfHop::There(Capture { request, response, .. }) = found {
        if let Some(ended) = request.ended {
            say("sent", ended, "until the request's body had come");
        }
        if let Some(response) = response {
            say("answered", response.began, "until the response's head");
            say("body", row.total.saturating_sub(response.began), "from there to its end");
        }
    }
    say("took", row.total, if hop.is_open() { "so far" } else { "" });
    say("own", row.own, "of it in no call of its own");
    let n_calls = trace.hops.iter().filter(|other| other.parent == Some(hop.start.id.span_id)).count();
    lines.push(plain(format!("calls    {n_calls:>8}")));
    if let Some(end) = &hop.end {
        lines.push(plain(format!("bytes    {:>8}  in, {} out", end.request_bytes, end.response_bytes)));
    }
    lines
}

fn there(found: OfHop<'_>) -> Result<&Capture, Vec<Said>> {
    Err(match found {
        OfHop::There(capture) => return Ok(capture),
        OfHop::NotCaptured => vec![
            dim("not captured: requests with a key are"),
            dim("hint: `spur up --capture all` captures each"),
        ],
        OfHop::Dropped => vec![dim("what was captured had to make room for newer requests")],
        OfHop::Asked => vec![dim("asking the server")],
        OfHop::Failed(why) => vec![Said { text: why.to_owned(), weight: Weight::Warning }],
    })
}

fn headers(headers: &HeaderMap, secrets: Secrets, lines: &mut Vec<Said>) {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if secrets == Secrets::Hidden && value.contains(REDACTED) {
            let value = value.replace(REDACTED, "••••");
            lines.extend(broken(&format!("{name}: {value} (redacted, R shows it)")).map(dim));
            continue;
        }
        lines.extend(broken(&format!("{name}: {value}")).map(plain));
    }
}

fn body(body: &CapturedBody, lines: &mut Vec<Said>) {
    if body.n_bytes == 0 {
        if !body.has_ended {
            lines.push(dim("(its body did not come to an end)"));
        }
        return;
    }
    lines.push(plain(""));
    if body.is_cut() {
        let (kept, n_bytes) = (size(body.bytes.len() as u64), size(body.n_bytes));
        let text = format!("⚠ body cut at {kept} of {n_bytes}");
        lines.push(Said { text, weight: Weight::Warning });
    } else if !body.has_ended {
        lines.push(Said { text: "⚠ the body did not come to its end".into(), weight: Weight::Warning });
    }
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => match indented(text) {
            Some(pretty) => lines.extend(pretty.iter().flat_map(|line| broken(line)).map(plain)),
            None => lines.extend(text.lines().flat_map(broken).map(plain)),
        },
        // A character may be cut in two at the end.
        Err(error) if body.is_cut() && error.error_len().is_none() => {
            let text = String::from_utf8_lossy(&body.bytes[..error.valid_up_to()]);
            lines.extend(text.lines().flat_map(broken).map(plain));
        }
        Err(_) => lines.push(dim(format!("({} bytes that are no text)", body.n_bytes))),
    }
}

/// `64 KiB`, `812 bytes`.
fn size(n_bytes: u64) -> String {
    if n_bytes >= 1 << 10 { format!("{} KiB", n_bytes >> 10) } else { format!("{n_bytes} bytes") }
}

/// A text in lines that are short enough.
fn broken(text: &str) -> impl Iterator<Item = String> + use<> {
    let mut rest = text.to_owned();
    let mut is_first = true;
    std::iter::from_fn(move || {
        if rest.is_empty() && !is_first {
            return None;
        }
        is_first = false;
        let end = rest.char_indices().nth(LINE_MAX_CHARS).map_or(rest.len(), |(at, _)| at);
        let after = rest.split_off(end);
        Some(std::mem::replace(&mut rest, after))
    })
}

fn plain(text: impl Into<String>) -> Said {
    Said { text: text.into(), weight: Weight::Plain }
}

fn dim(text: impl Into<String>) -> Said {
    Said { text: text.into(), weight: Weight::Dim }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{captures, hop, trace};

    fn texts(lines: &[Said]) -> String {
        lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_request_is_its_head_and_its_body() {
        let trace = trace(1, vec![hop("gw", "pay").method("POST").target("/charge").key("k").captured()]);
        let answer = captures(&trace);
        let found: Vec<Capture> = serde_json::from_value(answer["captures"].clone()).unwrap();
        insta::assert_snapshot!(texts(&request(OfHop::There(&found[0]), Secrets::Hidden)), @r#"
        POST /charge HTTP/1.1
        host: payments.shop
        content-type: application/json
        authorization: •••• (redacted, R shows it)

        {
          "order": 42,
          "amount": 19.90
        }
        "#);
        insta::assert_snapshot!(texts(&response(&trace.hops[0], OfHop::There(&found[0]), Secrets::Hidden)), @r#"
        200 OK
        x-version: k

        ⚠ body cut at 10 bytes of 97 KiB
        {
          "by": "k"
        }
        "#);
    }

    #[test]
    fn what_is_not_there_says_why() {
        let told = texts(&request(OfHop::NotCaptured, Secrets::Hidden));
        assert!(told.contains("`spur up --capture all`"), "{told}");
        assert!(texts(&request(OfHop::Dropped, Secrets::Hidden)).contains("make room"));
        assert_eq!(texts(&request(OfHop::Failed("gone"), Secrets::Hidden)), "gone");
    }

    #[test]
    fn long_lines_and_strange_bytes_are_survived() {
        let mut lines = Vec::new();
        let bytes = CapturedBody { bytes: vec![0xff, 0], n_bytes: 2, has_ended: true };
        body(&bytes, &mut lines);
        assert_eq!(texts(&lines), "\n(2 bytes that are no text)");
        assert_eq!(broken(&"é".repeat(LINE_MAX_CHARS + 1)).count(), 2);
        assert_eq!(broken("").count(), 1);
    }
}
