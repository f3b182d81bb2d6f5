//! A filter as text, in its plain form: reading it gives the same tree.

use std::fmt;

use super::field::Kind;
use super::lex::{is_plain, joining};
use super::tree::{Expr, Term, Test, TextTest};
use super::value;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, " ", |part| matches!(part, Self::All(_) | Self::Either(_))),
            Self::Either(parts) => joined(f, parts, " | ", |part| matches!(part, Self::Either(_))),
            Self::Not(inner) => {
                f.write_str("!")?;
                wrapped(f, inner, matches!(**inner, Self::All(_) | Self::Either(_)))
            }
            Self::OneHop(inner) => write!(f, "{{{inner}}}"),
            Self::Upstream { above, below } => {
                // `a>>b>>c` is `(a>>b)>>c`.
                let is_many = |expr: &Self| matches!(expr, Self::All(_) | Self::Either(_) | Self::Not(_));
                wrapped(f, above, is_many(above))?;
                f.write_str(" >> ")?;
                wrapped(f, below, is_many(below) || matches!(**below, Self::Upstream { .. }))
            }
            Self::Word(word) => match joining(word) {
                Some(_) => quoted(f, word),
                None => text(f, word),
            },
            Self::Term(term) => term.fmt(f),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, test } = self;
        field.fmt(f)?;
        match test {
            Test::Present => f.write_str(":*"),
            Test::Text(TextTest::Contains, wanted) => {
                f.write_str(":")?;
                text(f, wanted)
            }
            Test::Text(TextTest::Equals, wanted) => {
                f.write_str("=")?;
                text(f, wanted)
            }
            Test::Pattern(pattern) => {
                f.write_str("~")?;
                text(f, pattern.as_str())
            }
            Test::Number(compare, number) => {
                f.write_str(compare.sign())?;
                match field.kind() {
                    Kind::Duration => value::write_duration(f, *number),
                    Kind::Size => value::write_size(f, *number),
                    Kind::Status => write!(f, "{number:03}"),
                    Kind::Level => f.write_str(value::level_name(*number)),
                    _ => write!(f, "{number}"),
                }
            }
            Test::Within(from, _) if field.kind() == Kind::Level => {
                write!(f, ":{}", value::level_name(*from))
            }
            Test::Within(from, to) => write!(f, ":{}", value::status_class(*from, *to)),
            Test::Is(flag) => write!(f, ":{flag}"),
            Test::Class(class) => write!(f, ":{}", class.word()),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    between: &str,
    is_wrapped: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (idx, part) in parts.iter().enumerate() {
        if idx > 0 {
            f.write_str(between)?;
        }
        wrapped(f, part, is_wrapped(part))?;
    }
    Ok(())
}

fn wrapped(f: &mut fmt::Formatter<'_>, expr: &Expr, is_wrapped: bool) -> fmt::Result {
    if is_wrapped { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

/// A value, in quotes where it needs them.
fn text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if is_plain(text) { f.write_str(text) } else { quoted(f, text) }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
