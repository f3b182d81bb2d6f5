//! The status of a gRPC call, in the words of Go's `codes`:
//! <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>.

use std::fmt;

use http::{HeaderMap, StatusCode};

/// The header or trailer with the number.
pub(super) const STATUS: &str = "grpc-status";

/// A status; any number may come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(u32);

// === impl Code ===

impl Code {
    pub(super) const OK: Self = Self(0);
    pub(super) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(super) const UNIMPLEMENTED: Self = Self(12);
    pub(super) const INTERNAL: Self = Self(13);
    pub(super) const UNAVAILABLE: Self = Self(14);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 17] = [
            "OK",
            "Canceled",
            "Unknown",
            "InvalidArgument",
            "DeadlineExceeded",
            "NotFound",
            "AlreadyExists",
            "PermissionDenied",
            "ResourceExhausted",
            "FailedPrecondition",
            "Aborted",
            "OutOfRange",
            "Unimplemented",
            "Internal",
            "Unavailable",
            "DataLoss",
            "Unauthenticated",
        ];
        match usize::try_from(self.0).ok().and_then(|idx| WORDS.get(idx)) {
            Some(word) => f.write_str(word),
            None => write!(f, "Code({})", self.0),
        }
    }
}

/// Status and message, where there is a status; one that is no number is `Unknown`.
pub(super) fn read(headers: &HeaderMap) -> Option<(Code, String)> {
    let number = headers.get(STATUS)?.to_str().ok().and_then(|text| text.parse().ok());
    let message = headers.get("grpc-message").map(|text| decoded(text.as_bytes())).unwrap_or_default();
    Some((Code(number.unwrap_or(2)), message))
}

/// What an answer without gRPC means:
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
pub(super) fn of_http(status: StatusCode) -> Code {
    Code(match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    })
}

/// A message is percent-encoded; what is not well-formed stays as it is:
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses>.
fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_percent_decoded_and_nothing_is_lost() {
        let check = |text: &str, wanted: &str| assert_eq!(decoded(text.as_bytes()), wanted);
        check("unknown service", "unknown service");
        check("gr%C3%BC%C3%9Fe 100%25", "grüße 100%");
        check("50% %zz %+1 %", "50% %zz %+1 %");
    }

    #[test]
    fn codes_read_as_in_go() {
        assert_eq!(Code(14).to_string(), "Unavailable");
        assert_eq!(Code(99).to_string(), "Code(99)");
        let mut headers = HeaderMap::new();
        assert!(read(&headers).is_none());
        headers.insert(STATUS, "five".parse().unwrap());
        assert_eq!(read(&headers).unwrap().0.to_string(), "Unknown");
    }
}
