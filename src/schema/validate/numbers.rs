//! Ranges of numbers.
//!
//! Follows `values.go` and `validator.go` (numberValidator) of kube-openapi's validator.

use serde_json::{Number, Value};

use crate::path::Path;
use crate::schema::{Bound, Rules};
use crate::{FieldError, Schema, Type};

/// Checks the rules about one number.
pub(super) fn check(
    schema: Schema<'_>,
    rules: &Rules,
    number: &Number,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    let at = path.as_str();
    if let Some(format) = &rules.format
        && schema.kind() == Some(Type::Integer)
        && !fits(number, format)
    {
        // Upstream knows this one without its field.
        let detail = format!("Checked value must be of type integer with format {format} in {at}");
        errors.push(FieldError::invalid("", "", detail));
    }
    let value = number.as_f64().unwrap_or(f64::MAX);
    let mut refuse = |wanted: String| {
        errors.push(FieldError::invalid(
            at,
            Value::Number(number.clone()),
            format!("{at} in body should be {wanted}"),
        ));
    };
    if let Some(factor) = rules.multiple_of
        && !is_multiple(value, factor)
    {
        refuse(format!("a multiple of {}", show(factor)));
    }
    if let Some(Bound { value: max, exclusive }) = rules.maximum {
        if exclusive && value >= max {
            refuse(format!("less than {}", show(max)));
        } else if value > max {
            refuse(format!("less than or equal to {}", show(max)));
        }
    }
    if let Some(Bound { value: min, exclusive }) = rules.minimum {
        if exclusive && value <= min {
            refuse(format!("greater than {}", show(min)));
        } else if value < min {
            refuse(format!("greater than or equal to {}", show(min)));
        }
    }
}

/// Whether a number has no fraction.
pub(super) fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

fn fits(number: &Number, format: &str) -> bool {
    // A whole float counts by its value; what is outside of i128 fits no format.
    let value = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), _, _) => i128::from(value),
        (_, Some(value), _) => i128::from(value),
        (_, _, Some(value)) if value.abs() < 1e30 => value as i128,
        _ => i128::MAX,
    };
    match format {
        "int32" => i32::try_from(value).is_ok(),
        "int64" => i64::try_from(value).is_ok(),
        "uint8" => u8::try_from(value).is_ok(),
        "uint16" => u16::try_from(value).is_ok(),
        "uint32" => u32::try_from(value).is_ok(),
        "uint" | "uint64" => u64::try_from(value).is_ok(),
        _ => true,
    }
}

fn is_multiple(value: f64, factor: f64) -> bool {
    let ratio = if factor.abs() < 1.0 { (1.0 / factor) * value } else { value / factor };
    // Upstream allows the error of one division (`swag.IsFloat64AJSONInteger`, epsilon 1e-9).
    (ratio - ratio.round()).abs() < 1e-9
}

/// A bound as Go prints it: whole numbers without a fraction.
fn show(bound: f64) -> String {
    // From 1e21 Go's `%v` turns to an exponent.
    if bound.fract() == 0.0 && bound.abs() < 1e21 { format!("{bound:.0}") } else { bound.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::schemas;

    fn check(definition: Value, value: Value, expected: &[&str]) {
        let schemas = schemas(json!({"T": {"type": "object", "properties": {"n": definition}}}));
        let errors = crate::validate(schemas.get("T").unwrap(), &json!({"n": value}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn numbers_have_a_range() {
        let range = json!({"type": "integer", "minimum": 1, "maximum": 65535});
        check(range.clone(), json!(1), &[]);
        check(
            range.clone(),
            json!(0),
            &["n: Invalid value: 0: n in body should be greater than or equal to 1"],
        );
        check(
            range,
            json!(65536),
            &["n: Invalid value: 65536: n in body should be less than or equal to 65535"],
        );
        let open = json!({"type": "number", "minimum": 0, "exclusiveMinimum": true, "exclusiveMaximum": 1});
        check(open.clone(), json!(0.5), &[]);
        check(open.clone(), json!(0), &["n: Invalid value: 0: n in body should be greater than 0"]);
        check(open, json!(1), &["n: Invalid value: 1: n in body should be less than 1"]);
    }

    #[test]
    fn numbers_are_multiples() {
        check(json!({"type": "integer", "multipleOf": 3}), json!(9), &[]);
        check(json!({"type": "number", "multipleOf": 0.1}), json!(0.3), &[]);
        check(
            json!({"type": "integer", "multipleOf": 3}),
            json!(10),
            &["n: Invalid value: 10: n in body should be a multiple of 3"],
        );
    }

    #[test]
    fn integers_fit_their_format() {
        check(json!({"type": "integer", "format": "int32"}), json!(2_147_483_647), &[]);
        check(
            json!({"type": "integer", "format": "int32"}),
            json!(2_147_483_648_u64),
            &[r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in n"#],
        );
    }
}
