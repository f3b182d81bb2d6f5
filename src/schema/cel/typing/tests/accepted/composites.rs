//! Rules on lists, maps and objects, and on what may be anything.

use serde_json::{Value, json};

use super::super::{everything, faults, int_or_string, list, map, object};
use super::{accepted, accepted_of_whole, fields, flag, int, text};

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
