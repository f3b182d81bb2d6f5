//! The pane that says why a hop went where it went, or what was reported of a span.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Widget};
use spur_trace::{Hop, Span};
use unicode_width::UnicodeWidthStr;

use super::text::put;
use super::theme::Theme;
use crate::state::reported::reported;
use crate::state::why::{Fact, Weight, why};

/// Columns of the labels.
const LABEL: u16 = 10;

/// Whether the keys go here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Here,
    Elsewhere,
}

/// A line on the screen: a label, or none where the text goes on.
type Line = (&'static str, String, Weight);

/// Draws what an application reported in their place.
pub(super) fn draw_reported(
    span: &Span,
    top: usize,
    focus: Focus,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let inner = pane(&format!(" span · {} ", span.resource.service), focus, theme, area, buf);
    let reported = reported(span);
    // Names of attributes are long; half of the pane is theirs at most.
    let widest = reported.iter().map(|(name, ..)| name.width()).max().unwrap_or(0);
    let label = u16::try_from(widest + 1).unwrap_or(u16::MAX).clamp(LABEL, (inner.width / 2).max(LABEL));
    let mut lines = Vec::new();
    for (name, text, weight) in reported {
        let mut name = name;
        for part in wrapped(&text, inner.width.saturating_sub(label + 1).into()) {
            lines.push((std::mem::take(&mut name), part, weight));
        }
    }
    let top = top.min(lines.len().saturating_sub(inner.height.into()));
    for (row, (name, text, weight)) in (0..inner.height).zip(&lines[top..]) {
        put(buf, Rect { width: inner.width.min(label), ..inner }, 1, row, name, theme.dim);
        put(buf, inner, label + 1, row, text, theme.weight(*weight));
    }
}

/// A border with a title; what is inside.
fn pane(title: &str, focus: Focus, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let title = super::text::fit(title, area.width.saturating_sub(4).into()).into_owned();
    let style = if focus == Focus::Here { theme.title } else { theme.dim };
    let block = Block::bordered().border_style(style).title(title);
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// Draws the reasons from the line `top` on.
pub(super) fn draw(
    hop: &Hop,
    now: Option<i64>,
    top: usize,
    focus: Focus,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) {
    let from = hop.start.source.as_ref().map_or("gw", |source| &source.workload);
    let title = format!(" why · {from} → {} ", hop.name());
    let inner = pane(&title, focus, theme, area, buf);
    let lines = lines(why(hop, now), inner.width.saturating_sub(LABEL + 1).into());
    let top = top.min(lines.len().saturating_sub(inner.height.into()));
    for (row, (label, text, weight)) in (0..inner.height).zip(&lines[top..]) {
        put(buf, inner, 1, row, label, theme.dim);
        put(buf, inner, LABEL + 1, row, text, theme.weight(*weight));
    }
}

/// Broken between words, so that nothing of a reason is cut.
fn lines(facts: Vec<Fact>, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for Fact { label, text, weight } in facts {
        let mut label = label;
        for part in wrapped(&text, width) {
            lines.push((std::mem::take(&mut label), part, weight));
        }
    }
    lines
}

pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the beginning");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(wrapped("", 0), [""]);
    }
}
