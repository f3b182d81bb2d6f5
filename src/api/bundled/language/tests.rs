use super::*;

#[track_caller]
fn check(text: &str, expected: Value) {
    assert_eq!(Source::read(text).schema("T"), expected, "{text}");
}

#[test]
fn fields_lists_and_maps_nest() {
    check(
        "type T: object\n  a!, b: string len=1..3 // What.\n  c: [object] items=..2 set\n    d: {int32}\n",
        json!({
            "type": "object", "required": ["a"],
            "properties": {
                "a": {"type": "string", "description": "What.", "minLength": 1, "maxLength": 3},
                "b": {"type": "string", "description": "What.", "minLength": 1, "maxLength": 3},
                "c": {
                    "type": "array", "maxItems": 2, "x-kubernetes-list-type": "set",
                    "items": {"type": "object", "properties": {
                        "d": {"type": "object", "additionalProperties": {"type": "integer", "format": "int32"}},
                    }},
                },
            },
        }),
    );
}

#[test]
fn a_type_is_all_that_it_says_and_what_its_place_adds() {
    check(
        "text word [a-z]+\ntext two ^<word>-<word>$\ntype T: [N] items=1..\ntype N: string ~two default=\"a-b\"\n",
        json!({"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[a-z]+-[a-z]+$", "default": "a-b"}}),
    );
    check(
        "type T: N enum=1|2 nullable\ntype N: integer range=0..9\n",
        json!({"type": "integer", "minimum": 0, "maximum": 9, "enum": [1, 2], "nullable": true}),
    );
}

#[test]
fn rules_have_names_and_parameters() {
    check(
        "text has(field) has(self.$field)\nrule both(a, b) $a needs $b => !<has($a)> || <has($b)>\nrule both(a, b) and so on => true\n\
         type T: object\n  ? @both(x, y)\n  ? few => self.n < 2 && <sum(1..3)> <= 4\ntext sum(i) self[$i]\n",
        json!({"type": "object", "x-kubernetes-validations": [
            {"message": "x needs y", "rule": "!has(self.x) || has(self.y)"},
            {"message": "and so on", "rule": "true"},
            {"message": "few", "rule": "self.n < 2 && self[1] + self[2] + self[3] <= 4"},
        ]}),
    );
}

#[test]
fn one_of_several_fields_may_be_there() {
    let of = |a: &str, b: &str| {
        let (a, b) = (json!({"required": [a]}), json!({"required": [b]}));
        json!([{"not": {"anyOf": [a, b]}}, a, b])
    };
    check("type T: object one(a|b)\n", json!({"type": "object", "oneOf": of("a", "b")}));
    let both = json!({"type": "object", "allOf": [{"oneOf": of("a", "b")}, {"oneOf": of("c", "d")}]});
    check("type T: object one(a|b) one(c|d)\n", both);
    check("type T: object\n  + {\"not\": {}}\n", json!({"type": "object", "not": {}}));
}
