//! The `tracestate` header: reading members, and merging one in.
//!
//! Rules: <https://www.w3.org/TR/trace-context-2/#tracestate-header>. Other
//! vendors' members are opaque and kept byte for byte, in order.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name.
pub static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// More members are not allowed (section 3.3.1.1).
pub const MEMBERS_MAX: usize = 32;

/// As many characters as everybody should pass on (section 3.3.1.5).
pub const CHARS_MAX: usize = 512;

/// Where characters have to be saved, members longer than this go first (same section).
const LONG_MEMBER_CHARS: usize = 128;

/// One member, as it stands in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The whole member, without the white space around it.
    pub raw: &'a [u8],
    /// What stands before the first `=`.
    pub key: &'a [u8],
    /// What stands after it.
    pub value: &'a [u8],
}

/// Reads one header value: its members, in order, newest first. Empty ones are
/// left out. The caller bounds the length of a header.
pub fn parse(value: &[u8]) -> impl Iterator<Item = Member<'_>> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|raw| !raw.is_empty()).map(Member::parse)
}

/// The members of all `tracestate` headers of a request, in order (RFC 9110, section 5.3).
pub fn members(headers: &HeaderMap) -> impl Iterator<Item = Member<'_>> {
    headers.get_all(&TRACESTATE).iter().flat_map(|value| parse(value.as_bytes()))
}

/// The value of the first member of this key.
#[must_use]
pub fn get<'a>(headers: &'a HeaderMap, key: &str) -> Option<&'a [u8]> {
    members(headers).find(|member| member.key == key.as_bytes()).map(|member| member.value)
}

/// Puts `key=value` left-most, where a new or changed member belongs (section
/// 3.5), in place of members of the same key, and keeps all others. Only
/// beyond the limits are members dropped, whole ones: those over 128
/// characters first, then from the right. The number is returned.
///
/// `key` has to be a `simple-key`, and `value` printable ASCII without `,` and
/// `=`, at most 256 characters; a valid routing key is.
pub fn merge(headers: &mut HeaderMap, key: &str, value: &str) -> usize {
    let own = format!("{key}={value}");
    let merged = {
        let mut kept: Vec<&[u8]> = std::iter::once(own.as_bytes())
            .chain(members(headers).filter(|member| member.key != key.as_bytes()).map(|member| member.raw))
            .collect();
        let n_before = kept.len();
        drop_beyond_limits(&mut kept);
        (kept.join(&b','), n_before - kept.len())
    };
    let (text, n_dropped) = merged;
    let text = HeaderValue::from_bytes(&text)
        .expect("a key, a routing key and parts of header values are a header value");
    headers.insert(&TRACESTATE, text);
    n_dropped
}

/// The first member is ours and always stays: a valid one fits alone.
fn drop_beyond_limits(kept: &mut Vec<&[u8]>) {
    kept.truncate(MEMBERS_MAX);
    while joined_len(kept) > CHARS_MAX && kept.len() > 1 {
        let long =
            kept[1..].iter().rposition(|raw| raw.len() > LONG_MEMBER_CHARS).map(|position| position + 1);
        kept.remove(long.unwrap_or(kept.len() - 1));
    }
}

fn joined_len(members: &[&[u8]]) -> usize {
    members.iter().map(|raw| raw.len() + 1).sum::<usize>() - 1
}

// === impl Member ===

impl<'a> Member<'a> {
    fn parse(raw: &'a [u8]) -> Self {
        let at = raw.iter().position(|byte| *byte == b'=');
        let (key, value) = match at {
            Some(at) => (&raw[..at], &raw[at + 1..]),
            None => (raw, &raw[raw.len()..]),
        };
        Self { raw, key, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACESTATE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn text(headers: &HeaderMap) -> &str {
        assert_eq!(headers.get_all(&TRACESTATE).iter().count(), 1);
        headers[&TRACESTATE].to_str().unwrap()
    }

    #[test]
    fn a_merged_member_moves_to_the_left_and_others_keep_their_order() {
        let mut headers = headers(&["a=1, spur=old ,b@v=2", "c=3=4"]);
        assert_eq!(merge(&mut headers, "spur", "pr-1"), 0);
        assert_eq!(text(&headers), "spur=pr-1,a=1,b@v=2,c=3=4");
        assert_eq!(get(&headers, "c"), Some(&b"3=4"[..]));
    }

    #[test]
    fn beyond_32_members_the_right_most_goes() {
        let members: Vec<_> = (0..32).map(|n| format!("m{n}={n}")).collect();
        let mut headers = headers(&[&members.join(",")]);
        assert_eq!(merge(&mut headers, "spur", "k"), 1);
        assert!(text(&headers).ends_with(",m30=30"));
    }

    #[test]
    fn beyond_512_characters_long_members_go_first_then_the_right_most() {
        let long = format!("long={}", "x".repeat(150));
        let short: Vec<_> = (0..4).map(|n| format!("m{n}={}", "y".repeat(100))).collect();
        let mut headers = headers(&[&format!("{long},{}", short.join(","))]);
        assert_eq!(merge(&mut headers, "spur", "k"), 1);
        assert_eq!(text(&headers), format!("spur=k,{}", short.join(",")));
        assert_eq!(merge(&mut headers, "spur", &"k".repeat(200)), 2);
        assert!(text(&headers).ends_with(&short[1]));
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes).for_each(drop);
        }

        #[test]
        fn merging_keeps_foreign_members_and_the_limits(
            values in proptest::collection::vec("[a-z]{1,3}=[ -+\\--<>-~]{0,200}", 0..40),
            key in "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,253}",
        ) {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(&TRACESTATE, HeaderValue::from_str(value).unwrap());
            }
            let foreign = |headers: &HeaderMap| -> Vec<Vec<u8>> {
                members(headers).filter(|m| m.key != b"spur").map(|m| m.raw.to_vec()).collect()
            };
            let before = foreign(&headers);
            let n_dropped = merge(&mut headers, "spur", &key);
            let after = foreign(&headers);
            prop_assert_eq!(after.len() + n_dropped, before.len());
            let mut rest = before.iter();
            prop_assert!(after.iter().all(|member| rest.any(|other| other == member)));
            prop_assert!(headers[&TRACESTATE].len() <= CHARS_MAX);
            prop_assert!(members(&headers).count() <= MEMBERS_MAX);
            prop_assert_eq!(get(&headers, "spur"), Some(key.as_bytes()));
        }
    }
}
