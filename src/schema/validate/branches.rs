//! `allOf`, `anyOf`, `oneOf` and `not`.
//!
//! Follows `schema_props.go` of kube-openapi's validator. What it finds is about no field of its
//! own, so that its path is empty and prints as `<nil>`. Where every alternative fails, the
//! errors of one are shown: upstream counts passed checks, here the fewest errors win.

use serde_json::Value;

use super::check as check_value;
use crate::field_error::go_quote;
use crate::path::Path;
use crate::schema::{NodeId, Rules};
use crate::{FieldError, Schema};

/// Checks the combinations of one schema.
pub(super) fn check(
    schema: Schema<'_>,
    rules: &Rules,
    value: &Value,
    path: &mut Path,
    errors: &mut Vec<FieldError>,
) {
    let mut run = |id: &NodeId| {
        let mut found = Vec::new();
        // Whether a value fits a branch is asked of all of it, changed or not.
        check_value(schema.branch(*id), value, None, path, &mut found);
        found
    };
    let any_of: Vec<_> = rules.any_of.iter().map(&mut run).collect();
    let one_of: Vec<_> = rules.one_of.iter().map(&mut run).collect();
    let all_of: Vec<_> = rules.all_of.iter().map(&mut run).collect();
    let not = rules.not.as_ref().map(&mut run);
    let field = go_quote(path.as_str());

    if !any_of.is_empty() && !any_of.iter().any(Vec::is_empty) {
        errors.push(about_the_whole(format!("{field} must validate at least one schema (anyOf)")));
        errors.extend(closest(any_of));
    }
    let n_valid = one_of.iter().filter(|found| found.is_empty()).count();
    if !one_of.is_empty() && n_valid != 1 {
        let found = if n_valid == 0 {
            "Found none valid".to_owned()
        } else {
            format!("Found {n_valid} valid alternatives")
        };
        errors
            .push(about_the_whole(format!("{field} must validate one and only one schema (oneOf). {found}")));
        if n_valid == 0 {
            errors.extend(closest(one_of));
        }
    }
    let n_valid = all_of.iter().filter(|found| found.is_empty()).count();
    if n_valid != all_of.len() {
        let none = if n_valid == 0 { ". None validated" } else { "" };
        errors.extend(all_of.into_iter().flatten());
        errors.push(about_the_whole(format!("{field} must validate all the schemas (allOf){none}")));
    }
    if not.is_some_and(|found| found.is_empty()) {
        errors.push(about_the_whole(format!("{field} must not validate the schema (not)")));
    }
}

fn about_the_whole(detail: String) -> FieldError {
    FieldError::invalid("", "", detail)
}

fn closest(alternatives: Vec<Vec<FieldError>>) -> Vec<FieldError> {
    alternatives.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(definition: Value, value: Value, expected: &[&str]) {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {"field": definition}}}));
        let errors = crate::validate(schemas.get("T").unwrap(), &json!({"field": value}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn one_alternative_has_to_fit() {
        let any = json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
        check(any.clone(), json!({"b": 1}), &[]);
        check(
            any,
            json!({}),
            &[
                r#"<nil>: Invalid value: "": "field" must validate at least one schema (anyOf)"#,
                "field.a: Required value",
            ],
        );
    }

    #[test]
    fn exactly_one_alternative_has_to_fit() {
        let one = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        check(one.clone(), json!({"a": 1}), &[]);
        check(
            one.clone(),
            json!({"a": 1, "b": 1}),
            &[
                r#"<nil>: Invalid value: "": "field" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        );
        check(
            one,
            json!({}),
            &[
                r#"<nil>: Invalid value: "": "field" must validate one and only one schema (oneOf). Found none valid"#,
                "field.a: Required value",
            ],
        );
    }

    #[test]
    fn every_condition_has_to_hold() {
        check(
            json!({"type": "string", "allOf": [{"minLength": 2}, {"pattern": "^a"}]}),
            json!("b"),
            &[
                r#"field: Invalid value: "b": field in body should be at least 2 chars long"#,
                r#"field: Invalid value: "b": field in body should match '^a'"#,
                r#"<nil>: Invalid value: "": "field" must validate all the schemas (allOf). None validated"#,
            ],
        );
    }

    #[test]
    fn an_excluded_value_is_refused() {
        let not = json!({"type": "object", "not": {"required": ["a"]}});
        check(not.clone(), json!({}), &[]);
        check(
            not,
            json!({"a": 1}),
            &[r#"<nil>: Invalid value: "": "field" must not validate the schema (not)"#],
        );
    }
}
