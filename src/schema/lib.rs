//! Structural schemas and everything that works by them, on `serde_json::Value`; no IO.
//!
//! ```text
//!  protobuf ── protobuf::Message ──┐
//!  bytes ── decode::json ──► Value ─┬─ drop_nulls ─ unknown_fields ─ apply_defaults ─┐
//!                                   ├─ typecheck (built-ins) / validate (both)       ├─► Value
//!  patch ── patch::{json, merge, strategic} ─────────────────────────────────────────┤
//!  apply ── apply::{apply, update}: who owns which field (metadata.managedFields) ───┘
//!                         ▲
//!  definitions ── Schemas::compile ──► Schema<'_> (a cheap, copyable handle)
//! ```
//!
//! What a *kind* is, which rules go beyond its schema (names, immutability), and what is
//! stored, belongs to others. The semantics are those of Kubernetes' apimachinery; each file
//! names the part that it follows.

mod schema;

pub mod decode;
mod defaults;
pub mod duration;
pub mod protobuf;
mod prune;
mod typecheck;
mod validate;

mod cel;
mod structural;

pub mod apply;
pub mod patch;

mod equal;
mod field_error;
mod path;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod tests;

pub use cel::broken_rules;
pub use defaults::{apply_defaults, drop_nulls};
pub use field_error::{ErrorKind, FieldError};
pub use prune::unknown_fields;
pub use schema::{CompileError, ListType, MapType, Schema, Schemas, Type, custom_resource};
pub use structural::structural_faults;
pub use typecheck::{TypeMismatch, typecheck};
pub use validate::{embedded_resources, repeated_items, validate, validate_change};
