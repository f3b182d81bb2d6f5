//! What filters mean: told again in the simplest way, and compared.

use proptest::prelude::*;
use spur_trace::filter::{Compare, Expr, Field, Fields, Filter, HopClass, Kind, Part, Test, TextTest, Value};

use crate::trees::tree;

/// A made-up thing with hops: what each part has of each field.
#[derive(Clone, Debug)]
struct Thing {
    whole: Values,
    hops: Vec<(Option<usize>, Values)>,
}

type Values = Vec<(Field, Held)>;

#[derive(Clone, Debug)]
enum Held {
    Text(String),
    Number(u64),
    Class(HopClass),
    Flag(bool),
}

// === impl Thing ===

impl Thing {
    fn values(&self, part: Part) -> &Values {
        match part {
            Part::Whole => &self.whole,
            Part::Hop(idx) => &self.hops[idx].1,
        }
    }

    /// The hops above one, nearest first.
    fn above(&self, hop: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.hops[hop].0, |at| self.hops[*at].0)
    }
}

impl Fields for Thing {
    fn some(&self, part: Part, field: &Field, passes: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        self.values(part).iter().filter(|(of, _)| of == field).any(|(_, held)| {
            passes(match held {
                Held::Text(text) => Value::Text(text),
                Held::Number(number) => Value::Number(*number),
                Held::Class(class) => Value::Class(*class),
                Held::Flag(flag) => Value::Flag(*flag),
            })
        })
    }

    fn n_hops(&self) -> usize {
        self.hops.len()
    }

    fn parent(&self, hop: usize) -> Option<usize> {
        self.hops[hop].0
    }
}

/// The meaning, word by word.
fn means(expr: &Expr, thing: &Thing, part: Part) -> bool {
    let all_hops = || (0..thing.hops.len()).map(Part::Hop);
    match (expr, part) {
        (Expr::All(parts), _) => !parts.iter().any(|one| !means(one, thing, part)),
        (Expr::Either(parts), _) => parts.iter().any(|one| means(one, thing, part)),
        (Expr::Not(inner), _) => !means(inner, thing, part),
        (Expr::OneHop(inner), Part::Whole) if thing.hops.is_empty() => means(inner, thing, part),
        (Expr::OneHop(inner), Part::Hop(_)) => means(inner, thing, part),
        (Expr::OneHop(_) | Expr::Upstream { .. }, Part::Whole) => {
            all_hops().any(|hop| means(expr, thing, hop))
        }
        (Expr::Upstream { above, below }, Part::Hop(hop)) => {
            means(below, thing, part) && thing.above(hop).any(|hop| means(above, thing, Part::Hop(hop)))
        }
        (Expr::Word(word), _) => {
            let fields = [Field::Method, Field::Path, Field::Host, Field::Svc, Field::Key, Field::Trace];
            thing.values(part).iter().any(|(field, held)| match held {
                Held::Text(text) => fields.contains(field) && lower(text).contains(&lower(word)),
                _ => false,
            })
        }
        (Expr::Term(term), _) => thing
            .values(part)
            .iter()
            .any(|(field, held)| *field == term.field && fits(&term.test, field.kind(), held)),
    }
}

fn fits(test: &Test, kind: Kind, held: &Held) -> bool {
    match (test, held) {
        (Test::Present, _) => true,
        (Test::Text(TextTest::Contains, wanted), Held::Text(text)) => lower(text).contains(&lower(wanted)),
        (Test::Text(TextTest::Equals, wanted), Held::Text(text)) if kind == Kind::Word => {
            lower(text) == lower(wanted)
        }
        (Test::Text(TextTest::Equals, wanted), Held::Text(text)) => text == wanted,
        (Test::Pattern(pattern), Held::Text(text)) => {
            regex::Regex::new(pattern.as_str()).unwrap().is_match(text)
        }
        (Test::Number(compare, wanted), Held::Number(found)) => match compare {
            Compare::Equal => found == wanted,
            Compare::Greater => found > wanted,
            Compare::AtLeast => found >= wanted,
            Compare::Less => found < wanted,
            Compare::AtMost => found <= wanted,
        },
        (Test::Within(from, to), Held::Number(found)) => found >= from && found <= to,
        (Test::Is(wanted), Held::Flag(found)) => wanted == found,
        (Test::Class(wanted), Held::Class(found)) => wanted == found,
        _ => false,
    }
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// A thing whose values are likely to be asked for.
fn thing() -> impl Strategy<Value = Thing> {
    let hops = proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>(), values()), 0..5);
    (values(), hops).prop_map(|(whole, hops)| {
        let hops = hops.into_iter().enumerate().map(|(idx, (parent, is_root, values))| {
            let parent = (idx > 0 && !is_root).then(|| parent.index(idx.max(1)));
            (parent, values)
        });
        Thing { whole, hops: hops.collect() }
    })
}

fn values() -> impl Strategy<Value = Values> {
    let fields: Vec<Field> = Field::all().filter_map(|facts| Field::from_name(facts.name)).collect();
    let one = proptest::sample::select(fields).prop_flat_map(|field| {
        let held = match field.kind() {
            Kind::Text | Kind::Word => "[a-cA-C/ ]{0,4}".prop_map(Held::Text).boxed(),
            Kind::Status | Kind::Grpc | Kind::Level => (0_u64..1000).prop_map(Held::Number).boxed(),
            Kind::Duration | Kind::Size => any::<u64>().prop_map(Held::Number).boxed(),
            Kind::Flag => any::<bool>().prop_map(Held::Flag).boxed(),
            Kind::Class => proptest::sample::select(&HopClass::ALL[..]).prop_map(Held::Class).boxed(),
        };
        held.prop_map(move |held| (field.clone(), held))
    });
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_filter_means_what_it_says(expr in tree(), thing in thing()) {
        let expected = means(&expr, &thing, Part::Whole);
        let filter = Filter::from(expr);
        prop_assert_eq!(filter.matches(&thing), expected, "{}", filter);
    }
}

#[test]
fn parents_in_a_ring_end() {
    let svc = |name: &str| vec![(Field::Svc, Held::Text(name.to_owned()))];
    let thing = Thing {
        whole: Vec::new(),
        hops: vec![(Some(1), svc("a")), (Some(2), svc("b")), (Some(0), svc("c")), (Some(3), svc("d"))],
    };
    assert!(Filter::parse("svc:b >> svc:a").unwrap().matches(&thing));
    assert!(!Filter::parse("svc:d >> svc:d").unwrap().matches(&thing));
}
