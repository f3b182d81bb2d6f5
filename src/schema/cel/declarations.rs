//! A schema as a type.
//!
//! Follows `SchemaDeclType` in `k8s.io/apiserver/pkg/cel/common/schemas.go`: what has no type
//! there (`x-kubernetes-preserve-unknown-fields` without a type, and lists and maps of such) is
//! no field of the object around it, and only the fields that a schema names can be selected.

use std::rc::Rc;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::names;
use super::types::Type;

/// What the type of `self` is called in messages. Kubernetes appends a number that is another
/// one at every write.
const SELF_TYPE: &str = "selfType";

/// The only fields of `metadata` that rules may look at.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "generateName": {"type": "string"},
    }})
});

/// The type of values with the fields of a schema.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    /// Where the schema stands below `self`: two objects are of one type if their names are the
    /// same, however alike their fields are.
    pub(super) name: Rc<str>,
    schema: &'a Value,
    /// Whether it is a whole object, which has `apiVersion`, `kind` and `metadata`.
    is_whole: bool,
}

/// The type of `self` in the rules of a schema; `None` where rules see nothing of the value.
pub(super) fn declare(schema: &Value, is_whole: bool) -> Option<Type<'_>> {
    declare_named(schema, is_whole, SELF_TYPE)
}

fn declare_named<'a>(schema: &'a Value, is_whole: bool, name: &str) -> Option<Type<'a>> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    match schema["type"].as_str()? {
        "array" => declare_below(schema.get("items")?, &format!("{name}.@idx")).map(Type::list),
        "object" => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => {
                declare_below(values, &format!("{name}.@elem")).map(|values| Type::map(Type::String, values))
            }
            None => Some(Type::Object(Object { name: name.into(), schema, is_whole })),
        },
        "string" => Some(match schema["format"].as_str() {
            Some("byte") => Type::Bytes,
            Some("duration") => Type::Duration,
            Some("date" | "date-time") => Type::Timestamp,
            _ => Type::String,
        }),
        "boolean" => Some(Type::Bool),
        "number" => Some(Type::Double),
        "integer" => Some(Type::Int),
        _ => None,
    }
}

fn declare_below<'a>(schema: &'a Value, name: &str) -> Option<Type<'a>> {
    declare_named(schema, schema["x-kubernetes-embedded-resource"] == true, name)
}

// === impl Object ===

impl<'a> Object<'a> {
    /// The field that a rule calls `name`.
    pub(super) fn field(&self, name: &str) -> Option<Type<'a>> {
        let below = format!("{}.{name}", self.name);
        match name {
            "apiVersion" | "kind" if self.is_whole => Some(Type::String),
            "metadata" if self.is_whole && !self.has_own_metadata() => declare_below(&METADATA, &below),
            _ => {
                let field =
                    names::unescaped(name).or_else(|| names::is_reserved(name).then(|| name.to_owned()))?;
                declare_below(self.schema["properties"].get(field)?, &below)
            }
        }
    }

    /// Whether the schema names all that rules may look at in a whole object; its `metadata` is
    /// taken as it is then. `WithTypeAndObjectMeta` in the file that this one follows.
    fn has_own_metadata(&self) -> bool {
        let properties = &self.schema["properties"];
        let metadata = &properties["metadata"];
        let names = &metadata["properties"];
        metadata["type"] == "object"
            && [&properties["kind"], &properties["apiVersion"], &names["name"], &names["generateName"]]
                .iter()
                .all(|field| field["type"] == "string")
    }
}
