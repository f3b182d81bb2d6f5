//! Tokens as a tree: precedence, and what each field may be asked.

use super::Filter;
use super::error::FilterError;
use super::field::{Field, HopClass, Kind};
use super::lex::{Op, Token, TokenKind, Typed, tokens};
use super::tree::{Compare, Expr, Pattern, Term, Test, TextTest};
use super::value::{self, Status};

/// Reads a whole filter; `None` where there is nothing but space.
pub(super) fn filter(text: &str) -> Result<Option<Expr>, FilterError> {
    if text.len() > Filter::MAX_BYTES {
        let message = format!("a filter of {} bytes is over {}", text.len(), Filter::MAX_BYTES);
        return Err(FilterError::new(Filter::MAX_BYTES, 0, message));
    }
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), end: text.len(), depth: 0 };
    if parser.tokens.peek().is_none() {
        return Ok(None);
    }
    let expr = parser.either()?;
    match parser.tokens.next() {
        None => Ok(Some(expr)),
        Some(token) => Err(unexpected(&token, "a filter that goes on with `&`, `|` or a term")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Where the text ends.
    end: usize,
    depth: usize,
}

// === impl Parser ===

impl Parser {
    fn eat(&mut self, kind: &TokenKind) -> bool {
        self.tokens.next_if(|token| token.kind == *kind).is_some()
    }

    fn either(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.eat(&TokenKind::Or) {
            parts.push(self.all()?);
        }
        Ok(several(parts, Expr::Either))
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.unary()?];
        loop {
            if self.eat(&TokenKind::And) || self.tokens.peek().is_some_and(|token| begins(&token.kind)) {
                parts.push(self.unary()?);
            } else {
                return Ok(several(parts, Expr::All));
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, FilterError> {
        let Some(token) = self.tokens.next_if(|token| token.kind == TokenKind::Not) else {
            return self.upstream();
        };
        let inner = self.deeper(&token, Self::unary)?;
        Ok(Expr::Not(Box::new(inner)))
    }

    fn upstream(&mut self) -> Result<Expr, FilterError> {
        let mut expr = self.primary()?;
        let depth = self.depth;
        while let Some(token) = self.tokens.next_if(|token| token.kind == TokenKind::Upstream) {
            // Each puts what is before it one level down, and stays there to the end of the chain.
            self.step_down(&token)?;
            let below = self.primary()?;
            expr = Expr::Upstream { above: Box::new(expr), below: Box::new(below) };
        }
        self.depth = depth;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, FilterError> {
        let Some(token) = self.tokens.next() else {
            return Err(FilterError::new(self.end, 0, "the filter ends where a term was wanted")
                .hint("such as `status>=500`, `svc:checkout` or a word"));
        };
        match token.kind {
            TokenKind::Open => self.closed(&token, &TokenKind::Close, ')'),
            TokenKind::OpenHop => {
                let inner = self.closed(&token, &TokenKind::CloseHop, '}')?;
                Ok(Expr::OneHop(Box::new(inner)))
            }
            TokenKind::Word(word) => Ok(Expr::Word(word)),
            TokenKind::Term { name, op, value } => term(&name, token.offset, op, &value),
            TokenKind::And | TokenKind::Or | TokenKind::Not | TokenKind::Upstream => {
                Err(unexpected(&token, "a term"))
            }
            TokenKind::Close | TokenKind::CloseHop => {
                Err(unexpected(&token, "a term")
                    .hint("a bracket closes what was opened, with something in it"))
            }
        }
    }

    /// What stands between brackets, of which `open` has been read.
    fn closed(&mut self, open: &Token, close: &TokenKind, sign: char) -> Result<Expr, FilterError> {
        let inner = self.deeper(open, Self::either)?;
        if self.eat(close) {
            return Ok(inner);
        }
        match self.tokens.next() {
            Some(token) => Err(unexpected(&token, &format!("`{sign}`"))),
            None => {
                Err(FilterError::new(open.offset, open.len, format!("nothing closes this: wanted `{sign}`")))
            }
        }
    }

    fn deeper(
        &mut self,
        token: &Token,
        inner: impl FnOnce(&mut Self) -> Result<Expr, FilterError>,
    ) -> Result<Expr, FilterError> {
        self.step_down(token)?;
        let inner = inner(self);
        self.depth -= 1;
        inner
    }

    fn step_down(&mut self, token: &Token) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > Filter::MAX_DEPTH {
            let message = format!("more than {} levels in each other", Filter::MAX_DEPTH);
            return Err(FilterError::new(token.offset, token.len, message));
        }
        Ok(())
    }
}

/// Whether something that stands beside another begins here: then both have to hold.
fn begins(kind: &TokenKind) -> bool {
    match kind {
        TokenKind::Open
        | TokenKind::OpenHop
        | TokenKind::Not
        | TokenKind::Word(_)
        | TokenKind::Term { .. } => true,
        TokenKind::Close | TokenKind::CloseHop | TokenKind::And | TokenKind::Or | TokenKind::Upstream => {
            false
        }
    }
}

fn several(mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

fn unexpected(token: &Token, wanted: &str) -> FilterError {
    let found = match &token.kind {
        TokenKind::Open => "(",
        TokenKind::Close => ")",
        TokenKind::OpenHop => "{",
        TokenKind::CloseHop => "}",
        TokenKind::And => "&",
        TokenKind::Or => "|",
        TokenKind::Not => "!",
        TokenKind::Upstream => ">>",
        TokenKind::Word(word) => word,
        TokenKind::Term { name, .. } => name,
    };
    FilterError::new(token.offset, token.len, format!("found `{found}`, wanted {wanted}"))
}

fn term(name: &str, offset: usize, op: Op, value: &Typed) -> Result<Expr, FilterError> {
    let Some(field) = Field::from_name(name) else {
        let error = FilterError::new(offset, name.len(), format!("unknown field `{name}`"));
        return Err(match Field::like(name) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("to find the text as it is, put it in quotes"),
        });
    };
    let test = test(&field, op, value)?;
    let term = Expr::Term(Term { field, test });
    Ok(match op {
        Op::NotEqual | Op::NotLike => Expr::Not(Box::new(term)),
        Op::Has | Op::Equal | Op::Greater | Op::AtLeast | Op::Less | Op::AtMost | Op::Like => term,
    })
}

/// What is asked of the field, without the `!` of `!=` and `!~`.
fn test(field: &Field, op: Op, value: &Typed) -> Result<Test, FilterError> {
    let is_whole = matches!(op, Op::Has | Op::Equal | Op::NotEqual);
    if is_whole && value.text == "*" && !value.is_quoted {
        return Ok(Test::Present);
    }
    let asked = Asked { field, op, value };
    match field.kind() {
        Kind::Text | Kind::Word => asked.text(),
        Kind::Status => asked.status(),
        Kind::Duration => asked.number(value::duration, "a duration such as `200ms`, `1.5s` or `2m`"),
        Kind::Size => asked.number(value::size, "a size such as `100`, `64KiB` or `1.5MB`"),
        Kind::Grpc => asked.number(value::grpc, "a gRPC status such as `14` or `unavailable`"),
        Kind::Level => asked.level(),
        Kind::Flag => asked.one_of(&[("true", Test::Is(true)), ("false", Test::Is(false))]),
        Kind::Class => asked.one_of(&HopClass::ALL.map(|class| (class.word(), Test::Class(class)))),
    }
}

struct Asked<'a> {
    field: &'a Field,
    op: Op,
    value: &'a Typed,
}

// === impl Asked ===

impl Asked<'_> {
    fn text(&self) -> Result<Test, FilterError> {
        let text = &self.value.text;
        match self.op {
            Op::Has => Ok(Test::Text(TextTest::Contains, text.clone())),
            Op::Equal | Op::NotEqual => Ok(Test::Text(TextTest::Equals, text.clone())),
            Op::Like | Op::NotLike => {
                let pattern = Pattern::new(text).map_err(|why| {
                    self.bad(format!("`{text}` is no regular expression: {why}"))
                        .hint("an expression with spaces or one of `&|(){}` goes in quotes")
                })?;
                Ok(Test::Pattern(pattern))
            }
            Op::Greater | Op::AtLeast | Op::Less | Op::AtMost => Err(self
                .bad(format!("`{}` is a text and has no order", self.field))
                .hint("texts take `:`, `=`, `!=`, `~` and `!~`")),
        }
    }

    fn status(&self) -> Result<Test, FilterError> {
        let Some(status) = value::status(&self.value.text) else {
            return Err(self.not_a("a status such as `503`, `5xx` or `5+`"));
        };
        let compare = self.compare()?;
        match (status, compare) {
            (Status::One(status), compare) => Ok(Test::Number(compare, status)),
            (Status::Within(from, to), Compare::Equal) => Ok(Test::Within(from, to)),
            (Status::AtLeast(from), Compare::Equal) => Ok(Test::Number(Compare::AtLeast, from)),
            (Status::Within(..) | Status::AtLeast(_), _) => Err(self
                .bad(format!("`{}` is many statuses already", self.value.text))
                .hint("compare with one, as in `status>=500`")),
        }
    }

    /// All of a level's numbers, or what is beyond them.
    fn level(&self) -> Result<Test, FilterError> {
        let names = || value::LEVELS.map(|(name, ..)| format!("`{name}`")).join(", ");
        let level = value::level(&self.value.text);
        let (from, to) = level.ok_or_else(|| self.not_a(&format!("one of {}", names())))?;
        Ok(match self.compare()? {
            Compare::Equal => Test::Within(from, to),
            compare @ (Compare::Greater | Compare::AtMost) => Test::Number(compare, to),
            compare @ (Compare::AtLeast | Compare::Less) => Test::Number(compare, from),
        })
    }

    fn number(&self, read: impl Fn(&str) -> Option<u64>, wanted: &str) -> Result<Test, FilterError> {
        let number = read(&self.value.text).ok_or_else(|| self.not_a(wanted))?;
        Ok(Test::Number(self.compare()?, number))
    }

    fn one_of(&self, words: &[(&str, Test)]) -> Result<Test, FilterError> {
        let all = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&self.value.text));
        let (_, test) = found.ok_or_else(|| self.not_a(&format!("one of {all}")))?;
        match self.compare()? {
            Compare::Equal => Ok(test.clone()),
            _ => Err(self
                .bad(format!("`{}` has no order", self.field))
                .hint(format!("write `{}:{}`", self.field, self.value.text))),
        }
    }

    fn compare(&self) -> Result<Compare, FilterError> {
        match self.op {
            Op::Has | Op::Equal | Op::NotEqual => Ok(Compare::Equal),
            Op::Greater => Ok(Compare::Greater),
            Op::AtLeast => Ok(Compare::AtLeast),
            Op::Less => Ok(Compare::Less),
            Op::AtMost => Ok(Compare::AtMost),
            Op::Like | Op::NotLike => {
                Err(self.bad(format!("`{}` is no text for a regular expression", self.field)))
            }
        }
    }

    fn not_a(&self, wanted: &str) -> FilterError {
        self.bad(format!("`{}` is not what `{}` holds: wanted {wanted}", self.value.text, self.field))
    }

    fn bad(&self, message: String) -> FilterError {
        FilterError::new(self.value.offset, self.value.len, message)
    }
}
