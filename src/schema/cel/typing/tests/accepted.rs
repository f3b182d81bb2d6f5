//! Rules that a real apiserver takes, with their schemas.
//!
//! From `validation_test.go` and `compilation_test.go` in
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`, with shorter names. What the
//! evaluator does not know stands in `taken_by_kubernetes_only`.

use serde_json::{Value, json};

use super::{everything, faults, int_or_string, list, map, object, of_type, text_of_format};

#[track_caller]
fn accepted(schema: &Value, rules: &[&str]) {
    for rule in rules {
        assert_eq!(faults(schema, false, json!({"rule": rule})), [""; 0], "{rule}");
    }
}

#[track_caller]
fn accepted_of_whole(schema: &Value, rules: &[&str]) {
    for rule in rules {
        assert_eq!(faults(schema, true, json!({"rule": rule})), [""; 0], "{rule}");
    }
}

fn int() -> Value {
    of_type("integer")
}

fn double() -> Value {
    of_type("number")
}

fn text() -> Value {
    of_type("string")
}

fn flag() -> Value {
    of_type("boolean")
}

/// A schema of `a`, `b` and so on.
fn fields<const N: usize>(schemas: [Value; N]) -> Value {
    let names = ('a'..='z').map(|name| name.to_string());
    object(Value::Object(names.zip(schemas).collect()))
}

#[test]
fn numbers() {
    accepted(
        &fields([int(), int(), json!({"type": "integer", "format": "int32"})]),
        &[
            "self.a == 9223372036854775807 && 9223372036854775807 == self.a && self.a == self.b",
            "self.a == self.c",
            "type(self.a) == int",
            "self.c + 1 == 2147483647 + 1",
            "self.a + 1 == 0",
            "1 / 0 == 1 / 0",
        ],
    );
    accepted(
        &fields([double(), json!({"type": "number", "format": "float"}), int()]),
        &[
            "self.a == 1.5 && 1.5 == self.a && self.a == self.b",
            "type(self.a) == double",
            "self.b == 1.0",
            "self.a > 1.0",
            "self.a < 32.0",
            // Only order is across types.
            "self.a > self.c && self.c >= self.a && self.a < 3 && 2u <= self.a && self.c < 4u",
        ],
    );
}

#[test]
fn texts() {
    accepted(
        &fields([text(), text()]),
        &[
            "self.a == 'Rook takes 👑' && 'Rook takes 👑' == self.a && self.a == self.b",
            "self.a.startsWith('Rook')",
            "!self.a.startsWith('knight')",
            "self.a.contains('takes')",
            "self.a.endsWith('👑')",
            "self.a.matches('^[^0-9]*$')",
            "type(self.a) == string",
            "size(self.a) == 12",
            "self.a.charAt(3) == 'k'",
            "self.a.indexOf('o') == 1",
            "self.a.indexOf('o', 2) == 2",
            "self.a.lastIndexOf('o') == 1",
            "self.a.replace(' ', 'x') == 'Rookxtakesx👑'",
            "self.a.replace(' ', 'x', 1) == 'Rookxtakes 👑'",
            "self.a.split(' ') == ['Rook', 'takes', '👑']",
            "self.a.split(' ', 2) == ['Rook', 'takes 👑']",
            "self.a.substring(5) == 'takes 👑'",
            "self.a.substring(0, 4) == 'Rook'",
            "self.a.substring(4, 10).trim() == 'takes'",
            "self.a.upperAscii() == 'ROOK TAKES 👑'",
            "self.a.lowerAscii() == 'rook takes 👑'",
            "self.a == 'l1\\nl2'",
            "size(self.a + \"hello\") > size(\"hello\")",
            "\"\".matches(\"(((((((((())))))))))[0-9]\")",
            "strings.quote(self.a) == 'a'",
            "['a', 'b'].join() == 'ab' && self.a.split(',').join('-') == ''",
            "'%s %d'.format([self.a, 1]) == 'a 1'",
        ],
    );
    accepted(
        &fields([text_of_format("byte"), text_of_format("byte")]),
        &[
            "self.a == self.b",
            "self.a == b'AB'",
            "self.a == bytes('AB')",
            "self.a == b'\\x41\\x42'",
            "type(self.a) == bytes",
            "size(self.a) == 2",
            "string(self.a).endsWith('s')",
        ],
    );
    accepted(
        &fields([json!({"type": "string", "enum": ["Pending", "Bound"]})]),
        &["self.a == 'Pending'", "self.a in ['Pending', 'Available']"],
    );
    accepted(
        &fields([text()]),
        &[
            "self.a.find('[0-9]+') == '123'",
            "self.a.findAll('[0-9]+') == ['123', '456']",
            "self.a.findAll('[0-9]+', 0) == []",
            "self.a.findAll('xyz', 1) == []",
        ],
    );
}

#[test]
fn flags_and_choices() {
    accepted(
        &fields([flag(), flag(), int()]),
        &[
            "self.a == true && true == self.a && self.a == self.b",
            "self.a != self.b",
            "type(self.a) == bool",
            "self.a ? self.c > 1 : self.b",
            "(self.a ? self.c : 0) > 1",
            "self.a < self.b",
            "self.a",
            "!self.a || !!self.b",
        ],
    );
}

#[test]
fn times() {
    accepted(
        &fields([text_of_format("duration"), text_of_format("duration")]),
        &[
            "self.a == duration('1h2m3s4ms') && duration('1h2m3s4ms') == self.a && self.a == self.b",
            "self.a == duration('1h2m') + duration('3s4ms')",
            "self.a.getHours() == 1",
            "self.a.getMinutes() == 62",
            "self.a.getSeconds() == 3723",
            "self.a.getMilliseconds() == 3723004",
            "self.a - self.b < duration('1s')",
            "self.a != null",
        ],
    );
    accepted(
        &fields([text_of_format("date"), text_of_format("date-time")]),
        &[
            "self.a == timestamp('1997-07-16T00:00:00.000Z')",
            "self.a.getDate() == 16",
            "self.a.getMonth() == 6",
            "self.a.getFullYear() == 1997",
            "self.b == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')",
            "self.b.getDate('01:00') == 18",
            "self.b.getMonth('01:00') == 7",
            "self.b.getFullYear('01:00') == 2011",
            "self.b.getHours('01:00') == 19",
            "self.b.getMinutes('01:00') == 3",
            "self.b.getSeconds('01:00') == 37",
            "self.b.getMilliseconds('01:00') == 10",
            "self.b.getHours('UTC') == 18",
            "self.a.getDayOfMonth() == 13 && self.a.getDayOfWeek() == 1 && self.a.getDayOfYear() == 1",
            "self.a - self.b < duration('1h') && self.a < self.b",
            "duration('1s') + self.a > self.b - duration('1s')",
        ],
    );
}

#[test]
fn conversions() {
    let schema = json!({
        "n": int(), "d": double(), "f": flag(), "t": text(), "raw": text_of_format("byte"),
        "span": text_of_format("duration"), "at": text_of_format("date-time"),
        "day": text_of_format("date"),
    });
    accepted(
        &object(schema),
        &[
            "int(self.d) == self.n",
            "int(self.t) == self.n",
            "int(self.at) == self.n",
            "double(self.n) == self.d",
            "double(self.t) == self.d",
            "uint(self.n) == 1u",
            "bytes(self.t) == self.raw",
            "string(self.n) == self.t",
            "string(self.d) == '10'",
            "string(self.f) == 'true'",
            "bool(self.t) == self.f && bool(self.f)",
            "type(self.span) == google.protobuf.Duration && type(self.at) == google.protobuf.Timestamp",
            "type(int) == type && [google.protobuf.Duration].exists(google, type(google) == type)",
            "string(self.raw) == self.t",
            "duration(self.t) == self.span",
            "string(self.span) == self.t",
            "timestamp(self.t) == self.at",
            "string(self.at) == self.t",
            "timestamp(self.t) == self.day",
            "string(self.day) == self.t",
            "dyn(self.n) == 'a'",
        ],
    );
}

#[test]
fn lists() {
    accepted(
        &fields([list(int()), list(int())]),
        &[
            "self.a == [1, 2, 3] && [1, 2, 3] == self.a && self.a == self.b",
            "1 in self.a",
            "self.b[0] in self.a",
            "!(0 in self.a)",
            "self.a + self.b == [1, 2, 3, 1, 2, 3]",
            "self.a + [4, 5] == [1, 2, 3, 4, 5]",
            "self.a.all(e, e > 0)",
            "self.a.exists(e, e > 2)",
            "self.a.exists_one(e, e > 4)",
            "size(self.a.filter(e, e%2 == 0)) == 3",
            "self.a.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)",
            "self.a.map(e, e > 1, e * 2).size() == 1",
            "self.a.all(x, self.b.all(y, x != y))",
            "self.a.map(x, [x, x]).all(p, p[0] == p[1])",
            "self.a.map(x, {'v': x}).exists(v, v.v == 1 && v['v'] == 2)",
            "sets.contains(self.a, [1]) && sets.intersects(self.a, self.b) && sets.equivalent(self.a, [])",
            "self.a == []",
            "[] == self.a",
            "size([]) == 0",
            "(self.a == [] ? [] : self.a) == [1]",
            "self.a.filter(x, false) == []",
            "[[1], [2]].indexOf([1]) == 0",
            "[{'a': 1}, {'b': 2}].lastIndexOf({'b': 2}) == 1",
            "([0] + self.a).min() == 0",
            "dyn([]).sum() == 0",
            "dyn([1, 2]).sum() == 3",
            "dyn([1.0, 2.0]).sum() == 3.0",
        ],
    );
    let keyed = object(json!({"k": text(), "v": text(), "w": text()}));
    accepted(
        &fields([list(list(keyed.clone())), list(keyed)]),
        &[
            "self.a[0] == self.a[1]",
            "self.a[0] + self.a[2] == self.a[2]",
            "self.a[0] == [self.a[0][0], self.a[0][1]]",
            "self.a[2] + [self.a[0][0], self.a[0][1]] == self.a[0]",
            "size(self.a[0] + [self.a[3][0]]) == 3",
            "has(self.b[0].v)",
            "self.b.all(m, m.k.startsWith('a'))",
            "self.b.all(m, !has(m.w) || m.w == 'z')",
            "self.b.exists(m, m.k == 'a1' && m.v == 'b1')",
            "self.b.map(m, m.v).exists(v, v == 'b1')",
            "self.b.exists_one(m, has(m.w) && m.w == 'z')",
            "self.b.map(m, has(m.w) && m.w == 'z', m.w).size() == 1",
            "self.b.filter(m, has(m.w) && m.w == 'z').map(m, m.w).size() == 1",
            "self.b.indexOf(self.b[1]) == 1",
            "self.b.lastIndexOf(self.b[1]) == 2",
            "self.b[0] == null",
        ],
    );
    let of_everything = everything();
    for (name, sum) in [("ints", "8"), ("doubles", "8.0"), ("spans", "duration('1h2m1s')")] {
        accepted(&of_everything, &[&format!("self.{name}.sum() == {sum}")]);
    }
    for (name, item) in [
        ("ints", "1"),
        ("doubles", "1.0"),
        ("spans", "duration('1s')"),
        ("texts", "'a'"),
        ("days", "timestamp('2000-01-01T00:00:00.000Z')"),
    ] {
        for rule in [
            format!("self.{name}.min() == {item}"),
            format!("self.{name}.max() == {item}"),
            format!("self.{name}.isSorted() == false"),
            format!("self.{name}.indexOf({item}) == 1"),
            format!("self.{name}.lastIndexOf({item}) == -1"),
        ] {
            accepted(&of_everything, &[&rule]);
        }
    }
}

#[test]
fn maps() {
    accepted(
        &fields([map(text()), map(text()), map(int())]),
        &[
            "self.a == self.b",
            "'k1' in self.a",
            "!('k3' in self.a)",
            "self.a == {'k1': 'a', 'k2': 'b'}",
            "self.a == {}",
            "!has(self.c.a)",
            "has(self.c.b)",
            "self.c.all(k, self.c[k] > 0)",
            "self.c.exists(k, self.c[k] > 1)",
            "self.c.exists_one(k, self.c[k] == 2)",
            "size(self.c) == 2",
            "self.c.map(k, self.c[k]).exists(v, v == 1)",
            "size(self.c.filter(k, self.c[k] > 1)) == 1",
            "self.c['@'] == 1 && self.c['./-'] == 4 && self.c['👑'] == 5",
            "self.a.all(x, x.contains(self.a[x]))",
            "type(self.a['a']) == null_type",
        ],
    );
}

#[test]
fn objects() {
    let inner = object(json!({"c": int()}));
    let schema = object(json!({
        "a": object(json!({"b": int(), "c": int(), "d": {"type": "integer", "nullable": true}})),
        "e": object(json!({"f": inner, "g": object(json!({"h": int()}))})),
        "os": list(object(json!({"v": text()}))),
    }));
    accepted(
        &schema,
        &[
            "has(self.a.b)",
            "!has(self.a.d)",
            "has(self.e.f.c)",
            "!(has(self.e.g) && has(self.e.g.h))",
            "self.os[0] == self.os[1]",
            "self.a == self.a",
            "self.a != null && null != self.a",
            "type(self) == type(self)",
            "type(self.os[0]) == type(self.os[1])",
            "oldSelf == self && oldSelf.a == self.a && self.a in [oldSelf.a]",
        ],
    );
    let composed = object(json!({
        "obj": object(json!({"f": text()})),
        "mm": map(map(text())),
        "mo": map(object(json!({"f": text()}))),
        "mlo": map(list(object(json!({"k": text(), "v": text()})))),
        "ml": map(list(text())),
        "lo": list(object(json!({"k": text(), "v": text()}))),
        "lm": list(map(text())),
        "llo": list(list(object(json!({"k": text(), "v": text()})))),
    }));
    accepted(
        &composed,
        &[
            "self.obj.f == 'a'",
            "self.mm['x']['y'] == 'b'",
            "self.mo['k'].f == 'c'",
            "self.mlo['o'].exists(e, e.k == '1' && e.v == 'd')",
            "self.ml['l'][0] == 'e'",
            "self.lo.exists(e, e.k == '2' && e.v == 'f')",
            "self.lm[0]['z'] == 'g'",
            "self.lo[0].v == 'h'",
            "self.llo[0].exists(e, e.k == '3' && e.v == 'i')",
        ],
    );
}

#[test]
fn whole_objects() {
    let named = object(json!({
        "kind": text(), "apiVersion": text(),
        "metadata": object(json!({"name": text(), "generateName": text(), "namespace": text()})),
    }));
    let names = [
        "self.kind == 'Pod'",
        "self.apiVersion == 'v1'",
        "self.metadata.name == 'foo'",
        "self.metadata.generateName == 'pickItForMe'",
    ];
    accepted(&named, &names);
    accepted_of_whole(&named, &names);
    accepted_of_whole(&named, &["self.metadata.__namespace__ == 'a'"]);
    let unnamed = object(json!({"spec": object(json!({"f": text()}))}));
    accepted_of_whole(&unnamed, &names);
    accepted_of_whole(&unnamed, &["self.spec.f == 'a'"]);
    accepted(
        &everything(),
        &[
            "self.whole.kind == 'Pod'",
            "self.whole.metadata.name == 'foo'",
            "self.whole.metadata.generateName == 'pickItForMe'",
            "has(self.whole.spec)",
        ],
    );
}

#[test]
fn values_of_any_type() {
    accepted(
        &fields([int_or_string(), int(), int(), list(int_or_string()), map(int_or_string())]),
        &[
            "self.a == '25%'",
            "self.a != 1",
            "self.a == 1 || self.a == '25%'",
            "type(self.a) == string && self.a == '25%'",
            "type(self.a) == int ? self.a == 1 : self.a == '25%'",
            "self.a != ['anything']",
            r"type(self.a) == string && self.a.matches(r'(\d+(\.\d+)?%)')",
            "type(self.a) == int ? self.b <= self.a : double(self.b) / double(self.c) >= \
             double(self.a.replace('%', '')) / 100.0",
            "self.d.all(x, true)",
            "self.d[0] == 5",
            "has(self.e.x) && self.e.x > 1 && self.e['y'] == 'z'",
            "self.a in [1, 2] || self.a in ['a']",
            "self.a.b.c == 1 && self.a[0] == 1 && size(self.a) == 1 && self.a.all(x, x > 1)",
            "self.a + 1 > 2 && -self.a == 1 && !self.a && (self.a ? true : false) && self.a",
            "(self.b > 1 ? self.a : 'x') == 'x'",
            "[self.a, 1].size() == 2 && [1, self.a].size() == 2",
        ],
    );
    accepted(
        &everything(),
        &["has(self.open)", "self.open.known == 1", "[self.open].size() == 5", "self.open == self.open"],
    );
}

#[test]
fn fields_with_null() {
    accepted(
        &fields([text(), json!({"type": "string", "nullable": true})]),
        &["!has(self.a)", "has(self.b) && self.b == 'v3'", "type(self.b) != null_type"],
    );
}

#[test]
fn names_that_are_escaped() {
    let int_names = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "self",
        "getDate",
        "all",
        "_true",
        "dot.dot",
        "dash-dash",
        "slash/slash",
        "under_score",
        "double__under",
    ];
    let properties: serde_json::Map<String, Value> =
        int_names.into_iter().map(|name| (name.to_owned(), int())).collect();
    accepted(
        &object(Value::Object(properties)),
        &[
            "self.__true__ == 1 && self.__false__ == 2 && self.__null__ == 3 && self.__in__ == 4",
            "self.__for__ == 10 && self.__function__ == 11 && self.__if__ == 12 && self.__import__ == 13",
            "self.__namespace__ == 17 && self.__return__ == 18 && self.__var__ == 19 && self.__void__ == 20",
            "self.namespace == 17 && self.if == 12 && self.for == 10",
            "self.int == 101 && self.uint == 102 && self.double == 103 && self.bool == 104",
            "self.string == 105 && self.bytes == 106 && self.list == 107 && self.map == 108",
            "self.null_type == 109 && self.type == 110",
            "self.self == 201",
            "self.getDate == 202 && self.all == 203",
            "self._true == 301",
            "self.dot__dot__dot == 401",
            "self.dash__dash__dash == 402",
            "self.slash__slash__slash == 403",
            "self.under_score == 404",
            "self.double__underscores__under == 405",
        ],
    );
}

#[test]
fn libraries_of_kubernetes() {
    accepted(
        &everything(),
        &[
            "url('/path').getScheme() == ''",
            "url('https://example.com:80/').getHost() == 'example.com:80'",
            "url('https://[::1]/').getHostname() == '::1'",
            "url(self.s).getPort() == '80'",
            "url('https://example.com/with space/').getEscapedPath() == '/with%20space/'",
            "url('https://example.com/?k1=a&k2=b&k2=c').getQuery() == { 'k1': ['a'], 'k2': ['b', 'c']}",
            "url('https://example.com/path').getQuery() == {}",
            "isURL('/path') == true",
            "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
            "isQuantity(self.s) && quantity(self.s).isGreaterThan(quantity('100Mi'))",
            "quantity('50k').asApproximateFloat() == 30000.0 && quantity('50k').asInteger() == 50000",
            "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('1').isInteger()",
            "quantity('1').sign() == 1 && sign(quantity('1')) == 1",
            "quantity(self.any) == quantity('1')",
            "ip('127.0.0.1').family() == 4 && isIP('::1') && ip.isCanonical(self.s)",
            "string(ip(self.s)) == '::1' && !ip(self.s).isLoopback() && ip(self.s).isGlobalUnicast()",
            "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))",
            "cidr('192.168.0.0/24').containsIP('192.168.0.1') && isCIDR(self.s)",
            "cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))",
            "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')",
            "cidr('::1/128').ip().family() == 6 && cidr('::1/128').prefixLength() == 128",
            "cidr('192.168.0.0/24') == cidr('192.168.0.0/24').masked()",
            "!format.dns1123Label().validate(self.s).hasValue()",
            "format.named('uuid').value().validate(self.s).value().join('; ') == ''",
            "semver('1.2.3').compareTo(semver('2.0.0')) == -1 && isSemver(self.s)",
            "semver('v1.0', true).major() == 1 && semver(self.s).isLessThan(semver('2.0.0'))",
            // Nothing is known of what these give, and Kubernetes has no `math` in rules.
            "math.greatest(self.n, 1) == 1 && self.ints.distinct() == [1] && self.ints.distinct()[0] == 'a'",
        ],
    );
}

#[test]
fn optional_old_values() {
    let accepted = |schema: &Value, rules: &[&str]| {
        for rule in rules {
            let found = faults(schema, false, json!({"rule": rule, "optionalOldSelf": true}));
            assert_eq!(found, [""; 0], "{rule}");
        }
    };
    accepted(
        &int(),
        &[
            "self >= oldSelf.value()",
            "self >= oldSelf.orValue(1)",
            "oldSelf.hasValue() ? self >= oldSelf.value() : true",
            "oldSelf.or(optional.of(2)).value() == 1 && oldSelf.or(optional.none()).hasValue()",
        ],
    );
    let inner = json!({"i": int(), "b": flag(), "s": text(), "a": list(int()), "o": object(json!({}))});
    let mut outer = inner.clone();
    outer["o"] = object(inner);
    accepted(
        &object(outer),
        &[
            "self.i >= oldSelf.i.value()",
            "self.s == oldSelf.s.value()",
            "self.b == oldSelf.b.value()",
            "self.o == oldSelf.o.value()",
            "self.o.i >= oldSelf.o.i.value()",
            "self.o.s == oldSelf.o.s.value()",
            "self.o.b == oldSelf.o.b.value()",
            "self.o.o == oldSelf.o.o.value()",
            "self.o.i >= oldSelf.o.i.orValue(1)",
            "oldSelf.hasValue() ? self.o.i >= oldSelf.o.i.value() : true",
            "self.a[0] == oldSelf.a[0].value()",
        ],
    );
}

#[test]
fn rules_of_compilation_test() {
    accepted(
        &text(),
        &["self.startsWith('s')", "self.contains('test')", "self == \"x\"", "self.find('[0-9]+') == ''"],
    );
    accepted(&text_of_format("byte"), &["string(self).endsWith('s')", "self == b\"x\""]);
    accepted(&flag(), &["self == true"]);
    accepted(&int(), &["self > 0", "self >= oldSelf", "self == 5"]);
    accepted(&list(list(text())), &["size(self[0]) == 10"]);
    accepted(&list(list(list(text()))), &["size(self[0][0]) == 10"]);
    accepted(&list(object(json!({"o": object(json!({"v": int()}))}))), &["self[0].o.v == 10"]);
    accepted(&map(flag()), &["size(self) > 0", "has(self.x)", "self.all(x, true)"]);
    accepted(
        &list(double()),
        &["self[1] == 0.0", "self.all(x, self.all(y, self.all(z, true)))", "self.all(x, x == 0.0)"],
    );
    accepted(&list(list(double())), &["self[0][0] == -1.0"]);
    accepted(&list(map(double())), &["self.all(x, x.y == 25.2)", "self[0].x > 2.0"]);
    accepted(&list(map(object(json!({"r": text()})))), &["self.all(x, x[\"y\"].r == \"z\")"]);
    accepted(&list(object(json!({"r": text()}))), &["self[0] == null"]);
    accepted(&list(text_of_format("duration")), &["self[0].getHours() == 2"]);
    accepted(&list(text_of_format("date")), &["self[2].getDayOfMonth() == 13"]);
    accepted(&list(text_of_format("date-time")), &["self[2].getMinutes() == 45"]);
    accepted(&list(int_or_string()), &["self.all(x, true)", "self[0] == 5"]);
}

#[test]
fn messages() {
    for message in
        ["\"should start with 's'\"", "'n is ' + string(self.n)", "self.s", "self.b ? 'a' : self.s"]
    {
        let rule = json!({"rule": "self.b", "messageExpression": message});
        assert_eq!(faults(&everything(), false, rule), [""; 0], "{message}");
    }
}

/// Rules of operators that run in clusters: Karpenter, Kueue, Gardener, agentgateway, OpenShift and
/// some small ones.
#[test]
fn rules_in_use() {
    accepted(
        &map(text()),
        &[
            "self.all(k, k != '' && self[k] != '')",
            "self.all(x, x in ['a/b', 'c/d'] || x.find('^([^/]+)').endsWith('node.kubernetes.io') || \
             !x.find('^([^/]+)').endsWith('kubernetes.io'))",
            "self.all(key, !key.lowerAscii().matches('^(authorization|cookie)$'))",
        ],
    );
    accepted(&map(int_or_string()), &["self.all(x, !self[x].startsWith('-'))"]);
    accepted(
        &list(object(json!({"id": text(), "tags": map(text()), "root": flag(), "kind": text()}))),
        &[
            "!self.all(x, has(x.id) && (has(x.tags) || has(x.kind)))",
            "self.filter(x, has(x.root)?x.root==true:false).size() <= 1",
            "self.all(x, self.exists_one(y, y.id == x.id))",
            "self.all(p, self.exists_one(q, (has(p.id) ? p.id.lowerAscii() : '*') == (has(q.id) ? \
             q.id.lowerAscii() : '*')))",
            "self.all(r, (r.kind == 'Service' && r.id == '') || (r.kind in ['Gateway', 'HTTPRoute'] && \
             r.id == 'gateway.networking.k8s.io'))",
            "size(self) == 0 || !self.exists(x, has(x.id) && x.id == '*') || size(self) == 1",
        ],
    );
    accepted(
        &list(text()),
        &[
            "self.all(p, ''.matches(p) ? true : true)",
            "self.filter(c, isCIDR(c) && cidr(c).ip().family() == 4).size() <= 1",
            "self.all(arg, arg.size() > 0)",
        ],
    );
    let groups = list(object(json!({"flavors": list(object(json!({
        "resources": list(object(json!({"limit": int_or_string()}))),
    })))})));
    accepted(
        &object(json!({"cohort": text(), "groups": groups, "size": text(), "keep": text(), "n": int()})),
        &[
            "!has(self.cohort) && has(self.groups) ? self.groups.all(rg, rg.flavors.all(f, \
             f.resources.all(r, !has(r.limit)))) : true",
            "has(self.cohort) != has(self.size)",
            "has(self.cohort) == has(oldSelf.cohort) && (!has(self.cohort) || self.cohort == oldSelf.cohort)",
            "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
            "duration(self.keep) >= duration('1s') && duration(self.keep) <= duration('1h')",
            "self.keep.endsWith('d') ? int(self.keep.substring(0, size(self.keep) - 1)) >= 1 : \
             duration(self.keep) > duration('0s')",
            "self.n == 0 || (self.n >= 64 && self.n <= 262144)",
            "size(self.groups) >= self.n",
        ],
    );
    accepted(
        &int_or_string(),
        &[
            "quantity(string(self)).isGreaterThan(quantity('0'))",
            "quantity(self).compareTo(quantity(oldSelf)) >= 0",
            "type(self) == int ? (self == 0 || self == 1) : self.matches('^0$')",
            "type(self) == int ? (self >= 0 && self <= 255) : self in ['all', 'icmp']",
            "type(self) != string || !self.endsWith('m')",
            "type(self) == int ? self >= 0 : true",
            "type(self) == string ? self.matches(r\"^[1-9]+[0-9]*([EPTGMK]i|[EPTGMk])?$\") : type(self) == int",
            "type(self) == int ? self >= 0 : sign(quantity(self)) >= 0",
        ],
    );
    accepted(
        &text(),
        &[
            "type(oldSelf) == null_type || self == oldSelf",
            "self.split('.').all(s, size(s) <= 63)",
            "self.split('/', 2)[0].matches(\"^[a-z0-9](\\\\.[a-z0-9])*$\")",
            "self.split('/')[self.split('/').size()-1].contains(':')",
            "self.split(':').size() != 2 || (self.startsWith('*:') || isIP(self.split(':')[0]))",
            "self.split(':')[0].contains('.') || uint(self.split(':')[0]) <= 65535u",
        ],
    );
}

/// What the evaluator does not know, so that it is refused here, and how.
#[test]
fn taken_by_kubernetes_only() {
    for (rule, why) in [
        ("[optional.of(1)].unwrapOpt() == [1]", "undeclared reference to 'unwrapOpt'"),
        ("self.ints.sortBy(x, x) == [1]", "undeclared reference to 'sortBy'"),
        ("[1].all(i, v, i < v)", "undeclared reference to 'all'"),
        ("self.?n.hasValue()", "unsupported syntax"),
    ] {
        let found = faults(&everything(), false, json!({"rule": rule}));
        assert!(found.len() == 1 && found[0].contains(why), "{rule}: {found:?}");
    }
}
