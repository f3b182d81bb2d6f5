//! Takes the values of secret fields out of JSON that may be cut, or broken.
//!
//! The text is not parsed, so that all but the values stays as it came, spaces and mistakes included.

use std::borrow::Cow;

use super::REDACTED;

/// JSON with `"REDACTED"` in the place of each value whose name is secret.
pub(super) fn redact(json: &[u8], is_secret: impl Fn(&str) -> bool) -> Cow<'_, [u8]> {
    let mut told: Option<Vec<u8>> = None;
    let (mut copied, mut at) = (0, 0);
    while at < json.len() {
        if json[at] != b'"' {
            at += 1;
            continue;
        }
        let end = string_end(json, at);
        let value = value_after(json, end).filter(|_| is_secret(&name(&json[at..end])));
        at = match value {
            Some(start) => {
                let value_end = value_end(json, start);
                let out = told.get_or_insert_with(|| Vec::with_capacity(json.len()));
                out.extend_from_slice(&json[copied..start]);
                out.extend_from_slice(format!("\"{REDACTED}\"").as_bytes());
                copied = value_end;
                value_end
            }
            None => end,
        };
    }
    match told {
        Some(mut told) => {
            told.extend_from_slice(&json[copied..]);
            Cow::Owned(told)
        }
        None => Cow::Borrowed(json),
    }
}

/// Behind the string that begins here.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < json.len() {
        match json[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// A string's text; escapes are read where they are of the form `\u0074`, with which a name could
/// hide.
fn name(string: &[u8]) -> String {
    let text = String::from_utf8_lossy(string);
    let text = text.trim_matches('"');
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("\\u") {
        name.push_str(&rest[..place]);
        let code = rest.get(place + 2..place + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                name.push(character);
                rest = &rest[place + 6..];
            }
            None => {
                name.push_str("\\u");
                rest = &rest[place + 2..];
            }
        }
    }
    name.push_str(rest);
    name
}

/// Where the value of a name begins that ended here; `None` where it is no name, or where its value
/// is `null`, which hides nothing.
fn value_after(json: &[u8], end: usize) -> Option<usize> {
    let colon = skip_space(json, end);
    if json.get(colon) != Some(&b':') {
        return None;
    }
    let start = skip_space(json, colon + 1);
    let is_there = start < json.len() && !json[start..].starts_with(b"null");
    is_there.then_some(start)
}

fn skip_space(json: &[u8], from: usize) -> usize {
    from + json[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Behind the value that begins here.
fn value_end(json: &[u8], start: usize) -> usize {
    match json[start] {
        b'"' => string_end(json, start),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, start);
            while at < json.len() {
                match json[at] {
                    b'"' => {
                        at = string_end(json, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => {
            let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            json[start..].iter().position(is_end).map_or(json.len(), |n| start + n)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(json: &str) -> String {
        String::from_utf8(redact(json.as_bytes(), |name| name == "token").into_owned()).unwrap()
    }

    #[test]
    fn values_are_replaced_whatever_they_are() {
        for (json, expected) in [
            (r#"{"token":"a\"b","x":1}"#, r#"{"token":"REDACTED","x":1}"#),
            (r#"{ "token" : 12.5, "x":1}"#, r#"{ "token" : "REDACTED", "x":1}"#),
            (r#"{"token":{"a":["}"]},"x":1}"#, r#"{"token":"REDACTED","x":1}"#),
            (r#"[{"token":true},{"token":false}]"#, r#"[{"token":"REDACTED"},{"token":"REDACTED"}]"#),
            (r#"{"\u0074oken":"a"}"#, r#"{"\u0074oken":"REDACTED"}"#),
            // Cut in the middle.
            (r#"{"token":"abc"#, r#"{"token":"REDACTED""#),
            (r#"{"token":[1,"#, r#"{"token":"REDACTED""#),
        ] {
            assert_eq!(told(json), expected);
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for json in [
            r#"{"x":"token"}"#,
            r#"{"token":null}"#,
            r#"["token","a"]"#,
            r#"{"token""#,
            r#"{"token":"#,
            "",
            "\"",
        ] {
            assert_eq!(told(json), json);
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left_and_no_text_panics(before in ".{0,20}", secret in "[a-z]{12}", cut in 0_usize..80) {
            let json = serde_json::json!({"a": before, "token": {"deep": secret}, "b": [1, 2]}).to_string();
            let mut cut = cut.min(json.len());
            while !json.is_char_boundary(cut) {
                cut -= 1;
            }
            prop_assert!(!told(&json).contains(&secret));
            let told = told(&json[..cut]);
            prop_assert!(!told.contains(&secret[..6]) || before.contains(&secret[..6]), "{told}");
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            redact(&bytes, |_| true);
        }
    }
}
