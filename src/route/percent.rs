//! Percent-encoding, as `baggage` values and query parameters use it (RFC 3986, section 2.1).

use std::borrow::Cow;

/// Decodes, borrowing where there is nothing to decode. `None` where an escape
/// is cut or not hex, or the outcome is not UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'%') {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let [high, low, after @ ..] = rest else {
                return None;
            };
            decoded.push(nibble(*high)? << 4 | nibble(*low)?);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Encodes what may not stand in a `baggage` value: anything but `baggage-octet`,
/// and `%` itself (<https://www.w3.org/TR/baggage/#value>).
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Cow::Owned(encoded)
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e) && byte != b'%'
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_escapes_are_none() {
        for broken in ["%", "%4", "a%zz", "%+1", "%ff"] {
            assert_eq!(decode(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(decode(b"pr%2D421"), Some("pr-421".into()));
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_encoded_is_decoded(text in ".*") {
            let encoded = encode(&text);
            let decoded = decode(encoded.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
