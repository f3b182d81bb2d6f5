//! The types that expressions have before anything runs.
//!
//! Follows `common/types/types.go` of `github.com/google/cel-go`; how they are written is
//! `FormatCELType` in `checker/format.go` there.

use std::fmt;
use std::rc::Rc;

use super::declarations::Object;

/// What is known of an expression's value.
#[derive(Clone, Debug)]
pub(super) enum Type<'a> {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Null,
    Timestamp,
    Duration,
    /// Any value, as for `x-kubernetes-int-or-string`: fits everywhere, and what it is is asked
    /// when the rule runs.
    Dyn,
    /// What comes of a fault that is already told, or of something that is not declared here.
    /// Fits everywhere, and is taken as a rule's result as well.
    Unknown,
    List(Rc<Self>),
    Map(Rc<Self>, Rc<Self>),
    Optional(Rc<Self>),
    /// The type of a type: `type(1)` and `int` are of `type(int)`.
    Meta(Rc<Self>),
    /// A value with the fields of a schema.
    Object(Object<'a>),
    /// A value of a library, such as a quantity.
    Opaque(&'static str),
    /// A type that the expressions around will tell.
    Variable(usize),
}

// === impl Type ===

impl Type<'_> {
    pub(super) fn list(items: Self) -> Self {
        Self::List(Rc::new(items))
    }

    pub(super) fn map(keys: Self, values: Self) -> Self {
        Self::Map(Rc::new(keys), Rc::new(values))
    }

    pub(super) fn optional(value: Self) -> Self {
        Self::Optional(Rc::new(value))
    }

    pub(super) fn meta(value: Self) -> Self {
        Self::Meta(Rc::new(value))
    }

    /// Whether null may stand in its place: `isLegacyNullable` in `checker/types.go`. A schema's
    /// `nullable` has no part in it.
    pub(super) fn is_nullable(&self) -> bool {
        match self {
            Self::Null
            | Self::Timestamp
            | Self::Duration
            | Self::Optional(_)
            | Self::Object(_)
            | Self::Opaque(_) => true,
            Self::Bool
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::String
            | Self::Bytes
            | Self::Dyn
            | Self::Unknown
            | Self::List(_)
            | Self::Map(..)
            | Self::Meta(_)
            | Self::Variable(_) => false,
        }
    }
}

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Null => f.write_str("null"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Dyn | Self::Variable(_) => f.write_str("dyn"),
            Self::Unknown => f.write_str("!error!"),
            Self::List(items) => write!(f, "list({items})"),
            Self::Map(keys, values) => write!(f, "map({keys}, {values})"),
            Self::Optional(value) => write!(f, "optional_type({value})"),
            Self::Meta(value) => write!(f, "type({value})"),
            Self::Object(object) => f.write_str(&object.name),
            Self::Opaque(name) => f.write_str(name),
        }
    }
}
