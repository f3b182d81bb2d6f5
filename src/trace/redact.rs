//! Takes secrets out of what is kept or printed of requests.

use std::borrow::Cow;

/// What stands in the place of a secret.
const REDACTED: &str = "REDACTED";

/// Parameters of a query whose values are secrets, in lower case, without `-` and `_`: those of
/// OAuth 2 (RFC 6749, RFC 6750), OpenID Connect, pre-signed addresses of object stores, and what
/// people call their own.
const SECRET_PARAMETERS: [&str; 22] = [
    "accesstoken",
    "apikey",
    "auth",
    "authorization",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "credential",
    "idtoken",
    "jwt",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "session",
    "sessionid",
    "sig",
    "signature",
    "token",
    "xamzsecuritytoken",
];

/// A path with its query, in which the values of secret parameters are replaced. Other text is
/// borrowed as it is.
#[must_use]
pub fn redact_target(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(target);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(pair) => Cow::Owned(format!("{name}={REDACTED}")),
        _ => Cow::Borrowed(pair),
    });
    Cow::Owned(format!("{path}?{}", pairs.collect::<Vec<_>>().join("&")))
}

/// Whether a pair of a query has a value that nobody is to see. Names are compared as they are
/// meant: `%74oken` is `token`.
fn is_secret(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let name: Vec<u8> = decoded(name.as_bytes())
        .filter(|byte| !matches!(byte, b'-' | b'_'))
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    let name = name.strip_prefix(b"xamz").filter(|rest| *rest != b"securitytoken").unwrap_or(&name);
    let name = name.strip_prefix(b"xgoog").unwrap_or(name);
    !value.is_empty() && SECRET_PARAMETERS.iter().any(|secret| secret.as_bytes() == name)
}

/// Bytes with their percent-encoding undone; what is none stays.
fn decoded(mut bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    std::iter::from_fn(move || {
        let (first, rest) = bytes.split_first()?;
        let digits = rest.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes = &rest[2..];
                Some(byte)
            }
            None => {
                bytes = rest;
                Some(*first)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_query_are_replaced_however_they_are_written() {
        for (target, shown) in [
            ("/a?token=t1", "/a?token=REDACTED"),
            ("/a?x=1&access_token=t&y=2", "/a?x=1&access_token=REDACTED&y=2"),
            ("/a?%74oken=t", "/a?%74oken=REDACTED"),
            ("/a?API-Key=k", "/a?API-Key=REDACTED"),
            ("/a?X-Amz-Signature=s&X-Amz-Date=d", "/a?X-Amz-Signature=REDACTED&X-Amz-Date=d"),
            ("/a?X-Goog-Signature=s", "/a?X-Goog-Signature=REDACTED"),
            ("/a?X-Amz-Security-Token=s", "/a?X-Amz-Security-Token=REDACTED"),
        ] {
            assert_eq!(redact_target(target), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_borrowed() {
        for target in ["/", "/token", "/a?tokens=3", "/a?token", "/a?token=", "/a?b=token", "/a?%", "*"] {
            assert!(matches!(redact_target(target), Cow::Borrowed(same) if same == target), "{target}");
        }
    }
}
