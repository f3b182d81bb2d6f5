//! Rules that run however long the lists are, and rules that do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::super::broken_rules;
use crate::FieldError;
use crate::tests::schemas;

/// Longest that one of these rules may take, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// What is wrong with an object that has one rule.
fn faults(rule: &str, value: &Value) -> Vec<FieldError> {
    let text = json!({"type": "string"});
    let item = json!({"type": "object", "properties": {
        "name": text, "zone": text, "n": {"type": "integer"}, "d": {"type": "number"},
        "labels": {"type": "object", "additionalProperties": text},
        "ports": {"type": "array", "items": {"type": "integer"}},
    }});
    let list = json!({"type": "array", "items": item});
    let schemas = schemas(json!({"T": {"type": "object", "properties": {"spec": {
        "type": "object",
        "x-kubernetes-validations": [{"rule": rule, "message": "broken"}],
        "properties": {
            "s": text, "n": {"type": "integer"}, "raw": {"type": "string", "format": "byte"},
            "items": list, "a": list, "b": list,
            "m": {"type": "object", "additionalProperties": item},
            "texts": {"type": "array", "items": text},
        },
    }}}}));
    let started = Instant::now();
    let object = json!({"spec": value});
    let found = broken_rules(schemas.get("T").unwrap(), &object, None);
    assert!(started.elapsed() < LONGEST, "{:?} for {rule}", started.elapsed());
    found
}

#[track_caller]
fn runs(rule: &str, value: &Value) {
    let found: Vec<String> = faults(rule, value).iter().map(ToString::to_string).collect();
    assert_eq!(found, [""; 0], "{rule}");
}

#[track_caller]
fn is_refused(rule: &str, value: &Value) {
    let found: Vec<String> = faults(rule, value).iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].contains("running out of cost budget"), "{rule}: {found:?}");
}

/// Items with names in order.
fn items(n: usize) -> Vec<Value> {
    let item = |index: usize| {
        json!({"name": format!("item-{index:06}"), "zone": "eu-central-1a", "n": index, "d": 1.5,
            "labels": {"app": format!("app-{index}"), "tier": "web"}, "ports": [80, 443]})
    };
    (0..n).map(item).collect()
}

#[test]
fn rules_over_long_lists_run() {
    let value = json!({"items": items(10_000)});
    runs("self.items.all(i, i.name.startsWith('item-') && i.n >= 0)", &value);
    runs("self.items.map(i, i.name + '-' + i.zone).isSorted()", &value);
    runs("self.items.map(i, '%s-%d'.format([i.name, i.n])).size() == 10000", &value);
    runs("self.items.map(i, string(i.n)).join(',').size() > 10000", &value);
    runs("self.items.filter(i, i.n > 5000).map(i, i.name).exists(n, n == 'item-009999')", &value);
    runs(
        "self.items.all(i, i.labels.all(k, i.labels[k].matches('^[a-z0-9-]*$')))",
        &json!({"items": items(3_000)}),
    );
    runs("self.items.map(i, i.name.replace('-', '_').upperAscii()).all(n, !n.contains('-'))", &value);
    runs("self.items.map(i, i.name.split('-')).all(p, p.size() == 2)", &value);
    runs("self.items.map(i, i.ports).flatten().all(p, p < 65536)", &value);
    runs("self.items.all(i, i.n < size(self.s) || i.zone in ['eu-central-1a', 'eu-central-1b'])", &{
        let mut value = value.clone();
        value["s"] = json!("s");
        value
    });
}

#[test]
fn rules_over_two_lists_run() {
    let value = json!({"a": items(300), "b": items(300), "items": items(300)});
    runs("self.a.all(x, self.b.exists_one(y, y.name == x.name))", &value);
    runs("self.a.all(x, self.b.all(y, x.name != y.name || x.zone == y.zone))", &value);
    runs("self.a.all(x, self.b.filter(y, y.name == x.name).size() == 1)", &value);
    runs("self.a.all(x, x.name in self.b.map(y, y.name))", &value);
    runs("self.a.map(x, x.name) == self.b.map(y, y.name) && self.a == self.b", &value);
    runs("sets.equivalent(self.a.map(x, x.name), self.b.map(y, y.name))", &value);
    runs("self.items.all(x, self.items.exists_one(y, x.name == y.name && x.zone == y.zone))", &value);
}

#[test]
fn rules_over_maps_run() {
    let entries = items(2_000).into_iter().enumerate().map(|(index, item)| (format!("k{index}"), item));
    let value = json!({"m": Value::Object(entries.collect())});
    runs("self.m.all(k, self.m[k].n >= 0 && self.m[k].zone.size() < 20)", &value);
    runs("self.m.map(k, self.m[k].name).all(n, n.startsWith('item'))", &value);
    runs("self.m.exists(k, k == 'k7') && 'k8' in self.m", &value);
}

#[test]
fn one_long_text_among_many_short_ones_is_no_problem() {
    let mut items = items(5_000);
    items[77]["name"] = json!("x".repeat(300_000));
    let value = json!({"items": items, "s": "a,b;c\n".repeat(30_000)});
    runs("self.items.map(i, i.name + i.zone).size() == 5000", &value);
    runs("self.items.map(i, i.name.lowerAscii()).filter(n, n.size() < 100).size() == 4999", &value);
    runs("self.s.split('\\n').all(line, line.size() < 10) && self.s.replace(',', ';').size() > 0", &value);
    runs("self.s.split(',').map(x, x.trim()).join('-').size() > 0", &value);
}

#[test]
fn values_that_double_at_every_step_are_not_made() {
    let value = json!({"s": "0123456789", "n": 1, "texts": ["a", "b"]});
    for step in [
        ".map(x, x + x)",
        ".map(x, [x, x])",
        ".map(x, {'a': x, 'b': x})",
        ".map(x, self.n == 1 ? [x, x] : [x, x])",
        ".map(x, '%s%s'.format([x, x]))",
        ".map(x, [x, x].map(y, y))",
        ".map(x, [string(x), string(x)].join('-'))",
        ".map(x, x.replace('0', '00'))",
        ".map(x, [x].map(y, y + y)[0])",
        ".map(x, dyn(dyn(x)) + dyn(x))",
        ".map(x, [optional.of(x), optional.of(x)])",
    ] {
        is_refused(&format!("[self.s]{}.size() == 1", step.repeat(40)), &value);
        runs(&format!("[self.s]{}.size() == 1", step.repeat(3)), &value);
    }
    // Each of these gives the square of the length.
    is_refused(&format!("[self.s]{}.size() == 1", ".map(x, x.replace('', x))".repeat(6)), &value);
    let nested = (0..40).fold("self.s".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
    is_refused(&format!("{nested} != ''"), &value);
    is_refused(&format!("[self.texts]{}.size() == 1", ".map(x, x + x)".repeat(40)), &value);
    is_refused(&format!("[self.s]{} == [[self.s]]", ".map(x, [x, x])".repeat(22)), &value);
}

#[test]
fn texts_that_are_made_longer_once_are_fine() {
    let value = json!({"s": "a-b-c"});
    runs(&format!("self.s{}.size() == 5", ".replace('-', '_').trim().lowerAscii()".repeat(40)), &value);
    runs(&format!("({}).size() > 0", ["self.s"; 90].join(" + ")), &value);
    runs(&format!("[self.s]{}.size() == 1", ".filter(x, x != '')".repeat(30)), &value);
    runs(&format!("[self.s]{}.size() == 1", ".map(x, x == '' ? x : x)".repeat(30)), &value);
}

#[test]
fn the_deepest_loops_have_room_on_the_stack() {
    for loops in ["self.texts.map(x, ", "self.texts.filter(x, [] == ", "self.texts.all(x, true == "] {
        let n_levels = 45;
        let rule = format!("{}[]{} != [[]]", loops.repeat(n_levels), ")".repeat(n_levels));
        faults(&rule, &json!({"texts": ["a"]}));
    }
}

#[test]
fn an_estimate_takes_little_time() {
    let fields = (0..2_000).map(|index| (format!("f{index}"), json!({"k": {"l": "v"}})));
    let value = json!({"items": items(1_000), "s": "s", "n": 1, "m": Value::Object(fields.collect())});
    for rule in [
        format!("[self]{}.size() == 1", ".map(x, self.n == 1 ? [x, [x], self] : [self, [x]])".repeat(50)),
        format!("[self]{}.size() == 1", ".map(x, {'a': x, 'b': [x, {'c': x}]})".repeat(60)),
        format!("size([{}]) > 0", ["self.items, self.m, self"; 250].join(", ")),
        format!("{}self.items.size() > 0", "self.items.all(a, self.m.all(b, ".repeat(20)) + &"))".repeat(20),
    ] {
        let started = Instant::now();
        faults(&rule, &value);
        assert!(started.elapsed() < LONGEST / 4, "{:?} for {rule}", started.elapsed());
    }
}
