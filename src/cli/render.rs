//! Objects as JSON, YAML, names or the text at a path.

use serde_json::{Value, json};
use spur_api::jsonpath::JsonPath;
use spur_api::yaml;

use crate::args::{Format, Structured};
use crate::error::Failure;
use crate::kinds;

/// Several objects, or one that was asked for by name.
pub(crate) enum Objects {
    One(Value),
    Many(Vec<Value>),
}

/// The objects in a format, ending in a newline; `wide` is for tables and
/// shows names here.
///
/// # Errors
/// When the format's path is no path.
pub(crate) fn objects(format: &Format, objects: Objects) -> Result<String, Failure> {
    let objects = objects.without_bookkeeping();
    Ok(match format {
        Format::Json => pretty(&objects.into_value()),
        Format::Yaml => yaml::to_string(&objects.into_value()),
        Format::Name | Format::Wide => objects.names(),
        Format::JsonPath(path) => {
            let path = JsonPath::parse(path).map_err(Failure::usage)?;
            let mut text = path.text(&objects.into_value());
            text.push('\n');
            text
        }
    })
}

/// A value as `-o json` or `-o yaml` shows it, ending in a newline.
pub(crate) fn structured(format: Structured, value: &Value) -> String {
    match format {
        Structured::Json => pretty(value),
        Structured::Yaml => yaml::to_string(value),
    }
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value can always be written");
    text.push('\n');
    text
}

// === impl Objects ===

impl Objects {
    /// Without `metadata.managedFields`, as `kubectl` shows objects since 1.21.
    fn without_bookkeeping(mut self) -> Self {
        let all = match &mut self {
            Self::One(object) => std::slice::from_mut(object),
            Self::Many(objects) => objects,
        };
        for metadata in all.iter_mut().filter_map(|object| object.get_mut("metadata")?.as_object_mut()) {
            metadata.remove("managedFields");
        }
        self
    }

    fn into_value(self) -> Value {
        match self {
            Self::One(object) => object,
            Self::Many(items) => {
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
            }
        }
    }

    fn names(&self) -> String {
        let all = match self {
            Self::One(object) => std::slice::from_ref(object),
            Self::Many(objects) => objects,
        };
        all.iter().map(|object| kinds::named_object(object) + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, expected: &str) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "managedFields": [{"manager": "x"}]},
        });
        let shown = objects(&format.parse().unwrap(), Objects::Many(vec![pod])).unwrap();
        assert_eq!(shown, expected);
    }

    #[test]
    fn each_format_shows_the_objects() {
        check("name", "pod/a\n");
        check("jsonpath={.items[*].metadata.name}", "a\n");
        check(
            "yaml",
            "apiVersion: v1\nkind: List\nmetadata:\n  resourceVersion: \"\"\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n",
        );
    }
}
