//! Messages and types that JSON writes in a way of its own.

use jiff::Timestamp;
use serde_json::Value;

use super::Fault;
use super::message::{number, text};
use super::wire::{Broken, Reader};

/// A `Time`: whole seconds, whatever its nanoseconds say; none for Go's zero time, which is
/// written as no bytes.
///
/// Source: `k8s.io/apimachinery/pkg/apis/meta/v1/time_proto.go`.
pub(super) fn time(reader: Reader<'_>) -> Result<Option<Value>, Broken> {
    let Some((seconds, _)) = seconds_and_nanos(reader)? else { return Ok(None) };
    let time = timestamp(seconds, 0).ok_or_else(|| reader.broken(Fault::Time(seconds)))?;
    Ok(Some(Value::String(format!("{time:.0}"))))
}

/// A `MicroTime`: always six digits.
///
/// Source: `k8s.io/apimachinery/pkg/apis/meta/v1/micro_time.go`, `RFC3339Micro`.
pub(super) fn micro_time(reader: Reader<'_>) -> Result<Option<Value>, Broken> {
    let Some((seconds, nanos)) = seconds_and_nanos(reader)? else { return Ok(None) };
    let micros = nanos / 1000;
    let time = timestamp(seconds, micros * 1000).ok_or_else(|| reader.broken(Fault::Time(seconds)))?;
    Ok(Some(Value::String(format!("{time:.6}"))))
}

/// An `IntOrString`: `type` (0 an int, 1 a string), `intVal`, `strVal`.
///
/// Source: `k8s.io/apimachinery/pkg/util/intstr/intstr.go`.
pub(super) fn int_or_string(mut reader: Reader<'_>) -> Result<Value, Broken> {
    let start = reader;
    let (mut type_, mut int, mut string) = (0, 0, String::new());
    while !reader.is_done() {
        let key = reader.key()?;
        match key.number {
            1 => type_ = number(key.wire, &mut reader)? as i64,
            2 => int = number(key.wire, &mut reader)? as i32,
            3 => string = text(key.wire, &mut reader)?,
            _ => reader.skip(key.wire)?,
        }
    }
    match type_ {
        0 => Ok(Value::from(int)),
        1 => Ok(Value::String(string)),
        other => Err(start.broken(Fault::NeitherIntNorString(other))),
    }
}

/// Standard base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut padded = [0; 4];
        padded[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(padded);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

fn seconds_and_nanos(mut reader: Reader<'_>) -> Result<Option<(i64, i32)>, Broken> {
    if reader.is_done() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    while !reader.is_done() {
        let key = reader.key()?;
        match key.number {
            1 => seconds = number(key.wire, &mut reader)? as i64,
            2 => nanos = number(key.wire, &mut reader)? as i32,
            _ => reader.skip(key.wire)?,
        }
    }
    Ok(Some((seconds, nanos)))
}

/// Of the years that RFC 3339 can write: 0 to 9999 (its section 1).
fn timestamp(seconds: i64, nanos: i32) -> Option<Timestamp> {
    /// 0000-01-01T00:00:00Z.
    const YEAR_0: i64 = -62_167_219_200;
    if seconds < YEAR_0 || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    Timestamp::from_second(seconds).ok()?.checked_add(jiff::SignedDuration::from_nanos(nanos.into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_time(bytes: &[u8], seconds: Option<&str>, micros: Option<&str>) {
        let shown = |read: Result<Option<Value>, Broken>| {
            read.unwrap().map(|value| value.as_str().unwrap().to_owned())
        };
        assert_eq!(shown(time(Reader::new(bytes))).as_deref(), seconds, "{bytes:?}");
        assert_eq!(shown(micro_time(Reader::new(bytes))).as_deref(), micros, "{bytes:?}");
    }

    #[test]
    fn times_are_rfc_3339() {
        check_time(&[], None, None);
        check_time(&[8, 0], Some("1970-01-01T00:00:00Z"), Some("1970-01-01T00:00:00.000000Z"));
        // 2001-09-09T01:46:40Z and 123,456,789 ns.
        let bytes = [8, 0x80, 0x94, 0xeb, 0xdc, 0x03, 16, 0x95, 0x9a, 0xef, 0x3a];
        check_time(&bytes, Some("2001-09-09T01:46:40Z"), Some("2001-09-09T01:46:40.123456Z"));
    }

    #[test]
    fn a_time_beyond_the_calendar_is_refused() {
        let most = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(time(Reader::new(&most)).unwrap_err().fault, Fault::Time(i64::MAX));
        // Nanoseconds of more than a second.
        assert_eq!(
            micro_time(Reader::new(&[8, 1, 16, 0x80, 0x94, 0xeb, 0xdc, 0x03])).unwrap_err().fault,
            Fault::Time(1)
        );
    }

    #[test]
    fn an_int_or_a_string_says_which() {
        let read = |bytes: &[u8]| int_or_string(Reader::new(bytes));
        assert_eq!(read(&[8, 0, 16, 80, 26, 0]).unwrap(), 80);
        assert_eq!(read(&[8, 1, 16, 0, 26, 3, b'2', b'5', b'%']).unwrap(), "25%");
        assert_eq!(read(&[]).unwrap(), 0);
        assert_eq!(read(&[8, 2]).unwrap_err().fault, Fault::NeitherIntNorString(2));
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_has_its_test_vectors() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, wanted) in vectors {
            assert_eq!(base64(bytes.as_bytes()), wanted);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
    }
}
