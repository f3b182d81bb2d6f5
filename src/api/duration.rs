//! Durations as people write them in our own kinds (`90s`, `30m`, `8h`, `2d`, `1w`, `1h30m`).

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
}
