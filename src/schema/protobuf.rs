//! Protobuf bytes to the value that a JSON body would have given, by a table.
//!
//! ```text
//!  text ── Messages::parse ──► Messages ── find(apiVersion, kind) ──► Message
//!                                                                       │ decode
//!  k8s\0 body ── envelope::open ──► apiVersion, kind, raw bytes ────────┴──► Map
//! ```
//!
//! The same table tells which empty values of a JSON body mean nothing (`Message::omit_empty`).
//!
//! Which kinds there are is the table's business; this is the wire format and how Kubernetes
//! writes its types in it.
//!
//! Sources: <https://protobuf.dev/programming-guides/encoding/> for the wire format;
//! `k8s.io/apimachinery` (`runtime/serializer/protobuf`, and the `MarshalJSON` of `meta/v1`,
//! `util/intstr` and `api/resource`) for what its types read as.

mod message;
mod omit;
mod table;
mod well_known;
mod wire;

pub mod envelope;

#[cfg(test)]
mod tests;

pub use table::{Message, Messages, TableError};

/// Why bytes are not the message that they are to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{message}`, {field}, at byte {offset}: {fault}")]
pub struct ProtobufError {
    /// The message that was read: `v1.PodSpec`.
    pub message: String,
    /// Which of its fields: `field 2 (containers)`.
    pub field: String,
    /// How many bytes come before the fault.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A number, a length or what has that length is cut off.
    #[error("{wanted} bytes more are wanted, {left} are left")]
    Truncated {
        /// Bytes that have to follow.
        wanted: u64,
        /// Bytes that do follow.
        left: usize,
    },
    /// A number with more than 64 bits.
    #[error("a number is longer than 64 bits")]
    LongNumber,
    /// A field number that no field can have.
    #[error("{0} is no field number")]
    FieldNumber(u64),
    /// The field is written in another way than its type is.
    #[error("wire type {found}, want {wanted}")]
    WireType {
        /// As it is written.
        found: u8,
        /// As its type is written.
        wanted: u8,
    },
    /// Groups (wire types 3 and 4) and what does not exist.
    #[error("wire type {0} is not supported")]
    UnknownWireType(u8),
    /// Text that is no text.
    #[error("a string is no UTF-8")]
    Utf8,
    /// JSON within protobuf (`RawExtension`, `FieldsV1`, `JSON`) that is none.
    #[error("the JSON in it cannot be read: {0}")]
    Json(String),
    /// A time that no calendar has.
    #[error("{0} seconds since 1970 are no time")]
    Time(i64),
    /// A number that JSON cannot hold.
    #[error("a number is not finite")]
    NotFinite,
    /// An `IntOrString` that is neither.
    #[error("{0} is neither an int (0) nor a string (1)")]
    NeitherIntNorString(i64),
    /// Messages in messages, deeper than [`crate::decode::DEPTH_MAX`].
    #[error("nested more than {} levels deep", crate::decode::DEPTH_MAX)]
    TooDeep,
}
