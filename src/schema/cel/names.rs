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

/// What stands for letters that no identifier has.
const ESCAPES: [(&str, &str); 4] =
    [("__underscores__", "__"), ("__dot__", "."), ("__dash__", "-"), ("__slash__", "/")];

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
    // `__` comes first, as all others bring it.
    ESCAPES.iter().fold(name.to_owned(), |name, (word, letters)| name.replace(letters, word)).into()
}

/// The name of the field that a rule calls `name`; `None` for what is no escaped name.
pub(super) fn unescaped(name: &str) -> Option<String> {
    let reserved = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    if let Some(word) = reserved.filter(|word| is_reserved(word)) {
        return Some(word.to_owned());
    }
    let mut field = String::new();
    let mut rest = name;
    while let Some(start) = rest.find("__") {
        field.push_str(&rest[..start]);
        let escape = &rest[start..];
        let found = ESCAPES.iter().find_map(|(word, letters)| Some((escape.strip_prefix(word)?, *letters)));
        let (after, letters) = found.unwrap_or((&escape[1..], "_"));
        field.push_str(letters);
        rest = after;
    }
    field.push_str(rest);
    (escaped(&field) == name).then_some(field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            assert_eq!(unescaped(expected).as_deref(), Some(name));
        }
        for never_escaped in ["namespace", "a-b", "a__b", "__illegal__", "__dot_"] {
            assert_eq!(unescaped(never_escaped), None);
        }
    }

    proptest! {
        #[test]
        fn an_escaped_name_is_that_of_one_field(
            name in "(_{0,4}(dot|dash|slash|underscores|in|a|[.]|-|/)?){0,5}"
        ) {
            prop_assert_eq!(unescaped(&escaped(&name)), Some(name));
        }
    }
}
