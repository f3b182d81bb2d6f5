//! What Kubernetes puts around a message: a magic number and a `runtime.Unknown`, which says of
//! what kind it is.
//!
//! Source: `k8s.io/apimachinery/pkg/runtime/serializer/protobuf/doc.go`.

use super::Fault;
use super::message::text;
use super::wire::{self, Broken, Reader};

/// What each body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// What a message is made as, where it is said.
const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// A message and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apps/v1`; empty where it is not said.
    pub api_version: String,
    /// `Deployment`; empty where it is not said.
    pub kind: String,
    /// The message.
    pub raw: &'a [u8],
}

/// Why a body holds no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The body is something else, in the words of Kubernetes' own decoder.
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    NoMagic,
    /// The envelope is not protobuf.
    #[error("`runtime.Unknown`, field {field}, at byte {offset}: {fault}")]
    Broken {
        /// The field's number; 0 between fields.
        field: u32,
        /// How many bytes come before the fault.
        offset: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// The message in it is packed, or is none.
    #[error("the message is `{0}`, want plain {CONTENT_TYPE}")]
    Content(String),
}

/// Takes the envelope off.
///
/// # Errors
///
/// There is none, or what is in it is not protobuf.
pub fn open(body: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let bytes = body.strip_prefix(MAGIC).ok_or(EnvelopeError::NoMagic)?;
    let mut envelope = Envelope { api_version: String::new(), kind: String::new(), raw: &[] };
    let mut content = String::new();
    fields(Reader::new(bytes), |number, wire, reader| {
        match number {
            1 => {
                reader.expect(wire, wire::BLOCK)?;
                return read_type_meta(reader.block()?, &mut envelope);
            }
            2 => {
                reader.expect(wire, wire::BLOCK)?;
                envelope.raw = reader.block()?.bytes();
            }
            3 | 4 => {
                let said = text(wire, reader)?;
                if !matches!(said.as_str(), "" | CONTENT_TYPE) {
                    content = said;
                }
            }
            _ => reader.skip(wire)?,
        }
        Ok(())
    })
    .map_err(|(field, broken)| EnvelopeError::Broken {
        field,
        offset: MAGIC.len() + broken.offset,
        fault: broken.fault,
    })?;
    if content.is_empty() { Ok(envelope) } else { Err(EnvelopeError::Content(content)) }
}

fn read_type_meta(reader: Reader<'_>, envelope: &mut Envelope<'_>) -> Result<(), Broken> {
    fields(reader, |number, wire, reader| {
        match number {
            1 => envelope.api_version = text(wire, reader)?,
            2 => envelope.kind = text(wire, reader)?,
            _ => reader.skip(wire)?,
        }
        Ok(())
    })
    .map_err(|(_, broken)| broken)
}

/// Calls `read` for each field with its number and its wire type.
fn fields<'a>(
    mut reader: Reader<'a>,
    mut read: impl FnMut(u32, u8, &mut Reader<'a>) -> Result<(), Broken>,
) -> Result<(), (u32, Broken)> {
    while !reader.is_done() {
        let key = reader.key().map_err(|broken| (0, broken))?;
        read(key.number, key.wire, &mut reader).map_err(|broken| (key.number, broken))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x03raw\x1a\x00\x22\x00";

    #[test]
    fn an_envelope_says_what_is_in_it() {
        let envelope = open(BODY).unwrap();
        assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), ("v1", "Namespace"));
        assert_eq!(envelope.raw, b"raw");
        assert_eq!(open(b"k8s\0").unwrap().raw, b"");
    }

    #[test]
    fn a_body_without_the_magic_number_is_refused() {
        for body in [&b""[..], b"k8s", b"{}", b"k8s\x01"] {
            assert_eq!(open(body), Err(EnvelopeError::NoMagic));
        }
        assert_eq!(
            open(b"").unwrap_err().to_string(),
            "provided data does not appear to be a protobuf message, expected prefix [107, 56, 115, 0]"
        );
    }

    #[test]
    fn a_broken_envelope_says_where() {
        assert_eq!(
            open(b"k8s\0\x12\x05raw").unwrap_err().to_string(),
            "`runtime.Unknown`, field 2, at byte 6: 5 bytes more are wanted, 3 are left"
        );
        for length in MAGIC.len() + 1..BODY.len() {
            // A cut between two fields leaves a shorter envelope.
            if ![21, 26, 28].contains(&length) {
                assert!(matches!(open(&BODY[..length]), Err(EnvelopeError::Broken { .. })), "{length}");
            }
        }
    }

    #[test]
    fn a_message_that_is_packed_or_json_is_refused() {
        let packed = open(b"k8s\0\x1a\x04gzip").unwrap_err();
        assert_eq!(
            packed.to_string(),
            "the message is `gzip`, want plain application/vnd.kubernetes.protobuf"
        );
        assert!(open(b"k8s\0\x22\x10application/json").is_err());
    }
}
