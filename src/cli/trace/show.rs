//! `spur trace show`: one request, hop by hop, with what was said.

use std::borrow::Cow;

use anyhow::Result;
use http::HeaderMap;
use serde_json::json;
use spur_trace::{
    Capture, CapturedBody, Hop, Trace, sanitize::sanitize_bytes_for_terminal, sanitize_for_terminal,
    short_duration,
};

use super::{find, line};
use crate::args::TraceShowArgs;
use crate::client::Client;
use crate::console::{Console, Paint};
use crate::error::Exit;
use crate::render;

/// Lines of a body that are shown: two screens. All of it is in `-o json`.
const BODY_MAX_LINES: usize = 60;

/// Characters of a line that are shown.
const LINE_MAX_CHARS: usize = 500;

/// Runs `spur trace show`.
pub(super) async fn run(args: &TraceShowArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let TraceShowArgs { trace, reveal, output } = args;
    let trace = find::trace(client, trace).await?;
    let captured = find::captures_value(client, &trace, *reveal).await?;
    if let Some(format) = output {
        let mut value = json!(trace);
        value["captures"] = captured["captures"].clone();
        console.bytes(render::structured(*format, &value).as_bytes())?;
        return Ok(Exit::Success);
    }
    let captured: find::Captures = serde_json::from_value(captured)?;
    let paint = console.data_paint();
    console.line(&line::of(&trace, paint))?;
    console.line(&format!("trace {}{}", trace.trace_id, noted(&trace)))?;
    for hop in &trace.hops {
        let capture = captured.captures.iter().find(|capture| capture.id == hop.start.id);
        for line in hop_lines(&trace, hop, capture, paint) {
            console.line(&line)?;
        }
    }
    if captured.n_dropped > 0 {
        console.talk(&format!("(the heads and bodies of {} hops had to make room)", captured.n_dropped));
    }
    Ok(Exit::Success)
}

fn noted(trace: &Trace) -> String {
    let key = trace.key.as_ref().map(|key| format!("  key {}", sanitize_for_terminal(key)));
    let mark = trace.mark.as_ref().map(|mark| format!("  mark {}", sanitize_for_terminal(mark)));
    key.into_iter().chain(mark).collect()
}

fn hop_lines(trace: &Trace, hop: &Hop, capture: Option<&Capture>, paint: Paint) -> Vec<String> {
    let decision = &hop.start.decision;
    let end = hop.end.as_deref();
    let status = end.and_then(|end| end.status).map_or_else(|| "-".to_owned(), |status| status.to_string());
    let took = end.map_or_else(|| "…".to_owned(), |end| short_duration(end.duration));
    let after = hop.start.started.duration_since(trace.started).unwrap_or_default();
    let names = format!("{} → {}", sanitize_for_terminal(hop.caller()), sanitize_for_terminal(hop.name()));
    let target = hop.start.target.as_ref().map_or("", |target| target.as_str());
    let asked = format!("{} {}", hop.start.method, sanitize_for_terminal(target));
    let mut lines = vec![
        String::new(),
        format!("{}  {asked}  {status}  {took}  +{}", paint.bold(names), short_duration(after)),
    ];
    let version = decision.version.to_string();
    let version = if hop.is_forked() { paint.fork(version) } else { version };
    let error = end.and_then(|end| end.error).map(|error| format!(", {}", paint.red(error.code())));
    lines.push(format!("  why   {version}: {}{}", decision.reason.code(), error.unwrap_or_default()));
    let rule =
        decision.rule.as_ref().map(|rule| ("rule", sanitize_for_terminal(&rule.to_string()).into_owned()));
    let key = decision
        .key
        .as_ref()
        .map(|key| ("key", format!("{} from {}", sanitize_for_terminal(&key.value), key.carrier.words())));
    let lost = hop.lost_key.as_ref().map(|key| ("lost", paint.yellow(sanitize_for_terminal(key))));
    let pod = hop.endpoint().map(|endpoint| ("pod", format!("{} {}", endpoint.pod, endpoint.address)));
    for (name, value) in [rule, key, lost, pod].into_iter().flatten() {
        lines.push(format!("  {name:<5} {value}"));
    }
    if let Some(capture) = capture {
        lines.extend(said(capture, paint));
    }
    lines
}

/// The heads and bodies, as curl shows them.
fn said(capture: &Capture, paint: Paint) -> Vec<String> {
    let request = &capture.request;
    let first = format!(
        "> {} {} {:?}",
        request.method,
        sanitize_for_terminal(request.target.as_str()),
        request.http_version
    );
    let host = request.authority.iter().map(|host| format!("> host: {}", sanitize_for_terminal(host)));
    let mut lines: Vec<String> =
        std::iter::once(first).chain(host).chain(fields(&request.headers, '>')).collect();
    lines.extend(body(&request.body));
    if let Some(response) = &capture.response {
        lines.push(format!("< {}", response.status));
        lines.extend(fields(&response.headers, '<'));
        lines.extend(body(&response.body));
        lines.extend(fields(&response.trailers, '<'));
    }
    lines.into_iter().map(|line| format!("  {}", paint.dim(line))).collect()
}

fn fields(headers: &HeaderMap, way: char) -> impl Iterator<Item = String> {
    headers
        .iter()
        .map(move |(name, value)| format!("{way} {name}: {}", sanitize_bytes_for_terminal(value.as_bytes())))
}

fn body(body: &CapturedBody) -> Vec<String> {
    if body.n_bytes == 0 {
        return Vec::new();
    }
    // gRPC's frames are often UTF-8 by chance.
    let is_text = |text: &&str| !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    let Some(text) = std::str::from_utf8(&body.bytes).ok().filter(is_text) else {
        return vec![format!("({} bytes that are no text)", body.n_bytes)];
    };
    let shown = text.lines().take(BODY_MAX_LINES).map(|line| {
        let end = line.char_indices().nth(LINE_MAX_CHARS).map(|(end, _)| end);
        let cut = end.map_or(Cow::Borrowed(line), |end| Cow::Owned(format!("{}…", &line[..end])));
        sanitize_for_terminal(&cut).into_owned()
    });
    let mut lines: Vec<String> = shown.collect();
    let n_more = text.lines().count().saturating_sub(BODY_MAX_LINES);
    if n_more > 0 {
        lines.push(format!("({n_more} more lines: -o json has them)"));
    }
    if body.is_cut() {
        lines.push(format!("(the first {} of {} bytes)", body.bytes.len(), body.n_bytes));
    }
    lines
}
