//! Any tree that a text can be read as.

use proptest::prelude::*;
use spur_trace::filter::{Compare, Expr, Field, HopClass, Kind, Pattern, Term, Test, TextTest};

/// A tree of some levels.
pub(crate) fn tree() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![text().prop_map(Expr::Word), term().prop_map(Expr::Term),];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(Expr::All),
            several().prop_map(Expr::Either),
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            inner.clone().prop_map(|inner| Expr::OneHop(Box::new(inner))),
            (inner.clone(), inner.clone())
                .prop_map(|(above, below)| Expr::Upstream { above: Box::new(above), below: Box::new(below) }),
        ]
    })
}

fn term() -> impl Strategy<Value = Term> {
    field().prop_flat_map(|field| {
        let test = prop_oneof![1 => Just(Test::Present), 5 => test(field.kind())];
        test.prop_map(move |test| Term { field: field.clone(), test })
    })
}

fn field() -> impl Strategy<Value = Field> {
    let names: Vec<&str> = Field::all().map(|facts| facts.name).collect();
    (proptest::sample::select(names), "[a-z][a-z0-9.-]{0,4}").prop_map(|(name, rest)| {
        let name = if name.ends_with('.') { format!("{name}{rest}") } else { name.to_owned() };
        Field::from_name(&name).unwrap()
    })
}

fn test(kind: Kind) -> BoxedStrategy<Test> {
    let number =
        |range: std::ops::RangeInclusive<u64>| (compare(), range).prop_map(|(it, n)| Test::Number(it, n));
    match kind {
        Kind::Text | Kind::Word => prop_oneof![
            text().prop_map(|text| Test::Text(TextTest::Contains, text)),
            text().prop_map(|text| Test::Text(TextTest::Equals, text)),
            r#"[a-c/." \\d*]{0,5}"#
                .prop_filter_map("an expression", |text| Some(Test::Pattern(Pattern::new(&text).ok()?))),
        ]
        .boxed(),
        Kind::Status => prop_oneof![
            number(0..=999),
            (0_u64..=9).prop_map(|n| Test::Within(n * 100, n * 100 + 99)),
            (0_u64..=99).prop_map(|n| Test::Within(n * 10, n * 10 + 9)),
        ]
        .boxed(),
        Kind::Duration => {
            prop_oneof![number(0..=u64::MAX), number(0..=10).prop_map(scaled(3_600_000_000))].boxed()
        }
        Kind::Size => prop_oneof![number(0..=u64::MAX), number(0..=10).prop_map(scaled(1 << 20))].boxed(),
        Kind::Grpc => number(0..=20).boxed(),
        // A level is four numbers, and is told by the first or the last of them.
        Kind::Level => (0_u64..6, compare())
            .prop_map(|(level, compare)| match compare {
                Compare::Equal => Test::Within(4 * level + 1, 4 * level + 4),
                Compare::Greater | Compare::AtMost => Test::Number(compare, 4 * level + 4),
                Compare::AtLeast | Compare::Less => Test::Number(compare, 4 * level + 1),
            })
            .boxed(),
        Kind::Flag => any::<bool>().prop_map(Test::Is).boxed(),
        Kind::Class => proptest::sample::select(&HopClass::ALL[..]).prop_map(Test::Class).boxed(),
    }
}

fn scaled(unit: u64) -> impl Fn(Test) -> Test {
    move |test| match test {
        Test::Number(compare, number) => Test::Number(compare, number * unit),
        other => other,
    }
}

fn compare() -> impl Strategy<Value = Compare> {
    proptest::sample::select(vec![
        Compare::Equal,
        Compare::Greater,
        Compare::AtLeast,
        Compare::Less,
        Compare::AtMost,
    ])
}

/// Words that are nothing else, words that are signs, and anything.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,2}",
        1 => proptest::sample::select(vec!["and", "or", "NOT", "*", "", "a:b", ">>", "5xx", "svc:a", "a\\", "\"", "a b"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}
