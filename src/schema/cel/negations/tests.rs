//! Texts with what is left of them, and random expressions against the meaning of their operators.

use kube_cel::cel::Context;
use kube_cel::cel::objects::Value;
use proptest::prelude::*;

use super::super::rule::parse;
use super::super::with_large_stack;
use super::without_pairs;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(without_pairs(text).unwrap(), expected);
}

#[test]
fn pairs_are_blanked_where_they_stand() {
    check("!!a", "  a");
    check("!!!a", "!  a");
    check("! !\n!!(a)", "   \n  (a)");
    check("! // !!\n !a", "  // !!\n  a");
    check("--a == ---1", "  a == -  1");
    check("[!!a, {!!b: --c}[--.5]]", "[  a, {  b:   c}[  .5]]");
    check("x in --y", "x in   y");
    check("a - !!b", "a -   b");
    check("!!-1", "  -1");
    check("!!.a.b", "  .a.b");
}

#[test]
fn a_minus_after_an_operand_subtracts() {
    check("5--3", "5--3");
    check("5---3", "5-  3");
    check("a - --b", "a -   b");
    check("(a)--b", "(a)--b");
    check("a[0]----b", "a[0]--  b");
    check("'s'---b", "'s'-  b");
    check("in_--b", "in_--b");
}

#[test]
fn texts_and_comments_and_quoted_names_are_left_alone() {
    for text in [
        "'!!' + \"--a\" + '\\'!!a' + \"\\\\\" + '--a'",
        "'''!!a ' -- '' \\''' !!a'''",
        "\"\"\"!!a\n\" --\"\"\"",
        "r'\\' + '!!a' + r\"\"\"\\\"\"\" + '!!a'",
        "b'!!a' + br'!!\\' + Rb",
        "a.`b--c`",
        "a // --b !!c",
        "a != !b",
        "'é!!é' + b'--'",
        "1e-1 - -1",
    ] {
        check(text, text);
    }
    check("rb'!!a' !!b", "rb'!!a' ! b");
}

#[test]
fn one_is_left_where_none_can_stand() {
    check("f(!!)", "f(! )");
    check("[--]", "[- ]");
    check("f !!(a)", "f ! (a)");
    check("a.--b", "a.- b");
    check("-!!a", "-! a");
    check("!--a", "!- a");
    check("!!-a", "! -a");
    check("--!a", "- !a");
    check("!!", "! ");
    check("a --", "a --");
}

/// An expression of booleans, or of integers.
#[derive(Clone, Debug)]
enum Expression {
    Bool(bool),
    Int(i64),
    /// So many `!`.
    Not(usize, Box<Self>),
    /// So many `-`.
    Negative(usize, Box<Self>),
    And(Box<Self>, Box<Self>),
    Difference(Box<Self>, Box<Self>),
    Equal(Box<Self>, Box<Self>),
}

fn integers() -> impl Strategy<Value = Expression> {
    (0..5i64).prop_map(Expression::Int).prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (0..5usize, inner.clone()).prop_map(|(n, inner)| Expression::Negative(n, inner.into())),
            (inner.clone(), inner).prop_map(|(a, b)| Expression::Difference(a.into(), b.into())),
        ]
    })
}

fn booleans() -> impl Strategy<Value = Expression> {
    let equal = (integers(), integers()).prop_map(|(a, b)| Expression::Equal(a.into(), b.into()));
    prop_oneof![any::<bool>().prop_map(Expression::Bool), equal].prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (0..5usize, inner.clone()).prop_map(|(n, inner)| Expression::Not(n, inner.into())),
            (inner.clone(), inner).prop_map(|(a, b)| Expression::And(a.into(), b.into())),
        ]
    })
}

// === impl Expression ===

impl Expression {
    fn text(&self, space: &str) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Not(n, inner) => format!("!{space}").repeat(*n) + &inner.member(space),
            Self::Negative(n, inner) => format!("-{space}").repeat(*n) + &inner.member(space),
            Self::And(a, b) => format!("{}{space}&&{space}{}", a.member(space), b.unary(space)),
            Self::Difference(a, b) => format!("{}{space}-{space}{}", a.unary(space), b.unary(space)),
            Self::Equal(a, b) => format!("{}{space}=={space}{}", a.text(space), b.text(space)),
        }
    }

    /// As it stands beside an operator of two: with its own unary ones.
    fn unary(&self, space: &str) -> String {
        match self {
            Self::Not(..) | Self::Negative(..) => self.text(space),
            _ => self.member(space),
        }
    }

    /// As it stands after a unary operator.
    fn member(&self, space: &str) -> String {
        match self {
            Self::Bool(_) | Self::Int(_) => self.text(space),
            _ => format!("({})", self.text(space)),
        }
    }

    fn bool(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Not(n, inner) => (0..*n).fold(inner.bool(), |value, _| !value),
            Self::And(a, b) => a.bool() && b.bool(),
            Self::Equal(a, b) => a.int() == b.int(),
            Self::Int(_) | Self::Negative(..) | Self::Difference(..) => unreachable!("an integer"),
        }
    }

    fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Negative(n, inner) => (0..*n).fold(inner.int(), |value, _| -value),
            Self::Difference(a, b) => a.int() - b.int(),
            Self::Bool(_) | Self::Not(..) | Self::And(..) | Self::Equal(..) => unreachable!("a boolean"),
        }
    }
}

proptest! {
    #![proptest_config(crate::arbitrary::config())]

    #[test]
    fn every_operator_turns_its_operand_round(
        expression in booleans(),
        space in prop::sample::select(vec!["", " ", "\n", " // !!-\n"]),
    ) {
        let text = expression.text(space);
        let run = || parse(&text).map(|program| program.execute(&Context::default()));
        let found = with_large_stack(run).expect("the parser reads it");
        prop_assert_eq!(found, Ok(Ok(Value::Bool(expression.bool()))), "{}", text);
    }

    #[test]
    fn no_text_is_made_longer_or_shorter(text in "[-!().a1'\"\\\\rb`é/\n =]{0,40}") {
        if let Ok(mended) = without_pairs(&text) {
            prop_assert_eq!(mended.len(), text.len());
            prop_assert_eq!(without_pairs(&mended).unwrap(), mended.as_ref());
        }
    }
}
