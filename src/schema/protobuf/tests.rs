//! Messages of a small table, their bytes put together by hand.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fault, Messages, ProtobufError};
use crate::decode::{DEPTH_MAX, is_too_deep};

const TABLE: &str = "\
@ v1
Thing
 1 name string
 2 count int32
 3 replicas *int32
 4 isOn *bool
 5 tags []string
 6 labels {}string
 7 secret bytes
 8 ratio *double
 9 status Status
 10 security *Status
 11 limits {}Quantity
 12 port IntOrString
 13 surge *IntOrString
 14 created Time
 15 raw *Raw
 16 . Source
 17 codes []int64
 18 children []Thing
 19 data {}bytes
 20 items *OrArray
Status
 1 phase string
 2 ready bool
Source
 1 emptyDir *Status
Quantity either
 1 string *string
Raw either
 1 raw *json
OrArray either
 1 schema *Status
 2 list []Status
Time time
IntOrString intOrString
";

fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let messages = Messages::parse(TABLE).unwrap();
    messages.find("v1", "Thing").unwrap().decode(bytes).map(Value::Object)
}

fn check(bytes: &[u8], wanted: Value) {
    assert_eq!(decode(bytes).unwrap(), wanted, "{bytes:x?}");
}

fn check_fault(bytes: &[u8], wanted: &str) {
    assert_eq!(decode(bytes).unwrap_err().to_string(), wanted, "{bytes:x?}");
}

/// The key of a field; of numbers above 15 it has two bytes.
fn key(number: u8, wire: u8) -> Vec<u8> {
    match number {
        0..16 => vec![number << 3 | wire],
        _ => vec![0x80 | (number << 3 | wire), number >> 4],
    }
}

/// A field with a block.
fn block(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = key(number, 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    field.push(length as u8);
    [&field, bytes].concat()
}

#[test]
fn an_empty_message_is_an_empty_object() {
    check(&[], json!({}));
}

#[test]
fn scalars_have_their_json_types() {
    check(&block(1, b"a"), json!({"name": "a"}));
    check(&[2 << 3, 7], json!({"count": 7}));
    let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    check(&[&[2 << 3][..], &minus_one].concat(), json!({"count": -1}));
    check(&[4 << 3, 1], json!({"isOn": true}));
    check(&block(7, b"foo"), json!({"secret": "Zm9v"}));
    check(&[&key(8, 1)[..], &0.5_f64.to_le_bytes()].concat(), json!({"ratio": 0.5}));
    check(&[&key(8, 1)[..], &3_f64.to_le_bytes()].concat(), json!({"ratio": 3}));
}

#[test]
fn an_empty_value_is_kept_only_where_it_means_something() {
    check(&[2 << 3, 0, 3 << 3, 0, 4 << 3, 0], json!({"replicas": 0, "isOn": false}));
    check(&[block(1, b""), block(7, b"")].concat(), json!({}));
    let empty = [block(1, b""), vec![2 << 3, 0]].concat();
    check(&[block(9, &empty), block(10, &empty)].concat(), json!({"security": {}}));
    let zero = [8, 0, 16, 0, 26, 0];
    check(&[block(12, &zero), block(13, &zero)].concat(), json!({"surge": 0}));
    check(&block(14, b""), json!({}));
}

#[test]
fn lists_and_maps_keep_empty_items() {
    check(&[block(5, b""), block(5, b"a")].concat(), json!({"tags": ["", "a"]}));
    check(&block(6, &block(1, b"a")), json!({"labels": {"a": ""}}));
    check(&block(6, &[block(1, b"a"), block(2, b"b")].concat()), json!({"labels": {"a": "b"}}));
    check(&block(19, &[block(1, b"a"), block(2, b"")].concat()), json!({"data": {"a": ""}}));
    check(&block(18, b""), json!({"children": [{}]}));
    let quantity = block(2, &block(1, b"100m"));
    check(&block(11, &[block(1, b"cpu"), quantity].concat()), json!({"limits": {"cpu": "100m"}}));
}

#[test]
fn numbers_of_a_list_are_read_packed_or_one_by_one() {
    let one_by_one = [key(17, 0), vec![1], key(17, 0), vec![0x96, 1]].concat();
    check(&one_by_one, json!({"codes": [1, 150]}));
    check(&block(17, &[1, 0x96, 1]), json!({"codes": [1, 150]}));
}

#[test]
fn embedded_fields_stand_in_the_message_around_them() {
    check(&[block(1, b"v"), block(16, &block(1, b""))].concat(), json!({"name": "v", "emptyDir": {}}));
}

#[test]
fn json_within_protobuf_is_json() {
    check(&block(15, &block(1, b"{\"b\": {}, \"a\": [1]}")), json!({"raw": {"b": {}, "a": [1]}}));
    check(&block(15, b""), json!({}));
    check(&block(15, &block(1, b"null")), json!({}));
    check_fault(
        &block(15, &block(1, b"{]")),
        "`v1.Raw`, field 1 (raw), at byte 4: the JSON in it cannot be read: \
         invalid character ']' looking for beginning of object key string",
    );
}

#[test]
fn of_alternatives_the_last_one_counts() {
    check(&block(20, &block(1, &block(1, b"a"))), json!({"items": {"phase": "a"}}));
    check(&block(20, &block(2, &block(1, b"a"))), json!({"items": [{"phase": "a"}]}));
    check(&block(20, b""), json!({}));
}

#[test]
fn a_field_that_comes_twice_is_merged_or_replaced() {
    check(&[2 << 3, 7, 2 << 3, 8], json!({"count": 8}));
    check(&[2 << 3, 7, 2 << 3, 0], json!({}));
    let twice = [block(9, &block(1, b"a")), block(9, &[16, 1])].concat();
    check(&twice, json!({"status": {"phase": "a", "ready": true}}));
}

#[test]
fn unknown_fields_are_left_out() {
    check(&[block(99, b"?"), block(1, b"a")].concat(), json!({"name": "a"}));
}

#[test]
fn faults_name_the_message_and_the_field() {
    check_fault(&[10, 5, b'a'], "`v1.Thing`, field 1 (name), at byte 2: 5 bytes more are wanted, 1 are left");
    check_fault(&[8, 1], "`v1.Thing`, field 1 (name), at byte 1: wire type 0, want 2");
    check_fault(&block(9, &[10, 1, 0xff]), "`v1.Status`, field 1 (phase), at byte 4: a string is no UTF-8");
    check_fault(&[0], "`v1.Thing`, between its fields, at byte 0: 0 is no field number");
    check_fault(&[11], "`v1.Thing`, field 1 (name), at byte 1: wire type 3 is not supported");
    check_fault(&key(99, 4), "`v1.Thing`, field 99, at byte 2: wire type 4 is not supported");
    check_fault(
        &[2 << 3, 0x80],
        "`v1.Thing`, field 2 (count), at byte 2: 1 bytes more are wanted, 0 are left",
    );
    check_fault(
        &[&key(8, 1)[..], &f64::NAN.to_le_bytes()].concat(),
        "`v1.Thing`, field 8 (ratio), at byte 9: a number is not finite",
    );
    check_fault(
        &block(12, &[8, 7]),
        "`v1.Thing`, field 12 (port), at byte 2: 7 is neither an int (0) nor a string (1)",
    );
    check_fault(&block(6, &[8, 1]), "`v1.Thing`, field 6 (labels), at byte 3: wire type 0, want 2");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| (0..depth).fold(Vec::new(), |inner, _| block(18, &inner));
    // Each level is an object and a list; the outermost object is one more.
    assert!(decode(&nested(DEPTH_MAX / 2 - 1)).is_ok());
    for depth in [DEPTH_MAX / 2, DEPTH_MAX, DEPTH_MAX + 1, 10_000] {
        assert_eq!(decode(&nested(depth)).unwrap_err().fault, Fault::TooDeep, "{depth}");
    }
    let json = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
    assert_eq!(decode(&block(15, &block(1, json.as_bytes()))).unwrap_err().fault, Fault::TooDeep);
}

/// Fields of the table with all that can be in them.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        "[a-z]{0,4}".prop_map(|text| block(1, text.as_bytes())),
        any::<u8>().prop_map(|number| vec![2 << 3, number & 0x7f]),
        "[a-z]{0,4}".prop_map(|text| block(5, text.as_bytes())),
        "[a-z]{0,4}".prop_map(|text| block(6, &[block(1, text.as_bytes()), block(2, b"x")].concat())),
        any::<f64>()
            .prop_filter("JSON has no other", |number| number.is_finite())
            .prop_map(|number| { [&key(8, 1)[..], &number.to_le_bytes()].concat() }),
        Just(block(15, &block(1, b"[{}]"))),
        Just(block(14, &[8, 1])),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop::collection::vec(inner, 0..6).prop_map(|fields| block(18, &fields.concat()))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(value) = decode(&bytes) {
            prop_assert!(!is_too_deep(&value));
        }
    }

    #[test]
    fn what_is_well_formed_is_decoded(fields in prop::collection::vec(fields(), 0..8)) {
        prop_assert!(decode(&fields.concat()).is_ok());
    }

    #[test]
    fn a_cut_is_refused_unless_it_is_between_fields(field in fields(), cut in any::<prop::sample::Index>()) {
        let length = cut.index(field.len());
        prop_assert_eq!(decode(&field[..length]).is_ok(), length == 0);
    }

    #[test]
    fn a_flipped_bit_never_panics(field in fields(), place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut field = field;
        let at = place.index(field.len());
        field[at] ^= 1_u8 << bit;
        drop(decode(&field));
    }
}

fn check_omitted(mut object: Value, wanted: Value) {
    let messages = Messages::parse(TABLE).unwrap();
    let sent = object.to_string();
    messages.find("v1", "Thing").unwrap().omit_empty(object.as_object_mut().unwrap());
    assert_eq!(object, wanted, "{sent}");
}

#[test]
fn empty_values_of_json_go_as_those_of_protobuf_do() {
    check_omitted(json!({"name": "", "count": 0, "secret": "", "tags": [], "labels": {}}), json!({}));
    check_omitted(
        json!({"children": [{"name": ""}, {"limits": {}}], "status": {"ready": false, "phase": "on"}}),
        json!({"children": [{}, {}], "status": {"phase": "on"}}),
    );
    check_omitted(json!({"emptyDir": {"ready": false}}), json!({"emptyDir": {}}));
}

#[test]
fn what_may_mean_something_stays() {
    let kept = json!({
        "unknown": "", "replicas": 0, "isOn": false, "ratio": 0.0, "status": {}, "security": {}, "emptyDir": {},
        "port": 0, "surge": 0, "raw": {}, "data": {"a": ""}, "items": [], "created": "", "tags": [""],
    });
    check_omitted(kept.clone(), kept);
}
