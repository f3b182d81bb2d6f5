//! The words of an expression.
//!
//! Follows the lexer rules of `parser/gen/CEL.g4` in `github.com/google/cel-go`, where the longest
//! word wins.

/// A word, as far as it matters to an operator beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `!`
    Not,
    /// `-`
    Minus,
    /// A name, a text, `true`.
    Name,
    Number,
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// `.`
    Dot,
    /// A comma, another operator.
    Other,
}

/// Where a text has something that is no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoWord {
    pub(super) byte: usize,
}

const OPERATORS: [&str; 15] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "*", "/", "%", "?", ":", ","];
const STRING_PREFIXES: [&str; 8] = ["b", "B", "r", "R", "br", "bR", "Br", "BR"];

/// The words of a text, each with the byte where it begins.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Word)>, NoWord> {
    let mut words = Vec::new();
    let mut byte = 0;
    while byte < text.len() {
        let (word, length) = next(&text[byte..]).ok_or(NoWord { byte })?;
        words.extend(word.map(|word| (byte, word)));
        byte += length;
    }
    Ok(words)
}

/// The word that a text begins with, or none for a space or a comment, and its length in bytes.
fn next(text: &str) -> Option<(Option<Word>, usize)> {
    if text.starts_with("//") {
        return Some((None, text.find('\n').unwrap_or(text.len())));
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| text.starts_with(**operator)) {
        return Some((Some(Word::Other), operator.len()));
    }
    let word = match text.chars().next()? {
        ' ' | '\t' | '\r' | '\n' | '\u{c}' => return Some((None, 1)),
        '!' => Word::Not,
        '-' => Word::Minus,
        '(' | '[' | '{' => Word::Open,
        ')' | ']' | '}' => Word::Close,
        '.' if !text[1..].starts_with(|after: char| after.is_ascii_digit()) => Word::Dot,
        '.' | '0'..='9' => return Some((Some(Word::Number), 1 + alphanumerics(&text[1..]))),
        '"' | '\'' => return Some((Some(Word::Name), string(text, false)?)),
        '`' => return Some((Some(Word::Name), quoted_name(text)?)),
        'a'..='z' | 'A'..='Z' | '_' => return Some(name_or_string(text)),
        _ => return None,
    };
    Some((Some(word), 1))
}

/// How many bytes of a name or a number a text begins with. A number's exponent may have a sign,
/// which is no matter here: `1e-1` reads as a difference.
fn alphanumerics(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

fn name_or_string(text: &str) -> (Option<Word>, usize) {
    let (name, rest) = text.split_at(alphanumerics(text));
    let string =
        if STRING_PREFIXES.contains(&name) { string(rest, name.ends_with(['r', 'R'])) } else { None };
    let word = if name == "in" { Word::Other } else { Word::Name };
    (Some(word), name.len() + string.unwrap_or(0))
}

fn quoted_name(text: &str) -> Option<usize> {
    let (name, _) = text[1..].split_once('`')?;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_.-/ ".contains(letter);
    (!name.is_empty() && name.chars().all(is_letter)).then_some(name.len() + 2)
}

/// The length of a string with its quotes.
fn string(text: &str, is_raw: bool) -> Option<usize> {
    ["\"\"\"", "'''", "\"", "'"].iter().find_map(|quotes| {
        let mut rest = text.strip_prefix(quotes)?;
        loop {
            if let Some(after) = rest.strip_prefix(quotes) {
                return Some(text.len() - after.len());
            }
            let mut letters = rest.chars();
            rest = match letters.next()? {
                '\\' if !is_raw => &rest[escape(rest)?..],
                '\n' | '\r' if quotes.len() == 1 => return None,
                _ => letters.as_str(),
            };
        }
    })
}

/// The length of an escape, which a text begins with.
fn escape(text: &str) -> Option<usize> {
    let digits = |from: usize, n: usize, is_digit: fn(&u8) -> bool| {
        text.as_bytes().get(from..from + n).filter(|digits| digits.iter().all(is_digit)).map(|_| from + n)
    };
    match text.as_bytes().get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(2),
        b'x' | b'X' => digits(2, 2, u8::is_ascii_hexdigit),
        b'u' => digits(2, 4, u8::is_ascii_hexdigit),
        b'U' => digits(2, 8, u8::is_ascii_hexdigit),
        b'0'..=b'3' => digits(2, 2, |digit| (b'0'..=b'7').contains(digit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_one_word_whatever_is_in_it() {
        for text in [
            "''",
            "'!!\"a'",
            "\"--'a\"",
            r"'\'!!\\'",
            r"'\x4a\u00e9\U0001F600\377\n'",
            "'''!!a\n ' '' \\''' !!'''",
            "\"\"\"!!\n\"--\"\"\"",
            r"r'\'",
            r#"R"""\""""#,
            "b'é'",
            r"bR'\'",
            "`a-b.c/d e`",
        ] {
            assert_eq!(read(text), Ok(vec![(0, Word::Name)]), "{text}");
        }
        assert_eq!(read("rb'a'"), Ok(vec![(0, Word::Name), (2, Word::Name)]));
        assert_eq!(read("''''"), Ok(vec![(0, Word::Name), (2, Word::Name)]));
        assert_eq!(read("'''''"), Err(NoWord { byte: 4 }), "two empty ones, and what begins another");
    }

    #[test]
    fn words_are_as_long_as_can_be() {
        use Word::{Close, Dot, Minus, Name, Not, Number, Open, Other};
        for (text, expected) in [
            ("!a!=b", vec![Not, Name, Other, Name]),
            ("in inner in_", vec![Other, Name, Name]),
            ("a.b[.5]", vec![Name, Dot, Name, Open, Number, Close]),
            ("0x1Fu-1.5", vec![Number, Minus, Number, Number]),
            ("a // -!'\n - // !", vec![Name, Minus]),
            ("a?b:{c:d}", vec![Name, Other, Name, Other, Open, Name, Other, Name, Close]),
        ] {
            let words: Vec<Word> = read(text).unwrap().into_iter().map(|(_, word)| word).collect();
            assert_eq!(words, expected, "{text}");
        }
    }

    #[test]
    fn what_the_language_does_not_have_is_no_word() {
        for (text, byte) in [
            ("a & b", 2),
            ("a = b", 2),
            ("é", 0),
            ("a@", 1),
            ("'a\n'", 0),
            ("'a", 0),
            (r"'\q'", 0),
            (r"'\é'", 0),
            (r"'\u12'", 0),
            (r"'\400'", 0),
            ("'\\", 0),
            ("``", 0),
            ("`a!`", 0),
            ("b'a", 1),
            ("'''a", 2),
        ] {
            assert_eq!(read(text), Err(NoWord { byte }), "{text}");
        }
    }
}
