//! Rules as users meet them: what they say, and when they are not asked.

use serde_json::{Value, json};

use super::broken_rules;
use super::check::{Site, check};
use crate::tests::schemas;

fn broken(definition: Value, value: Value, old: Option<Value>) -> Vec<String> {
    let schemas = schemas(json!({"T": {"type": "object", "properties": {"spec": definition}}}));
    let old = old.map(|old| json!({"spec": old}));
    let errors = broken_rules(schemas.get("T").unwrap(), &json!({"spec": value}), old.as_ref());
    errors.iter().map(ToString::to_string).collect()
}

fn rule(rule: &str) -> Value {
    json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}], "properties": {
        "n": {"type": "integer"},
        "max": {"type": "integer"},
        "s": {"type": "string"},
        "x-prop": {"type": "string"},
        "namespace": {"type": "string"},
        "a_b": {"type": "string"},
        "d": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "for": {"type": "string", "format": "duration"},
        "raw": {"type": "string", "format": "byte"},
        "any": {"x-kubernetes-int-or-string": true},
        "l": {"type": "array", "items": {"type": "integer"}},
        "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"v": {"type": "integer"}}}},
    }})
}

#[track_caller]
fn keeps(text: &str, value: Value) {
    assert_eq!(broken(rule(text), value, None), [""; 0], "{text}");
}

#[track_caller]
fn refused(text: &str, why: &str) {
    let schema = rule(text);
    let site = Site { path: "s".to_owned(), schema: &schema, is_whole: false, uncorrelated: None };
    let faults: Vec<String> = check(&[site]).into_iter().map(|fault| fault.detail).collect();
    match why {
        "" => assert_eq!(faults, [""; 0], "{text}"),
        why => assert!(faults.len() == 1 && faults[0].contains(why), "{text}: {faults:?}"),
    }
}

#[test]
fn values_have_the_types_of_their_schema() {
    keeps("self.n <= self.max", json!({"n": 1, "max": 2}));
    keeps(
        "self.x__dash__prop == 'a' && self.__namespace__ == 'b' && self.a_b == 'c'",
        json!({
            "x-prop": "a", "namespace": "b", "a_b": "c",
        }),
    );
    keeps("self.namespace == self.__namespace__ && has(self.namespace)", json!({"namespace": "b"}));
    keeps("self.d * 2.0 == 6.0", json!({"d": 3}));
    keeps("self.at > timestamp('2020-01-01T00:00:00Z')", json!({"at": "2026-01-01T00:00:00Z"}));
    keeps("self.__for__ == duration('90m')", json!({"for": "1h30m"}));
    keeps("self.__for__ == duration('-1500ms')", json!({"for": "-1.5s"}));
    keeps("type(self.__for__) == string", json!({"for": "-"}));
    keeps("type(self.__for__) == google.protobuf.Duration", json!({"for": "1h"}));
    keeps("type(self.at) == google.protobuf.Timestamp", json!({"at": "2026-01-01T00:00:00Z"}));
    keeps("type(int) == type && type(self.n) != type", json!({"n": 1}));
    keeps("bool(self.s) && !bool('F') && bool(self.n == 1)", json!({"s": "true", "n": 1}));
    keeps("size(self.raw) == 3", json!({"raw": "YWJj"}));
    keeps("type(self.any) == int || type(self.any) == string", json!({"any": "5%"}));
    keeps("self.m.all(k, self.m[k].v > 0) && self.m['a-b'].v == 1", json!({"m": {"a-b": {"v": 1}}}));
    keeps("dyn(self.n) == 1", json!({"n": 1}));
}

#[test]
fn what_is_negated_twice_is_itself() {
    keeps("!!(self.n == 1) && !!!(self.n == 2) && ! ! (self.s == '!!')", json!({"n": 1, "s": "!!"}));
    keeps("--self.n == 1 && -(-self.n) == 1 && - - -self.n == -1", json!({"n": 1}));
    keeps("5--self.n == 6 && 5---self.n == 4 && 5 - --self.n == 4", json!({"n": 1}));
    refused("!!(self.n == 1)", "");
    refused("!!1", "must evaluate to a bool");
    refused("self.s == '' && !!!self.n", "found no matching overload for '!_' applied to '(int)'");
    refused("--(self.n == 1) - 1 == 0", "found no matching overload for '_-_' applied to '(bool, int)'");
    refused("self.l.exists(x, !!)", "Syntax error");
    refused("size(!!) == 0", "Syntax error");
}

#[test]
fn a_broken_rule_says_what_its_author_wrote() {
    let with = |more: Value| {
        let mut schema = rule("self.n <= self.max");
        let rule = schema["x-kubernetes-validations"][0].as_object_mut().unwrap();
        rule.extend(more.as_object().unwrap().clone());
        broken(schema, json!({"n": 5, "max": 2}), None).join("; ")
    };
    assert_eq!(with(json!({})), r#"spec: Invalid value: "object": failed rule: self.n <= self.max"#);
    assert_eq!(with(json!({"message": "too many"})), r#"spec: Invalid value: "object": too many"#);
    assert_eq!(
        with(json!({"message": "no", "messageExpression": "'n is ' + string(self.n)"})),
        r#"spec: Invalid value: "object": n is 5"#
    );
    assert_eq!(
        with(json!({"message": "no", "messageExpression": "string(self.nothing)"})),
        r#"spec: Invalid value: "object": no"#,
        "an expression that fails leaves the message"
    );
    assert_eq!(
        with(json!({"message": "no", "reason": "FieldValueForbidden", "fieldPath": ".n"})),
        "spec.n: Forbidden: no"
    );
    assert_eq!(with(json!({"reason": "FieldValueRequired", "message": "no"})), "spec: Required value: no");
}

#[test]
fn what_cannot_be_evaluated_is_a_fault() {
    let errors = broken(rule("self.n > 0"), json!({}), None);
    assert_eq!(errors, [r#"spec: Invalid value: "object": no such key: n evaluating rule: self.n > 0"#]);
    let errors = broken(rule("self.any > 0"), json!({"any": "x"}), None);
    assert!(errors[0].contains("no such overload"), "{errors:?}");
    let errors = broken(rule("self.n"), json!({"n": 1}), None);
    assert!(errors[0].contains("must evaluate to a bool"), "{errors:?}");
}

#[test]
fn transitions_are_judged_against_the_old_value() {
    let grows = rule("self.n >= oldSelf.n");
    assert_eq!(broken(grows.clone(), json!({"n": 1}), None), [""; 0], "no old value, no transition");
    assert_eq!(broken(grows.clone(), json!({"n": 2}), Some(json!({"n": 1}))), [""; 0]);
    assert_eq!(broken(grows, json!({"n": 1}), Some(json!({"n": 2}))).len(), 1);
    let mut once = rule("!oldSelf.hasValue() || oldSelf.value().n == self.n");
    once["x-kubernetes-validations"][0]["optionalOldSelf"] = json!(true);
    assert_eq!(broken(once.clone(), json!({"n": 1}), None), [""; 0], "asked of new objects too");
    assert_eq!(broken(once.clone(), json!({"n": 1}), Some(json!({"n": 1}))), [""; 0]);
    assert_eq!(broken(once, json!({"n": 1}), Some(json!({"n": 2}))).len(), 1);
}

#[test]
fn items_of_a_keyed_list_have_their_old_selves() {
    let list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}],
            "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}});
    let old = json!([{"k": "a", "v": 5}, {"k": "b", "v": 1}]);
    let errors = broken(list, json!([{"k": "b", "v": 3}, {"k": "c", "v": 0}, {"k": "a", "v": 4}]), Some(old));
    assert_eq!(errors, [r#"spec[2]: Invalid value: "object": failed rule: self.v >= oldSelf.v"#]);
}

#[test]
fn what_broke_a_rule_before_may_stay() {
    let schema = rule("self.n > 0");
    let old = json!({"n": 0});
    assert_eq!(broken(schema.clone(), old.clone(), Some(old.clone())), [""; 0]);
    assert_eq!(broken(schema, json!({"n": 0, "s": "x"}), Some(old)).len(), 1);
}

#[test]
fn a_rule_that_could_run_for_long_does_not_run() {
    let items: Vec<u32> = (0..2_000).collect();
    let started = std::time::Instant::now();
    let errors =
        broken(rule("self.l.all(x, self.l.all(y, self.l.exists(z, z == x + y)))"), json!({"l": items}), None);
    assert!(errors[0].contains("running out of cost budget"), "{errors:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
    keeps("self.l.all(x, x >= 0)", json!({"l": items}));
}

#[test]
fn a_list_of_numbers_is_not_too_long() {
    let three = |n: &str| {
        let range = format!("lists.range({n})");
        format!("{range}.all(x, {range}.all(y, {range}.all(z, x + y + z >= 0)))")
    };
    let found = |text: &str| broken(rule(text), json!({"n": 1_000, "l": [1, 2, 3]}), None).join("; ");
    assert_eq!(found(&three("size(self.l)")), "");
    assert_eq!(found(&three("size(self.l) - 1 + 1")), "");
    for n in ["1000", "self.n", "size(self.l) + 1000", "3 - -1000", "size(self.l) * 1000"] {
        let found = found(&three(n));
        assert!(found.contains("running out of cost budget"), "{n}: {found}");
    }
    assert_eq!(found("lists.range(self.n).all(x, x < 1000) && lists.range(3) == [0, 1, 2]"), "");
    for n in ["100000000000", "-1", "9223372036854775807"] {
        let found = found(&format!("lists.range({n}).size() > 0"));
        assert!(found.contains("is not from 0 to 10000"), "{n}: {found}");
    }
}

#[test]
fn a_number_has_no_more_digits_than_a_double_can_have() {
    let found = |text: &str, s: &str| broken(rule(text), json!({"s": s}), None).join("; ");
    assert_eq!(found("'%.3f%% %.1074f'.format([1.0, 2.0]).size() == 1083", ""), "");
    assert_eq!(found("self.s.format([]) == '%.5000f'", "%%.5000f"), "");
    for precision in ["1075", "1000000000", "99999999999999999999999"] {
        let text = format!("%.{precision}f");
        for rule in ["self.s.format([1.0]) != ''".to_owned(), format!("'{text}'.format([1.0]) != ''")] {
            let found = found(&rule, &text);
            assert!(found.contains("a precision is over 1074 evaluating rule: "), "{found}");
        }
    }
}

#[test]
fn a_rule_that_the_evaluator_fails_on_is_a_fault_of_its_own() {
    let mut schema = rule("google.protobuf.Duration{} == self.s");
    schema["x-kubernetes-validations"].as_array_mut().unwrap().push(json!({"rule": "self.n > 1"}));
    let found = broken(schema, json!({"n": 1, "s": "x"}), None);
    assert!(found.len() == 2 && found[0].contains("the evaluator failed evaluating rule: "), "{found:?}");
    assert!(found[1].ends_with("failed rule: self.n > 1"), "{found:?}");
}

#[test]
fn a_message_that_could_be_large_is_not_made() {
    let mut schema = rule("self.n > 0");
    let large = format!("[self.s]{}[0]", ".map(x, x + x)".repeat(40));
    schema["x-kubernetes-validations"][0]["messageExpression"] = json!(large);
    let errors = broken(schema, json!({"n": 0, "s": "0123456789"}), None);
    assert!(errors.len() == 1 && errors[0].contains("messageExpression evaluation failed"), "{errors:?}");
}

#[test]
fn a_message_that_could_take_long_is_not_made() {
    let items: Vec<u32> = (0..2_000).collect();
    let mut schema = rule("self.n > 0");
    let long = "string(self.l.map(x, self.l.filter(y, self.l.exists(z, z == x + y))).size())";
    schema["x-kubernetes-validations"][0]["message"] = json!("no");
    schema["x-kubernetes-validations"][0]["messageExpression"] = json!(long);
    let started = std::time::Instant::now();
    let errors = broken(schema, json!({"n": 0, "l": items}), None);
    assert!(errors.len() == 1 && errors[0].contains("messageExpression evaluation failed"), "{errors:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn rules_that_make_no_sense_are_refused_with_the_reason() {
    refused("self.n > 0", "");
    refused("self.l.all(x, x > 0) && self.m.all(k, self.m[k].v > 0)", "");
    refused("math.greatest(self.n, 1) == 1 && has(self.s)", "");
    refused("self.n >", "Syntax error");
    refused("self.nothing > 0", "undefined field 'nothing'");
    refused("self.m.all(k, self.m[k].w > 0)", "undefined field 'w'");
    refused("other > 0", "undeclared reference to 'other'");
    refused("nothing(self.n)", "undeclared reference to 'nothing'");
    refused("self.?n.hasValue()", "unsupported syntax");
    refused("", "rule is not specified");
}

#[test]
fn no_expression_brings_the_server_down() {
    refused(&format!("{}true{}", "(".repeat(3_000), ")".repeat(3_000)), "Recursion limit");
    refused(&format!("{}1 == 1", "1 + ".repeat(1_500)), "nested deeper");
    refused(&"x".repeat(9_000), "bytes");
    refused(&format!("{}true", "true ? true : ".repeat(400)), "cannot be read");
    refused(&format!("{}true{}", "!!(".repeat(90), ")".repeat(90)), "");
    for broken in ["-!!(", "&!!!(", "'\\q' !!(", "é!!("] {
        refused(&format!("{}true{}", broken.repeat(90), ")".repeat(90)), "Syntax error");
    }
}
