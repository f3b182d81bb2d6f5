//! Durations as people write them in our own kinds (`90s`, `30m`, `8h`, `2d`, `1w`, `1h30m`), and as
//! Go clients send them (`1m0s`, `1.5s`, `500ms`).

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no duration, want a number with a unit such as `90s`, `30m`, `8h`, `2d` or `1w`")]
pub struct DurationError(String);

/// Longest duration, in seconds: 10 years, so that adding it to a date cannot overflow.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 3600;

/// Reads a duration.
///
/// # Errors
/// When the text is empty, has a number without a unit, an unknown unit, or
/// comes to more than ten years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..n_digits].parse().map_err(|_| wrong())?;
        let unit = rest[n_digits..].chars().next().ok_or_else(wrong)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return Err(wrong()),
        };
        seconds = number
            .checked_mul(factor)
            .and_then(|part| part.checked_add(seconds))
            .filter(|total| *total <= MAX_SECONDS)
            .ok_or_else(wrong)?;
        rest = &rest[n_digits + unit.len_utf8()..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads a duration as Go writes one; none where it is not one, or is negative.
///
/// Source: `time.ParseDuration`, <https://pkg.go.dev/time#ParseDuration>.
pub fn parse_go(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_len = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.bytes().take_while(|byte| !byte.is_ascii_digit() && *byte != b'.').count();
        let (unit, next) = after.split_at(unit_len);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1w"), Ok(Duration::from_secs(604_800)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "h", "1y", "-1h", "1.5h", "99999999999999999999s", "11000w", "1h "] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn go_durations_are_read() {
        let millis = |text| parse_go(text).map(|duration| duration.as_millis());
        assert_eq!(millis("1m0s"), Some(60_000));
        assert_eq!(millis("1.5s"), Some(1_500));
        assert_eq!(millis("1h0m0.25s"), Some(3_600_250));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("0"), Some(0));
        for text in ["", "5", "s", "-1s", "1d", "1..5s", "1 s"] {
            assert_eq!(parse_go(text), None, "{text:?}");
        }
    }
}
