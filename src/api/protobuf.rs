//! Bodies in protobuf, as typed Go clients send them: `kubectl create …` from 1.32 on, Helm's
//! Secrets, controllers (client-go, `UseProtobufAsDefault`).
//!
//! They become the value that a JSON body would have given and go the same way from there; which
//! empty values of either mean nothing is in the same table. The
//! table of messages is made from k8s-pb and k8s-openapi (`examples/protobuf_tables`), and read
//! at first use, since start-up needs none of it. It holds the v1 kinds of Kubernetes 1.36 with
//! the fields of 1.35 (`NEWER` in the tests lists what is missing); custom kinds have no protobuf
//! form, as in Kubernetes.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use spur_schema::protobuf::envelope::{self, EnvelopeError};
use spur_schema::protobuf::{Message, Messages, ProtobufError};

/// Why a body is no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body has no envelope, or a broken one.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// There is no such kind, or it has no protobuf form; in the words of Kubernetes'
    /// `runtime.NewNotRegisteredErrForKind`.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    Kind {
        /// As the body says it.
        api_version: String,
        /// As the body says it.
        kind: String,
    },
    /// What is in the envelope is not of the kind that it says.
    #[error(transparent)]
    Message(#[from] ProtobufError),
}

/// Whether objects of a kind have a protobuf form.
pub fn has(api_version: &str, kind: &str) -> bool {
    find(api_version, kind).is_some()
}

/// Decodes a body; where it does not say of what kind it is, it is of `api_version` and `kind`.
///
/// # Errors
///
/// The body is not protobuf, or of a kind that has no such form.
pub fn decode(body: &[u8], api_version: &str, kind: &str) -> Result<Value, BodyError> {
    let envelope = envelope::open(body)?;
    let or = |said: String, default: &str| if said.is_empty() { default.to_owned() } else { said };
    let (api_version, kind) = (or(envelope.api_version, api_version), or(envelope.kind, kind));
    let Some(message) = find(&api_version, &kind) else {
        return Err(BodyError::Kind { api_version, kind });
    };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    object.extend(message.decode(envelope.raw)?);
    Ok(Value::Object(object))
}

/// Takes the empty values out of an object that Kubernetes does not keep, since its Go types have
/// no place for the difference: `tty: false`, `env: []`.
///
/// Of a kind that is not in the table (custom ones keep what they were sent) only `metadata` is
/// looked at.
pub fn omit_empty(api_version: &str, kind: &str, object: &mut Value) {
    if let (Some(message), Some(object)) = (find(api_version, kind), object.as_object_mut()) {
        message.omit_empty(object);
    } else if let (Some(message), Some(metadata)) =
        (find("meta/v1", "ObjectMeta"), object.get_mut("metadata").and_then(Value::as_object_mut))
    {
        message.omit_empty(metadata);
    }
}

fn find(api_version: &str, kind: &str) -> Option<Message<'static>> {
    static MESSAGES: OnceLock<Messages> = OnceLock::new();
    let messages = MESSAGES.get_or_init(|| {
        Messages::parse(include_str!("protobuf/tables.txt")).expect("the generator writes what can be read")
    });
    // Every API version has these under its own name, and all are one type
    // (`meta/v1.AddToGroupVersion`).
    let is_common = matches!(kind, "DeleteOptions" | "Status");
    let package = if is_common { "meta/v1" } else { api_version };
    messages.find(package, kind)
}

#[cfg(test)]
mod encode;
#[cfg(test)]
mod tests;
