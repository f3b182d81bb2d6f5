//! Durations as Go writes them: `1h30m`, `1.5s`, `500ms`.
//!
//! Follows `time.ParseDuration`, <https://pkg.go.dev/time#ParseDuration>.

use std::time::Duration;

/// Reads a duration without a sign; none where it is no duration, or is longer than `Duration` holds.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let factor = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanoseconds += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(nanoseconds / 1e9).ok() }
}

/// A duration as Go prints it, in whole milliseconds: `1.5s`, `1m0.25s`, `2h0m3s`.
///
/// Follows `time.Duration.String`, <https://pkg.go.dev/time#Duration.String>.
#[must_use]
pub fn text(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if seconds == 0 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let fraction = format!(".{millis:03}");
    let fraction = if millis == 0 { "" } else { fraction.trim_end_matches('0') };
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{fraction}s"),
        (0, _) => format!("{minutes}m{rest}{fraction}s"),
        _ => format!("{hours}h{minutes}m{rest}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_fractions_add_up() {
        for (text, millis) in [
            ("1s", 1000),
            ("1.5s", 1500),
            ("1m0s", 60_000),
            ("1h2m3s", 3_723_000),
            ("1h0m0.25s", 3_600_250),
            ("10ms", 10),
            ("500ms", 500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1us1ns"), Some(Duration::from_nanos(1001)));
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for (millis, wanted) in [
            (0, "0s"),
            (7, "7ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (15_067, "15.067s"),
            (60_250, "1m0.25s"),
            (7_203_000, "2h0m3s"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(text(duration), wanted);
            assert_eq!(parse(wanted), Some(duration), "{wanted}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", "1", "5", "s", "-1s", "1x", "1d", "1 s", "1..5s", "1s2", "1e300h", "99999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
