//! Names of fields that rules write in another way.

use serde_json::Value;

use super::super::object;
use super::{accepted, int};

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
