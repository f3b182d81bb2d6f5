//! Keys and news, and what becomes of them.

mod exchange;

use serde_json::json;

use super::cursor::Rows;
use super::*;
use crate::event::{Hit, LogSource, Put, Refusal, Told, Turn};
use crate::made::{at, explanation, hop, log_line, trace, virtual_service, world};

/// Presses keys by their names.
fn press(state: &mut State, keys: &str) -> Vec<Action> {
    let mut all = Vec::new();
    for key in keys.split_whitespace() {
        all.extend(state.update(Event::Key(key.parse().unwrap())));
        state.filter_on(&mut || false);
    }
    all
}

fn type_text(state: &mut State, text: &str) {
    text.chars().for_each(|character| drop(state.update(Event::Key(Key::Char(character)))));
    state.filter_on(&mut || false);
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
    assert_eq!((state.counts(), state.filter().text()), ((1, 5), "checkout"));
    press(&mut state, "enter /");
    type_text(&mut state, "xyz");
    press(&mut state, "esc");
    assert_eq!((state.counts(), state.filter().text()), ((1, 5), "checkout"));
    // `q` is a key again.
    assert_eq!(press(&mut state, "X q"), [Action::Subscribe(String::new()), Action::Quit]);
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
    let logs = Action::FollowLog(LogSource::All { filter: String::new(), trace: None });
    let expected = [Action::Watch(Watched::Events), logs, Action::Watch(Watched::Pods)];
    assert_eq!(press(&mut state, "8 6"), expected);
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

fn all_lines(filter: &str, trace: Option<&Trace>) -> LogSource {
    LogSource::All { filter: filter.to_owned(), trace: trace.map(|trace| trace.trace_id) }
}

#[test]
fn the_log_of_a_pod_is_followed_container_by_container() {
    let mut state = world();
    press(&mut state, "6 down");
    let source = |container: &str| LogSource::Container {
        namespace: "shop".to_owned(),
        pod: "front-1".to_owned(),
        container: container.to_owned(),
    };
    let line = |text: &str| Box::new(log_line("front", text));
    assert_eq!(press(&mut state, "enter"), [Action::FollowLog(source("main"))]);
    tell(&mut state, Told::LogLine(source("main"), line("one")));
    tell(&mut state, Told::LogLine(source("side"), line("not ours")));
    tell(&mut state, Told::LogEnded(source("main"), "(over)".to_owned()));
    assert_eq!((state.log.n_rows(), state.log.row(0)), (1, Some(&*line("one"))));
    assert_eq!(state.log.ended.as_deref(), Some("(over)"));
    assert_eq!(press(&mut state, "enter"), [Action::FollowLog(source("side"))]);
    assert_eq!(state.log.n_rows(), 0);
    tell(&mut state, Told::LogLine(source("main"), line("late")));
    assert_eq!(state.log.n_rows(), 0);
    // Above it is the row of all workloads.
    press(&mut state, "tab");
    assert_eq!(press(&mut state, "up enter"), [Action::FollowLog(all_lines("", None))]);
}

#[test]
fn the_server_filters_lines_once_nothing_is_typed_any_more() {
    let mut state = world();
    press(&mut state, "6");
    tell(&mut state, Told::LogLine(all_lines("", None), Box::new(log_line("front", "level=info a"))));
    tell(&mut state, Told::LogLine(all_lines("", None), Box::new(log_line("cart", "level=warn b"))));
    press(&mut state, "/");
    type_text(&mut state, "level>=warn");
    // What is here is filtered at once.
    assert_eq!((state.log.n_rows(), state.log.n_kept()), (1, 2));
    assert_eq!(press(&mut state, "enter"), [Action::FollowLog(all_lines("level>=warn", None))]);
    assert_eq!(press(&mut state, "/ backspace enter"), [Action::FollowLog(all_lines("", None))]);
}

#[test]
fn a_trace_leads_to_its_lines_and_back_to_all() {
    let mut state = world();
    press(&mut state, "g down enter");
    let trace = state.trace.trace.clone().unwrap();
    let follow = |trace: Option<&Trace>| Action::FollowLog(all_lines("", trace));
    assert_eq!(press(&mut state, "l"), [follow(Some(&trace)), Action::Watch(Watched::Pods)]);
    assert_eq!((state.screen, state.log_pane), (Screen::Logs, LogPane::Lines));
    assert_eq!(press(&mut state, "t"), [follow(None)]);
    assert_eq!(press(&mut state, "t"), [follow(Some(&trace))]);
    press(&mut state, "esc");
    assert_eq!(state.screen, Screen::Trace);
}

#[test]
fn an_edge_filters_the_requests() {
    let mut state = world();
    press(&mut state, "3 g down down down");
    let idx = state.topology_cursor.idx(&state.topology).unwrap();
    let topology::EdgeId { from, to } = &state.topology.edges[idx].id;
    assert_eq!((from.as_str(), to.as_str()), ("checkout (pr-421)", "payments (pr-421)"));
    let filter = "{from=checkout svc=payments sandbox=pr-421}";
    assert_eq!(press(&mut state, "enter"), [Action::Subscribe(filter.to_owned())]);
    assert_eq!((state.screen, state.filter().text()), (Screen::Live, filter));
}

#[test]
fn the_server_is_given_a_filter_when_it_is_whole() {
    let mut state = world();
    press(&mut state, "/");
    type_text(&mut state, "svc:front status:");
    assert_eq!(press(&mut state, "enter"), []);
    assert_eq!(state.counts(), (4, 5));
    type_text(&mut state, "503");
    assert_eq!(press(&mut state, "enter"), [Action::Subscribe("svc:front status=503".to_owned())]);
    assert_eq!(state.counts(), (1, 5));
    // The same in other words is nothing new to the server.
    press(&mut state, "/");
    type_text(&mut state, "");
    assert_eq!(press(&mut state, "enter"), []);
}

#[test]
fn tab_completes_with_what_there_is() {
    let mut state = world();
    press(&mut state, "/");
    type_text(&mut state, "sv");
    press(&mut state, "tab");
    type_text(&mut state, "ca");
    press(&mut state, "tab");
    assert_eq!(state.filter().text(), "svc:catalog");
    press(&mut state, "enter");
    assert_eq!(state.counts(), (1, 5));
    press(&mut state, "/");
    type_text(&mut state, "key:");
    press(&mut state, "tab tab tab");
    assert_eq!(state.filter().text(), "svc:catalog key:pr-421");
}

#[test]
fn typed_filters_are_found_again() {
    let mut state = world();
    for text in ["cart", "status:503"] {
        press(&mut state, "X /");
        type_text(&mut state, text);
        press(&mut state, "enter");
    }
    let at = |state: &mut State, keys: &str| {
        press(state, keys);
        state.filter().text().to_owned()
    };
    press(&mut state, "X /");
    assert_eq!(at(&mut state, "up"), "status:503");
    assert_eq!(at(&mut state, "up"), "cart");
    assert_eq!(at(&mut state, "up"), "cart");
    assert_eq!(at(&mut state, "down"), "status:503");
    assert_eq!(at(&mut state, "down"), "");
}

#[test]
fn a_cell_becomes_a_term() {
    let mut state = world();
    press(&mut state, "g down =");
    assert_eq!(state.filter().text(), "path:/checkout");
    press(&mut state, "left !");
    assert_eq!((state.filter().text(), state.counts()), ("path:/checkout !status=503", (0, 5)));
    press(&mut state, "X g down right right =");
    assert_eq!(state.filter().text(), "key=pr-421");
    press(&mut state, "X g right right =");
    assert_eq!((state.filter().text(), state.counts()), ("svc=front", (4, 5)));
    press(&mut state, "g left =");
    assert_eq!((state.filter().text(), state.counts()), ("svc=front !key:*", (3, 5)));
    press(&mut state, "X enter down =");
    assert_eq!(state.filter().text(), "svc=catalog");
}

#[test]
fn filters_are_saved_and_taken_again() {
    let mut state = world();
    press(&mut state, "/");
    type_text(&mut state, "status:5xx");
    press(&mut state, "enter F");
    let saved = Action::SaveFilters(vec!["status:5xx".to_owned()]);
    assert_eq!(press(&mut state, "s s"), [saved]);
    press(&mut state, "esc X F");
    assert_eq!(press(&mut state, "enter"), [Action::Subscribe("status:5xx".to_owned())]);
    assert_eq!(press(&mut state, "F d"), [Action::SaveFilters(Vec::new())]);
}

#[test]
fn each_kind_of_list_has_a_filter_of_its_own() {
    let mut state = world();
    press(&mut state, "8 /");
    type_text(&mut state, "level:warning probe");
    assert_eq!(press(&mut state, "enter"), []);
    assert_eq!(state.counts(), (1, 2));
    press(&mut state, "1");
    assert_eq!((state.counts(), state.filter().text()), ((5, 5), ""));
}

#[test]
fn what_was_left_out_is_counted_from_the_filter_on() {
    let mut state = world();
    tell(&mut state, Told::Sampled(40));
    assert_eq!((state.sampling.n_left_out, state.sampling.one_of()), (40, 11));
    press(&mut state, "/");
    type_text(&mut state, "front");
    press(&mut state, "enter");
    assert_eq!(state.sampling.n_left_out, 0);
}

#[test]
fn a_trace_is_compared_with_the_marked_one() {
    let mut state = world();
    press(&mut state, "g m down d");
    assert_eq!(state.screen, Screen::Diff);
    let view = state.diff.as_ref().unwrap();
    let ids = [1, 2].map(|id| trace(id, vec![]).trace_id);
    assert_eq!([view.a.trace_id, view.b.trace_id], ids);
    press(&mut state, "s");
    assert_eq!(state.diff.as_ref().unwrap().a.trace_id, ids[1]);
    press(&mut state, "enter");
    assert_eq!((state.screen, state.trace.trace.as_ref().unwrap().trace_id), (Screen::Trace, ids[0]));
    press(&mut state, "esc esc");
    assert_eq!(state.screen, Screen::Live);
}

#[test]
fn without_a_mark_it_is_compared_with_the_median_without_a_key() {
    let mut state = world();
    let request = |id, ms: u32| {
        trace(id, vec![hop("gw", "front").method("POST").target("/checkout").lasting(ms * 1_000)])
    };
    [(20, 300), (21, 100), (22, 200)]
        .into_iter()
        .for_each(|(id, ms)| tell(&mut state, Told::Trace(request(id, ms))));
    press(&mut state, "g down d");
    let view = state.diff.as_ref().unwrap();
    assert_eq!(view.a.trace_id, trace(22, vec![]).trace_id);
    assert_eq!(view.a_is, "the median of 3 without a key");
    assert_eq!(view.usually(), Some((std::time::Duration::from_millis(200), 3)));
}

#[test]
fn what_is_not_here_is_asked_of_the_server() {
    let mut state = world();
    let ask = Ask::Baselines("!key:* svc=front method=POST".to_owned());
    assert_eq!(press(&mut state, "g down d"), [Action::Ask(ask.clone())]);
    tell(&mut state, Told::Answered(ask.clone(), Ok(json!([]))));
    assert!(state.notice.as_ref().unwrap().starts_with("no request of this route"), "{:?}", state.notice);
    press(&mut state, "d");
    let found = trace(30, vec![hop("gw", "front").method("POST").target("/checkout")]);
    tell(&mut state, Told::Answered(ask, Ok(json!([*found]))));
    assert_eq!((state.screen, state.diff.as_ref().unwrap().a.trace_id), (Screen::Diff, found.trace_id));
}

/// A world with a rule that splits, and what came of it.
fn splitting() -> State {
    let mut state = world();
    press(&mut state, "5");
    tell(&mut state, Told::Listed(Watched::VirtualServices, vec![virtual_service("8812", [90, 10])]));
    state
}

fn put(resource_version: &str, weights: [u32; 2], is_dry_run: bool) -> Put {
    let path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/catalog".to_owned();
    Put { path, object: virtual_service(resource_version, weights), is_dry_run }
}

#[test]
fn weights_are_tried_and_then_applied_and_taken_back() {
    let mut state = splitting();
    press(&mut state, "down right right right right right");
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![85, 15]));
    let (dry, earnest) = (put("8812", [85, 15], true), put("8812", [85, 15], false));
    assert_eq!(press(&mut state, "enter"), [Action::Put(Box::new(dry.clone()))]);
    // One at a time.
    assert_eq!(press(&mut state, "enter"), []);
    let after = state.update(Event::Told(Told::Put(dry, Ok(virtual_service("8812", [85, 15])))));
    assert_eq!(after, [Action::Put(Box::new(earnest.clone()))]);
    tell(&mut state, Told::Put(earnest, Ok(virtual_service("8820", [85, 15]))));
    assert_eq!((state.draft.clone(), state.splits.0[0].weights()), (None, vec![85, 15]));
    assert_eq!(press(&mut state, "u"), [Action::Put(Box::new(put("8820", [90, 10], true)))]);
}

#[test]
fn a_conflict_is_told_and_the_edit_stays() {
    let mut state = splitting();
    press(&mut state, "down x");
    let dry = put("8812", [0, 100], true);
    assert_eq!(press(&mut state, "enter"), [Action::Put(Box::new(dry.clone()))]);
    let refusal = Refusal { code: 409, message: "changed".to_owned() };
    tell(&mut state, Told::Put(dry, Err(refusal)));
    assert!(state.notice.as_ref().unwrap().starts_with("changed by somebody else"), "{:?}", state.notice);
    tell(&mut state, Told::There(Watched::VirtualServices, virtual_service("9000", [80, 20])));
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![0, 100]));
    assert_eq!(press(&mut state, "enter"), [Action::Put(Box::new(put("9000", [0, 100], true)))]);
    let refusal = Refusal { code: 403, message: "not you".to_owned() };
    tell(&mut state, Told::Put(put("9000", [0, 100], true), Err(refusal)));
    assert_eq!(state.notice.as_deref(), Some("refused: not you"));
    press(&mut state, "esc");
    assert_eq!((state.draft.clone(), state.screen), (None, Screen::Split));
}

#[test]
fn a_weight_is_typed_and_zero_is_a_key() {
    let mut state = splitting();
    press(&mut state, "= 2 5 enter");
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![25, 75]));
    press(&mut state, "0");
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![0, 100]));
    press(&mut state, "b");
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![50, 50]));
    press(&mut state, "shift-right shift-left shift-right shift-left shift-left l");
    assert_eq!(state.draft.as_ref().map(|draft| draft.weights.clone()), Some(vec![41, 59]));
    // As it was is no edit.
    press(&mut state, "= 9 0 enter");
    assert_eq!(state.draft, None);
    // The rule is gone while it is edited.
    press(&mut state, "x");
    tell(&mut state, Told::Gone(Watched::VirtualServices, virtual_service("1", [1, 1])));
    assert_eq!((state.draft.clone(), state.splits.0.len()), (None, 0));
}

#[test]
fn a_selected_request_is_loaded_and_asked_about() {
    let mut state = world();
    let query = "method=POST&url=http%3A%2F%2Ffront.shop.localhost%2Fcheckout&header=spur-key%3A%20pr-421";
    let ask = Ask::Explain(query.to_owned());
    assert_eq!(press(&mut state, "g down 7 L"), [Action::Ask(ask.clone())]);
    tell(&mut state, Told::Answered(ask, Ok(explanation("front", None))));
    let lines = state.playground.answer_lines();
    assert!(lines.iter().any(|line| line.contains("✘ VirtualService shop/mobile")), "{lines:?}");
    // Of the opened trace it is the chosen hop.
    press(&mut state, "1 enter down 7");
    let [Action::Ask(Ask::Explain(query))] = &press(&mut state, "L")[..] else { panic!() };
    assert!(query.contains("url=http%3A%2F%2Fcheckout.shop%3A80%2Forders&from=shop%2Ffront"), "{query}");
}

#[test]
fn a_request_is_typed_in_place() {
    let mut state = world();
    press(&mut state, "7 e");
    type_text(&mut state, "cart.shop.localhost/q");
    press(&mut state, "tab tab");
    type_text(&mut state, "x: y");
    let query = "method=GET&url=http%3A%2F%2Fcart.shop.localhost%2Fq&header=x%3A%20y";
    assert_eq!(press(&mut state, "enter"), [Action::Ask(Ask::Explain(query.to_owned()))]);
    assert!(!state.playground.is_editing);
    assert_eq!(press(&mut state, "q"), [Action::Quit]);
}

#[test]
fn recent_requests_are_asked_about_one_after_the_other() {
    let mut state = world();
    let mut actions = press(&mut state, "7 D");
    let mut n_asked = 0;
    while let [Action::Ask(ask)] = &actions[..] {
        n_asked += 1;
        let answer = Told::Answered(ask.clone(), Ok(explanation("front", None)));
        actions = state.update(Event::Told(answer));
    }
    assert_eq!(n_asked, 4);
    let sentence = state.playground.recount.as_ref().unwrap().sentence();
    assert_eq!(sentence, "of the last 4 requests at the entry 0 would go elsewhere now");
}

#[test]
fn without_a_server_nothing_is_waited_for() {
    let mut state = world();
    tell(&mut state, Told::Disconnected("refused".to_owned()));
    assert_eq!(press(&mut state, "7 L"), []);
    assert!(!state.playground.is_waiting());
    assert!(state.playground.answer_lines()[0].starts_with("no server answers"));
    assert_eq!(press(&mut state, "D"), []);
    assert_eq!(state.playground.recount, None);
    press(&mut state, "1 g down d");
    assert!(state.notice.as_ref().unwrap().ends_with("no server answers"), "{:?}", state.notice);
    // One that goes away while it is asked leaves nothing open.
    tell(&mut state, Told::Connected);
    let [Action::Ask(ask)] = &press(&mut state, "7 D")[..] else { panic!() };
    tell(&mut state, Told::Disconnected("refused".to_owned()));
    tell(&mut state, Told::Answered(ask.clone(), Err("refused".to_owned())));
    let recount = state.playground.recount.as_ref().unwrap();
    assert!(recount.is_done() && recount.n_failed == 4, "{recount:?}");
}

#[test]
fn the_topology_is_asked_for_every_second_and_back_in_time() {
    let mut state = world();
    let edges = |ago_s| Action::Ask(Ask::Edges { ago_s });
    assert_eq!(press(&mut state, "3"), [edges(0)]);
    // The first is not answered yet.
    assert_eq!(state.update(Event::Time(at(11))), []);
    tell(&mut state, Told::Answered(Ask::Edges { ago_s: 0 }, Err("busy".to_owned())));
    assert_eq!(state.update(Event::Time(at(12))), [edges(0)]);
    assert_eq!(press(&mut state, ","), [edges(60)]);
    // What comes late is of another minute.
    tell(&mut state, Told::Answered(Ask::Edges { ago_s: 0 }, Ok(json!({"rows": []}))));
    assert_eq!(state.topology.edges.len(), 10);
    assert_eq!(press(&mut state, "."), [edges(0)]);
    assert_eq!(press(&mut state, "."), []);
    for _ in 0..20 {
        press(&mut state, ",");
    }
    assert_eq!(state.ago_s, topology::AGO_MAX_SECONDS);
}

#[test]
fn edges_that_the_filter_does_not_want_are_hidden() {
    let mut state = world();
    press(&mut state, "3 /");
    type_text(&mut state, "svc:payments");
    press(&mut state, "enter");
    assert_eq!(state.topology.edges.len(), 10);
    press(&mut state, "H");
    assert_eq!(state.topology.edges.len(), 2);
    press(&mut state, "X");
    assert_eq!(state.topology.edges.len(), 10);
}

#[test]
fn the_copy_menu_copies_what_is_chosen() {
    let mut state = world();
    let id = trace(2, vec![]).trace_id.to_string();
    assert_eq!(press(&mut state, "g down y t"), [Action::Copy(id)]);
    assert_eq!(press(&mut state, "y k"), [Action::Copy("spur-key: pr-421".to_owned())]);
    let url = "http://front.shop.localhost:8080/checkout".to_owned();
    assert_eq!(press(&mut state, "y u"), [Action::Copy(url)]);
    let [Action::Copy(json)] = &press(&mut state, "y j")[..] else { panic!() };
    let read: spur_trace::Trace = serde_json::from_str(json).unwrap();
    assert_eq!(read.hops.len(), 4);
    press(&mut state, "g y k");
    assert_eq!(state.notice.as_deref(), Some("this request has none"));
}

#[test]
fn keys_can_be_bound_otherwise() {
    let mut state = world();
    state.keymap = "quit = Q".parse().unwrap();
    assert_eq!(press(&mut state, "q"), []);
    assert_eq!(press(&mut state, "Q"), [Action::Quit]);
    press(&mut state, ":");
    type_text(&mut state, "map");
    press(&mut state, "enter");
    let Some(Overlay::Note(note)) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert!(note.lines.iter().any(|line| line.starts_with("quit ") && line.contains("= Q ")), "{note:?}");
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_taken() {
    let mut state = world();
    assert_eq!(press(&mut state, "M"), [Action::TakeMouse]);
    assert_eq!(press(&mut state, "M"), [Action::GiveMouse]);
    state.update(Event::Clicked(Hit::Row(1)));
    assert_eq!(selected(&state), trace(2, vec![]).trace_id.to_string());
    state.update(Event::Turned(Turn::Down));
    assert_eq!(selected(&state), trace(9, vec![]).trace_id.to_string());
    state.update(Event::Clicked(Hit::Screen(Screen::Events)));
    assert_eq!(state.screen, Screen::Events);
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
    assert_eq!(state.filter().text(), "");
    press(&mut state, "/");
    state.update(Event::Pasted("check\x1bout\nq".to_owned()));
    assert_eq!(state.filter().text(), "checkout");
}
