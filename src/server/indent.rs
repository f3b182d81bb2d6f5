//! JSON for people: two spaces a level, as `serde_json` and Go's encoder write it.
//!
//! Bytes become bytes: as values a large list would take several times its memory only to be written
//! again.

/// One level (`MarshalIndent(obj, "", "  ")` in `serializer/json`).
const LEVEL: &[u8] = b"  ";

/// The same JSON, indented.
pub(crate) fn indented(json: &[u8]) -> Vec<u8> {
    // Room to begin with; what is more is made when it is needed.
    let mut text = Vec::with_capacity(json.len() + json.len() / 3);
    let mut depth = 0;
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (string, after) = rest.split_at(string_len(rest));
                text.push(byte);
                text.extend_from_slice(string);
                rest = after;
            }
            b'{' | b'[' => {
                text.push(byte);
                rest = rest.trim_ascii_start();
                // What is empty stays on its line.
                if let Some((&end @ (b'}' | b']'), after)) = rest.split_first() {
                    text.push(end);
                    rest = after;
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            b'}' | b']' => {
                depth = usize::saturating_sub(depth, 1);
                new_line(&mut text, depth);
                text.push(byte);
            }
            b',' => {
                text.push(byte);
                new_line(&mut text, depth);
            }
            b':' => text.extend_from_slice(b": "),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => text.push(byte),
        }
    }
    text
}

/// How long the rest of a string is, with its closing quote.
fn string_len(rest: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(rest.len(), |end| end + 1)
}

fn new_line(text: &mut Vec<u8>, depth: usize) {
    text.push(b'\n');
    for _ in 0..depth {
        text.extend_from_slice(LEVEL);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(value: &Value) {
        let compact = serde_json::to_vec(value).expect("JSON");
        let wanted = serde_json::to_string_pretty(value).expect("JSON");
        assert_eq!(String::from_utf8_lossy(&indented(&compact)), wanted);
        assert_eq!(String::from_utf8_lossy(&indented(wanted.as_bytes())), wanted, "twice is as once");
    }

    #[test]
    fn it_is_what_serde_json_writes() {
        check(&json!({"a": 1, "b": [true, null, -1.5e9], "c": {"d": {"e": "f"}}, "g": [], "h": {}}));
        check(&json!([[], [[]], [{}], {"a": [{}, [1]]}]));
        check(&json!({"a,b": "{\"c\": [1, 2]}", "\\": "ends with \\", "\\\"": "\\\\\"", "ü": "\n\u{1}"}));
        check(&json!("text"));
        check(&json!(null));
    }

    #[test]
    fn what_is_no_json_breaks_nothing() {
        for broken in ["", "]", "}}", "\"", "\"\\", "[", "{\"a\":"] {
            indented(broken.as_bytes());
        }
    }
}
