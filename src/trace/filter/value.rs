//! Values as people type them: statuses, durations, sizes.

use std::fmt;

/// A status: one, or a range as `5xx`, `50x`, `5+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    One(u64),
    Within(u64, u64),
    AtLeast(u64),
}

/// Microseconds in each unit, largest first.
const TIMES: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Bytes in each unit, largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Further ways to write them.
const MORE_SIZES: [(&str, u64); 7] = [
    ("", 1),
    ("k", 1_000),
    ("kB", 1_000),
    ("K", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// `503`, `5xx`, `50x`, `5+`, `50+`. Statuses have three digits (RFC 9110, section 15).
pub(super) fn status(text: &str) -> Option<Status> {
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(n_digits);
    if n_digits == 0 || n_digits > 3 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    let unit = 10_u64.pow(3 - u32::try_from(n_digits).ok()?);
    match rest {
        "" if n_digits == 3 => Some(Status::One(number)),
        "+" => Some(Status::AtLeast(number * unit)),
        rest if n_digits + rest.len() == 3
            && !rest.is_empty()
            && rest.bytes().all(|b| b == b'x' || b == b'X') =>
        {
            Some(Status::Within(number * unit, number * unit + unit - 1))
        }
        _ => None,
    }
}

/// A range that [`status`] has read, as it is typed.
pub(super) fn status_class(from: u64, to: u64) -> String {
    let n_open = match to.saturating_sub(from) {
        9 => 1,
        99 => 2,
        _ => 0,
    };
    let from = format!("{from:03}");
    format!("{}{}", &from[..from.len() - n_open], "x".repeat(n_open))
}

/// `200ms`, `1.5s`, `300us`, `2m`, `1h`, in microseconds; what is less than one is cut.
pub(super) fn duration(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    let unit = match unit {
        "µs" => "us",
        unit => unit,
    };
    let (_, micros) = TIMES.iter().find(|(name, _)| *name == unit)?;
    scaled(number, *micros)
}

/// `100`, `64KiB`, `1.5MB`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number(text)?;
    let (_, bytes) = SIZES.iter().chain(&MORE_SIZES).find(|(name, _)| *name == unit)?;
    scaled(number, *bytes)
}

/// A gRPC status by number or name
/// (<https://grpc.io/docs/guides/status-codes/#the-full-list-of-status-codes>).
pub(super) fn grpc(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let wanted = text.replace('_', "");
    let place = GRPC.iter().position(|name| name.replace('_', "").eq_ignore_ascii_case(&wanted))?;
    u64::try_from(place).ok()
}

/// The names of gRPC's statuses, by number.
pub(super) const GRPC: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// Severities by name, from the lowest to the highest of OpenTelemetry's numbers for each
/// (<https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>).
pub(super) const LEVELS: [(&str, u64, u64); 6] = [
    ("trace", 1, 4),
    ("debug", 5, 8),
    ("info", 9, 12),
    ("warn", 13, 16),
    ("error", 17, 20),
    ("fatal", 21, 24),
];

/// Other words for them: those of syslog, of Java's and Python's libraries, and of Kubernetes'
/// events.
const MORE_LEVELS: [(&str, &str); 6] = [
    ("warning", "warn"),
    ("err", "error"),
    ("critical", "fatal"),
    ("panic", "fatal"),
    ("notice", "info"),
    ("normal", "info"),
];

/// A severity's numbers.
pub(crate) fn level(text: &str) -> Option<(u64, u64)> {
    let other = MORE_LEVELS.iter().find(|(other, _)| other.eq_ignore_ascii_case(text));
    let name = other.map_or(text, |(_, name)| name);
    let found = LEVELS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, from, to)| (*from, *to))
}

/// The name of a severity's number.
pub(super) fn level_name(number: u64) -> &'static str {
    LEVELS.iter().find(|(.., to)| number <= *to).map_or("fatal", |(name, ..)| name)
}

pub(super) fn write_duration(f: &mut fmt::Formatter<'_>, micros: u64) -> fmt::Result {
    write_in(f, micros, &TIMES)
}

pub(super) fn write_size(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    write_in(f, bytes, &SIZES)
}

/// In the largest unit of which it is a whole number.
fn write_in(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = units.iter().find(|(_, unit)| number > 0 && number.is_multiple_of(*unit));
    let (name, unit) = whole.or(units.last()).copied().unwrap_or(("", 1));
    write!(f, "{}{name}", number / unit)
}

/// Digits with at most one point between them, and what comes after.
fn number(text: &str) -> Option<((u64, &str), &str)> {
    let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(end);
    let (whole, part) = match number.split_once('.') {
        // Nine digits of a part: a nanosecond of a second, and no sum below overflows.
        Some((_, part)) if part.is_empty() || part.len() > 9 || part.contains('.') => return None,
        Some((whole, part)) => (whole, part),
        None => (number, ""),
    };
    Some(((whole.parse().ok()?, part), unit))
}

fn scaled((whole, part): (u64, &str), unit: u64) -> Option<u64> {
    let part_of = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let total = u128::from(whole) * u128::from(unit) + part * u128::from(unit) / part_of;
    u64::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_range() {
        for (text, expected) in [
            ("503", Some(Status::One(503))),
            ("5xx", Some(Status::Within(500, 599))),
            ("50X", Some(Status::Within(500, 509))),
            ("5+", Some(Status::AtLeast(500))),
            ("41+", Some(Status::AtLeast(410))),
            ("5", None),
            ("5x", None),
            ("5000", None),
            ("xxx", None),
            ("", None),
        ] {
            assert_eq!(status(text), expected, "{text}");
        }
        assert_eq!(
            [status_class(500, 599), status_class(50, 59), status_class(0, 99)],
            ["5xx", "05x", "0xx"]
        );
    }

    #[test]
    fn durations_and_sizes_have_units() {
        for (text, expected) in [
            ("200ms", Some(200_000)),
            ("1.5s", Some(1_500_000)),
            ("0.0000001s", Some(0)),
            ("3us", Some(3)),
            ("3µs", Some(3)),
            ("2m", Some(120_000_000)),
            ("1h", Some(3_600_000_000)),
            ("200", None),
            ("ms", None),
            ("1.s", None),
            ("1.2.3s", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for (text, expected) in [
            ("100", Some(100)),
            ("64KiB", Some(65_536)),
            ("1.5k", Some(1_500)),
            ("2MB", Some(2_000_000)),
            ("1x", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn grpc_statuses_have_names() {
        for (text, expected) in [
            ("14", Some(14)),
            ("Unavailable", Some(14)),
            ("DEADLINE_EXCEEDED", Some(4)),
            ("deadlineExceeded", Some(4)),
            ("no", None),
        ] {
            assert_eq!(grpc(text), expected, "{text}");
        }
    }
}
