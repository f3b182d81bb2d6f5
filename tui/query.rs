//! Values in the query of a path.

use std::fmt::Write;

/// As a value of a query (RFC 3986, section 2.3: everything but what is unreserved).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => {
                write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_encoded_but_what_is_unreserved() {
        assert_eq!(encoded("a-Z_0.~ &=ü/"), "a-Z_0.~%20%26%3D%C3%BC%2F");
    }
}
