//! Keys and news, and what becomes of them.

use serde_json::json;

use super::cursor::Rows;
use super::*;
use crate::event::{LogSource, Told};
use crate::made::{at, hop, trace, world};

/// Presses keys by their names.
fn press(state: &mut State, keys: &str) -> Vec<Action> {
    let mut all = Vec::new();
    for key in keys.split_whitespace() {
        all.extend(state.update(Event::Key(key.parse().unwrap())));
    }
    all
}

fn type_text(state: &mut State, text: &str) {
    text.chars().for_each(|character| drop(state.update(Event::Key(Key::Char(character)))));
}

fn tell(state: &mut State, told: Told) {
    state.update(Event::Told(told));
}

fn come(state: &mut State, id: u32) {
    tell(state, Told::Trace(trace(id, vec![hop("gw", "front")])));
}

fn selected(state: &State) -> String {
    state.live.id(state.listed()).unwrap().to_string()
}

#[test]
fn a_pause_stops_the_view_and_counts_what_comes() {
    let mut state = world();
    let before = state.listed().n_rows();
    press(&mut state, "space");
    come(&mut state, 20);
    come(&mut state, 21);
    // A trace that is told again is not a new one.
    come(&mut state, 21);
    assert_eq!((state.listed().n_rows(), state.paused.as_ref().unwrap().n_arrived), (before, 2));
    press(&mut state, "space");
    assert_eq!((state.listed().n_rows(), state.paused.is_none()), (before + 2, true));
}

#[test]
fn the_selection_stays_when_rows_come() {
    let mut state = world();
    press(&mut state, "up up");
    let before = selected(&state);
    (20..40).for_each(|id| come(&mut state, id));
    assert_eq!(selected(&state), before);
    press(&mut state, "G");
    come(&mut state, 50);
    // The one in flight is last.
    assert_eq!(selected(&state), trace(9, vec![]).trace_id.to_string());
    tell(&mut state, Told::InFlight(Vec::new()));
    assert_eq!(selected(&state), trace(50, vec![]).trace_id.to_string());
}

#[test]
fn a_filter_holds_while_it_is_typed_and_esc_takes_it_back() {
    let mut state = world();
    press(&mut state, "/");
    type_text(&mut state, "checkout q");
    assert_eq!(state.counts(), (0, 5));
    press(&mut state, "backspace backspace");
    assert_eq!((state.counts(), state.filter.text.as_str()), ((1, 5), "checkout"));
    press(&mut state, "enter /");
    type_text(&mut state, "xyz");
    press(&mut state, "esc");
    assert_eq!((state.counts(), state.filter.text.as_str()), ((1, 5), "checkout"));
    // `q` is a key again.
    assert_eq!(press(&mut state, "X q"), [Action::Quit]);
    assert_eq!(state.counts(), (5, 5));
}

#[test]
fn a_paused_view_is_filtered_too() {
    let mut state = world();
    press(&mut state, "space /");
    type_text(&mut state, "checkout");
    assert_eq!(state.listed().n_rows(), 1);
}

#[test]
fn a_trace_is_opened_and_left_again() {
    let mut state = world();
    press(&mut state, "g down enter");
    assert_eq!((state.screen, state.trace.hop().unwrap().name()), (Screen::Trace, "front"));
    press(&mut state, "down down");
    assert_eq!(state.trace.hop().unwrap().name(), "inventory");
    press(&mut state, "]");
    assert_eq!(state.trace.hop().unwrap().start.target.as_ref().unwrap().path(), "/cart/日本語の長い名前");
    press(&mut state, "[ [");
    assert_eq!(state.trace.waterfall.n_rows(), 2);
    press(&mut state, "esc");
    assert_eq!((state.screen, selected(&state)), (Screen::Live, trace(1, vec![]).trace_id.to_string()));
}

#[test]
fn an_opened_trace_outlives_the_list() {
    let mut state = world();
    press(&mut state, "g enter");
    (100..6_000).for_each(|id| come(&mut state, id));
    assert_eq!(state.trace.waterfall.n_rows(), 2);
    assert!(state.listed().get(&trace(1, vec![]).trace_id).is_none());
}

#[test]
fn why_opens_the_reasons() {
    let mut state = world();
    press(&mut state, "g w");
    assert_eq!((state.screen, state.trace.pane), (Screen::Trace, trace_view::TracePane::Why));
    press(&mut state, "w");
    assert_eq!(state.trace.pane, trace_view::TracePane::Waterfall);
}

#[test]
fn a_kind_is_watched_from_the_first_visit_on_and_once() {
    let mut state = world();
    assert_eq!(press(&mut state, "4"), [Action::Watch(Watched::Sandboxes)]);
    assert_eq!(press(&mut state, "1 4"), []);
    assert_eq!(press(&mut state, "8 6"), [Action::Watch(Watched::Events), Action::Watch(Watched::Pods)]);
}

#[test]
fn k_copies_a_curl_with_the_key() {
    let mut state = world();
    press(&mut state, "4");
    let curl = "curl -H 'spur-key: pr-421' http://payments.shop.localhost:8080/".to_owned();
    assert_eq!(press(&mut state, "k"), [Action::Copy(curl.clone())]);
    let Some(Overlay::Note(note)) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!(note.lines, [curl]);
    press(&mut state, "esc down down k");
    assert_eq!((state.overlay, state.notice.as_deref()), (None, Some("qa-all has no key yet")));
}

#[test]
fn f_shows_the_requests_of_a_sandbox() {
    let mut state = world();
    press(&mut state, "4 f");
    assert_eq!((state.screen, state.counts()), (Screen::Live, (1, 5)));
}

#[test]
fn the_log_of_a_pod_is_followed_container_by_container() {
    let mut state = world();
    press(&mut state, "6");
    let source = |container: &str| LogSource {
        namespace: "shop".to_owned(),
        pod: "front-1".to_owned(),
        container: container.to_owned(),
    };
    assert_eq!(press(&mut state, "enter"), [Action::FollowLog(source("main"))]);
    tell(&mut state, Told::LogLine(source("main"), "one".to_owned()));
    tell(&mut state, Told::LogLine(source("side"), "not ours".to_owned()));
    tell(&mut state, Told::LogEnded(source("main"), "(over)".to_owned()));
    assert_eq!((state.log.n_rows(), state.log.row(0)), (1, Some("one")));
    assert_eq!(state.log.ended.as_deref(), Some("(over)"));
    assert_eq!(press(&mut state, "enter"), [Action::FollowLog(source("side"))]);
    assert_eq!(state.log.n_rows(), 0);
    tell(&mut state, Told::LogLine(source("main"), "late".to_owned()));
    assert_eq!(state.log.n_rows(), 0);
}

#[test]
fn an_edge_filters_the_requests() {
    let mut state = world();
    press(&mut state, "3");
    let edges: Vec<_> = state.topology.edges.iter().map(|edge| edge.id.to.clone()).collect();
    assert_eq!(edges, ["inventory", "payments (pr-421)", "catalog", "checkout (pr-421)", "front",]);
    press(&mut state, "down enter");
    assert_eq!((state.filter.text.as_str(), state.counts()), ("payments pr-421", (1, 5)));
}

#[test]
fn the_palette_runs_what_was_found() {
    let mut state = world();
    press(&mut state, ":");
    type_text(&mut state, "quit");
    assert_eq!(press(&mut state, "enter"), [Action::Quit]);
    assert_eq!(state.overlay, None);
    press(&mut state, ": esc ? q");
    assert_eq!(state.overlay, None);
}

#[test]
fn ctrl_c_quits_from_everywhere() {
    for before in ["", "?", ":", "/", "4", "4 k"] {
        let mut state = world();
        press(&mut state, before);
        assert_eq!(press(&mut state, "ctrl-c"), [Action::Quit], "{before}");
    }
}

#[test]
fn what_changes_nothing_wants_no_frame() {
    let mut state = world();
    state.update(Event::Told(Told::InFlight(Vec::new())));
    state.update(Event::Size(80, 24));
    // The figures of these ten seconds are over.
    state.update(Event::Time(at(60)));
    assert!(state.take_dirty());
    state.update(Event::Time(at(61)));
    state.update(Event::Size(80, 24));
    state.update(Event::Told(Told::InFlight(Vec::new())));
    state.update(Event::Told(Told::Connected));
    state.update(Event::Told(Told::There(Watched::Events, json!({"metadata": {"uid": "x"}}))));
    assert!(!state.take_dirty());
    state.update(Event::Key(Key::Char('j')));
    assert!(state.take_dirty());
}

#[test]
fn without_colours_the_theme_stays() {
    let mut state = State::new(String::new(), ThemeName::Mono, at(0));
    press(&mut state, "T");
    assert_eq!(state.theme, ThemeName::Mono);
    let mut state = world();
    press(&mut state, "T");
    assert_eq!(state.theme, ThemeName::Light);
}

#[test]
fn a_paste_is_a_line_of_the_filter_or_nothing() {
    let mut state = world();
    state.update(Event::Pasted("q".to_owned()));
    assert_eq!(state.filter.text, "");
    press(&mut state, "/");
    state.update(Event::Pasted("check\x1bout\nq".to_owned()));
    assert_eq!(state.filter.text, "checkout");
}
