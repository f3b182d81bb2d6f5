//! Strings of JSON: escapes, surrogates, and bytes that are no UTF-8.

use super::parser::{Fault, Parser};

/// Reads the string that starts at the parser's quotation mark.
pub(super) fn string(parser: &mut Parser<'_>) -> Result<String, Fault> {
    parser.pos += 1;
    let mut text = Vec::new();
    loop {
        let rest = &parser.bytes[parser.pos..];
        let plain = plain_len(rest);
        text.extend_from_slice(&rest[..plain]);
        parser.pos += plain;
        match parser.peek() {
            None => return Err(parser.ended()),
            Some(b'"') => break,
            Some(b'\\') => escape(parser, &mut text)?,
            Some(_) => return Err(parser.unexpected("in string literal")),
        }
    }
    parser.pos += 1;
    // Go replaces what is no UTF-8 too (`encoding/json`, "Unmarshal").
    Ok(match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// How many bytes stand for themselves, of which most texts are made.
fn plain_len(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let is_control = |byte: &u8| *byte < 0x20;
    // Without a way out, so that many bytes are looked at at once.
    let has_control = bytes[..end].iter().fold(0, |found, byte| found | u8::from(is_control(byte)));
    if has_control == 0 { end } else { bytes[..end].iter().position(is_control).unwrap_or(end) }
}

/// A byte between apostrophes, as `quoteChar` of `encoding/json/scanner.go` prints it.
pub(super) fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte => {
            let quoted = crate::field_error::go_quote(&char::from(byte).to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

fn escape(parser: &mut Parser<'_>, text: &mut Vec<u8>) -> Result<(), Fault> {
    parser.pos += 1;
    let Some(letter) = parser.peek() else { return Err(parser.ended()) };
    let byte = match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            parser.pos += 1;
            push_char(unicode(parser)?, text);
            return Ok(());
        }
        _ => return Err(parser.unexpected("in string escape code")),
    };
    parser.pos += 1;
    text.push(byte);
    Ok(())
}

/// The character of `\uXXXX`, joined with a second one where it is half of a pair; a lone half
/// becomes U+FFFD.
fn unicode(parser: &mut Parser<'_>) -> Result<char, Fault> {
    let first = hex(parser)?;
    if let Some(c) = char::from_u32(first) {
        return Ok(c);
    }
    let rest = &parser.bytes[parser.pos..];
    if (0xd800..0xdc00).contains(&first) && rest.starts_with(b"\\u") {
        let back = parser.pos;
        parser.pos += 2;
        let second = hex(parser)?;
        if (0xdc00..0xe000).contains(&second) {
            let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        parser.pos = back;
    }
    Ok(char::REPLACEMENT_CHARACTER)
}

fn hex(parser: &mut Parser<'_>) -> Result<u32, Fault> {
    let mut code = 0;
    for _ in 0..4 {
        let Some(byte) = parser.peek() else { return Err(parser.ended()) };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(parser.unexpected("in \\u hexadecimal character escape"));
        };
        code = code * 16 + digit;
        parser.pos += 1;
    }
    Ok(code)
}

fn push_char(c: char, text: &mut Vec<u8>) {
    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
