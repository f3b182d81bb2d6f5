//! The keywords of one schema that do not lead to other schemas.

use regex::Regex;
use serde_json::{Map, Value};

use super::super::node::{Bound, ListType, MapType, Node, PatchStrategy, Rules, Type};
use super::{CompileError, Result, wrong};
use crate::cel;

/// One schema of the document and where it is.
pub(super) struct Keywords<'a> {
    pub(super) path: &'a str,
    pub(super) object: &'a Map<String, Value>,
}

// === impl Keywords ===

impl<'a> Keywords<'a> {
    /// A node with everything but references, children and combinations.
    pub(super) fn leaf(&self) -> Result<Node> {
        let (kind, null_in_type) = self.kind()?;
        let mut node = Node {
            kind,
            nullable: null_in_type || self.flag("nullable")?,
            preserve_unknown: self.flag("x-kubernetes-preserve-unknown-fields")?,
            embedded: self.flag("x-kubernetes-embedded-resource")?,
            default: self.object.get("default").filter(|value| !value.is_null()).cloned(),
            list: self.list_type()?,
            map: self.map_type()?,
            patch: self.patch_strategy()?,
            merge_key: self.string("x-kubernetes-patch-merge-key")?.map(Into::into),
            cel: self.list("x-kubernetes-validations")?.iter().map(cel::Rule::read).collect(),
            ..Node::default()
        };
        if node.list.is_none() && node.patch.merge {
            // The older way to say it (`k8s.io/kube-openapi/pkg/schemaconv/smd.go`).
            node.list = Some(match &node.merge_key {
                Some(key) => ListType::Map([key.clone()].into()),
                None => ListType::Set,
            });
        }
        let rules = self.rules()?;
        if rules.enum_values.as_ref().is_some_and(|values| values.contains(&Value::Null)) {
            node.nullable = true;
        }
        node.rules = (!says_nothing(&rules)).then(|| Box::new(rules));
        Ok(node)
    }

    /// The type, and whether `null` is listed beside it.
    fn kind(&self) -> Result<(Option<Type>, bool)> {
        let is_int_or_string = self.flag("x-kubernetes-int-or-string")?
            || self.string("format")?.is_some_and(|format| format == "int-or-string");
        if is_int_or_string {
            return Ok((Some(Type::IntOrString), false));
        }
        let names: Vec<&str> = match self.object.get("type") {
            None => Vec::new(),
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names
                .iter()
                .map(|name| name.as_str().ok_or_else(|| self.wrong("type", name, "the name of a type")))
                .collect::<Result<_>>()?,
            Some(other) => return Err(self.wrong("type", other, "a string or a list of strings")),
        };
        let has_null = names.contains(&"null");
        let mut rest: Vec<&str> = names.into_iter().filter(|name| *name != "null").collect();
        rest.sort_unstable();
        let kind = match rest[..] {
            // Go's OpenAPI documents write "" where a type has none of its own.
            [] | [""] => None,
            [name] => Some(self.one_type(name)?),
            ["integer", "string"] => Some(Type::IntOrString),
            ["number", "string"] => Some(Type::Quantity),
            ["integer", "number"] => Some(Type::Number),
            // A wider union: any value, held by its other keywords.
            _ => None,
        };
        Ok((kind, has_null))
    }

    fn one_type(&self, name: &str) -> Result<Type> {
        Ok(match name {
            "object" => Type::Object,
            "array" => Type::Array,
            "string" => Type::String,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            _ => {
                return Err(self.wrong(
                    "type",
                    &name.into(),
                    "object, array, string, integer, number or boolean",
                ));
            }
        })
    }

    fn list_type(&self) -> Result<Option<ListType>> {
        let Some(name) = self.string("x-kubernetes-list-type")? else { return Ok(None) };
        Ok(Some(match name {
            "atomic" => ListType::Atomic,
            "set" => ListType::Set,
            "map" => {
                let keys = self.strings("x-kubernetes-list-map-keys")?;
                if keys.is_empty() {
                    let keyword = "x-kubernetes-list-map-keys";
                    return Err(self.wrong(keyword, &Value::Null, "at least one key for a list of type map"));
                }
                ListType::Map(keys.into_iter().map(Into::into).collect())
            }
            other => return Err(self.wrong("x-kubernetes-list-type", &other.into(), "atomic, set or map")),
        }))
    }

    fn map_type(&self) -> Result<Option<MapType>> {
        Ok(match self.string("x-kubernetes-map-type")? {
            None => None,
            Some("atomic") => Some(MapType::Atomic),
            Some("granular") => Some(MapType::Granular),
            Some(other) => {
                return Err(self.wrong("x-kubernetes-map-type", &other.into(), "atomic or granular"));
            }
        })
    }

    fn patch_strategy(&self) -> Result<PatchStrategy> {
        let mut strategy = PatchStrategy::default();
        let Some(words) = self.string("x-kubernetes-patch-strategy")? else { return Ok(strategy) };
        for word in words.split(',').map(str::trim) {
            match word {
                "merge" => strategy.merge = true,
                "replace" => strategy.replace = true,
                "retainKeys" => strategy.retain_keys = true,
                other => {
                    let keyword = "x-kubernetes-patch-strategy";
                    return Err(self.wrong(keyword, &other.into(), "merge, replace or retainKeys"));
                }
            }
        }
        Ok(strategy)
    }

    fn rules(&self) -> Result<Rules> {
        Ok(Rules {
            required: self.strings("required")?.into_iter().map(Into::into).collect(),
            enum_values: self.enum_values()?,
            format: self.string("format")?.map(Into::into),
            pattern: self.pattern()?,
            minimum: self.bound("minimum", "exclusiveMinimum")?,
            maximum: self.bound("maximum", "exclusiveMaximum")?,
            multiple_of: self.number("multipleOf")?,
            min_length: self.count("minLength")?,
            max_length: self.count("maxLength")?,
            min_items: self.count("minItems")?,
            max_items: self.count("maxItems")?,
            min_properties: self.count("minProperties")?,
            max_properties: self.count("maxProperties")?,
            unique_items: self.flag("uniqueItems")?,
            ..Rules::default()
        })
    }

    fn enum_values(&self) -> Result<Option<Vec<Value>>> {
        if let Some(value) = self.object.get("const") {
            return Ok(Some(vec![value.clone()]));
        }
        match self.object.get("enum") {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values.clone())),
            Some(other) => Err(self.wrong("enum", other, "a list of values")),
        }
    }

    fn pattern(&self) -> Result<Option<Regex>> {
        let Some(pattern) = self.string("pattern")? else { return Ok(None) };
        Regex::new(pattern).map(Some).map_err(|error| CompileError::Pattern {
            path: self.path.to_owned(),
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })
    }

    /// One end of a range: `exclusiveX` is a flag in OpenAPI 3.0 and a number in JSON Schema.
    fn bound(&self, inclusive: &str, exclusive: &str) -> Result<Option<Bound>> {
        if let Some(Value::Number(number)) = self.object.get(exclusive) {
            let value = number.as_f64().unwrap_or_default();
            return Ok(Some(Bound { value, exclusive: true }));
        }
        let exclusive = self.flag(exclusive)?;
        Ok(self.number(inclusive)?.map(|value| Bound { value, exclusive }))
    }

    /// The path of what is under `keyword`.
    pub(super) fn below(&self, keyword: &str) -> String {
        format!("{}.{keyword}", self.path)
    }

    pub(super) fn string(&self, keyword: &str) -> Result<Option<&'a str>> {
        match self.object.get(keyword) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(keyword, other, "a string")),
        }
    }

    pub(super) fn list(&self, keyword: &str) -> Result<&'a [Value]> {
        match self.object.get(keyword) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.wrong(keyword, other, "a list")),
        }
    }

    pub(super) fn map(
        &self,
        keyword: &str,
    ) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + use<'a>> {
        let object = match self.object.get(keyword) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(other) => return Err(self.wrong(keyword, other, "an object")),
        };
        Ok(object.into_iter().flatten())
    }

    fn strings(&self, keyword: &str) -> Result<Vec<&'a str>> {
        self.list(keyword)?
            .iter()
            .map(|item| item.as_str().ok_or_else(|| self.wrong(keyword, item, "a list of strings")))
            .collect()
    }

    fn flag(&self, keyword: &str) -> Result<bool> {
        match self.object.get(keyword) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(keyword, other, "true or false")),
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<f64>> {
        match self.object.get(keyword) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(other) => Err(self.wrong(keyword, other, "a number")),
        }
    }

    fn count(&self, keyword: &str) -> Result<Option<u64>> {
        match self.object.get(keyword) {
            None | Some(Value::Null) => Ok(None),
            // Some documents write 3.0.
            Some(Value::Number(number)) => match number.as_f64() {
                Some(value) if value >= 0.0 => Ok(Some(value as u64)),
                _ => Err(self.wrong(keyword, &self.object[keyword], "a number not below zero")),
            },
            Some(other) => Err(self.wrong(keyword, other, "a number")),
        }
    }

    fn wrong(&self, keyword: &str, found: &Value, wanted: &'static str) -> CompileError {
        wrong(self.path, keyword, found, wanted)
    }
}

/// Whether no rule is set, so that the node needs no box.
fn says_nothing(rules: &Rules) -> bool {
    let Rules {
        required,
        enum_values,
        format,
        pattern,
        minimum,
        maximum,
        multiple_of,
        min_length,
        max_length,
        min_items,
        max_items,
        min_properties,
        max_properties,
        unique_items,
        all_of,
        any_of,
        one_of,
        not,
    } = rules;
    let counts = [min_length, max_length, min_items, max_items, min_properties, max_properties];
    required.is_empty()
        && enum_values.is_none()
        && format.is_none()
        && pattern.is_none()
        && minimum.is_none()
        && maximum.is_none()
        && multiple_of.is_none()
        && counts.iter().all(|count| count.is_none())
        && !unique_items
        && [all_of, any_of, one_of].iter().all(|branches| branches.is_empty())
        && not.is_none()
}
