//! Logs: the pods, and the lines of the one that is followed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget};
use spur_api::meta;

use super::text::{fit, put};
use super::theme::Theme;
use crate::state::cursor::{Rows, first_visible};
use crate::state::{LogPane, State};

/// From here on both panes are seen at once.
const BOTH_FROM: u16 = 80;

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.width < BOTH_FROM {
        return match state.log_pane {
            LogPane::Pods => pods(state, theme, area, buf),
            LogPane::Lines => lines(state, theme, area, buf),
        };
    }
    let width = area.width / 4;
    pods(state, theme, Rect { width, ..area }, buf);
    lines(state, theme, Rect { x: area.x + width, width: area.width - width, ..area }, buf);
}

/// Where the rows of the pods are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    if state.log_pane == LogPane::Lines {
        return None;
    }
    let width = if area.width < BOTH_FROM { area.width } else { area.width / 4 };
    let inner = Block::bordered().inner(Rect { width, ..area });
    let n_rows = state.pods.n_rows();
    Some((inner, first_visible(n_rows, state.pod_cursor.idx(&state.pods)?, inner.height.into()), n_rows))
}

fn pods(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inner = pane("pods", state.log_pane == LogPane::Pods, theme, area, buf);
    let Some(selected) = state.pod_cursor.idx(&state.pods) else {
        put(buf, inner, 1, 0, if state.pods.is_known { "No pods." } else { "Reading." }, theme.dim);
        return;
    };
    let first = first_visible(state.pods.n_rows(), selected, inner.height.into());
    for row in 0..inner.height {
        let idx = first + usize::from(row);
        let Some(pod) = state.pods.row(idx) else { break };
        let line = Rect { y: inner.y + row, height: 1, ..inner };
        let phase = meta::text(pod, "/status/phase");
        let style = match phase {
            "Running" | "Succeeded" => theme.plain,
            _ => theme.warning,
        };
        let column = put(buf, line, 2, 0, meta::name(pod), style);
        if style != theme.plain {
            put(buf, line, column + 1, 0, phase, style);
        }
        if idx == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
}

fn lines(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let log = &state.log;
    let title = match &log.source {
        Some(source) => format!("{}/{} {}", source.namespace, source.pod, source.container),
        None => "log".to_owned(),
    };
    let inner = pane(&title, state.log_pane == LogPane::Lines, theme, area, buf);
    if log.source.is_none() {
        put(buf, inner, 1, 0, "enter follows the log of the selected pod", theme.dim);
        return;
    }
    let height = inner.height.saturating_sub(u16::from(log.ended.is_some()));
    let is_stopped = !state.log_cursor.is_following();
    if let Some(selected) = state.log_cursor.idx(log) {
        let first = first_visible(log.n_rows(), selected, height.into());
        for row in 0..height {
            let idx = first + usize::from(row);
            let Some(text) = log.row(idx) else { break };
            let line = Rect { y: inner.y + row, height: 1, ..inner };
            put(buf, line, 0, 0, &panned(text, state.log_left), theme.plain);
            if idx == selected && is_stopped {
                buf.set_style(line, theme.selected);
            }
        }
    }
    if let Some(ended) = &log.ended {
        put(buf, inner, 0, height, ended, theme.warning);
    }
}

/// What is left of a text when so many characters are panned out.
fn panned(text: &str, n_left: usize) -> String {
    text.chars().skip(n_left).collect()
}

/// A border with a title; what is inside.
fn pane(title: &str, has_keys: bool, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let title = format!(" {} ", fit(title, usize::from(area.width).saturating_sub(6)));
    let style = if has_keys { theme.title } else { theme.dim };
    let block = Block::bordered().border_style(style).title(title);
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}
