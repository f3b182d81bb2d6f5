//! The three kinds of patch that a Kubernetes API takes besides apply.
//!
//! Which media type means which kind, and what a patch may not touch, is the server's business.
//! Patched values may hold nulls and fields that a schema does not know: they are checked as
//! values that came in a request.

mod json;
mod merge;
mod strategic;

pub use self::json::{COPIED_BYTES_MAX, JsonPatchError, OPERATIONS_MAX, json, unknown_in_operations};
pub use self::merge::{merge, merge_diff};
pub use self::strategic::{StrategicError, strategic};
