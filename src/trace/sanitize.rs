//! Makes text from elsewhere safe to print on a terminal.
//!
//! Everything that comes from requests, objects, logs or other programs goes
//! through here before it is printed. What could move the cursor, set a
//! title, write the clipboard, reorder or hide text is shown as an escape:
//! `\x1b`, `\u{202e}`. The text is taken as one line: line breaks and tabs are
//! shown as `\n` and `\t`; who prints several lines splits them first.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with everything that a terminal or a reader's eye could be fooled
/// by shown as a visible escape. Harmless text is borrowed.
#[must_use]
pub fn sanitize_for_terminal(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_unsafe) else {
        return Cow::Borrowed(text);
    };
    let (safe, rest) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(safe);
    rest.chars().for_each(|character| show(character, &mut shown));
    Cow::Owned(shown)
}

/// The same for bytes: what is not UTF-8 is shown as `\x9b`.
#[must_use]
pub fn sanitize_bytes_for_terminal(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return sanitize_for_terminal(text);
    }
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| show(c, &mut shown));
        for byte in chunk.invalid() {
            push(format_args!("\\x{byte:02x}"), &mut shown);
        }
    }
    Cow::Owned(shown)
}

/// A line as a terminal may show it: colours are dropped, since a colour can
/// hide text; anything else that a terminal obeys is shown as an escape.
#[must_use]
pub fn log_line_for_terminal(line: &[u8]) -> String {
    /// A tab in a log stands for some space, not for a column.
    const TAB: &[u8] = b"    ";
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        match first {
            b'\t' => plain.extend_from_slice(TAB),
            byte => plain.push(*byte),
        }
        rest = after;
    }
    sanitize_bytes_for_terminal(&plain).into_owned()
}

/// What follows a "select graphic rendition" (ECMA-48, section 8.3.117), where the text begins with one.
fn after_colour(text: &[u8]) -> Option<&[u8]> {
    let parameters = text.strip_prefix(b"\x1b[")?;
    let end = parameters.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (parameters[end] == b'm').then(|| &parameters[end + 1..])
}

fn show(character: char, shown: &mut String) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        c if !is_unsafe(c) => shown.push(c),
        c if c <= '\u{9f}' => push(format_args!("\\x{:02x}", u32::from(c)), shown),
        c => push(format_args!("\\u{{{:x}}}", u32::from(c)), shown),
    }
}

fn push(text: std::fmt::Arguments<'_>, shown: &mut String) {
    shown.write_fmt(text).expect("writing to a string does not fail");
}

/// Control characters (C0, DEL, C1), bidirectional controls (Unicode Standard
/// Annex 9, section 2; "Trojan Source", CVE-2021-42574), line and paragraph
/// separators, characters without width, and tags, which spell invisible text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, Mongolian vowel separator.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}'
            // Hangul fillers, which are letters without ink.
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Zero width space to right-to-left mark.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, bidirectional embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, bidirectional isolates, deprecated formats.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotations.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags and the variation selectors after them.
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(sanitize_for_terminal(text), shown);
    }

    #[test]
    fn escape_sequences_are_shown() {
        check("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m");
        check("\x1b]0;title\x07", "\\x1b]0;title\\x07");
        check("\x1b]52;c;aGk=\x1b\\", "\\x1b]52;c;aGk=\\x1b\\");
        check("\x1b]8;;http://x\x07link", "\\x1b]8;;http://x\\x07link");
        check("\u{9b}31m\u{80}\u{9f}", "\\x9b31m\\x80\\x9f");
    }

    #[test]
    fn control_characters_are_shown() {
        check("a\x08\x7f\0", "a\\x08\\x7f\\x00");
        check("rich\rpoor\nand\ttab", "rich\\rpoor\\nand\\ttab");
    }

    #[test]
    fn text_that_reorders_or_hides_is_shown() {
        check("\u{202a}\u{202e}", "\\u{202a}\\u{202e}");
        check("\u{2066}\u{2069}", "\\u{2066}\\u{2069}");
        check("a\u{200b}b\u{200d}\u{feff}", "a\\u{200b}b\\u{200d}\\u{feff}");
        check("\u{e0001}\u{e0041}\u{e007f}", "\\u{e0001}\\u{e0041}\\u{e007f}");
        check("\u{2028}\u{ad}", "\\u{2028}\\u{ad}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown() {
        assert_eq!(sanitize_bytes_for_terminal(b"a\x9b31m\xff"), "a\\x9b31m\\xff");
        assert_eq!(sanitize_bytes_for_terminal("ok ◆".as_bytes()), "ok ◆");
    }

    #[test]
    fn of_log_lines_colours_are_dropped_and_the_rest_is_shown() {
        let line = |line: &[u8], expected| assert_eq!(log_line_for_terminal(line), expected);
        line(b"\x1b[1;32mINFO\x1b[0m started\r", "INFO started");
        line(b"a\tb", "a    b");
        line(b"\x1b]0;title\x07", "\\x1b]0;title\\x07");
        line(b"\x1b[2Jgone", "\\x1b[2Jgone");
        line(b"\x1b[31", "\\x1b[31");
        line(b"\xff", "\\xff");
    }

    #[test]
    fn harmless_text_is_borrowed() {
        for text in ["", "gw ▸ frontend", "grüße 日本 \\ 'x'"] {
            assert!(matches!(sanitize_for_terminal(text), Cow::Borrowed(same) if same == text));
        }
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_unsafe_is_left_and_twice_is_once(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in any::<String>()) {
            for shown in [sanitize_bytes_for_terminal(&bytes), sanitize_for_terminal(&text)] {
                prop_assert!(!shown.chars().any(is_unsafe));
                prop_assert_eq!(sanitize_for_terminal(&shown), shown.as_ref());
            }
        }
    }
}
