//! Screens as text at many sizes, their styles where they matter, and no panic whatever happens.

mod exchange;

use std::time::Duration;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::TerminalOptions;
use ratatui::Viewport;
use ratatui::backend::CrosstermBackend;
use ratatui::style::Modifier;

use super::*;
use crate::event::{Ask, Event, LogSource, Put, Secrets, Told, Turn, Watched};
use crate::keys::{BINDINGS, Key};
use crate::made::{
    at, captures, edge_row, exchange, explanation, hop, log_line, shares, trace, unfinished, virtual_service,
    world,
};
use crate::run::text as text_of;
use crate::state::ThemeName;

const SIZES: [(u16, u16); 5] = [(160, 40), (120, 30), (80, 24), (50, 20), (40, 10)];

fn press(state: &mut State, keys: &str) {
    for key in keys.split_whitespace() {
        state.update(Event::Key(key.parse().unwrap()));
        state.filter_on(&mut || false);
    }
}

fn painted(state: &mut State, (width, height): (u16, u16)) -> Buffer {
    state.update(Event::Size(width, height));
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    paint(state, buf.area, &mut buf);
    buf
}

/// Compares a screen, reached by keys, with what it was, at every size.
#[track_caller]
fn check(name: &str, keys: &str) {
    let mut state = world();
    press(&mut state, keys);
    check_state(name, &mut state);
}

/// Two lines of a log, and its end.
fn tell_lines(state: &mut State, source: &LogSource) {
    for line in [
        "listening on 8080",
        "level=error GET /checkout 503 in 842 ms because the payment was refused by upstream",
    ] {
        let line = Box::new(log_line("front", line));
        state.update(Event::Told(Told::LogLine(source.clone(), line)));
    }
    state.update(Event::Told(Told::LogEnded(source.clone(), "(the log ends here)".to_owned())));
}

fn container() -> LogSource {
    LogSource::Container { namespace: "shop".into(), pod: "front-1".into(), container: "main".into() }
}

/// The same for a state that there is already.
#[track_caller]
fn check_state(name: &str, state: &mut State) {
    for (width, height) in SIZES {
        let text = text_of(&painted(state, (width, height)));
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
}

#[test]
fn live() {
    check("live", "up up up");
}

#[test]
fn trace_screen() {
    check("trace", "g down enter down down");
}

#[test]
fn why() {
    check("why", "g down enter down down w");
}

#[test]
fn topology() {
    check("topology", "3 down");
}

#[test]
fn sandboxes() {
    check("sandboxes", "4 down");
}

#[test]
fn logs() {
    let mut state = world();
    press(&mut state, "6 down enter");
    tell_lines(&mut state, &container());
    check_state("logs", &mut state);
}

#[test]
fn events() {
    check("events", "8");
}

#[test]
fn help() {
    check("help", "?");
}

#[test]
fn palette() {
    check("palette", ": t o");
}

#[test]
fn note() {
    check("note", "4 enter");
}

#[test]
fn topology_drawn_busy() {
    // Twice as many edges as there are rows, with one that goes back.
    let mut state = world();
    let mut rows: Vec<_> =
        (0..30).map(|n| edge_row("front", &format!("svc-{n}"), &format!("svc-{n}"), n + 1, 0)).collect();
    rows.push(edge_row("svc-3", "front", "front", 5, 5));
    let summary = serde_json::json!({"from": 0, "to": 59, "rows": rows});
    state.update(Event::Told(Told::Answered(Ask::Edges { ago_s: 0 }, Ok(summary))));
    press(&mut state, "3 G");
    insta::assert_snapshot!("topology_busy_120x30", text_of(&painted(&mut state, (120, 30))));
}

#[test]
fn topology_highlighted() {
    let mut state = world();
    press(&mut state, "3 / s v c : c a r t enter f");
    let buf = painted(&mut state, (160, 40));
    let dim = buf.content.iter().filter(|cell| cell.fg == ratatui::style::Color::DarkGray).count();
    assert!(dim > 200, "{dim}");
    press(&mut state, "f");
    assert!(
        painted(&mut state, (160, 40))
            .content
            .iter()
            .filter(|cell| cell.fg == ratatui::style::Color::DarkGray)
            .count()
            < dim
    );
}

#[test]
fn diff() {
    check("diff", "g m down d");
}

#[test]
fn the_marked_request_has_its_letter() {
    let mut state = world();
    press(&mut state, "g m down");
    assert_eq!(painted(&mut state, (80, 24))[(1, 3)].symbol(), "m");
    press(&mut state, "up m");
    assert_eq!(painted(&mut state, (80, 24))[(1, 3)].symbol(), " ");
}

#[test]
fn diff_with_nothing() {
    let mut state = world();
    press(&mut state, "d");
    assert_eq!(state.screen, Screen::Live);
}

fn splitting() -> State {
    let mut state = world();
    for (id, version) in [(21, "v1"), (22, "v2")] {
        let hop = hop("front", "catalog").drawn(&format!("catalog-{version}"), version, 50);
        state.update(Event::Told(Told::Trace(trace(id, vec![hop]))));
    }
    press(&mut state, "5");
    state
        .update(Event::Told(Told::Listed(Watched::VirtualServices, vec![virtual_service("8812", [90, 10])])));
    state.update(Event::Told(Told::Answered(Ask::Shares, Ok(shares()))));
    state
}

#[test]
fn split() {
    let mut state = splitting();
    check_state("split", &mut state);
    press(&mut state, "down right right right right right");
    check_state("split_edited", &mut state);
}

fn answered() -> State {
    let mut state = world();
    press(&mut state, "g down 7 L D");
    let query = "method=POST&url=http%3A%2F%2Ffront.shop.localhost%2Fcheckout&header=spur-key%3A%20pr-421";
    let ask = Ask::Explain(query.to_owned());
    state.update(Event::Told(Told::Answered(ask, Ok(explanation("front", None)))));
    state
}

#[test]
fn rules() {
    let mut state = answered();
    check_state("rules", &mut state);
    press(&mut state, "e");
    let (width, height) = (80, 24);
    painted(&mut state, (width, height));
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    let cursor = paint(&state, buf.area, &mut buf).expect("it is typed");
    // Under the URL, after its last letter.
    assert_eq!(buf[(cursor.x - 1, cursor.y)].symbol(), "t");
}

#[test]
fn filter_error() {
    check("filter_error", "/ s v c : f r o n t space s t a t u s > = x y");
}

#[test]
fn filter_menu() {
    check("filter_menu", "/ h o p : tab tab");
}

#[test]
fn copy_menu() {
    check("copy_menu", "g y");
}

#[test]
fn saved_filters() {
    check("saved_filters", "/ s t a t u s : 5 x x enter F s");
}

/// Every screen with ASCII alone.
#[test]
fn ascii_has_no_other_sign() {
    for keys in ["1", "g down enter", "3", "4", "6 enter", "8", "g m down d", "?", "7", "/ h o p : tab"] {
        let mut state = world();
        state.is_ascii = true;
        press(&mut state, keys);
        for size in SIZES {
            let text = text_of(&painted(&mut state, size));
            assert!(text.is_ascii(), "{keys} {size:?}\n{text}");
        }
    }
    let mut state = world();
    state.is_ascii = true;
    press(&mut state, "g down");
    check_state("live_ascii", &mut state);
    press(&mut state, "3");
    check_state("topology_ascii", &mut state);
}

#[test]
fn the_mouse_hits_what_is_seen() {
    let mut state = world();
    press(&mut state, "g");
    for (size, keys) in [
        ((120, 30), "1"),
        ((80, 24), "g enter"),
        ((80, 24), "3"),
        ((120, 30), "4"),
        ((120, 30), "8"),
        ((120, 30), "6"),
        ((120, 30), "1 g m down d"),
    ] {
        press(&mut state, keys);
        let buf = painted(&mut state, size);
        let marked = (0..size.1).find(|y| {
            (0..size.0)
                .any(|x| buf[(x, *y)].symbol() == "▶" && buf[(x, *y)].modifier.contains(Modifier::REVERSED))
        });
        let marked = marked.expect("a row is selected");
        let column = if keys == "6" { 3 } else { 1 };
        // Events are followed: the last of two is selected.
        let expected = if keys == "8" { 1 } else { 0 };
        assert_eq!(hit(&state, (column, marked)), Some(Hit::Row(expected)), "{keys}");
        assert_eq!(hit(&state, (column, size.1 - 1)), None);
    }
    painted(&mut state, (120, 30));
    let row = text_of(&painted(&mut state, (120, 30)));
    let at = |name: &str| {
        let before = row.lines().next().unwrap().split(name).next().unwrap();
        u16::try_from(unicode_width::UnicodeWidthStr::width(before)).unwrap()
    };
    assert_eq!(hit(&state, (at("3 Topo") + 2, 0)), Some(Hit::Screen(Screen::Topology)));
    assert_eq!(hit(&state, (at("8 Events"), 0)), Some(Hit::Screen(Screen::Events)));
    assert_eq!(hit(&state, (0, 0)), None);
}

#[test]
fn losses_and_faults_are_said_in_words() {
    let mut state = world();
    press(&mut state, "space");
    state.update(Event::Told(Told::Missed(2140)));
    state.update(Event::Told(Told::Disconnected("connection refused".to_owned())));
    let text = text_of(&painted(&mut state, (120, 30)));
    assert!(text.contains("LOST 2 140 (slow ui 2140, rings 0)"), "{text}");
    assert!(text.contains("❚❚ paused +0"), "{text}");
    assert!(text.contains("connection refused; trying again"), "{text}");
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    let mut state = world();
    press(&mut state, "4");
    let evil = serde_json::json!({
        "metadata": {"uid": "e", "name": "\u{1b}]0;x\u{7}", "namespace": "n"}, "spec": {"forks": [{"of": {"name": "\u{9b}2J"}}]},
        "status": {"routingKey": "\u{202e}k"},
    });
    state.update(Event::Told(Told::Listed(Watched::Sandboxes, vec![evil])));
    for keys in ["1", "2", "4", "enter"] {
        press(&mut state, keys);
        let text = text_of(&painted(&mut state, (120, 30)));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
    }
}

#[test]
fn the_selected_row_is_reversed_and_failures_are_red_and_marked() {
    let mut state = world();
    press(&mut state, "g");
    let buf = painted(&mut state, (120, 30));
    let row = |y: u16| (0..120).map(move |x| (x, y));
    assert!(row(3).all(|at| buf[at].modifier.contains(Modifier::REVERSED)));
    assert!(row(4).all(|at| !buf[at].modifier.contains(Modifier::REVERSED)));
    assert_eq!(buf[(0, 3)].symbol(), "▶");
    let failed = row(4).find(|at| buf[*at].symbol() == "✗").expect("a mark");
    assert_eq!(buf[failed].fg, ratatui::style::Color::Red);
}

/// With NO_COLOR no colour is written, and the selection is there all the same
/// (Byron/dua-cli#238: crossterm writes a reset after it).
#[test]
fn without_colours_bytes_have_none_and_keep_the_selection() {
    crossterm::style::force_color_output(true);
    let mut state = world();
    state.theme = ThemeName::Mono;
    press(&mut state, "g");
    state.update(Event::Size(80, 24));
    let mut bytes = Vec::new();
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, 80, 24)) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), options).unwrap();
    terminal.draw(|frame| draw(&state, frame)).unwrap();
    drop(terminal);
    let written = String::from_utf8(bytes).unwrap();
    let sequences: Vec<(&str, &str)> = written
        .split("\x1b[")
        .skip(1)
        .filter_map(|rest| {
            rest.split_once('m').filter(|(codes, _)| codes.chars().all(|c| c.is_ascii_digit() || c == ';'))
        })
        .collect();
    for (codes, _) in &sequences {
        for code in codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0)) {
            let is_colour = matches!(code, 30..=38 | 40..=48 | 90..=107);
            assert!(!is_colour, "{codes}");
        }
    }
    let reverse = sequences.iter().position(|(codes, _)| *codes == "7").expect("a selection");
    let after = sequences[reverse..].iter().find(|(_, text)| !text.is_empty()).unwrap();
    assert_eq!(after.0, "7", "text follows the reverse at once: {after:?}");
    assert!(after.1.starts_with('▶'), "{after:?}");
}

#[test]
fn no_size_is_too_small() {
    let mut state = world();
    press(&mut state, "g m down d");
    state.update(Event::Told(Told::Listed(Watched::VirtualServices, vec![virtual_service("1", [90, 10])])));
    for screen in [
        "1",
        "2",
        "3",
        "3 t",
        "3 t",
        "4",
        "5",
        "5 x",
        "6",
        "7",
        "7 e",
        "esc 8",
        "y",
        "F",
        "esc ?",
        "esc / x >",
        "esc :",
    ] {
        press(&mut state, screen);
        for width in 0..45 {
            for height in 0..14 {
                painted(&mut state, (width, height));
            }
        }
    }
}

/// Numbers that look random and are the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

fn any_event(dice: &mut Dice, n: u32) -> Event {
    let any_trace = |dice: &mut Dice| {
        let id = dice.roll(300) as u32 + 1;
        let n_hops = dice.roll(6);
        let hops = (0..n_hops).map(|place| match place {
            0 => hop("gw", "front").after(u64::from(n) * 1_000),
            _ => hop("front", "cart").fork("pr-1").status(500 + place as u16).under(dice.roll(place), 500),
        });
        (id, hops.collect::<Vec<_>>())
    };
    let source = match dice.roll(2) {
        0 => container(),
        _ => LogSource::All { filter: String::new(), trace: None },
    };
    match dice.roll(20) {
        0 => {
            let (id, hops) = any_trace(dice);
            Event::Told(Told::Trace(trace(id, hops)))
        }
        1 => {
            let (id, hops) = any_trace(dice);
            let hops = hops.into_iter().map(|hop| if dice.roll(2) == 0 { hop.open() } else { hop }).collect();
            Event::Told(Told::InFlight(vec![unfinished(id, hops)]))
        }
        2 => Event::Told(Told::LogLine(source, Box::new(log_line("front", &"x".repeat(dice.roll(300)))))),
        3 => {
            let uid = dice.roll(30).to_string();
            let object = serde_json::json!({"metadata": {"uid": uid, "name": uid}});
            let watched = [Watched::Sandboxes, Watched::Events, Watched::Pods][dice.roll(3)];
            match dice.roll(3) {
                0 => Event::Told(Told::Gone(watched, object)),
                _ => Event::Told(Told::There(watched, object)),
            }
        }
        4 => match dice.roll(9) {
            0 => Event::Told(Told::Sampled(dice.roll(100) as u64)),
            1 => {
                let names = ["front", "cart", "catalog", "pr-421-checkout", "x"];
                let mut name = || names[dice.roll(names.len())];
                let rows: Vec<_> = (0..6).map(|n| edge_row(name(), name(), name(), n, n / 2)).collect();
                let summary = serde_json::json!({"from": 0, "to": 59, "rows": rows});
                Event::Told(Told::Answered(Ask::Edges { ago_s: 60 * dice.roll(2) as u64 }, Ok(summary)))
            }
            2 => Event::Told(Told::Answered(Ask::Shares, Ok(shares()))),
            3 => {
                let weights = [dice.roll(100) as u32, dice.roll(100) as u32];
                let object = virtual_service(&n.to_string(), weights);
                match dice.roll(5) {
                    0 => Event::Told(Told::Gone(Watched::VirtualServices, object)),
                    1 => {
                        let put = Put {
                            path: String::new(),
                            object: object.clone(),
                            is_dry_run: dice.roll(2) == 0,
                        };
                        Event::Told(Told::Put(put, Ok(object)))
                    }
                    _ => Event::Told(Told::There(Watched::VirtualServices, object)),
                }
            }
            4 => {
                let ask = Ask::Baselines(String::new());
                Event::Told(Told::Answered(ask, Ok(serde_json::json!([*trace(7, vec![hop("gw", "front")])]))))
            }
            7 if dice.roll(3) > 0 => {
                let trace = exchange();
                let secrets = if dice.roll(2) == 0 { Secrets::Hidden } else { Secrets::Told };
                Event::Told(match dice.roll(4) {
                    0 => Told::Answered(Ask::Captures(trace.trace_id, secrets), Ok(captures(&trace))),
                    1 => Told::Answered(
                        Ask::LogsOf(trace.trace_id),
                        Ok(serde_json::json!([log_line("front", "x")])),
                    ),
                    _ => Told::Trace(trace),
                })
            }
            5 => Event::Clicked(Hit::Row(dice.roll(40))),
            6 => Event::Turned(if dice.roll(2) == 0 { Turn::Up } else { Turn::Down }),
            _ => Event::Time(at(10 + u64::from(n) / 100)),
        },
        5 | 6 => Event::Size(dice.roll(180) as u16, dice.roll(50) as u16),
        7 => Event::Key(Key::Char(char::from(32 + dice.roll(95) as u8))),
        _ => {
            let keys = BINDINGS[dice.roll(BINDINGS.len())].keys;
            Event::Key(if keys.is_empty() { Key::Esc } else { keys[dice.roll(keys.len())] })
        }
    }
}

#[test]
fn ten_thousand_random_events_do_no_harm() {
    let mut dice = Dice(0x5EED_0F5B_0C4D_1234);
    let mut state = world();
    for n in 0..10_000 {
        state.update(any_event(&mut dice, n));
        state.filter_on(&mut || true);
        hit(&state, (dice.roll(180) as u16, dice.roll(50) as u16));
        let (n_shown, n_kept) = state.counts();
        assert!(n_shown <= n_kept, "step {n}");
        // Each frame costs a millisecond without optimisation; every third keeps this short.
        if n % 3 == 0 {
            let mut buf = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
            let cursor = paint(&state, buf.area, &mut buf);
            assert!(cursor.is_none_or(|cursor| buf.area.contains(cursor)), "step {n}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_target_fits_any_width(target in "/[^#\u{0}-\u{20}\u{7f}]{0,300}", width in 0u16..200) {
        let mut state = world();
        if let Ok(target) = target.parse::<http::uri::PathAndQuery>() {
            state.update(Event::Told(Told::Trace(trace(70, vec![hop("gw", "front").target(target.as_str())]))));
        }
        let text = text_of(&painted(&mut state, (width, 24)));
        use unicode_width::UnicodeWidthStr;
        prop_assert!(text.lines().all(|line| line.width() <= width.into()));
    }
}

/// A list of any length costs what is visible (ratatui#1004: a table of 10,000 rows takes 45 ms).
#[test]
fn only_what_is_visible_is_drawn() {
    let mut few = world();
    let mut many = world();
    (100..5_100)
        .for_each(|id| drop(many.update(Event::Told(Told::Trace(trace(id, vec![hop("gw", "front")]))))));
    let time = |state: &mut State| {
        let start = std::time::Instant::now();
        for _ in 0..20 {
            painted(state, (120, 30));
        }
        start.elapsed()
    };
    let (few, many) = (time(&mut few), time(&mut many));
    // A thousand times the rows; ten times the time would be noise of a busy machine.
    assert!(many < few * 10 + Duration::from_millis(50), "{few:?} {many:?}");
}
