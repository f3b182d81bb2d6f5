//! `$(NAME)` in values, commands and arguments.
//!
//! Source: `third_party/forked/golang/expansion/expand.go` of Kubernetes. What
//! is not defined stays as it is written, and `$$` is a `$`.

/// Replaces each `$(NAME)` for which `lookup` knows a value.
pub(super) fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = match after.as_bytes().first() {
            Some(b'$') => {
                expanded.push('$');
                &after[1..]
            }
            Some(b'(') => reference(after, &lookup, &mut expanded),
            Some(_) | None => {
                expanded.push('$');
                after
            }
        };
    }
    expanded.push_str(rest);
    expanded
}

/// Handles what follows a `$`, beginning with `(`; gives what comes after it.
fn reference<'t, 'a>(
    after: &'t str,
    lookup: impl Fn(&str) -> Option<&'a str>,
    expanded: &mut String,
) -> &'t str {
    let Some(end) = after.find(')') else {
        expanded.push_str("$(");
        return &after[1..];
    };
    let name = &after[1..end];
    match lookup(name) {
        Some(value) => expanded.push_str(value),
        None => {
            expanded.push('$');
            expanded.push_str(&after[..=end]);
        }
    }
    &after[end + 1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of Kubernetes' own `expand_test.go`, with the variables it defines.
    #[test]
    fn references_expand_as_in_kubernetes() {
        let lookup = |name: &str| match name {
            "VAR_A" => Some("A"),
            "VAR_B" => Some("B"),
            "VAR_C" => Some("C"),
            "VAR_REF" => Some("$(VAR_A)"),
            "VAR_EMPTY" => Some(""),
            _ => None,
        };
        let check = |input: &str, wanted: &str| assert_eq!(expand(input, lookup), wanted, "{input}");
        check("$(VAR_A)", "A");
        check("___$(VAR_B)___", "___B___");
        check("___$(VAR_C)", "___C");
        check("$(VAR_A)-$(VAR_A)", "A-A");
        check("$(VAR_REF)", "$(VAR_A)");
        check("$(VAR_REF)_$(VAR_REF)", "$(VAR_A)_$(VAR_A)");
        check("f000-$VAR_A", "f000-$VAR_A");
        check("foo\\$(VAR_C)bar", "foo\\Cbar");
        check("foo$$(VAR_B)_$(VAR_A)", "foo$(VAR_B)_A");
        check("f000-$$$$$$VAR_A", "f000-$$$VAR_A");
        check("f000-$$$$$(VAR_A)", "f000-$$A");
        check("$VAR_A)foo$$(VAR_B)", "$VAR_A)foo$(VAR_B)");
        check("foo$VAR_A)$$$(VAR_B)baz", "foo$VAR_A)$Bbaz");
        check("$(MISSING)", "$(MISSING)");
        check("foo_$(VAR_EMPTY)_bar", "foo__bar");
        check("$(", "$(");
        check("\\$(A", "\\$(A");
        check("$()", "$()");
        check("$", "$");
        check("ä$ä$(VAR_A)€", "ä$äA€");
        check("\n", "\n");
    }
}
