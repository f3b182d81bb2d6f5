//! The rows that all screens share: where we are, the filter, the figures.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use spur_trace::short_duration;
use unicode_width::UnicodeWidthStr;

use super::text::{count, put, put_right};
use super::theme::Theme;
use crate::keys::Screen;
use crate::state::{Link, State};

/// From here on there is room for more than the figures that are needed most.
const NAMES_FROM: u16 = 80;

/// From here on the last row has room to say that nothing is left out.
const SAMPLED_FROM: u16 = 140;

const SPUR: &str = " spur  ";

fn link(state: &State) -> String {
    match (&state.paused, &state.link) {
        (Some(paused), _) => format!("❚❚ paused +{}", paused.n_arrived),
        (None, Link::Live) => "● live".to_owned(),
        (None, Link::Connecting) => "○ connecting".to_owned(),
        (None, Link::Down(_)) => "✗ no server".to_owned(),
    }
}

fn link_style(state: &State, theme: &Theme) -> Style {
    match (&state.paused, &state.link) {
        (Some(_), _) => theme.warning,
        (None, Link::Live) => theme.good,
        (None, Link::Connecting) => theme.dim,
        (None, Link::Down(_)) => theme.failure,
    }
}

/// The first row before its screens, and the screens: with the names of all where there is room.
fn head(state: &State, width: u16) -> (&'static str, Vec<(Screen, String)>) {
    let n_columns = |begin: &str, tabs: &[(Screen, String)]| {
        let tabs: usize = tabs.iter().map(|(_, text)| text.width() + 1).sum();
        begin.width() + link(state).width() + 2 + tabs
    };
    let (long, short) = (tabs(state.screen, Tabs::Names), tabs(state.screen, Tabs::Digits));
    match () {
        () if n_columns(SPUR, &long) <= width.into() => (SPUR, long),
        () if n_columns(" ", &long) <= width.into() => (" ", long),
        () => (SPUR, short),
    }
}

/// What of the screens is written that are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tabs {
    Names,
    Digits,
}

fn tabs(here: Screen, written: Tabs) -> Vec<(Screen, String)> {
    let tabs = Screen::ALL.into_iter().filter_map(|screen| {
        let (digit, name) = screen.title();
        let text = match (screen == here, digit) {
            (true, Some(digit)) => format!("[{digit} {name}]"),
            (true, None) => format!("[{name}]"),
            (false, Some(digit)) if written == Tabs::Names => format!("{digit} {name}"),
            (false, Some(digit)) => digit.to_string(),
            (false, None) => return None,
        };
        Some((screen, text))
    });
    tabs.collect()
}

/// The screen whose name is in that column of the first row.
pub(super) fn tab_at(state: &State, width: u16, column: u16) -> Option<Screen> {
    let n_columns = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
    let (begin, tabs) = head(state, width);
    let mut from = n_columns(begin).saturating_add(n_columns(&link(state))).saturating_add(2);
    tabs.into_iter().find_map(|(screen, text)| {
        let to = from.saturating_add(n_columns(&text));
        let is_in = (from..to).contains(&column);
        from = to.saturating_add(1);
        is_in.then_some(screen)
    })
}

/// The link, the screens, and the server with the revision of its routes.
pub(super) fn first(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (begin, tabs) = head(state, area.width);
    let (link, style) = (link(state), link_style(state, theme));
    let mut column = put(buf, area, 0, 0, begin, theme.title);
    column = put(buf, area, column, 0, &link, style) + 2;
    for (screen, text) in tabs {
        let style = if screen == state.screen { theme.title } else { theme.plain };
        column = put(buf, area, column, 0, &text, style) + 1;
    }
    let revision = state.facts.routes_revision.map(|revision| format!(" rev {revision}")).unwrap_or_default();
    let server = state.server.rsplit_once("://").map_or(state.server.as_str(), |(_, address)| address);
    let server = format!("{server}{revision} ");
    if column + 2 + u16::try_from(server.chars().count()).unwrap_or(u16::MAX) < area.width {
        put_right(buf, area, area.width, 0, &server, theme.dim);
    }
}

/// The filter and how many rows there are; where the cursor is while it is typed.
pub(super) fn filter(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let line = state.filter();
    let is_typing = line.typing.is_some();
    let counts = counts(state, area.width);
    // What is typed needs the room.
    let has_counts = !is_typing || area.width >= NAMES_FROM;
    let n_counts = if has_counts { u16::try_from(counts.width()).unwrap_or(0) } else { 0 };
    if has_counts {
        put_right(buf, area, area.width, 0, &counts, theme.dim);
    }
    let left = Rect { width: area.width.saturating_sub(n_counts + 2), ..area };
    let column = put(buf, left, 0, 0, PROMPT, theme.dim);
    if line.is_empty() && !is_typing {
        put(buf, left, column, 0, "none; press /", theme.dim);
        return None;
    }
    if !is_typing {
        put(buf, left, column, 0, line.text(), theme.title);
        return None;
    }
    // A text that is longer than its room is seen where it is typed.
    let room = usize::from(left.width.saturating_sub(column)).saturating_sub(1);
    let before = &line.text()[..line.line.cursor()];
    let n_hidden = before.width().saturating_sub(room);
    let style = if line.error.is_some() { theme.failure } else { theme.title };
    put(buf, left, column, 0, &super::text::from_column(line.text(), n_hidden), style);
    let at = column + u16::try_from(before.width() - n_hidden).unwrap_or(0);
    Some(Position::new(left.x + at.min(left.width.saturating_sub(1)), area.y))
}

/// Before the filter.
pub(super) const PROMPT: &str = " filter ▸ ";

/// `62 shown · 4 913 matched · 51 204 kept`.
fn counts(state: &State, width: u16) -> String {
    let (n_shown, n_kept) = state.counts();
    let number = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    let is_of_requests = matches!(state.screen, Screen::Live | Screen::Trace | Screen::Diff | Screen::Rules);
    if let Some(percent) = state.listed().filtered_percent().filter(|_| is_of_requests) {
        return format!("filtering {percent} % ");
    }
    match state.screen {
        Screen::Topology => format!("{} edges ", count(n_shown)),
        Screen::Split => format!("{} weighted rules ", count(n_shown)),
        _ if is_of_requests && width >= NAMES_FROM => {
            let n_matched = n_shown as u64 + state.sampling.n_left_out;
            format!("{} shown · {} matched · {} kept ", count(n_shown), number(n_matched), count(n_kept))
        }
        _ => format!("{} shown · {} kept ", count(n_shown), count(n_kept)),
    }
}

/// Figures, losses, and a notice, a fault, or what to press.
pub(super) fn last(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let mut column = put(buf, area, 0, 0, &format!(" {} │ ", figures(state)), theme.plain);
    let one_of = state.sampling.one_of();
    if one_of > 1 {
        column = put(buf, area, column, 0, &format!("sampled 1:{one_of}  "), theme.warning);
    } else if area.width >= SAMPLED_FROM {
        column = put(buf, area, column, 0, "sampled 1:1  ", theme.dim);
    }
    let n_lost = state.n_missed + state.facts.n_lost_records;
    column = match n_lost {
        0 => put(buf, area, column, 0, "lost 0", theme.dim),
        _ => {
            let lost = format!(
                "LOST {} (slow ui {}, rings {})",
                count(usize::try_from(n_lost).unwrap_or(usize::MAX)),
                state.n_missed,
                state.facts.n_lost_records
            );
            put(buf, area, column, 0, &lost, theme.failure)
        }
    };
    column = put(buf, area, column, 0, " │ ", theme.plain);
    match (&state.notice, &state.link) {
        (Some(notice), _) => put(buf, area, column, 0, notice, theme.title),
        (None, Link::Down(why)) => put(buf, area, column, 0, &format!("{why}; trying again"), theme.failure),
        (None, Link::Live | Link::Connecting) => {
            put(buf, area, column, 0, "? help  : commands  q quit", theme.dim)
        }
    };
}

/// `1.2 req/s  0.8% err  p50 12ms p95 84ms`, of the last seconds.
pub(super) fn figures(state: &State) -> String {
    let stats = &state.rates;
    let rate = format!("{:.1} req/s  {:.1}% err", stats.per_second, stats.failed * 100.0);
    if stats.per_second == 0.0 || state.size.0 < NAMES_FROM {
        return rate;
    }
    format!("{rate}  p50 {} p95 {}", short_duration(stats.p50), short_duration(stats.p95))
}
