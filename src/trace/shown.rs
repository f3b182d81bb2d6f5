//! Figures as people read them.

use std::time::Duration;

/// Three digits at most: `0.4ms`, `12.3ms`, `431ms`, `2.1s`, `75s`.
#[must_use]
pub fn short_duration(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ..99.95 => format!("{ms:.1}ms"),
        ..999.5 => format!("{ms:.0}ms"),
        ..9_950.0 => format!("{:.1}s", ms / 1000.0),
        _ => format!("{:.0}s", ms / 1000.0),
    }
}

/// Reads a number of bytes: `100`, `64KiB`, `1.5MB`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    crate::filter::size(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let cases = [
            (400, "0.4ms"),
            (12_345, "12.3ms"),
            (430_900, "431ms"),
            (2_123_000, "2.1s"),
            (75_000_000, "75s"),
        ];
        for (micros, expected) in cases {
            assert_eq!(short_duration(Duration::from_micros(micros)), expected);
        }
    }
}
