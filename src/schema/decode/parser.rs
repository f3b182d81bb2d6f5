//! The grammar of JSON (RFC 8259) with Go's description of every fault
//! (`encoding/json/scanner.go`).

use serde_json::{Map, Number, Value};

use super::text::{self, quote_byte};
use super::{DEPTH_MAX, REPORTED_FIELDS_MAX};
use crate::path::Path;

/// Reads one document from the front.
pub(super) struct Parser<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) pos: usize,
    depth: usize,
    path: Path,
    duplicates: Vec<String>,
}

/// What is wrong and where.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) offset: usize,
}

type Result<T> = std::result::Result<T, Fault>;

// === impl Parser ===

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Parser<'a> {
        Parser { bytes, pos: 0, depth: 0, path: Path::default(), duplicates: Vec::new() }
    }

    pub(super) fn into_duplicates(self) -> Vec<String> {
        self.duplicates
    }

    pub(super) fn document(&mut self) -> Result<Value> {
        let value = self.value()?;
        match self.next_token() {
            None => Ok(value),
            Some(_) => Err(self.unexpected("after top-level value")),
        }
    }

    fn value(&mut self) -> Result<Value> {
        match self.next_token() {
            None => Err(self.ended()),
            Some(b'{') => self.nested(Parser::object),
            Some(b'[') => self.nested(Parser::array),
            Some(b'"') => text::string(self).map(Value::String),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        if self.depth == DEPTH_MAX {
            return Err(Fault { message: "exceeded max depth".to_owned(), offset: self.pos });
        }
        self.depth += 1;
        self.pos += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value> {
        let mut object = Map::new();
        if self.next_token() == Some(b'}') {
            self.pos += 1;
            return Ok(Value::Object(object));
        }
        loop {
            match self.next_token() {
                Some(b'"') => {}
                None => return Err(self.ended()),
                Some(_) => return Err(self.unexpected("looking for beginning of object key string")),
            }
            let key = text::string(self)?;
            match self.next_token() {
                Some(b':') => self.pos += 1,
                None => return Err(self.ended()),
                Some(_) => return Err(self.unexpected("after object key")),
            }
            let mark = self.path.enter_field(&key);
            let value = self.value()?;
            if object.insert(key, value).is_some() {
                self.report_duplicate();
            }
            self.path.leave(mark);
            match self.next_token() {
                Some(b',') => self.pos += 1,
                Some(b'}') => break,
                None => return Err(self.ended()),
                Some(_) => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.pos += 1;
        Ok(Value::Object(object))
    }

    fn array(&mut self) -> Result<Value> {
        let mut items = Vec::new();
        if self.next_token() == Some(b']') {
            self.pos += 1;
            return Ok(Value::Array(items));
        }
        loop {
            let mark = self.path.enter_item(items.len());
            items.push(self.value()?);
            self.path.leave(mark);
            match self.next_token() {
                Some(b',') => self.pos += 1,
                Some(b']') => break,
                None => return Err(self.ended()),
                Some(_) => return Err(self.unexpected("after array element")),
            }
        }
        self.pos += 1;
        Ok(Value::Array(items))
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value> {
        for expected in word.bytes() {
            match self.peek() {
                Some(found) if found == expected => self.pos += 1,
                None => return Err(self.ended()),
                Some(_) => {
                    let context = format!("in literal {word} (expecting {})", quote_byte(expected));
                    return Err(self.unexpected(&context));
                }
            }
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.pos;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        match self.peek() {
            Some(b'0') => self.pos += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            None => return Err(self.ended()),
            Some(_) => return Err(self.unexpected("in numeric literal")),
        }
        let mut is_integer = true;
        if self.peek() == Some(b'.') {
            is_integer = false;
            self.pos += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_integer = false;
            self.pos += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.pos += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.pos])
            .expect("digits, signs and full stops are ASCII");
        to_number(text, is_integer).map(Value::Number).ok_or_else(|| Fault {
            message: format!("json: cannot unmarshal number {text} into Go value of type float64"),
            offset: start,
        })
    }

    fn digits(&mut self, context: &str) -> Result<()> {
        match self.peek() {
            Some(b'0'..=b'9') => self.skip_digits(),
            None => return Err(self.ended()),
            Some(_) => return Err(self.unexpected(context)),
        }
        Ok(())
    }

    fn skip_digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.pos += 1;
        }
    }

    fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.pos += 1;
        }
        self.peek()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    pub(super) fn ended(&self) -> Fault {
        Fault { message: "unexpected end of JSON input".to_owned(), offset: self.pos }
    }

    pub(super) fn unexpected(&self, context: &str) -> Fault {
        let found = self.bytes.get(self.pos).copied().unwrap_or_default();
        Fault { message: format!("invalid character {} {context}", quote_byte(found)), offset: self.pos }
    }

    fn report_duplicate(&mut self) {
        let path = self.path.as_str();
        if self.duplicates.len() < REPORTED_FIELDS_MAX && !self.duplicates.iter().any(|known| known == path) {
            self.duplicates.push(path.to_owned());
        }
    }
}

/// An integer where it fits, otherwise a float; none where it is infinite.
fn to_number(text: &str, is_integer: bool) -> Option<Number> {
    if is_integer {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    Number::from_f64(text.parse().ok()?)
}
