//! How a value falls into fields: what is one thing, what has parts, and what a list's items
//! are known by.
//!
//! Follows `typed/helpers.go` of structured-merge-diff (handleAtom, deduceAtom,
//! listItemToPathElement) and the conversion of OpenAPI schemas (`k8s.io/kube-openapi/pkg/
//! schemaconv/smd.go`). Without a schema, objects have parts and lists are one thing.

use serde_json::{Map, Value};

use super::element::{PathElement, Scalar};
use crate::{ListType, MapType, Schema};

/// What a value is to apply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'a> {
    /// One thing: a scalar, or an object or list that is owned as a whole.
    Leaf,
    /// An object with fields.
    Map(&'a Map<String, Value>),
    /// A list with items that are known by key or value.
    List(&'a [Value]),
}

/// Why an item of a list has no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ItemError {
    /// It lacks a key that has no default.
    #[error(
        "associative list with keys has an element that omits key field \"{key}\" (and doesn't have default value)"
    )]
    MissingKey {
        /// The key.
        key: String,
    },
    /// It is no object and has to be.
    #[error("associative list with keys may not have non-map elements")]
    NotAnObject,
}

/// The shape of `value` under `schema`.
pub(super) fn of<'a>(schema: Option<Schema<'_>>, value: &'a Value) -> Shape<'a> {
    let is_one_thing = schema.is_some_and(|schema| schema.is_untyped());
    match value {
        Value::Object(object) => {
            let is_atomic = schema.is_some_and(|schema| schema.map_type() == MapType::Atomic);
            if is_one_thing || is_atomic { Shape::Leaf } else { Shape::Map(object) }
        }
        Value::Array(items) => {
            let is_atomic = schema.is_none_or(|schema| *schema.list_type() == ListType::Atomic);
            if is_one_thing || is_atomic { Shape::Leaf } else { Shape::List(items) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Leaf,
    }
}

/// The element by which an item of a list is known.
///
/// A key that is absent counts with its default: ports are known by containerPort and protocol,
/// and protocol is TCP unless given (structured-merge-diff#130).
///
/// # Errors
///
/// See [`ItemError`].
pub(super) fn item_element(
    schema: Option<Schema<'_>>,
    index: usize,
    item: &Value,
) -> Result<PathElement, ItemError> {
    match schema.map(|schema| (schema, schema.list_type())) {
        Some((schema, ListType::Map(keys))) => {
            let Value::Object(item) = item else { return Err(ItemError::NotAnObject) };
            let value_of = |key: &str| {
                let default = || schema.items()?.property(key)?.default_value();
                item.get(key).filter(|value| !value.is_null()).or_else(default).cloned()
            };
            let values = keys.iter().map(|key| {
                let value = value_of(key).ok_or_else(|| ItemError::MissingKey { key: key.to_string() })?;
                Ok((key.clone(), value))
            });
            Ok(PathElement::key(values.collect::<Result<Vec<_>, _>>()?))
        }
        Some((_, ListType::Set)) => Ok(PathElement::Value(Scalar(item.clone()))),
        Some((_, ListType::Atomic)) | None => Ok(PathElement::Index(index as u64)),
    }
}

/// The items of a list with their elements. An item without a name of its own is known by its
/// index: stored lists may hold such, from before their schema said more.
pub(super) fn items<'a>(
    schema: Option<Schema<'_>>,
    items: &'a [Value],
) -> impl Iterator<Item = (PathElement, &'a Value)> {
    items.iter().enumerate().map(move |(index, item)| {
        let element = item_element(schema, index, item).unwrap_or(PathElement::Index(index as u64));
        (element, item)
    })
}

/// The schema of what `element` leads to.
pub(super) fn below<'s>(schema: Option<Schema<'s>>, element: &PathElement) -> Option<Schema<'s>> {
    match element {
        PathElement::Field(name) => schema?.field(name),
        PathElement::Key(_) | PathElement::Value(_) | PathElement::Index(_) => schema?.items(),
    }
}
