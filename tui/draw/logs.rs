//! Logs: all workloads and the pods, and the lines of what is followed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget};
use spur_api::meta;
use spur_trace::LogLine;

use super::text::{fit, put, time};
use super::theme::Theme;
use crate::event::LogSource;
use crate::state::cursor::{Rows, first_visible};
use crate::state::exchange::level;
use crate::state::log::LogSources;
use crate::state::{LogPane, State};

/// From here on both panes are seen at once.
const BOTH_FROM: u16 = 80;

/// From here on lines have their time.
const TIME_FROM: u16 = 70;

/// Columns of who wrote a line.
const SERVICE: u16 = 12;

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
    let sources = LogSources(&state.pods);
    let n_rows = sources.n_rows();
    Some((inner, first_visible(n_rows, state.pod_cursor.idx(&sources)?, inner.height.into()), n_rows))
}

fn pods(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let inner = pane("logs of", state.log_pane == LogPane::Pods, theme, area, buf);
    let sources = LogSources(&state.pods);
    let Some(selected) = state.pod_cursor.idx(&sources) else { return };
    let first = first_visible(sources.n_rows(), selected, inner.height.into());
    for row in 0..inner.height {
        let idx = first + usize::from(row);
        let line = Rect { y: inner.y + row, height: 1, ..inner };
        match idx.checked_sub(1).map(|idx| state.pods.row(idx)) {
            None => drop(put(buf, line, 2, 0, "all workloads", theme.title)),
            Some(Some(pod)) => name(pod, theme, line, buf),
            Some(None) => {
                // Nothing follows the row of all workloads.
                let what = if state.pods.is_known { "No pods." } else { "Reading." };
                if idx == LogSources::ALL + 1 {
                    put(buf, line, 2, 0, what, theme.dim);
                }
                break;
            }
        }
        if idx == selected {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
}

/// A pod, with its phase where that is worth a word.
fn name(pod: &serde_json::Value, theme: &Theme, line: Rect, buf: &mut Buffer) {
    let phase = meta::text(pod, "/status/phase");
    let style = match phase {
        "Running" | "Succeeded" => theme.plain,
        _ => theme.warning,
    };
    let column = put(buf, line, 2, 0, meta::name(pod), style);
    if style != theme.plain {
        put(buf, line, column + 1, 0, phase, style);
    }
}

fn lines(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let log = &state.log;
    let title = match &log.source {
        Some(LogSource::Container { namespace, pod, container }) => format!("{namespace}/{pod} {container}"),
        Some(LogSource::All { trace: None, .. }) => "all workloads · t: of the trace alone".to_owned(),
        Some(LogSource::All { trace: Some(trace), .. }) => {
            let id = trace.to_string();
            format!("all workloads, trace {}…{} · t: of all", &id[..4], &id[28..])
        }
        None => "log".to_owned(),
    };
    let is_of_all = matches!(log.source, Some(LogSource::All { .. }));
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
            let Some(found) = log.row(idx) else { break };
            let line = Rect { y: inner.y + row, height: 1, ..inner };
            let column = if is_of_all { origin(found, theme, line, buf) } else { 0 };
            put(buf, line, column, 0, &panned(&found.message, state.log_left), theme.weight(level(found)));
            if idx == selected && is_stopped {
                buf.set_style(line, theme.selected);
            }
        }
    }
    if let Some(ended) = &log.ended {
        put(buf, inner, 0, height, ended, theme.warning);
    }
}

/// When a line was written and by whom; the column after that.
fn origin(found: &LogLine, theme: &Theme, line: Rect, buf: &mut Buffer) -> u16 {
    // On narrow screens the line is worth more than its time.
    let column =
        if line.width >= TIME_FROM { put(buf, line, 0, 0, &time(found.time), theme.dim) + 1 } else { 0 };
    let service = Rect { width: line.width.min(column + SERVICE), ..line };
    put(buf, service, column, 0, &found.service, theme.title);
    column + SERVICE + 1
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
