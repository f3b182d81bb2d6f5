//! What expressions make is never larger than estimated.

use kube_cel::cel::objects::{Key, OptionalValue, Value as CelValue};
use kube_cel::cel::{Context, Program};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::shapes::{NODE_BYTES, Shape};
use super::super::super::values::convert;
use super::super::super::{functions, rule, runnable, with_large_stack};
use super::super::estimate;
use crate::tests::schemas;

/// Forms with `T`, `L` and `V` for the text, list and value that another form gives.
const TEXTS: &[&str] = &[
    "self.s",
    "'ab'",
    "'%s-%d'",
    "self.texts[0]",
    "self.o.t",
    "self.m['k']",
    "(T + T)",
    "(self.n > 1 ? T : T)",
    "string(V)",
    "string(self.raw)",
    "string(self.d)",
    "string(bytes(T))",
    "L.join(T)",
    "L.join()",
    "L.map(x, string(x)).join(',')",
    "T.replace('a', T)",
    "T.replace('', T)",
    "T.replace(T, T)",
    "T.replace('ab', 'b')",
    "'%s-%s'.format([V, V])",
    "'%.20f%e'.format([self.d, self.n])",
    "'%x%X'.format([T, self.raw])",
    "'%b %o %d'.format([self.n, self.n, self.n])",
    "T.format([V, self.n])",
    "T.upperAscii()",
    "T.trim()",
    "T.substring(1)",
    "T.charAt(0)",
    "T.reverse()",
    "T.find('[ab]+')",
    "strings.quote(T)",
    "base64.encode(bytes(T))",
    "[T, T].max()",
    "[T].map(x, x + T)[0]",
    "url('http://a/b?c=' + 'd').getHost()",
    "optional.of(T).orValue(T)",
];
const LISTS: &[&str] = &[
    "self.texts",
    "self.l",
    "self.ls",
    "self.os",
    "[]",
    "[V]",
    "[V, V]",
    "[T, T, T]",
    "(L + L)",
    "(self.n > 1 ? L : L)",
    "L.map(x, V)",
    "L.map(x, x)",
    "L.map(x, [x, x])",
    "L.map(x, L.map(y, [x, y]))",
    "L.map(x, x != 2, V)",
    "L.filter(x, x != V)",
    "self.m.map(x, x + x)",
    "self.m.map(x, self.m[x])",
    "self.mm.map(x, self.mm[x])",
    "self.mm.map(x, self.mm[x].map(y, y + y))",
    "self.os.map(x, self)",
    "self.os.map(x, {T: x, 'l': self.m})",
    "self.os.map(x, x.t + T)",
    "self.os.filter(x, x.t != T)",
    "self.ls.map(x, x.map(y, y + y))",
    "T.split('')",
    "T.split(',')",
    "T.split(T)",
    "T.split('', 2)",
    "T.findAll('.')",
    "T.findAll('')",
    "L.flatten()",
    "L.reverse()",
    "L.slice(0, 1)",
    "L.distinct()",
    "lists.range(3)",
    "lists.range(size(T))",
    "lists.range(L.size() + 2)",
    "lists.range(self.n * 2)",
    "dyn(L)",
    "L.map(x, optional.of(x))",
];
const VALUES: &[&str] = &[
    "T",
    "L",
    "self",
    "self.n",
    "self.d",
    "self.raw",
    "self.o",
    "self.m",
    "self.mm",
    "L[0]",
    "L[1]",
    "L[0][0]",
    "L[0].t",
    "{T: V}",
    "{'k': V, 'l': V}",
    "{'k': V}['k']",
    "{'k': V}.k",
    "{1: V}",
    "self.os[0].t",
    "(self.n - 1)",
    "L.sum()",
    "L.min()",
    "max(V, V)",
    "L.first()",
    "optional.of(V)",
    "optional.of(V).value()",
    "bytes(T)",
    "(bytes(T) + bytes(T))",
    "base64.decode('YWI=')",
    "type(V)",
    "quantity('1')",
    "ip('::1')",
    "url('http://a/b?c=d&e')",
    "url('http://a/b?c=d&e').getQuery()",
    "semver('1.2.3')",
    "L.exists(x, x == V)",
    "L.exists_one(x, x == V)",
    "(V == V)",
    "(V in L)",
];

/// An expression of at most so many levels.
fn expressions(forms: &'static [&'static str], depth: u32) -> BoxedStrategy<String> {
    let is_leaf = |form: &&str| form.starts_with("self") && !form.contains(['T', 'L', 'V']);
    if depth == 0 {
        let leaves: Vec<&str> = forms.iter().copied().filter(is_leaf).collect();
        return prop::sample::select(leaves).prop_map(str::to_owned).boxed();
    }
    let parts = move |forms| prop::collection::vec(expressions(forms, depth - 1), 3);
    (prop::sample::select(forms), parts(TEXTS), parts(LISTS), parts(VALUES))
        .prop_map(|(form, texts, lists, values)| {
            let mut parts =
                [('T', texts), ('L', lists), ('V', values)].map(|(name, parts)| (name, parts.into_iter()));
            let mut expression = String::new();
            let mut before = ' ';
            for letter in form.chars() {
                // `orValue` has no part.
                let part = parts.iter_mut().find(|(name, _)| *name == letter && !before.is_alphabetic());
                match part {
                    Some((_, parts)) => {
                        let part = parts.next().expect("three of a kind are enough");
                        expression.push_str(&part);
                    }
                    None => expression.push(letter),
                }
                before = letter;
            }
            expression
        })
        .boxed()
}

fn object() -> Value {
    json!({
        "s": "abc,é\u{1}", "n": 3, "d": 1.5e300, "raw": "+/8A", "texts": ["a", "", "bcd,,"], "l": [1, 2, 3],
        "ls": [["a"], [], ["b", "cc"]], "o": {"t": "o-t", "n": 1},
        "os": [{"t": "x", "n": 1}, {"t": "a longer text", "n": 22}], "m": {"k": "v", "a-longer-key": "value"},
        "mm": {"one": {"x": [1], "y": {}}, "other": {"a-very-long-key-in-a-map": "z", "k": "z"}},
    })
}

/// A schema that names some of its fields.
fn schema() -> Value {
    let text = json!({"type": "string"});
    let pair = json!({"type": "object", "properties": {"t": text, "n": {"type": "integer"}}});
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
        "s": text, "n": {"type": "integer"}, "d": {"type": "number"}, "o": pair,
        "raw": {"type": "string", "format": "byte"},
        "texts": {"type": "array", "items": text}, "os": {"type": "array", "items": pair},
        "m": {"type": "object", "additionalProperties": text},
    }})
}

/// Bytes of a value as shapes count them.
fn weight(value: &CelValue) -> u64 {
    let of_key = |key: &Key| match key {
        Key::String(text) => text.len() as u64,
        Key::Int(_) | Key::Uint(_) | Key::Bool(_) => 0,
    };
    NODE_BYTES
        + match value {
            CelValue::String(text) => text.len() as u64,
            CelValue::Bytes(bytes) => bytes.len() as u64,
            CelValue::List(items) => items.iter().map(weight).sum(),
            CelValue::Map(map) => {
                map.map.iter().map(|(key, value)| NODE_BYTES + of_key(key) + weight(value)).sum()
            }
            CelValue::Opaque(opaque) => {
                opaque.downcast_ref::<OptionalValue>().and_then(OptionalValue::value).map_or(0, weight)
            }
            _ => 0,
        }
}

/// Whether a value is within a shape, and so is everything in it.
fn is_within(value: &CelValue, shape: &Shape) -> bool {
    let counted = match value {
        CelValue::String(text) => text.len() as u64 <= shape.text_bytes().most,
        CelValue::Bytes(bytes) => bytes.len() as u64 <= shape.bytes_bytes().most,
        CelValue::List(items) => {
            let of_items = shape.entries();
            items.len() as u64 <= shape.count().most
                && items.iter().all(|item| is_within(item, &of_items))
                && items.iter().map(weight).sum::<u64>() <= of_items.weight().total
        }
        CelValue::Map(map) => map.map.len() as u64 <= shape.count().most,
        CelValue::Int(number) => number.unsigned_abs() <= shape.number(),
        _ => true,
    };
    counted && weight(value) <= shape.weight().most
}

fn check(context: &Context<'static>, text: &str) -> Result<(), String> {
    let Ok(program) = rule::parse(text) else { return Err(format!("no expression: {text}")) };
    let schemas = schemas(json!({"T": schema()}));
    let object = convert(schemas.get("T"), &object());
    let mut scope = context.new_inner_scope();
    scope.add_variable_from_value("self", object.value);
    let expression = runnable::runnable(program.expression());
    let estimate = estimate(&expression, [("self", object.shape)].into_iter());
    if estimate.bytes > 16 << 20 {
        return Ok(());
    }
    let Ok(made) = CelValue::resolve(&expression, &scope) else { return Ok(()) };
    if !is_within(&made, &estimate.result) {
        return Err(format!("{text}: {} bytes of {:?}\n{made:?}", weight(&made), estimate.result));
    }
    let is_borrowed = super::super::is_borrowed(&expression);
    if !is_borrowed && weight(&made) > estimate.bytes {
        return Err(format!("{text}: {} bytes, {} held", weight(&made), estimate.bytes));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_larger_than_estimated(
        texts in prop::collection::vec(expressions(TEXTS, 2), 16),
        lists in prop::collection::vec(expressions(LISTS, 2), 16),
        values in prop::collection::vec(expressions(VALUES, 3), 16),
    ) {
        let check_all = || {
            let context = functions::context();
            texts.iter().chain(&lists).chain(&values).try_for_each(|text| check(&context, text))
        };
        let found = with_large_stack(check_all).expect("it does not panic");
        prop_assert!(found.is_ok(), "{}", found.unwrap_err());
    }
}

#[test]
fn an_expression_gives_the_same_as_it_was_written() {
    let check_all = || {
        let context = functions::context();
        let object = convert(None, &object()).value;
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value("self", object);
        for text in [
            "self.o.t + self['o']['t']",
            "self.os.map(x, x.t)",
            "self.os.map(x, x.n > 1, x.t + 'y')",
            "self.os.filter(x, x.n > 1)",
            "self.ls.map(x, x.map(y, y + x[0]))",
            "self.ls.map(x, x.filter(x, x != 'b'))",
            "self.l.map(x, self.l.exists(y, y > x))",
            "self.o.map(k, k).size()",
            "{'a': {'b': [1]}}.a.b[0]",
            "'%.3f %s %%'.format([self.d, self.l])",
            "'%d'.format(self.l.filter(x, x > 2))",
            "has(self.o.t) && !has(self.o.z)",
        ] {
            let program = Program::compile(text).unwrap();
            let expression = runnable::runnable(program.expression());
            assert_eq!(CelValue::resolve(&expression, &scope), program.execute(&scope), "{text}");
        }
        for text in
            ["self.o.z", "self.l.map(x, x / 0)", "self.l.filter(x, x)", "1.map(x, x)", "self.s.map(x, x)"]
        {
            let Ok(program) = Program::compile(text) else { continue };
            let expression = runnable::runnable(program.expression());
            assert!(CelValue::resolve(&expression, &scope).is_err(), "{text}");
        }
    };
    with_large_stack(check_all).expect("they are the same");
}
