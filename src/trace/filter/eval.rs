//! Whether something fits a filter.
//!
//! Where no hops are asked for, the tree is walked once. Inside `{…}` and beside `>>` each part of
//! it is answered for all hops at once, so that the time grows with hops times parts however the
//! signs stand in each other.

use super::field::{Field, HopClass, Kind};
use super::tree::{Expr, Term, Test, TextTest};

/// What a filter is asked of: a trace, a hop, a log line.
pub trait Fields {
    /// Whether some value of the field passes. A field that is absent has no value.
    fn some(&self, part: Part, field: &Field, passes: &mut dyn FnMut(Value<'_>) -> bool) -> bool;

    /// Where a bare word is looked for.
    fn words(&self) -> &[Field] {
        &WORD_FIELDS
    }

    /// How many hops it has; 0 where it is a single thing, which `{…}` then asks.
    fn n_hops(&self) -> usize {
        0
    }

    /// The hop that this one belongs under.
    fn parent(&self, hop: usize) -> Option<usize> {
        let _ = hop;
        None
    }
}

/// Which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// One hop.
    Hop(usize),
}

/// A value of a field, in the kind of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text or a word.
    Text(&'a str),
    /// A status, microseconds, bytes, or a gRPC status.
    Number(u64),
    /// A class of hops.
    Class(HopClass),
    /// A flag.
    Flag(bool),
}

/// Where a bare word is looked for in requests.
const WORD_FIELDS: [Field; 6] =
    [Field::Method, Field::Path, Field::Host, Field::Svc, Field::Key, Field::Trace];

/// Whether the whole of it fits.
pub(super) fn matches(expr: &Expr, subject: &impl Fields) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| matches(part, subject)),
        Expr::Either(parts) => parts.iter().any(|part| matches(part, subject)),
        Expr::Not(inner) => !matches(inner, subject),
        Expr::OneHop(inner) if subject.n_hops() == 0 => matches(inner, subject),
        Expr::OneHop(_) | Expr::Upstream { .. } => hops(expr, subject).contains(&true),
        Expr::Word(word) => has_word(subject, Part::Whole, word),
        Expr::Term(term) => holds(subject, Part::Whole, term),
    }
}

/// Which hops fit.
fn hops(expr: &Expr, subject: &impl Fields) -> Vec<bool> {
    let each = |fits: &dyn Fn(Part) -> bool| (0..subject.n_hops()).map(|hop| fits(Part::Hop(hop))).collect();
    match expr {
        Expr::All(parts) => merged(parts, subject, |all, one| all && one),
        Expr::Either(parts) => merged(parts, subject, |any, one| any || one),
        Expr::Not(inner) => hops(inner, subject).into_iter().map(|fits| !fits).collect(),
        Expr::OneHop(inner) => hops(inner, subject),
        Expr::Upstream { above, below } => {
            let is_below = under(&hops(above, subject), subject);
            let fits = hops(below, subject);
            fits.into_iter().zip(is_below).map(|(fits, is_below)| fits && is_below).collect()
        }
        Expr::Word(word) => each(&|part| has_word(subject, part, word)),
        Expr::Term(term) => each(&|part| holds(subject, part, term)),
    }
}

fn merged(parts: &[Expr], subject: &impl Fields, merge: impl Fn(bool, bool) -> bool) -> Vec<bool> {
    let mut parts = parts.iter().map(|part| hops(part, subject));
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |so_far, part| so_far.into_iter().zip(part).map(|(a, b)| merge(a, b)).collect())
}

/// Which hops have one that fits above them. Every hop is climbed from once; parents that go in a
/// ring, which only a made-up trace has, are above each other as far as they were climbed.
fn under(fits: &[bool], subject: &impl Fields) -> Vec<bool> {
    let mut known: Vec<Option<bool>> = vec![None; fits.len()];
    let mut is_on_way = vec![false; fits.len()];
    for start in 0..fits.len() {
        let mut way = Vec::new();
        let mut at = start;
        let mut above = loop {
            if let Some(above) = known[at] {
                break above;
            }
            if std::mem::replace(&mut is_on_way[at], true) {
                break false;
            }
            way.push(at);
            match subject.parent(at).filter(|parent| *parent < fits.len()) {
                Some(parent) => at = parent,
                None => break false,
            }
        };
        // From the top down: what is above the parent is above the child, and so is the parent.
        let mut top = at;
        for hop in way.into_iter().rev() {
            if hop != top {
                above |= fits[top];
            }
            known[hop] = Some(above);
            top = hop;
        }
    }
    known.into_iter().map(|above| above.unwrap_or(false)).collect()
}

fn has_word(subject: &impl Fields, part: Part, word: &str) -> bool {
    subject.words().iter().any(|field| {
        subject.some(part, field, &mut |value| match value {
            Value::Text(text) => contains(text, word),
            Value::Number(_) | Value::Class(_) | Value::Flag(_) => false,
        })
    })
}

fn holds(subject: &impl Fields, part: Part, term: &Term) -> bool {
    let Term { field, test } = term;
    subject.some(part, field, &mut |value| passes(field, test, value))
}

fn passes(field: &Field, test: &Test, value: Value<'_>) -> bool {
    match (test, value) {
        (Test::Present, _) => true,
        (Test::Text(TextTest::Contains, wanted), Value::Text(text)) => contains(text, wanted),
        (Test::Text(TextTest::Equals, wanted), Value::Text(text)) => match field.kind() {
            Kind::Word => text.eq_ignore_ascii_case(wanted),
            _ => text == wanted,
        },
        (Test::Pattern(pattern), Value::Text(text)) => pattern.is_in(text),
        (Test::Number(compare, wanted), Value::Number(found)) => compare.holds(found, *wanted),
        (Test::Within(from, to), Value::Number(found)) => (*from..=*to).contains(&found),
        (Test::Is(wanted), Value::Flag(found)) => *wanted == found,
        (Test::Class(wanted), Value::Class(found)) => *wanted == found,
        // A subject that gives values of another kind than the field's.
        (
            Test::Text(..)
            | Test::Pattern(_)
            | Test::Number(..)
            | Test::Within(..)
            | Test::Is(_)
            | Test::Class(_),
            Value::Text(_) | Value::Number(_) | Value::Class(_) | Value::Flag(_),
        ) => false,
    }
}

/// Whether a text is in another, whatever the case of its ASCII letters.
fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.as_bytes().windows(part.len()).any(|at| at.eq_ignore_ascii_case(part.as_bytes()))
}
