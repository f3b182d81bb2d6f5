//! The rows that all screens share: where we are, the filter, the figures.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use spur_trace::short_duration;

use super::text::{count, put, put_right};
use super::theme::Theme;
use crate::keys::Screen;
use crate::state::{Link, State};

/// From here on the first row has room for the names of all screens.
const NAMES_FROM: u16 = 80;

/// The link, the screens, and the server with the revision of its routes.
pub(super) fn first(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (link, style) = match (&state.paused, &state.link) {
        (Some(paused), _) => (format!("❚❚ paused +{}", paused.n_arrived), theme.warning),
        (None, Link::Live) => ("● live".to_owned(), theme.good),
        (None, Link::Connecting) => ("○ connecting".to_owned(), theme.dim),
        (None, Link::Down(_)) => ("✗ no server".to_owned(), theme.failure),
    };
    let mut column = put(buf, area, 0, 0, " spur  ", theme.title);
    column = put(buf, area, column, 0, &link, style) + 2;
    for screen in Screen::ALL {
        let (digit, name) = screen.title();
        let is_here = screen == state.screen;
        let (text, style) = match is_here {
            true => (format!("[{digit} {name}]"), theme.title),
            false if area.width >= NAMES_FROM => (format!("{digit} {name}"), theme.plain),
            false => (digit.to_string(), theme.plain),
        };
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
    let (n_shown, n_kept) = state.counts();
    let counts = match state.screen {
        Screen::Topology => format!("{} edges ", count(n_shown)),
        _ => format!("{} shown · {} kept ", count(n_shown), count(n_kept)),
    };
    let n_counts = u16::try_from(counts.chars().count()).unwrap_or(0);
    put_right(buf, area, area.width, 0, &counts, theme.dim);
    let left = Rect { width: area.width.saturating_sub(n_counts + 2), ..area };
    let mut column = put(buf, left, 0, 0, " filter ▸ ", theme.dim);
    let is_typing = state.filter.before.is_some();
    if state.filter.text.is_empty() && !is_typing {
        put(buf, left, column, 0, "none; press /", theme.dim);
        return None;
    }
    column = put(buf, left, column, 0, &state.filter.text, theme.title);
    is_typing.then(|| Position::new(left.x + column.min(left.width.saturating_sub(1)), area.y))
}

/// Figures, losses, and a notice, a fault, or what to press.
pub(super) fn last(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let mut column = put(buf, area, 0, 0, &format!(" {} │ ", figures(state)), theme.plain);
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
    let stats = &state.stats;
    let rate = format!("{:.1} req/s  {:.1}% err", stats.per_second, stats.failed * 100.0);
    if stats.per_second == 0.0 || state.size.0 < NAMES_FROM {
        return rate;
    }
    format!("{rate}  p50 {} p95 {}", short_duration(stats.p50), short_duration(stats.p95))
}
