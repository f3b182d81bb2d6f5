//! What was captured: asked for, shown, copied, sent again, exported, compared.

use super::*;
use crate::event::{ExportFormat, Secrets};
use crate::made::{captures, exchange};

/// A trace that was captured is opened, and what the server says of it is there.
fn exchanging() -> (State, Arc<Trace>) {
    let mut state = world();
    let trace = exchange();
    tell(&mut state, Told::Trace(trace.clone()));
    let ask = Ask::Captures(trace.trace_id, Secrets::Hidden);
    press(&mut state, "G up");
    assert_eq!(press(&mut state, "enter"), [Action::Ask(ask.clone())]);
    tell(&mut state, Told::Answered(ask, Ok(captures(&trace))));
    (state, trace)
}

fn said(state: &State) -> String {
    state.exchange().iter().map(|line| format!("{}\n", line.text)).collect()
}

#[test]
fn what_was_captured_is_asked_for_and_secrets_when_they_are_wanted() {
    let (mut state, trace) = exchanging();
    assert!(said(&state).contains("authorization: •••• (redacted, R shows it)"), "{}", said(&state));
    let ask = Ask::Captures(trace.trace_id, Secrets::Told);
    assert_eq!(press(&mut state, "R"), [Action::Ask(ask.clone())]);
    let text = captures(&trace).to_string().replace("REDACTED", "Bearer s3cret");
    tell(&mut state, Told::Answered(ask, Ok(serde_json::from_str(&text).unwrap())));
    assert!(said(&state).contains("authorization: Bearer s3cret"), "{}", said(&state));
    // They are gone at once, and other traces are asked for without them.
    let hidden = Ask::Captures(trace.trace_id, Secrets::Hidden);
    assert_eq!(press(&mut state, "R"), [Action::Ask(hidden.clone())]);
    assert_eq!(said(&state), "asking the server\n");
    // An answer that comes late does not show them.
    let late = Ask::Captures(trace.trace_id, Secrets::Told);
    tell(&mut state, Told::Answered(late, Ok(serde_json::from_str(&text).unwrap())));
    assert_eq!(said(&state), "asking the server\n");
    tell(&mut state, Told::Answered(hidden, Err("gone".to_owned())));
    assert_eq!(said(&state), "gone\n");
    // It is not asked over and over, but again when it is opened again.
    assert_eq!(press(&mut state, "tab"), []);
    assert_eq!(press(&mut state, "1 enter").len(), 1);
}

#[test]
fn lines_of_the_trace_are_asked_for_when_they_are_looked_at() {
    let (mut state, trace) = exchanging();
    let ask = Ask::LogsOf(trace.trace_id);
    assert_eq!(press(&mut state, "tab tab tab tab"), [Action::Ask(ask.clone())]);
    let lines = json!([log_line("payments", "level=error refused"), log_line("front", "hello")]);
    tell(&mut state, Told::Answered(ask, Ok(lines)));
    assert_eq!(said(&state), "payments level=error refused\nfront hello\n");
    // A line that names no trace belongs to it by its time.
    assert_eq!(press(&mut state, "up"), []);
}

#[test]
fn a_request_is_copied_as_commands_and_its_body() {
    let (mut state, trace) = exchanging();
    let [Action::Copy(curl)] = &press(&mut state, "y c")[..] else { panic!() };
    assert!(curl.starts_with("curl ") && curl.contains("'http://127.0.0.1:8080/checkout'"), "{curl}");
    assert!(state.notice.as_ref().unwrap().contains("R on the trace shows it"), "{:?}", state.notice);
    let [Action::Copy(httpie)] = &press(&mut state, "y h")[..] else { panic!() };
    assert!(httpie.starts_with("http ") && httpie.contains("'authorization:REDACTED'"), "{httpie}");
    let body = r#"{"order":42,"amount":19.90}"#.to_owned();
    assert_eq!(press(&mut state, "y b"), [Action::Copy(body)]);
    // In the list the menu asks for what is not known yet.
    press(&mut state, "1 g y b");
    assert!(state.notice.as_ref().unwrap().contains("--capture all"), "{:?}", state.notice);
    press(&mut state, "G up");
    state.captures.forget(trace.trace_id);
    let ask = Ask::Captures(trace.trace_id, Secrets::Hidden);
    assert_eq!(press(&mut state, "y"), [Action::Ask(ask)]);
    press(&mut state, "b");
    assert!(state.notice.as_ref().unwrap().contains("once more"), "{:?}", state.notice);
}

fn replayed(bodies: &[&str]) -> Value {
    let results = bodies.iter().map(|body| {
        json!({"traceId": "1", "durationUs": 4_000, "response": {"status": 200, "began_us": 1, "headers": [],
            "body": {"text": body, "n_bytes": body.len(), "has_ended": true}}})
    });
    json!({
        "request": captures(&exchange())["captures"][0]["request"],
        "results": results.collect::<Vec<_>>(),
    })
}

#[test]
fn a_request_is_sent_again_once_it_is_confirmed_and_its_answers_are_compared() {
    let (mut state, trace) = exchanging();
    // Keys of sandboxes are offered, those that come later too.
    assert_eq!(press(&mut state, "r"), [Action::Watch(Watched::Sandboxes)]);
    let Some(Overlay::Replay(replay)) = &state.overlay else { panic!() };
    let choices: Vec<String> = replay.choices().into_iter().map(|choice| choice.text).collect();
    assert_eq!(
        choices[..4],
        ["as it was", "to the baseline, without a key", "with key pr-421", "with key k2j5x8q1m4t7"]
    );
    // The method may change something.
    assert_eq!(press(&mut state, "b enter n"), []);
    let [Action::Ask(Ask::Replay(asked))] = &press(&mut state, "enter y")[..] else { panic!() };
    let sent: Value = serde_json::from_str(asked).unwrap();
    assert_eq!(sent["targets"], json!(["baseline", "baseline", {"key": "pr-421"}]));
    assert_eq!(sent["spanId"], json!(trace.hops[0].start.id.span_id.to_string()));
    let answer = replayed(&[r#"{"at":1,"sum":3}"#, r#"{"at":2,"sum":3}"#, r#"{"at":3,"sum":4}"#]);
    tell(&mut state, Told::Answered(Ask::Replay(asked.clone()), Ok(answer)));
    let Some(Overlay::Replay(replay)) = &state.overlay else { panic!() };
    let replay::Stage::Answered(lines, 0) = &replay.stage else { panic!("{:?}", replay.stage) };
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "↺ baseline  200     4.0ms  16 bytes",
            "↺ pr-421    200     4.0ms  16 bytes",
            "baseline and pr-421: 1 difference (1 that differ each time left out)",
            "  body .sum: 3 → 4",
        ]
    );
    press(&mut state, "esc");
    assert_eq!(state.overlay, None);
}

#[test]
fn what_was_not_captured_is_not_sent_and_nothing_is_sent_without_a_server() {
    let mut state = world();
    press(&mut state, "g r");
    assert_eq!(state.overlay, None);
    assert!(state.notice.as_ref().unwrap().contains("not captured"), "{:?}", state.notice);
    let (mut state, _) = exchanging();
    tell(&mut state, Told::Disconnected("gone".to_owned()));
    assert_eq!(press(&mut state, "r enter y"), [Action::Watch(Watched::Sandboxes)]);
    assert!(state.notice.as_ref().unwrap().contains("cannot be sent"), "{:?}", state.notice);
    // A dry run needs no confirmation, and asks no target twice.
    tell(&mut state, Told::Connected);
    let [Action::Ask(Ask::Replay(asked))] =
        &press(&mut state, "b G down down down down down space enter")[..]
    else {
        panic!("{:?}", state.overlay)
    };
    let sent: Value = serde_json::from_str(asked).unwrap();
    assert_eq!((sent["isDryRun"].as_bool(), sent["targets"].as_array().map(Vec::len)), (Some(true), Some(2)));
}

#[test]
fn what_is_shown_is_exported_under_a_name() {
    let mut state = world();
    press(&mut state, "/");
    type_text(&mut state, "path:/cart");
    press(&mut state, "enter x");
    let Some(Overlay::Export(exporting)) = &state.overlay else { panic!() };
    assert_eq!((exporting.line.text(), exporting.n_traces), ("spur-20261120-120410.har", 1));
    let [Action::Export(export)] = &press(&mut state, "tab enter")[..] else { panic!() };
    assert_eq!(
        (export.path.as_str(), export.format),
        ("spur-20261120-120410.jsonl", ExportFormat::JsonLines)
    );
    assert_eq!((export.traces.len(), export.secrets), (1, Secrets::Hidden));
    // Of an opened trace, as it is shown.
    let (mut state, _) = exchanging();
    press(&mut state, "R x");
    let [Action::Export(export)] = &press(&mut state, "enter")[..] else { panic!() };
    assert_eq!((export.traces.len(), export.secrets), (1, Secrets::Told));
}

#[test]
fn a_mark_is_told_to_the_server() {
    let mut state = world();
    let id = trace(1, vec![]).trace_id;
    assert_eq!(press(&mut state, "g m"), [Action::Ask(Ask::Mark(id))]);
    assert_eq!(press(&mut state, "m"), [Action::Ask(Ask::Unmark(id))]);
    tell(&mut state, Told::Answered(Ask::Mark(id), Err("trace is not there".to_owned())));
    assert_eq!(state.notice.as_deref(), Some("marked here alone: trace is not there"));
}

#[test]
fn answers_of_compared_calls_are_compared_too() {
    let (mut state, b) = exchanging();
    let a = trace(13, vec![hop("gw", "front").method("POST").target("/checkout").captured()]);
    tell(&mut state, Told::Trace(a.clone()));
    let asks = press(&mut state, "1 d");
    assert_eq!(asks, [Action::Ask(Ask::Captures(a.trace_id, Secrets::Hidden))], "{:?}", state.notice);
    assert_eq!(state.answers_compared(), Err("asking for the answers".to_owned()));
    tell(&mut state, Told::Answered(Ask::Captures(a.trace_id, Secrets::Hidden), Ok(captures(&a))));
    assert_eq!(state.diff.as_ref().map(|view| view.b.trace_id), Some(b.trace_id));
    press(&mut state, "b");
    let Some(Overlay::Note(note)) = &state.overlay else { panic!("{:?}", state.notice) };
    assert_eq!(note.lines[..2], ["status: 200 → 503", "header x-version: v1 → pr-421"]);
}
