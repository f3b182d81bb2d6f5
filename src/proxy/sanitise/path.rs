//! One form of a path, for routing and for the upstream, so that the two cannot read it
//! differently.
//!
//! The form is Istio's `BASE`, which is Envoy's `normalize_path`
//! (<https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ProxyPathNormalization>),
//! which is Chromium's (`url_canon_path.cc`): dot segments are resolved (RFC 3986, section 5.2.4),
//! also where a dot is written `%2e`; a backslash is a slash; escapes of unreserved characters
//! (RFC 3986, section 2.3) are decoded; `%00` is refused. Other escapes stay as they are, `%2F` and
//! `%5C` among them, and so does their case; slashes are not merged. Unlike Chromium, nothing is
//! escaped that came unescaped.

use spur_net::EscapedSlashes;

use super::BadRequest;

/// The path in its one form; `None` where it has that already, which costs no allocation.
pub(super) fn normalise(path: &str, slashes: EscapedSlashes) -> Result<Option<Vec<u8>>, BadRequest> {
    let bytes = path.as_bytes();
    if !needs_work(bytes, slashes)? {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(bytes.len());
    out.push(b'/');
    let mut segments = bytes[1..].split(is_slash).peekable();
    while let Some(segment) = segments.next() {
        match n_dots(segment) {
            Some(1) => {}
            Some(_) => pop(&mut out),
            None => {
                decode(segment, &mut out);
                if segments.peek().is_some() {
                    out.push(b'/');
                }
            }
        }
    }
    Ok(Some(out))
}

/// Whether there is anything to change.
fn needs_work(path: &[u8], slashes: EscapedSlashes) -> Result<bool, BadRequest> {
    let mut needs = false;
    for (idx, byte) in path.iter().enumerate() {
        match byte {
            b'\\' => needs = true,
            b'%' => match escaped(&path[idx..]) {
                Some(0) => return Err(BadRequest::InvalidTarget),
                Some(b'/' | b'\\') if slashes == EscapedSlashes::Reject => {
                    return Err(BadRequest::EscapedSlash);
                }
                Some(byte) => needs |= is_unreserved(byte),
                None => {}
            },
            b'/' => needs |= path.get(idx + 1) == Some(&b'.') && is_dot_segment(&path[idx + 1..]),
            _ => {}
        }
    }
    Ok(needs)
}

/// Whether the segment that begins here is `.` or `..`.
fn is_dot_segment(rest: &[u8]) -> bool {
    let segment = rest.split(is_slash).next().unwrap_or(rest);
    n_dots(segment).is_some()
}

/// How many dots a segment is, where it is one or two of them and nothing else.
fn n_dots(mut segment: &[u8]) -> Option<usize> {
    let mut n_dots = 0;
    while !segment.is_empty() {
        segment = match (segment[0], escaped(segment)) {
            (b'.', _) => &segment[1..],
            (_, Some(b'.')) => &segment[3..],
            _ => return None,
        };
        n_dots += 1;
    }
    (1..=2).contains(&n_dots).then_some(n_dots)
}

/// Takes the last segment off a path that ends in a slash. Above the root there is nothing.
fn pop(out: &mut Vec<u8>) {
    if let [segments @ .., b'/'] = &out[..]
        && let Some(slash) = segments.iter().rposition(|byte| *byte == b'/')
    {
        out.truncate(slash + 1);
    }
}

fn decode(segment: &[u8], out: &mut Vec<u8>) {
    let mut idx = 0;
    while let Some(byte) = segment.get(idx) {
        match escaped(&segment[idx..]).filter(|byte| is_unreserved(*byte)) {
            Some(byte) => {
                out.push(byte);
                idx += 3;
            }
            None => {
                out.push(*byte);
                idx += 1;
            }
        }
    }
}

/// The byte that an escape at the beginning stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn is_slash(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, wanted: &str) {
        let found = normalise(path, EscapedSlashes::Keep).unwrap();
        let text = found.as_ref().map_or(path, |found| std::str::from_utf8(found).unwrap());
        assert_eq!(text, wanted, "{path}");
        assert_eq!(found.is_some(), path != wanted, "{path}: only what is changed is made anew");
        assert_eq!(normalise(wanted, EscapedSlashes::Keep), Ok(None), "{path}: once is enough");
    }

    #[test]
    fn dot_segments_are_resolved() {
        for (path, wanted) in [
            ("/a/../admin", "/admin"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../etc", "/etc"),
            ("/a//../b", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/foo/bar/../ton/../../a", "/a"),
        ] {
            check(path, wanted);
        }
    }

    #[test]
    fn what_is_no_dot_segment_stays() {
        for path in
            ["/", "/a", "/a/...", "/.a/..b", "/a/..;/b", "/;x/..;", "//admin", "/a//b/", "/admin;x", "/a.b"]
        {
            check(path, path);
        }
    }

    #[test]
    fn escapes_of_unreserved_characters_are_decoded_and_others_kept() {
        for (path, wanted) in [
            ("/%61dmin", "/admin"),
            ("/%41%7e%2D%5f%30", "/A~-_0"),
            ("/a%20b%3f%25", "/a%20b%3f%25"),
            ("/a%2f..%2Fadmin", "/a%2f..%2Fadmin"),
            ("/a%5c..%5Cadmin", "/a%5c..%5Cadmin"),
            ("/a%", "/a%"),
            ("/a%6", "/a%6"),
            ("/a%zz", "/a%zz"),
            // Decoded once: what comes of it is no escape.
            ("/%2561", "/%2561"),
            ("/foo/%2e%2", "/foo/.%2"),
        ] {
            check(path, wanted);
        }
    }

    #[test]
    fn escaped_slashes_may_be_refused_and_a_nul_always_is() {
        for path in ["/a%2fb", "/a%2Fb", "/a%5cb", "/a%5C..%5Cb"] {
            assert_eq!(normalise(path, EscapedSlashes::Reject), Err(BadRequest::EscapedSlash), "{path}");
        }
        assert_eq!(normalise("/a%20b", EscapedSlashes::Reject), Ok(None));
        assert_eq!(normalise("/a%00b", EscapedSlashes::Keep), Err(BadRequest::InvalidTarget));
    }
}
