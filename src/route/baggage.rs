//! The `baggage` header: reading members, and merging one in.
//!
//! Rules: <https://www.w3.org/TR/baggage/>. Other people's members are kept
//! byte for byte, properties and all. Which members are routing keys is left
//! to `carrier`.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::percent;

/// The header's name.
pub static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// As many members as everybody has to pass on
/// (<https://www.w3.org/TR/baggage/#limits>); what is beyond may be dropped.
pub const MEMBERS_MAX: usize = 64;

/// As many bytes as everybody has to pass on (same section).
pub const BYTES_MAX: usize = 8192;

/// One member, as it stands in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The whole member with its properties, without the white space around it.
    pub raw: &'a [u8],
    /// The name; upper and lower case differ.
    pub name: &'a [u8],
    /// The value as it stands, percent-encoded, without properties.
    pub value: &'a [u8],
    /// What follows the first `;`; empty where there are no properties.
    pub properties: &'a [u8],
}

/// Reads one header value: its members, in order. Empty ones are left out; one
/// without `=` is a member with an empty value. The caller bounds the length
/// of a header.
pub fn parse(value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|raw| !raw.is_empty()).map(Member::parse)
}

/// The members of all `baggage` headers of a request, in order: several
/// headers are one list (RFC 9110, section 5.3).
pub fn members(headers: &HeaderMap) -> impl Iterator<Item = Member<'_>> {
    headers.get_all(&BAGGAGE).iter().flat_map(|value| parse(value.as_bytes()))
}

/// The decoded value of the first member of this name.
#[must_use]
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    members(headers)
        .find(|member| member.name == name.as_bytes())
        .and_then(|member| percent::decode(member.value))
}

/// Puts `name=value` in front, in place of members of the same name, and keeps
/// all others as they are. Only beyond the limits of the specification are
/// members dropped, whole ones from the right; the number is returned.
///
/// `name` has to be a token.
pub fn merge(headers: &mut HeaderMap, name: &str, value: &str) -> usize {
    let mut merged = Vec::with_capacity(BYTES_MAX.min(256));
    merged.extend_from_slice(name.as_bytes());
    merged.push(b'=');
    merged.extend_from_slice(percent::encode(value).as_bytes());
    let mut n_members = 1;
    let mut n_dropped = 0;
    for member in members(headers).filter(|member| member.name != name.as_bytes()) {
        if n_members == MEMBERS_MAX || merged.len() + 1 + member.raw.len() > BYTES_MAX {
            n_dropped += 1;
            continue;
        }
        merged.push(b',');
        merged.extend_from_slice(member.raw);
        n_members += 1;
    }
    let merged = HeaderValue::from_bytes(&merged)
        .expect("a token, encoded octets and parts of header values are a header value");
    headers.insert(&BAGGAGE, merged);
    n_dropped
}

// === impl Member ===

impl<'a> Member<'a> {
    fn parse(raw: &'a [u8]) -> Self {
        let (pair, properties) = split_once(raw, b';');
        let (name, value) = split_once(pair, b'=');
        Self { raw, name: name.trim_ascii(), value: value.trim_ascii(), properties: properties.trim_ascii() }
    }
}

fn split_once(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == at) {
        Some(position) => (&text[..position], &text[position + 1..]),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&BAGGAGE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn text(headers: &HeaderMap) -> &str {
        assert_eq!(headers.get_all(&BAGGAGE).iter().count(), 1);
        headers[&BAGGAGE].to_str().unwrap()
    }

    #[test]
    fn members_have_names_values_and_properties() {
        let found: Vec<_> = parse(b" a = 1%20x ;p=1;q , ,b=2,lonely,=3").collect();
        assert_eq!(found[0].name, b"a");
        assert_eq!(found[0].value, b"1%20x");
        assert_eq!(found[0].properties, b"p=1;q");
        assert_eq!(found[1].raw, b"b=2");
        assert_eq!((found[2].name, found[2].value), (&b"lonely"[..], &b""[..]));
        assert_eq!((found[3].name, found[3].value), (&b""[..], &b"3"[..]));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn several_headers_are_one_list_and_the_first_value_wins() {
        let headers = headers(&["a=1", "k=first,b=2", "k=second"]);
        assert_eq!(get(&headers, "k").as_deref(), Some("first"));
        assert_eq!(get(&headers, "K"), None);
    }

    #[test]
    fn merging_keeps_other_members_byte_for_byte() {
        let mut headers = headers(&["userId=al%20ice;ttl=1 , k=old", "z = 3", "k=older;p"]);
        assert_eq!(merge(&mut headers, "k", "new%"), 0);
        assert_eq!(text(&headers), "k=new%25,userId=al%20ice;ttl=1,z = 3");
        assert_eq!(get(&headers, "k").as_deref(), Some("new%"));
    }

    #[test]
    fn beyond_64_members_whole_ones_are_dropped_from_the_right() {
        let members: Vec<_> = (0..70).map(|n| format!("m{n}={n}")).collect();
        let mut headers = headers(&[&members.join(",")]);
        assert_eq!(merge(&mut headers, "k", "v"), 7);
        assert!(text(&headers).ends_with(",m62=62"));
        assert_eq!(super::members(&headers).count(), 64);
    }

    #[test]
    fn beyond_8192_bytes_whole_members_are_dropped() {
        let long = "x".repeat(5000);
        let mut headers = headers(&[&format!("a={long},b={long},c=3")]);
        assert_eq!(merge(&mut headers, "k", "v"), 1);
        assert_eq!(text(&headers), format!("k=v,a={long},c=3"));
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parsing_never_panics_and_gives_no_comma(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for member in parse(&bytes) {
                prop_assert!(!member.raw.is_empty() && !member.raw.contains(&b','));
            }
        }

        #[test]
        fn merging_keeps_foreign_members(
            values in proptest::collection::vec("[a-z]{1,3}=[!-+\\--:<-~]{0,9}(;[a-z]{1,3})?( ?, ?[a-z]{1,3}=[a-z]{0,3}){0,4}", 0..5),
            key in "[!#$&'*+.^_`|~0-9a-zA-Z%-]{1,40}",
        ) {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(&BAGGAGE, HeaderValue::from_str(value).unwrap());
            }
            let foreign = |headers: &HeaderMap| -> Vec<Vec<u8>> {
                members(headers).filter(|m| m.name != b"spur-key").map(|m| m.raw.to_vec()).collect()
            };
            let before = foreign(&headers);
            prop_assert_eq!(merge(&mut headers, "spur-key", &key), 0);
            prop_assert_eq!(foreign(&headers), before);
            let found = get(&headers, "spur-key");
            prop_assert_eq!(found.as_deref(), Some(key.as_str()));
        }
    }
}
