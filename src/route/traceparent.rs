//! The `traceparent` header: parsed, and written.
//!
//! Rules: <https://www.w3.org/TR/trace-context-2/#traceparent-header>. What is
//! invalid is `None`, and the caller starts a new trace (section 4.3 of the
//! same). Making random ids is left to the caller.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The header's name.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A trace's id: 16 bytes, never all zero; written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU128);

/// A span's id: 8 bytes, never all zero; written as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

/// A valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The span that sent the request.
    pub parent_id: SpanId,
    /// Bit 0: sampled. Bit 1: the trace id is random. Other bits are never set.
    pub flags: u8,
}

/// A text that is not an id.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidId;

/// The flags we know: sampled and random-trace-id
/// (<https://www.w3.org/TR/trace-context-2/#trace-flags>). Others are set to
/// zero when the header is written again, as the section asks.
const KNOWN_FLAGS: u8 = 0b11;

/// `00-` + 32 + `-` + 16 + `-` + 2.
const VERSION_00_LEN: usize = 55;

// === impl TraceParent ===

impl TraceParent {
    /// Reads one header value. Anything that breaks the rules is `None`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let head = value.get(..VERSION_00_LEN)?;
        let version = hex(&head[..2])?;
        // Version ff is forbidden. A later version may only append after a
        // hyphen, and is read as version 00 (section 4.2.4).
        match (version, value.get(VERSION_00_LEN)) {
            (0xff, _) | (0, Some(_)) => return None,
            (_, None | Some(b'-')) => {}
            (_, Some(_)) => return None,
        }
        if head[2] != b'-' || head[35] != b'-' || head[52] != b'-' {
            return None;
        }
        Some(Self {
            trace_id: TraceId::new(hex(&head[3..35])?)?,
            parent_id: SpanId::new(u64::try_from(hex(&head[36..52])?).ok()?)?,
            flags: u8::try_from(hex(&head[53..55])?).ok()? & KNOWN_FLAGS,
        })
    }

    /// Reads it from a request. Two `traceparent` headers are no `traceparent`,
    /// because nobody can say which one holds.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let first = values.next()?;
        match values.next() {
            Some(_) => None,
            None => Self::parse(first.as_bytes()),
        }
    }

    /// The header value, in version 00.
    #[must_use]
    pub fn to_header_value(self) -> HeaderValue {
        let Self { trace_id, parent_id, flags } = self;
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        // Made for every request: a fifteenth of what `Display` takes.
        write_hex(&mut text[3..35], trace_id.0.get());
        write_hex(&mut text[36..52], parent_id.0.get().into());
        write_hex(&mut text[53..], flags.into());
        HeaderValue::from_bytes(&text).expect("hex digits and hyphens are a header value")
    }
}

/// A number in as many lower-case digits as there is room for.
fn write_hex(digits: &mut [u8], number: u128) {
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(left & 0xf) as usize];
        left >>= 4;
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, parent_id, flags } = self;
        write!(f, "00-{trace_id}-{parent_id}-{flags:02x}")
    }
}

// === impl TraceId ===

impl TraceId {
    /// An id from its number; zero is not an id.
    #[must_use]
    pub fn new(id: u128) -> Option<Self> {
        NonZeroU128::new(id).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        (text.len() == 32).then(|| hex(text.as_bytes())).flatten().and_then(Self::new).ok_or(InvalidId)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

// === impl SpanId ===

impl SpanId {
    /// An id from its number; zero is not an id.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpanId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        (text.len() == 16)
            .then(|| hex(text.as_bytes()))
            .flatten()
            .and_then(|id| u64::try_from(id).ok())
            .and_then(Self::new)
            .ok_or(InvalidId)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SpanId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

// === impl InvalidId ===

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted lower-case hex digits, 32 for a trace or 16 for a span, not all zero")
    }
}

impl std::error::Error for InvalidId {}

/// Lower-case hex digits only: upper case is invalid (section 3.2.2.3). At most 32 digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_header_is_written_as_it_was_read() {
        let parent = TraceParent::parse(VALID.as_bytes()).unwrap();
        assert_eq!(parent.to_string(), VALID);
        assert_eq!(parent.flags, 1);
    }

    #[test]
    fn what_breaks_the_rules_is_none() {
        for broken in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_version_00() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes";
        let parent = TraceParent::parse(later.as_bytes()).unwrap();
        assert_eq!(parent.to_string(), VALID.replace("-01", "-03"));
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(&TRACEPARENT, HeaderValue::from_static(VALID));
        assert!(TraceParent::from_headers(&headers).is_some());
        headers.append(&TRACEPARENT, HeaderValue::from_static(VALID));
        assert_eq!(TraceParent::from_headers(&headers), None);
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceParent::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(trace in 1_u128.., span in 1_u64.., flags in 0_u8..4) {
            let parent = TraceParent {
                trace_id: TraceId::new(trace).unwrap(),
                parent_id: SpanId::new(span).unwrap(),
                flags,
            };
            prop_assert_eq!(parent.to_header_value(), parent.to_string());
            prop_assert_eq!(TraceParent::parse(parent.to_header_value().as_bytes()), Some(parent));
            prop_assert_eq!(parent.trace_id.to_string().parse(), Ok(parent.trace_id));
            prop_assert_eq!(parent.parent_id.to_string().parse(), Ok(parent.parent_id));
        }
    }
}
