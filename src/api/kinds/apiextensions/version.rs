//! What is wrong with one version of a definition: its schema, subresources, columns, fields.

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::jsonpath::JsonPath;
use crate::meta;

/// Types of a printer column.
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// What formats a printer column may name (`validation.go`: `customResourceColumnDefinitionFormats`).
const COLUMN_FORMATS: [&str; 8] =
    ["int32", "int64", "float", "double", "byte", "date", "date-time", "password"];
/// Selectable fields of a version (`validation.go`: `MaxSelectableFields`).
const SELECTABLE_MAX: usize = 8;

/// Everything wrong with the version at `path`.
pub(super) fn validate(version: &Value, path: &str) -> Vec<FieldError> {
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut faults = spur_schema::structural_faults(schema, &format!("{path}.schema.openAPIV3Schema"));
    if let Some(warning) = version["deprecationWarning"].as_str() {
        let path = format!("{path}.deprecationWarning");
        if version["deprecated"] != true {
            let why = "can only be set for deprecated versions";
            faults.push(FieldError::invalid(path, json!(warning), why));
        } else if warning.is_empty() || warning.len() > 256 {
            let why = "must be between 1 and 256 characters long";
            faults.push(FieldError::invalid(path, json!(warning), why));
        }
    }
    if let Some(scale) = version.pointer("/subresources/scale").filter(|scale| scale.is_object()) {
        faults.extend(validate_scale(scale, &format!("{path}.subresources.scale")));
    }
    for (index, column) in meta::list(version, "/additionalPrinterColumns").iter().enumerate() {
        faults.extend(validate_column(column, &format!("{path}.additionalPrinterColumns[{index}]")));
    }
    let selectable = meta::list(version, "/selectableFields");
    if selectable.len() > SELECTABLE_MAX {
        let (found, max) = (selectable.len() as u64, SELECTABLE_MAX as u64);
        faults.push(FieldError::too_many(format!("{path}.selectableFields"), found, max));
    }
    for (index, field) in selectable.iter().enumerate() {
        let path = format!("{path}.selectableFields[{index}].jsonPath");
        let text = meta::text(field, "/jsonPath");
        if text.is_empty() {
            faults.push(FieldError::required(path, ""));
        } else if let Err(why) = check_selectable(schema, text) {
            faults.push(FieldError::invalid(path, json!(text), why));
        } else if selectable[..index].contains(field) {
            faults.push(FieldError::duplicate(path, json!(text)));
        }
    }
    faults
}

fn validate_scale(scale: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (field, root, is_required) in [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", "", false),
    ] {
        let path = format!("{path}.{field}");
        let text = scale[field].as_str().unwrap_or_default();
        let is_below = |root: &str| text.starts_with(root) && text.len() > root.len();
        if text.is_empty() {
            if is_required {
                faults.push(FieldError::required(path, ""));
            }
        } else if !text.starts_with('.') {
            let why = "must be a simple json path starting with .";
            faults.push(FieldError::invalid(path, json!(text), why));
        } else if text.contains('[') {
            let why = "must be a json path in the dot notation";
            faults.push(FieldError::invalid(path, json!(text), why));
        } else if !root.is_empty() && !is_below(root) {
            let why = format!("should be a json path under {}", root.trim_end_matches('.'));
            faults.push(FieldError::invalid(path, json!(text), why));
        } else if root.is_empty() && !is_below(".spec.") && !is_below(".status.") {
            let why = "should be a json path under either .spec or .status";
            faults.push(FieldError::invalid(path, json!(text), why));
        }
    }
    faults
}

fn validate_column(column: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if meta::text(column, "/name").is_empty() {
        faults.push(FieldError::required(format!("{path}.name"), ""));
    }
    match meta::text(column, "/type") {
        "" => {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            faults.push(FieldError::required(format!("{path}.type"), why));
        }
        type_ if COLUMN_TYPES.contains(&type_) => {}
        type_ => faults.push(FieldError::not_supported(format!("{path}.type"), json!(type_), COLUMN_TYPES)),
    }
    let format = meta::text(column, "/format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        faults.push(FieldError::not_supported(format!("{path}.format"), json!(format), COLUMN_FORMATS));
    }
    let text = meta::text(column, "/jsonPath");
    if text.is_empty() {
        faults.push(FieldError::required(format!("{path}.jsonPath"), ""));
    } else if let Err(why) = JsonPath::parse(text) {
        faults.push(FieldError::invalid(format!("{path}.jsonPath"), json!(text), why));
    }
    faults
}

/// A selectable field is a text, a number without fraction or a flag, by a plain path.
fn check_selectable(schema: &Value, path: &str) -> Result<(), String> {
    let Some(names) = path.strip_prefix('.') else {
        return Err("is an invalid path: must start with .".to_owned());
    };
    let mut schema = schema;
    for name in names.split('.') {
        schema = match schema["properties"].get(name) {
            Some(property) => property,
            None => return Err("is an invalid path: does not refer to a valid field".to_owned()),
        };
    }
    if names.starts_with("metadata.") || names == "metadata" {
        return Err("must not point to fields in metadata".to_owned());
    }
    match schema["type"].as_str() {
        Some("string" | "boolean" | "integer") => Ok(()),
        _ => Err("must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(more: Value, expected: &[&str]) {
        let mut version = json!({"schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"color": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}}}},
        }}}});
        version.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let faults: Vec<String> = validate(&version, "v").iter().map(ToString::to_string).collect();
        assert_eq!(faults, expected);
    }

    #[test]
    fn scale_says_where_the_replicas_are() {
        let scale = |spec: &str, status: &str, selector: &str| json!({"subresources": {"scale": {"specReplicasPath": spec, "statusReplicasPath": status, "labelSelectorPath": selector}}});
        check(scale(".spec.replicas", ".status.replicas", ".status.selector"), &[]);
        check(scale(".spec.replicas", "", ""), &["v.subresources.scale.statusReplicasPath: Required value"]);
        check(
            scale(".status.replicas", "status.replicas", ".x"),
            &[
                r#"v.subresources.scale.specReplicasPath: Invalid value: ".status.replicas": should be a json path under .spec"#,
                r#"v.subresources.scale.statusReplicasPath: Invalid value: "status.replicas": must be a simple json path starting with ."#,
                r#"v.subresources.scale.labelSelectorPath: Invalid value: ".x": should be a json path under either .spec or .status"#,
            ],
        );
    }

    #[test]
    fn columns_have_a_type_and_a_path() {
        let columns = |column: Value| json!({"additionalPrinterColumns": [column]});
        check(
            columns(
                json!({"name": "A", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
            ),
            &[],
        );
        check(
            columns(json!({"name": "A", "type": "text", "jsonPath": ".a"})),
            &[
                r#"v.additionalPrinterColumns[0].type: Unsupported value: "text": supported values: "boolean", "date", "integer", "number", "string""#,
            ],
        );
        check(
            columns(json!({"name": "A", "type": "string"})),
            &["v.additionalPrinterColumns[0].jsonPath: Required value"],
        );
    }

    #[test]
    fn selectable_fields_are_plain_values() {
        let fields = |path: &str| json!({"selectableFields": [{"jsonPath": path}]});
        check(fields(".spec.color"), &[]);
        check(
            fields(".spec.shape"),
            &[
                r#"v.selectableFields[0].jsonPath: Invalid value: ".spec.shape": is an invalid path: does not refer to a valid field"#,
            ],
        );
        check(
            fields(".spec.l"),
            &[
                r#"v.selectableFields[0].jsonPath: Invalid value: ".spec.l": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."#,
            ],
        );
    }
}
