//! What is left in a namespace that is being deleted, as its conditions tell it.
//!
//! Source of the words: `pkg/controller/namespace/deletion/status_condition_utils.go`.

use std::collections::BTreeMap;

use crate::served::Served;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::NamespaceCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

const CONTENT: &str = "NamespaceContentRemaining";
const FINALIZERS: &str = "NamespaceFinalizersRemaining";

/// How many objects are left, by what they are and by what holds them.
#[derive(Debug, Default)]
pub(super) struct Remaining {
    by_resource: BTreeMap<String, usize>,
    by_finalizer: BTreeMap<String, usize>,
}

// === impl Remaining ===

impl Remaining {
    pub(super) fn add(&mut self, kind: &Served, object: &ObjectMeta) {
        *self.by_resource.entry(kind.name()).or_default() += 1;
        for finalizer in object.finalizers.iter().flatten() {
            *self.by_finalizer.entry(finalizer.clone()).or_default() += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_resource.is_empty()
    }

    /// The namespace's conditions; those that say the same keep their time.
    pub(super) fn conditions(&self, known: &[NamespaceCondition], now: Timestamp) -> Vec<NamespaceCondition> {
        let content = self
            .by_resource
            .iter()
            .map(|(resource, count)| format!("{resource} has {count} resource instances"));
        let content = content.collect::<Vec<_>>().join(", ");
        let held = self
            .by_finalizer
            .iter()
            .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"));
        let held = held.collect::<Vec<_>>().join(", ");
        let (content, held) = (
            match content.as_str() {
                "" => (CONTENT, "False", "ContentRemoved", "All content successfully removed".to_owned()),
                _ => (
                    CONTENT,
                    "True",
                    "SomeResourcesRemain",
                    format!("Some resources are remaining: {content}"),
                ),
            },
            match held.as_str() {
                "" => (
                    FINALIZERS,
                    "False",
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished".to_owned(),
                ),
                _ => (
                    FINALIZERS,
                    "True",
                    "SomeFinalizersRemain",
                    format!("Some content in the namespace has finalizers remaining: {held}"),
                ),
            },
        );
        let others = known.iter().filter(|old| old.type_ != CONTENT && old.type_ != FINALIZERS).cloned();
        let ours = [content, held].map(|(type_, status, reason, message)| {
            let old = known.iter().find(|old| old.type_ == type_ && old.status == status);
            let since = old.and_then(|old| old.last_transition_time.clone());
            NamespaceCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: since
                    .or_else(|| Timestamp::from_second(now.as_second()).ok().map(Time)),
            }
        });
        others.chain(ours).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaining(finalizers: &[&[&str]]) -> Remaining {
        let mut remaining = Remaining::default();
        let kind = Served::bundled(spur_api::registry::by_word("configmaps").expect("a kind"));
        for finalizers in finalizers {
            let finalizers = finalizers.iter().map(|one| (*one).to_owned()).collect();
            remaining.add(&kind, &ObjectMeta { finalizers: Some(finalizers), ..ObjectMeta::default() });
        }
        remaining
    }

    fn messages(conditions: &[NamespaceCondition]) -> Vec<(&str, &str)> {
        conditions.iter().map(|one| (one.status.as_str(), one.message.as_deref().unwrap_or(""))).collect()
    }

    #[test]
    fn conditions_say_what_is_left_and_what_holds_it() {
        let conditions = remaining(&[&["a/b"], &["a/b", "c/d"], &[]]).conditions(&[], Timestamp::now());
        let expected = [
            ("True", "Some resources are remaining: configmaps. has 3 resource instances"),
            (
                "True",
                "Some content in the namespace has finalizers remaining: a/b in 2 resource instances, c/d in 1 resource instances",
            ),
        ];
        assert_eq!(messages(&conditions), expected);
    }

    #[test]
    fn a_second_look_finds_the_same() {
        let (now, later) = (Timestamp::now(), Timestamp::now() + jiff::SignedDuration::from_secs(5));
        let first = remaining(&[&[]]).conditions(&[], now);
        assert_eq!(remaining(&[&[]]).conditions(&first, later), first);
        assert_eq!(first[1].status, "False");
    }
}
