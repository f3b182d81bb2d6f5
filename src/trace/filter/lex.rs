//! A filter's text as tokens. What they mean together is left to `parse`.

use super::error::FilterError;
use super::field::is_name_byte;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) offset: usize,
    pub(super) len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Open,
    Close,
    OpenHop,
    CloseHop,
    And,
    Or,
    Not,
    Upstream,
    Word(String),
    Term { name: String, op: Op, value: Typed },
}

/// A value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    pub(super) offset: usize,
    pub(super) len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Has,
    Equal,
    NotEqual,
    Greater,
    AtLeast,
    Less,
    AtMost,
    Like,
    NotLike,
}

/// Longer ones first: `>=` is not `>` and `=`.
const OPS: [(&str, Op); 9] = [
    ("!=", Op::NotEqual),
    ("!~", Op::NotLike),
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    (":", Op::Has),
    ("=", Op::Equal),
    (">", Op::Greater),
    ("<", Op::Less),
    ("~", Op::Like),
];

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut cursor = Cursor { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = cursor.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn token(&mut self) -> Result<Option<Token>, FilterError> {
        self.skip_space();
        let offset = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match first {
            '"' => TokenKind::Word(self.quoted()?),
            '>' if self.eat(">>") => TokenKind::Upstream,
            '&' | '|' | '(' | ')' | '{' | '}' | '!' => self.sign(first),
            _ if starts_op(self.rest()) => return Err(self.no_field()),
            _ => self.word_or_term()?,
        };
        Ok(Some(Token { kind, offset, len: self.at - offset }))
    }

    fn sign(&mut self, first: char) -> TokenKind {
        self.at += first.len_utf8();
        match first {
            '&' => {
                // As in a shell or a programming language; it means the same.
                self.eat("&");
                TokenKind::And
            }
            '|' => {
                self.eat("|");
                TokenKind::Or
            }
            '(' => TokenKind::Open,
            ')' => TokenKind::Close,
            '{' => TokenKind::OpenHop,
            '}' => TokenKind::CloseHop,
            _ => TokenKind::Not,
        }
    }

    fn no_field(&self) -> FilterError {
        let op = self.rest().chars().next().map_or(0, char::len_utf8);
        let found = &self.rest()[..op];
        FilterError::new(self.at, op, format!("wanted a field before `{found}`"))
            .hint("write `status>=500`, or quote what is to be found as it is")
    }

    fn word_or_term(&mut self) -> Result<TokenKind, FilterError> {
        let name = self.rest().bytes().take_while(|byte| is_name_byte(*byte)).count();
        let after = self.rest()[name..].trim_start();
        if name > 0 && starts_op(after) {
            return self.term(name);
        }
        let word = self.bare();
        Ok(joining(word).unwrap_or_else(|| TokenKind::Word(word.to_owned())))
    }

    fn term(&mut self, name_len: usize) -> Result<TokenKind, FilterError> {
        let name = self.rest()[..name_len].to_owned();
        self.at += name_len;
        self.skip_space();
        let Some(mut op) = self.op() else { return Err(self.no_field()) };
        // `dur:>200ms` is what people type who know GitHub's search.
        if op == Op::Has && starts_op(self.rest()) && !self.rest().starts_with(':') {
            op = self.op().unwrap_or(op);
        }
        // In `key: (a)` and at the end there is no value.
        let before_space = self.at;
        self.skip_space();
        let offset = self.at;
        let is_quoted = self.rest().starts_with('"');
        let text = if is_quoted { self.quoted()? } else { self.bare().to_owned() };
        if text.is_empty() && !is_quoted {
            return Err(FilterError::new(before_space, 0, format!("wanted a value for `{name}`"))
                .hint(format!("`{name}:*` finds any value; quote one with spaces or one of `&|(){{}}`")));
        }
        Ok(TokenKind::Term { name, op, value: Typed { text, is_quoted, offset, len: self.at - offset } })
    }

    fn op(&mut self) -> Option<Op> {
        OPS.iter().find_map(|(sign, op)| self.eat(sign).then_some(*op))
    }

    /// Up to what ends a word.
    fn bare(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.char_indices().find(|(at, c)| ends_word(*c) || rest[*at..].starts_with(">>"));
        let word = &rest[..end.map_or(rest.len(), |(at, _)| at)];
        self.at += word.len();
        word
    }

    /// Between quotes `\"` is a quote and `\\` a backslash; before anything else a backslash is
    /// itself, so that `"\d+"` is what it looks like.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let opened = self.at;
        let mut chars = self.rest().char_indices().skip(1).peekable();
        let mut found = String::new();
        while let Some((at, c)) = chars.next() {
            match (c, chars.peek()) {
                ('"', _) => {
                    self.at += at + 1;
                    return Ok(found);
                }
                ('\\', Some((_, next @ ('"' | '\\')))) => {
                    found.push(*next);
                    chars.next();
                }
                (c, _) => found.push(c),
            }
        }
        Err(FilterError::new(opened, 1, "this quote is not closed").hint("close it with `\"`"))
    }
}

/// Whether an operator comes next; `>>` is none.
fn starts_op(text: &str) -> bool {
    !text.starts_with(">>") && OPS.iter().any(|(sign, _)| text.starts_with(sign))
}

/// What cannot be in a word without quotes.
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | '|' | '(' | ')' | '{' | '}' | '"')
}

/// Whether a text without quotes is one word. As a value it then is itself; elsewhere unless it
/// [joins](joining).
pub(super) fn is_plain(word: &str) -> bool {
    let is_safe = |c: char| {
        c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '%' | '?' | ',' | '+' | '@' | '#')
    };
    !word.is_empty() && word.chars().all(is_safe)
}

/// What a word stands for, if it stands for a sign.
pub(super) fn joining(word: &str) -> Option<TokenKind> {
    match word {
        "and" | "AND" => Some(TokenKind::And),
        "or" | "OR" => Some(TokenKind::Or),
        "not" | "NOT" => Some(TokenKind::Not),
        _ => None,
    }
}
