//! Frames of ASCII alone, for terminals and fonts that know nothing else.
//!
//! What is drawn is replaced sign by sign after everything else, so that nobody who draws has to
//! think of it. Signs that mean something have letters of their own, which the help names.

use ratatui::buffer::Buffer;

/// A sign and what stands for it.
const SIGNS: &[(char, char)] = &[
    ('◆', 'F'),
    ('○', 'B'),
    ('½', 'S'),
    ('▲', 'L'),
    ('✗', 'E'),
    ('✘', 'x'),
    ('✔', 'v'),
    ('…', '.'),
    ('▸', '>'),
    ('▶', '>'),
    ('→', '>'),
    ('←', '<'),
    ('↩', '<'),
    ('↺', 'R'),
    ('•', '*'),
    ('⇧', '^'),
    ('Δ', 'D'),
    ('░', '.'),
    ('▓', '#'),
    ('●', '*'),
    ('◐', '~'),
    ('◌', '.'),
    ('❚', '"'),
    ('·', '.'),
    ('–', '-'),
    ('×', 'x'),
    ('±', '~'),
    ('⚠', '!'),
    ('█', '#'),
    ('│', '|'),
    ('┃', '|'),
    ('─', '-'),
    ('━', '='),
    ('═', '#'),
    ('┌', '+'),
    ('┐', '+'),
    ('└', '+'),
    ('┘', '+'),
    ('├', '+'),
    ('┤', '+'),
    ('┬', '+'),
    ('┴', '+'),
    ('┼', '+'),
    ('╭', '+'),
    ('╰', '+'),
    ('╮', '+'),
    ('╯', '+'),
];

/// Replaces every sign that is not ASCII; those without one of their own are `?`.
pub(super) fn replace(buf: &mut Buffer) {
    for cell in &mut buf.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let sign = cell.symbol().chars().next().unwrap_or(' ');
        let found = SIGNS.iter().find(|(from, _)| *from == sign).map(|(_, to)| *to);
        // A wide sign covers the cell after it, which holds a blank.
        cell.set_char(found.unwrap_or('?'));
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn every_sign_is_ascii_and_columns_stay() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 1));
        buf.set_string(0, 0, "◆a ─日b▸ü", Style::new());
        replace(&mut buf);
        assert_eq!(buf, Buffer::with_lines(["Fa -? b>?   "]));
        assert!(SIGNS.iter().all(|(_, to)| to.is_ascii()));
    }
}
