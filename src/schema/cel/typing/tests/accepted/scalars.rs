//! Rules on values without parts.

use serde_json::json;

use super::super::{object, text_of_format};
use super::{accepted, double, fields, flag, int, text};

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
