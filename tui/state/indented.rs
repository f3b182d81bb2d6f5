//! JSON laid out to be read, and otherwise as it came.

/// JSON with a value a line; `None` where it is none. Names keep their order, and numbers their
/// digits, so that the text is what came but for blanks.
pub(super) fn indented(text: &str) -> Option<Vec<String>> {
    if !text.trim_start().starts_with(['{', '[']) || serde_json::from_str::<serde_json::Value>(text).is_err()
    {
        return None;
    }
    let mut lines = vec![String::new()];
    let mut depth = 0;
    let mut is_in_text = false;
    let mut characters = text.chars().filter(|c| !c.is_control()).peekable();
    while let Some(character) = characters.next() {
        let last = lines.last_mut().expect("there is one from the beginning");
        if is_in_text {
            last.push(character);
            match character {
                '\\' => last.extend(characters.next()),
                '"' => is_in_text = false,
                _ => {}
            }
            continue;
        }
        match character {
            ' ' => {}
            '{' | '[' => {
                last.push(character);
                while characters.next_if_eq(&' ').is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    last.push(end);
                } else {
                    depth += 1;
                    lines.push("  ".repeat(depth));
                }
            }
            '}' | ']' => {
                depth -= 1;
                lines.push(format!("{}{character}", "  ".repeat(depth)));
            }
            ',' => {
                last.push(',');
                lines.push("  ".repeat(depth));
            }
            ':' => last.push_str(": "),
            character => {
                is_in_text = character == '"';
                last.push(character);
            }
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_stays_what_it_was() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(indented(text).unwrap_or_default(), expected, "{text}");
        };
        check(
            r#"{"b":1.50, "a":[ ],"c":[1,{"d":"x, {\"y\": é}"}]}"#,
            &[
                "{",
                "  \"b\": 1.50,",
                "  \"a\": [],",
                "  \"c\": [",
                "    1,",
                "    {",
                "      \"d\": \"x, {\\\"y\\\": é}\"",
                "    }",
                "  ]",
                "}",
            ],
        );
        check("{\n  \"a\":\t1\r\n}", &["{", "  \"a\": 1", "}"]);
        check("{\"a\":", &[]);
        check("hello", &[]);
    }
}
