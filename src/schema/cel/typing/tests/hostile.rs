//! Expressions and schemas that are made to take the server down.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::check::{Site, check};
use super::refused::refused;
use super::{everything, faults, int_or_string, list, object, of_type};

/// Longest that one of these definitions may take to check, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Parts of expressions; nothing tells what is in `x` and `y`.
fn parts() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["x", "y", "[]", "{}", "1", "self.any"]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 8, 2, |part| {
        let forms =
            ["[$]", "[$, $]", "{$: $}", "type($)", "optional.of($)", "$.map(x, $)", "($ + $)", "$[$]"];
        let form = prop::sample::select(forms.to_vec());
        (form, prop::collection::vec(part, 2)).prop_map(|(form, parts)| {
            let mut pieces = form.split('$');
            let first = pieces.next().unwrap_or_default().to_owned();
            pieces.zip(parts).fold(first, |text, (piece, part)| text + &part + piece)
        })
    })
}

/// Expressions that say of some parts that they are of one type.
fn expressions() -> impl Strategy<Value = String> {
    let equality = (parts(), parts()).prop_map(|(one, other)| format!("{one} == {other}"));
    prop::collection::vec(equality, 2..6).prop_map(|equalities| equalities.join(" && "))
}

proptest! {
    #[test]
    fn types_that_depend_on_each_other_come_to_an_end(expression in expressions()) {
        let rule = format!("[[]].all(x, [[]].all(y, {expression}))");
        let started = Instant::now();
        faults(&everything(), false, json!({"rule": rule}));
        prop_assert!(started.elapsed() < LONGEST, "{}", rule);
    }
}

#[test]
fn a_type_does_not_contain_itself() {
    for rule in ["[[]].all(x, x == [type(x)] && x == [1])", "[[]].all(x, x == [[x]] && x == [1])"] {
        refused(&everything(), rule, "found no matching overload for '_==_' applied to '(list(dyn), list(");
    }
}

#[test]
fn types_that_double_at_every_level_are_not_followed() {
    let rule = |index| format!("self.texts{}.size() == {index}", ".map(x, {x: x})".repeat(40));
    let found = faults(&everything(), false, json!({"rule": rule("'a'")}));
    assert_eq!(found, [""; 0], "nothing is known of it");
    refused(&list(int_or_string()), "self.map(x, [x]).map(x, [x]).size() == 'a'", "(int, string)");
}

#[test]
fn rules_of_one_definition_share_their_steps() {
    let doubling = ".map(x, {x: x})".repeat(20);
    let mut rules = vec![json!({"rule": "self.n == 'a'"})];
    rules.extend((0..100).map(|index| json!({"rule": format!("self.texts{doubling}.size() == {index}")})));
    let mut schema = everything();
    schema["x-kubernetes-validations"] = json!(rules);
    let site = Site { path: "s".to_owned(), schema: &schema, is_whole: false, uncorrelated: None };
    let started = Instant::now();
    let found = check(&[site]);
    assert!(found.len() == 1 && found[0].detail.contains("(int, string)"), "{found:?}");
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
}

#[test]
fn a_field_is_found_among_many() {
    let names = (0..20_000).map(|index| (format!("a-field-{index}"), of_type("boolean")));
    let schema = object(Value::Object(names.collect()));
    let rule = format!("true{}", " || self.a__dash__field__dash__19999".repeat(200));
    let started = Instant::now();
    assert_eq!(faults(&schema, false, json!({"rule": rule})), [""; 0]);
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
}

#[test]
fn a_rule_that_the_parser_fails_on_is_a_fault_of_its_own() {
    let mut schema = everything();
    let chain = format!("{}true", "self.b ? true : ".repeat(400));
    schema["x-kubernetes-validations"] = json!([{"rule": "self.b"}, {"rule": chain}, {"rule": "self.n"}]);
    let site = Site { path: "s".to_owned(), schema: &schema, is_whole: false, uncorrelated: None };
    let found: Vec<(String, String)> =
        check(&[site]).into_iter().map(|fault| (fault.path, fault.detail)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, "s.x-kubernetes-validations[1].rule");
    assert!(found[0].1.starts_with("compilation failed: "), "{found:?}");
    assert_eq!(found[1].0, "s.x-kubernetes-validations[2].rule");
}

#[test]
fn a_fault_in_the_longest_chain_that_can_be_read_is_told() {
    for n_conditions in 80..100 {
        let rule = format!("{}self.n == 'a'", "self.b ? true : ".repeat(n_conditions));
        let found = faults(&everything(), false, json!({"rule": rule}));
        assert!(found.len() == 1 && found[0].starts_with("compilation failed: "), "{found:?}");
    }
}

#[test]
fn of_a_long_line_the_place_of_the_fault_is_shown() {
    let long = format!("self.n == 'a'{}", " || self.n == 'é'".repeat(400));
    let found = faults(&everything(), false, json!({"rule": long})).join("\n");
    assert!(found.len() < 10_000, "{} bytes", found.len());
    let shown: Vec<&str> = found.lines().filter(|line| line.starts_with(" | ")).collect();
    assert_eq!(shown.len(), 20, "{found}");
    for pair in shown.chunks(2) {
        let column = pair[1].chars().count() - 1;
        let around: String = pair[0].chars().skip(column - 7).take(11).collect();
        assert!(around.starts_with("self.n == '"), "{around}");
    }
    let last = format!("{} || self.n == 'a'", ["self.n == 1"; 300].join(" || "));
    let found = faults(&everything(), false, json!({"rule": last})).join("\n");
    assert!(
        found.lines().any(|line| line.starts_with(" | ...") && line.ends_with("self.n == 'a'")),
        "{found}"
    );
}
