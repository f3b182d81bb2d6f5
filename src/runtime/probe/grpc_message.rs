//! The two messages of `grpc.health.v1`, each with one field, as protobuf behind gRPC's
//! prefix: <https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto>.

use std::fmt;

use bytes::Bytes;

/// What a server says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// A number that the file does not have.
    Other(u64),
}

// === impl Health ===

impl Health {
    fn new(number: u64) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Serving,
            2 => Self::NotServing,
            3 => Self::ServiceUnknown,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("UNKNOWN"),
            Self::Serving => f.write_str("SERVING"),
            Self::NotServing => f.write_str("NOT_SERVING"),
            Self::ServiceUnknown => f.write_str("SERVICE_UNKNOWN"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// `HealthCheckRequest { service = 1 }`.
pub(super) fn request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        push_varint(&mut message, service.len());
        message.extend(service.as_bytes());
    }
    let length = u32::try_from(message.len()).expect("the name comes from an object of at most some MiB");
    // Not compressed, and the length.
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    framed.into()
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
}

/// `HealthCheckResponse { status = 1 }`; `None` where it is none. What else is in it is
/// stepped over, as protobuf wants.
pub(super) fn read(framed: &[u8]) -> Option<Health> {
    let [0, a, b, c, d, message @ ..] = framed else { return None };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    if usize::try_from(length).ok() != Some(message.len()) {
        return None;
    }
    let (mut rest, mut status) = (message, 0);
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = take_varint(&mut rest)?,
            (_, 0) => drop(take_varint(&mut rest)?),
            (_, 1) => rest = rest.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(Health::new(status))
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_service() {
        assert_eq!(&request("")[..], b"\0\0\0\0\0");
        assert_eq!(&request("a.B")[..], b"\0\0\0\0\x05\x0a\x03a.B");
        let long = request(&"x".repeat(200));
        assert_eq!(&long[..8], b"\0\0\0\0\xcb\x0a\xc8\x01");
    }

    #[test]
    fn an_answer_is_read_among_unknown_fields() {
        let check = |framed: &[u8], wanted: Option<Health>| {
            assert_eq!(read(framed), wanted, "{}", framed.escape_ascii());
        };
        check(b"\0\0\0\0\x02\x08\x01", Some(Health::Serving));
        check(b"\0\0\0\0\0", Some(Health::Unknown));
        check(b"\0\0\0\0\x06\x12\x02ab\x08\x02", Some(Health::NotServing));
        check(b"\0\0\0\0\x03\x08\xac\x02", Some(Health::Other(300)));
        check(b"\x01\0\0\0\x02\x08\x01", None);
        check(b"\0\0\0\0\x03\x08\x01", None);
        check(b"\0\0\0\0\x02\x12\x7f", None);
        check(b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"", None);
    }
}
