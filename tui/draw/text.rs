//! Text into cells: cleaned, cut by columns, never outside of its area.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use spur_trace::sanitize_for_terminal;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Writes a text into a row of an area, from a column on, and says the column
/// after it. What does not fit is cut with `…`; outside of the area nothing is written.
pub(super) fn put(buf: &mut Buffer, area: Rect, column: u16, row: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if row >= area.height || column >= area.width {
        return column;
    }
    let width = area.width - column;
    let text = fit(text, width.into());
    let (end, _) = buf.set_stringn(area.x + column, area.y + row, text, width.into(), style);
    end - area.x
}

/// Writes a text so that it ends before a column.
pub(super) fn put_right(buf: &mut Buffer, area: Rect, end: u16, row: u16, text: &str, style: Style) {
    let width = fit(text, usize::from(end)).width();
    let start = end.saturating_sub(u16::try_from(width).unwrap_or(end));
    put(buf, Rect { width: area.width.min(end), ..area }, start, row, text, style);
}

/// Cleaned, and cut to a number of columns.
pub(super) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    // Of a text that is far too long only the beginning is looked at: as much as could be
    // seen if every character had three that take no room.
    let enough = text.char_indices().nth(width.saturating_mul(4) + 64).map_or(text.len(), |(at, _)| at);
    let clean = sanitize_for_terminal(&text[..enough]);
    if clean.width() <= width && enough == text.len() {
        return clean;
    }
    let mut n_columns = 0;
    let mut cut = String::with_capacity(width + 4);
    for character in clean.chars() {
        n_columns += character.width().unwrap_or(0);
        if n_columns + 1 > width {
            break;
        }
        cut.push(character);
    }
    if width > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// A cleaned text in pieces of so many columns.
pub(super) fn broken(text: &str, width: usize) -> Vec<String> {
    let clean = sanitize_for_terminal(text);
    let mut lines = vec![String::new()];
    let mut n_columns = 0;
    for character in clean.chars() {
        let more = character.width().unwrap_or(0);
        if n_columns + more > width && n_columns > 0 {
            lines.push(String::new());
            n_columns = 0;
        }
        n_columns += more;
        lines.last_mut().expect("there is one from the beginning").push(character);
    }
    lines
}

/// A text without so many columns at its beginning.
pub(super) fn from_column(text: &str, n_columns: usize) -> Cow<'_, str> {
    let mut n_seen = 0;
    let start = text.char_indices().find(|(_, character)| {
        let is_beyond = n_seen >= n_columns;
        n_seen += character.width().unwrap_or(0);
        is_beyond
    });
    Cow::Borrowed(start.map_or("", |(at, _)| &text[at..]))
}

/// `12s`, `3m`, `2h`, `5d`.
pub(super) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3_600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// `12:04:07.118`, in UTC.
pub(super) fn time(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%H:%M:%S.%3f").to_string()
}

/// `51 204`.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_and_cleaned() {
        let check = |text: &str, width, expected: &str| assert_eq!(fit(text, width), expected, "{text:?}");
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("日本語", 6, "日本語");
        check("日本語", 5, "日本…");
        check("日本語", 4, "日…");
        check("a\x1b[31m", 20, "a\\x1b[31m");
        check("abc", 0, "");
        check("abc", 1, "…");
        check(&"x".repeat(90_000), 4, "xxx…");
    }

    #[test]
    fn a_text_is_broken_at_a_width() {
        assert_eq!(broken("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(broken("日本", 3), ["日", "本"]);
        assert_eq!(broken("", 3), [""]);
        assert_eq!(broken("日", 1), ["日"]);
    }

    #[test]
    fn a_text_begins_at_a_column() {
        let from = |text, n_columns| from_column(text, n_columns).into_owned();
        assert_eq!([from("abc", 0), from("abc", 2), from("日本", 2), from("ab", 9)], ["abc", "c", "本", ""]);
    }

    #[test]
    fn nothing_is_written_outside() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buf = Buffer::empty(area);
        let beyond = Rect::new(2, 1, 40, 40);
        put(&mut buf, beyond, 0, 0, "abcdef", Style::new());
        put(&mut buf, beyond, 0, 1, "no", Style::new());
        put(&mut buf, Rect::new(9, 9, 3, 3), 0, 0, "no", Style::new());
        put_right(&mut buf, area, 3, 0, "xy", Style::new());
        assert_eq!(buf, Buffer::with_lines([" xy ", "  a…"]));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0, 999, 1_000, 51_204, 1_234_567].map(count),
            ["0", "999", "1 000", "51 204", "1 234 567"]
        );
        assert_eq!([12, 185, 7_300, 500_000].map(|s| age(Duration::from_secs(s))), ["12s", "3m", "2h", "5d"]);
    }
}
