//! Terms of filters, made and put together from what is on the screen.

use spur_trace::Filter;
use spur_trace::filter::{Compare, Expr, Field, Term, Test, TextTest};

/// The filter with a term more, which a part of it may be already.
pub(crate) fn with(filter: &Filter, term: Expr) -> String {
    let mut parts = match filter.expr() {
        None => Vec::new(),
        Some(Expr::All(parts)) => parts.clone(),
        Some(other) => vec![other.clone()],
    };
    if !parts.contains(&term) {
        parts.push(term);
    }
    whole(parts)
}

/// Without the last term.
pub(super) fn without_last(filter: &Filter) -> String {
    match filter.expr() {
        Some(Expr::All(parts)) => whole(parts[..parts.len() - 1].to_vec()),
        _ => String::new(),
    }
}

fn whole(mut parts: Vec<Expr>) -> String {
    let expr = if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) };
    match expr {
        Expr::All(parts) if parts.is_empty() => String::new(),
        expr => Filter::from(expr).to_string(),
    }
}

/// `field=value`.
pub(crate) fn equals(field: Field, value: &str) -> Expr {
    Expr::Term(Term { field, test: Test::Text(TextTest::Equals, value.to_owned()) })
}

/// `field:value`.
pub(crate) fn contains(field: Field, value: &str) -> Expr {
    Expr::Term(Term { field, test: Test::Text(TextTest::Contains, value.to_owned()) })
}

/// `status=503`.
pub(crate) fn has_status(status: u16) -> Expr {
    Expr::Term(Term { field: Field::Status, test: Test::Number(Compare::Equal, status.into()) })
}

/// `!field:*`.
pub(crate) fn is_absent(field: Field) -> Expr {
    Expr::Not(Box::new(Expr::Term(Term { field, test: Test::Present })))
}

/// The opposite; of an opposite what it is of.
pub(crate) fn not(expr: Expr) -> Expr {
    match expr {
        Expr::Not(inner) => *inner,
        expr => Expr::Not(Box::new(expr)),
    }
}

/// Whether the filter asks how long ago something was.
pub(crate) fn asks_age(filter: &Filter) -> bool {
    fn asks(expr: &Expr) -> bool {
        match expr {
            Expr::All(parts) | Expr::Either(parts) => parts.iter().any(asks),
            Expr::Not(inner) | Expr::OneHop(inner) => asks(inner),
            Expr::Upstream { above, below } => asks(above) || asks(below),
            Expr::Word(_) => false,
            Expr::Term(term) => term.field == Field::Age,
        }
    }
    filter.expr().is_some_and(asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_added_once_and_beside_what_there_is() {
        let check = |text: &str, term, expected: &str| {
            assert_eq!(with(&Filter::parse(text).unwrap(), term), expected, "{text}");
        };
        check("", equals(Field::Key, "pr-421"), "key=pr-421");
        check("key=pr-421", equals(Field::Key, "pr-421"), "key=pr-421");
        check("a | b", has_status(503), "(a | b) status=503");
        check("a", contains(Field::Path, "/a b"), "a path:\"/a b\"");
        check("a", not(is_absent(Field::Key)), "a key:*");
    }
}
