//! Rules that a real apiserver refuses, with its words.
//!
//! Those with a schema of their own are from `compilation_test.go` and `validation_test.go` in
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`.

use serde_json::{Value, json};

use super::{everything, faults, list, object, of_type};

#[track_caller]
pub(super) fn refused(schema: &Value, rule: &str, why: &str) {
    let found = faults(schema, false, json!({"rule": rule}));
    assert!(found.len() == 1 && found[0].contains(why), "{rule}: {found:?}");
}

#[track_caller]
fn no_overload(rule: &str, function: &str, signature: &str) {
    let why = format!("found no matching overload for '{function}' applied to '{signature}'");
    refused(&everything(), rule, &why);
}

#[test]
fn a_fault_is_told_in_the_words_of_cel_go() {
    let found = faults(
        &object(json!({"replicas": of_type("integer")})),
        false,
        json!({"rule": "self.replicas > 'a'"}),
    );
    let expected = "compilation failed: ERROR: <input>:1:15: found no matching overload for '_>_' applied to \
                    '(int, string)'\n | self.replicas > 'a'\n | ..............^";
    assert_eq!(found, [expected]);
}

#[test]
fn every_fault_is_told_at_its_place() {
    let rule = "self.n > 0 &&\n\tself.s == 'ä' && has(self.z) &&\n'ö' in self.ints // so";
    let found = faults(&everything(), false, json!({"rule": rule, "message": "no"}));
    let expected = "compilation failed: ERROR: <input>:2:22: undefined field 'z'\n |  self.s == 'ä' && has(self.z) &&\n \
                    | ............．........^\nERROR: <input>:3:5: found no matching overload for '@in' applied to \
                    '(string, list(int))'\n | 'ö' in self.ints // so\n | .．..^";
    assert_eq!(found, [expected]);
}

#[test]
fn operators_want_what_they_can_work_on() {
    no_overload("self.n > 'a'", "_>_", "(int, string)");
    no_overload("self.s + 1 == 'a'", "_+_", "(string, int)");
    no_overload("self.n == 'a'", "_==_", "(int, string)");
    no_overload("self.n == 1.0", "_==_", "(int, double)");
    no_overload("self.n + 1.0 > 2.0", "_+_", "(int, double)");
    no_overload("self.d % 2.0 == 0.0", "_%_", "(double, double)");
    no_overload("!self.n", "!_", "(int)");
    no_overload("-self.s == 'a'", "-_", "(string)");
    no_overload("self.at + self.at == self.at", "_+_", "(timestamp, timestamp)");
    no_overload("self.at > self.span", "_>_", "(timestamp, duration)");
    no_overload("self.raw == 'QUI='", "_==_", "(bytes, string)");
    no_overload("self.n == null", "_==_", "(int, null)");
    no_overload("self.ints == null", "_==_", "(list(int), null)");
    no_overload("self.b ? 1 : 'a'", "_?_:_", "(bool, int, string)");
    no_overload("self.n ? true : false", "_?_:_", "(int, bool, bool)");
    no_overload("self.ints + ['a'] == []", "_+_", "(list(int), list(string))");
    no_overload("1.0 in self.ints", "@in", "(double, list(int))");
    no_overload("1 in self.m", "@in", "(int, map(string, int))");
    no_overload("'n' in self.o", "@in", "(string, selfType.o)");
    refused(&everything(), "self.n && true", "ERROR: <input>:1:5: expected type 'bool' but found 'int'");
    refused(&everything(), "true || self.s", "expected type 'bool' but found 'string'");
}

#[test]
fn functions_want_what_they_are_declared_for() {
    no_overload("size(self.n) == 1", "size", "(int)");
    no_overload("self.o.size() == 1", "size", "selfType.o.()");
    no_overload("self.n.startsWith('a')", "startsWith", "int.(string)");
    no_overload("self.s.startsWith(1)", "startsWith", "string.(int)");
    no_overload("self.s.startsWith('a', 'b')", "startsWith", "string.(string, string)");
    no_overload("startsWith(self.s, 'a')", "startsWith", "(string, string)");
    no_overload("self.s.matches(self.n)", "matches", "string.(int)");
    no_overload("self.texts.sum() == 'c'", "sum", "list(string).()");
    no_overload("self.texts.join(1) == 'c'", "join", "list(string).(int)");
    no_overload("quantity(self.n).isInteger()", "quantity", "(int)");
    no_overload("quantity('1').isGreaterThan('2')", "isGreaterThan", "kubernetes.Quantity.(string)");
    no_overload(
        "quantity('1').compareTo(semver('1.0.0')) == 0",
        "compareTo",
        "kubernetes.Quantity.(kubernetes.Semver)",
    );
    no_overload("url('/a').getPort() == 80", "_==_", "(string, int)");
    no_overload("ip('::1') == cidr('::1/128')", "_==_", "(net.IP, net.CIDR)");
    no_overload(
        "format.dns1123Label().validate(self.n).hasValue()",
        "validate",
        "kubernetes.NamedFormat.(int)",
    );
    no_overload("sets.contains(self.ints, self.texts)", "sets.contains", "(list(int), list(string))");
    no_overload("duration(self.b) == self.span", "duration", "(bool)");
    no_overload("self.span.getFullYear() == 1", "getFullYear", "duration.()");
}

#[test]
fn what_is_below_a_value_has_its_type() {
    no_overload("self.os.all(x, x.n > 'b')", "_>_", "(int, string)");
    no_overload("self.ints.all(x, x == 'a')", "_==_", "(int, string)");
    no_overload("self.ints.map(x, string(x)).exists(x, x > 1)", "_>_", "(string, int)");
    no_overload("self.ints.filter(x, x > 1) == ['a']", "_==_", "(list(int), list(string))");
    no_overload("self.m.all(k, k > 1)", "_>_", "(string, int)");
    no_overload("self.m['a'] == 'b'", "_==_", "(int, string)");
    no_overload("self.mo['a'].n == 'b'", "_==_", "(int, string)");
    no_overload("self.ml.a[0] == 1", "_==_", "(string, int)");
    no_overload("self.lists[0][0] == 'a'", "_==_", "(int, string)");
    no_overload("self.ints['a'] == 1", "_[_]", "(list(int), string)");
    no_overload("self.m[1] == 1", "_[_]", "(map(string, int), int)");
    no_overload("self.o['n'] == 1", "_[_]", "(selfType.o, string)");
    refused(&everything(), "self.o.z == 1", "undefined field 'z'");
    refused(&everything(), "self.s.z == 1", "type 'string' does not support field selection");
    refused(
        &everything(),
        "self.n.all(x, x > 1)",
        "expression of type 'int' cannot be range of a comprehension",
    );
    refused(&everything(), "self.ints.all(x, x)", "expected type 'bool' but found 'int'");
    refused(&everything(), "self.ints.all(x, true) && x > 1", "undeclared reference to 'x'");
}

#[test]
fn objects_of_two_places_are_of_two_types() {
    no_overload("self.o == self.p", "_==_", "(selfType.o, selfType.p)");
    no_overload("self.os[0] == {'n': 1}", "_==_", "(selfType.os.@idx, map(string, int))");
    no_overload("self.whole.metadata == self.o", "_==_", "(selfType.whole.metadata, selfType.o)");
}

#[test]
fn what_is_written_out_is_of_one_type() {
    refused(&everything(), "1 in [1, 'a']", "ERROR: <input>:1:10: expected type 'int' but found 'string'");
    refused(&everything(), "{'a': 1, 2: 2}.size() == 2", "expected type 'string' but found 'int'");
    refused(&everything(), "{'a': 1, 'b': 'c'}.size() == 2", "expected type 'int' but found 'string'");
}

#[test]
fn what_a_schema_leaves_open_cannot_be_looked_at() {
    refused(&everything(), "has(self.open.other)", "undefined field 'other'");
    refused(&everything(), "has(self.blank)", "undefined field 'blank'");
    let lists = object(json!({"l": list(json!({"x-kubernetes-preserve-unknown-fields": true}))}));
    refused(&lists, "has(self.l)", "undefined field 'l'");
    refused(&everything(), "has(self.whole.metadata.namespace)", "undefined field 'namespace'");
    refused(&everything(), "has(self.metadata)", "undefined field 'metadata'");
}

#[test]
fn a_rule_gives_a_bool() {
    for rule in ["42", "self.n", "self.any", "dyn(true)", "self.ints.map(x, x > 1)", "null"] {
        let found = faults(&everything(), false, json!({"rule": rule}));
        assert_eq!(found, ["cel expression must evaluate to a bool"], "{rule}");
    }
}

#[test]
fn a_message_is_a_string() {
    let message = |expression: &str| {
        faults(&everything(), false, json!({"rule": "self.b", "messageExpression": expression}))
    };
    for expression in ["42", "self.n", "self.any", "[self.s]"] {
        assert_eq!(message(expression), ["messageExpression must evaluate to a string"], "{expression}");
    }
    let found = message("'n is ' + self.n");
    assert!(
        found[0].starts_with(
            "messageExpression compilation failed: ERROR: <input>:1:9: found no matching overload"
        ),
        "{found:?}"
    );
}

#[test]
fn an_optional_old_value_is_not_a_value() {
    let refused = |schema: Value, rule: &str, signature: &str| {
        let found = faults(&schema, false, json!({"rule": rule, "optionalOldSelf": true}));
        assert!(found.len() == 1 && found[0].contains(signature), "{rule}: {found:?}");
    };
    let int = || of_type("integer");
    refused(int(), "self >= oldSelf", "'_>=_' applied to '(int, optional_type(int))'");
    refused(int(), "self >= oldSelf.orValue('')", "'orValue' applied to 'optional_type(int).(string)'");
    let nested = object(json!({"o": object(json!({"i": int(), "s": of_type("string")}))}));
    refused(nested.clone(), "self.o.i >= oldSelf.o.i", "'_>=_' applied to '(int, optional_type(int))'");
    refused(
        nested,
        "self.o.i >= oldSelf.o.s.orValue(0)",
        "'orValue' applied to 'optional_type(string).(int)'",
    );
}

#[test]
fn rules_of_compilation_test_are_refused() {
    refused(&of_type("number"), "size(self) == 10", "'size' applied to '(double)'");
    refused(&of_type("integer"), "size(self) == 10", "'size' applied to '(int)'");
    refused(
        &object(json!({"self": of_type("integer")})),
        "self == 10",
        "'_==_' applied to '(selfType, int)'",
    );
    refused(&object(json!({})), "fakeFunction('abc') == 'ABC'", "undeclared reference to 'fakeFunction'");
}

#[test]
fn rules_of_validation_test_are_refused() {
    no_overload("self.os[0] == {'n': 'a', 's': '1'}", "_==_", "(selfType.os.@idx, map(string, string))");
    no_overload("self.s != null", "_!=_", "(string, null)");
    no_overload("[[1], [2]].min() == [1]", "min", "list(list(int)).()");
    no_overload("[{'a': 1}, {'b': 2}].max() == {'b': 2}", "max", "list(map(string, int)).()");
    no_overload("string(type(self.os[0])).endsWith('.@idx')", "string", "(type(selfType.os.@idx))");
    refused(&everything(), "has(self.o.z)", "undefined field 'z'");
    refused(&everything(), "self.__illegal__ == 301", "undefined field '__illegal__'");
}
