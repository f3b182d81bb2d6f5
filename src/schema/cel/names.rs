//! Names of fields as rules write them.
//!
//! Follows `k8s.io/apiserver/pkg/cel/escaping.go`.

use std::borrow::Cow;

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
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
];

/// Whether a rule may call a field by two names: `self.namespace` is `self.__namespace__`
/// (`recognizeKeywordAsFieldName` in `k8s.io/apiserver/pkg/cel/types.go`).
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// A field's name as a rule writes it: `x-prop` is `x__dash__prop`, `namespace` is `__namespace__`.
pub(super) fn escaped(name: &str) -> Cow<'_, str> {
    if is_reserved(name) {
        return format!("__{name}__").into();
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return name.into();
    }
    let escaped = name.replace("__", "__underscores__");
    escaped.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_identifiers_are_escaped() {
        for (name, expected) in [
            ("a_b", "a_b"),
            ("redact__d", "redact__underscores__d"),
            ("x-prop", "x__dash__prop"),
            ("a.b/c", "a__dot__b__slash__c"),
            ("namespace", "__namespace__"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }
}
