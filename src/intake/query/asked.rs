//! What stands behind the `?`, in the spellings that clients have.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Fault;

/// Named values.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

/// Units of Go's durations, in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
    ("d", 8.64e13),
];

// === impl Asked ===

impl Asked {
    pub(super) fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of a name. `query.service_name` and `query.serviceName` are the same to Jaeger's
    /// gateway, which writes the one and documents the other.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let wanted = plain(name);
        let found = self.0.iter().find(|(name, value)| plain(name) == wanted && !value.is_empty());
        found.map(|(_, value)| &**value)
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let wanted = plain(name);
        self.0.iter().filter(move |(name, _)| plain(name) == wanted).map(|(_, value)| &**value)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let parsed = |text: &str| text.parse().map_err(|_| wrong(name, text, "is no whole number"));
        self.get(name).map(parsed).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let parsed = |text: &str| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            text => Err(wrong(name, text, "is neither true nor false")),
        };
        self.get(name).map(parsed).transpose()
    }

    /// As Go writes it: `1.5s`, `300ms`, `1h2m`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let parsed =
            |text: &str| duration(text).ok_or_else(|| wrong(name, text, "is no duration, as `1.5s` is one"));
        self.get(name).map(parsed).transpose()
    }

    /// As RFC 3339 has it.
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Fault> {
        let parsed = |text: &str| {
            let time: Result<jiff::Timestamp, _> = text.parse();
            time.map(SystemTime::from)
                .map_err(|_| wrong(name, text, "is no time, as `2026-11-20T12:00:00Z` is one"))
        };
        self.get(name).map(parsed).transpose()
    }

    /// Units since 1970.
    pub(super) fn time_in(&self, name: &str, unit: Duration) -> Result<Option<SystemTime>, Fault> {
        Ok(self.number(name)?.and_then(|n| UNIX_EPOCH.checked_add(times(unit, n))))
    }

    /// Names and texts as a JSON object.
    pub(super) fn tags(&self, name: &str) -> Result<Vec<(String, String)>, Fault> {
        let Some(text) = self.get(name) else { return Ok(Vec::new()) };
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
            .map_err(|_| wrong(name, text, "is no JSON object, as `{\"error\":\"true\"}` is one"))?;
        let pairs = object.into_iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Ok(pairs.collect())
    }
}

pub(super) fn times(unit: Duration, n: u64) -> Duration {
    let nanos = unit.as_nanos().saturating_mul(n.into());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn plain(name: &str) -> String {
    let name = name.strip_prefix("query.").unwrap_or(name);
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

fn wrong(name: &str, text: &str, why: &str) -> Fault {
    let text: String = text.chars().take(64).collect();
    Fault::Wrong(format!("query parameter `{name}`: `{text}` {why}"))
}

fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut nanos) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        nanos += number * unit;
        rest = &rest[end..];
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    (!text.is_empty()).then(|| Duration::from_nanos(nanos as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_go_writes_them() {
        for (text, expected) in [
            ("1.5s", Some(1_500_000)),
            ("1h2m", Some(3_720_000_000)),
            ("300us", Some(300)),
            ("2d", Some(172_800_000_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1x", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_micros), "{text}");
        }
    }

    #[test]
    fn both_spellings_are_one_name() {
        let asked = Asked::of("query.service_name=a&query.numTraces=3&empty=&tags=%7B%22n%22%3A1%7D");
        assert_eq!(
            (asked.get("serviceName"), asked.get("service_name"), asked.get("empty")),
            (Some("a"), Some("a"), None)
        );
        assert_eq!(asked.number("num_traces").unwrap(), Some(3));
        assert_eq!(asked.tags("tags").unwrap(), [("n".to_owned(), "1".to_owned())]);
        assert!(Asked::of("a=x").number("a").is_err());
    }
}
