//! Screens with what was captured, sent again, and written to logs.

use super::*;
use crate::event::Action;

/// A captured trace that is looked at.
fn exchanging(keys: &str) -> State {
    let mut state = world();
    let trace = exchange();
    state.update(Event::Told(Told::Trace(trace.clone())));
    press(&mut state, "G up enter down down");
    let ask = Ask::Captures(trace.trace_id, Secrets::Hidden);
    state.update(Event::Told(Told::Answered(ask, Ok(captures(&trace)))));
    press(&mut state, keys);
    let mut line = log_line("payments", "level=error card refused");
    line.trace_id = Some(trace.trace_id);
    let lines = serde_json::json!([line, log_line("front", "hello")]);
    state.update(Event::Told(Told::Answered(Ask::LogsOf(trace.trace_id), Ok(lines))));
    state
}

#[test]
fn request_of_a_trace() {
    check_state("request", &mut exchanging("tab tab"));
}

#[test]
fn response_of_a_trace_alone() {
    check_state("response_zoomed", &mut exchanging("tab tab tab z"));
}

#[test]
fn lines_of_a_trace() {
    check_state("trace_logs", &mut exchanging("tab tab tab tab"));
}

#[test]
fn timing_of_a_hop() {
    check_state("timing", &mut exchanging("tab tab tab tab tab"));
}

#[test]
fn a_span_has_its_attributes() {
    check_state("span", &mut exchanging("up w"));
}

#[test]
fn replay() {
    check_state("replay", &mut exchanging("r b down"));
}

#[test]
fn replay_answered() {
    let mut state = exchanging("r b");
    let actions = ["enter", "y"].map(|key| state.update(Event::Key(key.parse().unwrap())));
    let [_, actions] = actions;
    let [Action::Ask(ask)] = &actions[..] else { panic!("{actions:?}") };
    let answer = |version: &str, at: u32| {
        let body = serde_json::json!({"at": at, "by": version}).to_string();
        serde_json::json!({"traceId": "1", "durationUs": 4_000, "response": {"status": 200, "began_us": 1,
            "headers": [{"name": "x-version", "text": version.trim_start_matches(char::is_control)}],
            "body": {"text": body, "n_bytes": body.len(), "has_ended": true}}})
    };
    let request = captures(&exchange())["captures"][0]["request"].clone();
    let results = [answer("v1", 1), answer("v1", 2), answer("\u{1b}[31mpr-421", 3)];
    let answer = serde_json::json!({"request": request, "results": results});
    state.update(Event::Told(Told::Answered(ask.clone(), Ok(answer))));
    check_state("replay_answered", &mut state);
}

#[test]
fn export() {
    check("export", "x");
}

#[test]
fn a_replayed_request_has_its_mark() {
    let mut state = world();
    let again = hop("gw", "front").method("POST").target("/checkout").after(9_000_000).replay_of(2);
    state.update(Event::Told(Told::Trace(trace(14, vec![again]))));
    let text = text_of(&painted(&mut state, (80, 24)));
    assert!(text.contains("↺ /checkout"), "{text}");
    state.is_ascii = true;
    let text = text_of(&painted(&mut state, (80, 24)));
    assert!(text.contains("R /checkout"), "{text}");
}

#[test]
fn logs_of_all() {
    let mut state = world();
    press(&mut state, "6");
    tell_lines(&mut state, &LogSource::All { filter: String::new(), trace: None });
    check_state("logs_all", &mut state);
    press(&mut state, "tab");
    check_state("logs_all_lines", &mut state);
    // What is worse than the rest looks it.
    let buf = painted(&mut state, (120, 30));
    let column = (0..120).rfind(|column| buf[(*column, 4)].symbol() == "l").unwrap();
    assert_eq!(buf[(column, 4)].fg, ratatui::style::Color::Red);
}

#[test]
fn diff_of_answers() {
    let mut state = exchanging("1");
    let a = trace(13, vec![hop("gw", "front").method("POST").target("/checkout").captured()]);
    state.update(Event::Told(Told::Trace(a.clone())));
    press(&mut state, "d");
    let ask = Ask::Captures(a.trace_id, Secrets::Hidden);
    state.update(Event::Told(Told::Answered(ask, Ok(captures(&a)))));
    check_state("diff_answers", &mut state);
    press(&mut state, "b");
    check_state("diff_bodies", &mut state);
}
