//! What can be written as a limit: counts, sizes, times, choices. An error is what was wanted.

use std::time::Duration;

/// A number from `min` to `max`.
pub(super) fn count(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("a number from {min} to {max}"))
}

/// The same for what the protocol counts in 32 bits.
pub(super) fn count_u32(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("a number from {min} to {max}"))
}

/// A size in bytes, from `min` to `max`: `65536`, `64KiB`, `1MiB`.
pub(super) fn size(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        (None, None) => (text, 1),
    };
    let bytes = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    let bytes = bytes.filter(|bytes| (min..=max).contains(bytes));
    bytes.ok_or_else(|| format!("a size such as 64KiB, from {} to {}", words(min), words(max)))
}

/// A time of at least a millisecond: `500ms`, `10s`, `5m`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let of = |number: &str, unit_ms: u64| number.parse::<u64>().ok()?.checked_mul(unit_ms);
    let ms = match (text.strip_suffix("ms"), text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(number), ..) => of(number, 1),
        (_, Some(number), _) => of(number, 1000),
        (.., Some(number)) => of(number, 60_000),
        (None, None, None) => None,
    };
    // A year is longer than anything that is meant, and far from what a clock can count.
    let ms = ms.filter(|ms| (1..=366 * 24 * 3_600_000).contains(ms));
    ms.map(Duration::from_millis).ok_or_else(|| "a time such as 500ms, 10s or 5m".to_owned())
}

/// A time, or `none`.
pub(super) fn time_or_none(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "none" => Ok(None),
        text => time(text).map(Some).map_err(|wanted| format!("{wanted}, or none")),
    }
}

/// One of two words.
pub(super) fn choice<T>(text: &str, one: (&str, T), other: (&str, T)) -> Result<T, String> {
    match text {
        text if text == one.0 => Ok(one.1),
        text if text == other.0 => Ok(other.1),
        _ => Err(format!("{} or {}", one.0, other.0)),
    }
}

fn words(bytes: u32) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        bytes => bytes.to_string(),
    }
}
