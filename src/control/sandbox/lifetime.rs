//! When a sandbox deletes itself.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use spur_api::duration;
use spur_api::sandbox::{Sandbox, TtlFrom};

/// The times of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// When its spec last changed.
    pub(super) updated: Timestamp,
    /// When it deletes itself.
    pub(super) ends: Option<Timestamp>,
}

// === impl Lifetime ===

impl Lifetime {
    /// The times as of now. A generation that the status does not speak of yet
    /// is a change that happened now; the first one happened at the creation.
    pub(super) fn of(sandbox: &Sandbox, now: Timestamp) -> Self {
        let created = sandbox.creation_timestamp().map_or(now, |time| time.0);
        let updated = match &sandbox.status {
            Some(status) if status.observed_generation == sandbox.metadata.generation => {
                status.updated_time.as_deref().and_then(|time| time.parse().ok()).unwrap_or(created)
            }
            Some(status) if status.observed_generation.is_some() => now,
            _ => created,
        };
        let ends = sandbox.spec.ttl.as_ref().and_then(|ttl| {
            let from = match ttl.from {
                TtlFrom::Created => created,
                TtlFrom::Updated => updated,
            };
            // What is no duration was refused when it came; it cannot end a sandbox.
            let lasts = SignedDuration::try_from(duration::parse(&ttl.duration).ok()?).ok()?;
            from.checked_add(lasts).ok()
        });
        Self { updated, ends }
    }

    /// How long there is to wait: `None` where it never ends, zero where it is over.
    pub(super) fn left(&self, now: Timestamp) -> Option<std::time::Duration> {
        let left = self.ends?.duration_since(now);
        Some(left.try_into().unwrap_or(std::time::Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().expect("a time")
    }

    /// Created at 10:00, seen at 12:00 with generation 2.
    fn seen(ttl: Value, status: Value) -> Lifetime {
        let sandbox = serde_json::from_value(json!({
            "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox",
            "metadata": {"name": "a", "creationTimestamp": "2026-01-01T10:00:00Z", "generation": 2},
            "spec": {"ttl": ttl}, "status": status,
        }));
        Lifetime::of(&sandbox.expect("a sandbox"), at("12:00:00"))
    }

    #[test]
    fn it_counts_from_the_creation_or_the_last_change() {
        let updated = json!({"observedGeneration": 2, "updatedTime": "2026-01-01T11:00:00Z"});
        let ends = |ttl: Value, status: &Value| seen(ttl, status.clone()).ends;
        assert_eq!(ends(Value::Null, &updated), None);
        assert_eq!(ends(json!({"duration": "3h"}), &updated), Some(at("13:00:00")));
        assert_eq!(ends(json!({"duration": "3h", "from": "created"}), &updated), Some(at("13:00:00")));
        assert_eq!(ends(json!({"duration": "3h", "from": "updated"}), &updated), Some(at("14:00:00")));
    }

    #[test]
    fn a_generation_not_seen_before_is_a_change_now() {
        let before = json!({"observedGeneration": 1, "updatedTime": "2026-01-01T11:00:00Z"});
        assert_eq!(seen(Value::Null, before).updated, at("12:00:00"));
        assert_eq!(seen(Value::Null, Value::Null).updated, at("10:00:00"));
        let same = json!({"observedGeneration": 2, "updatedTime": "2026-01-01T11:00:00Z"});
        assert_eq!(seen(Value::Null, same).updated, at("11:00:00"));
    }

    #[test]
    fn what_is_over_has_no_time_left() {
        let hour = std::time::Duration::from_secs(3600);
        assert_eq!(seen(json!({"duration": "3h"}), Value::Null).left(at("12:00:00")), Some(hour));
        assert_eq!(
            seen(json!({"duration": "1h"}), Value::Null).left(at("12:00:00")),
            Some(std::time::Duration::ZERO)
        );
        assert_eq!(seen(Value::Null, Value::Null).left(at("12:00:00")), None);
    }
}
