//! Which routing key a sandbox has, and which of several that ask for one gets it.

use jiff::Timestamp;
use kube::ResourceExt;
use spur_api::sandbox::{KEY_LENGTH, Sandbox};
use xxhash_rust::xxh3::xxh3_64;

/// What a sandbox's wish for a key comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It has this key.
    Owned(String),
    /// An older sandbox has it.
    Taken {
        /// The key.
        key: String,
        /// The owner's namespace.
        namespace: String,
        /// The owner's name.
        name: String,
    },
}

/// The key that the sandbox asks for: the one in its spec, else the one it had,
/// else one made from its uid.
pub(super) fn wanted(sandbox: &Sandbox) -> String {
    let had = || sandbox.status.as_ref().and_then(|status| status.routing_key.clone());
    let made = || made(&sandbox.uid().unwrap_or_default());
    sandbox.spec.routing_key.clone().or_else(had).unwrap_or_else(made)
}

/// Whether the sandbox has the key that it asks for, given all sandboxes.
pub(super) fn claim<'a>(sandbox: &Sandbox, all: impl IntoIterator<Item = &'a Sandbox>) -> Claim {
    let key = wanted(sandbox);
    let owner = all
        .into_iter()
        .filter(|other| other.uid() != sandbox.uid() && other.metadata.deletion_timestamp.is_none())
        .filter(|other| seniority(other) < seniority(sandbox) && wanted(other) == key)
        .min_by_key(|other| seniority(other));
    match owner {
        None => Claim::Owned(key),
        Some(owner) => {
            Claim::Taken { key, namespace: owner.namespace().unwrap_or_default(), name: owner.name_any() }
        }
    }
}

/// The older goes first; of two of the same second, the one that comes first by name.
fn seniority(sandbox: &Sandbox) -> (Option<Timestamp>, String, String) {
    let created = sandbox.creation_timestamp().map(|time| time.0);
    (created, sandbox.namespace().unwrap_or_default(), sandbox.name_any())
}

/// A key from a uid, which is random: the same each time it is made, so that
/// two reconciliations in a row never give two keys.
fn made(uid: &str) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = xxh3_64(uid.as_bytes());
    (0..KEY_LENGTH)
        .map(|_| {
            let digit = usize::try_from(rest % 36).expect("below 36");
            rest /= 36;
            char::from(ALPHABET[digit])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sandbox(name: &str, second: u8, spec: Value, status: Value) -> Sandbox {
        let created = format!("2026-01-01T00:00:{second:02}Z");
        serde_json::from_value(json!({
            "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox",
            "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "creationTimestamp": created},
            "spec": spec, "status": status,
        }))
        .expect("a sandbox")
    }

    fn asking(name: &str, second: u8) -> Sandbox {
        sandbox(name, second, json!({"routingKey": "k"}), Value::Null)
    }

    #[test]
    fn the_spec_wins_over_the_status_and_that_over_a_made_key() {
        let status = json!({"routingKey": "had"});
        assert_eq!(wanted(&sandbox("a", 0, json!({"routingKey": "k"}), status.clone())), "k");
        assert_eq!(wanted(&sandbox("a", 0, json!({}), status)), "had");
        let made = wanted(&sandbox("a", 0, json!({}), Value::Null));
        assert_eq!(made.len(), KEY_LENGTH);
        assert!(made.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{made}");
        assert_eq!(made, wanted(&sandbox("a", 0, json!({}), Value::Null)));
        assert_ne!(made, wanted(&sandbox("b", 0, json!({}), Value::Null)));
    }

    #[track_caller]
    fn check_owner(all: &[Sandbox], owner: &str) {
        for sandbox in all {
            let claim = claim(sandbox, all);
            let expected = if sandbox.name_any() == owner {
                Claim::Owned("k".to_owned())
            } else {
                Claim::Taken { key: "k".to_owned(), namespace: "shop".to_owned(), name: owner.to_owned() }
            };
            assert_eq!(claim, expected, "{}", sandbox.name_any());
        }
    }

    #[test]
    fn the_older_has_the_key_and_of_equals_the_first_by_name() {
        check_owner(&[asking("b", 1), asking("c", 0), asking("a", 2)], "c");
        check_owner(&[asking("b", 1), asking("a", 1)], "a");
        let moved_on = sandbox("old", 0, json!({"routingKey": "other"}), json!({"routingKey": "k"}));
        assert_eq!(claim(&asking("new", 1), &[moved_on]), Claim::Owned("k".to_owned()));
    }

    #[test]
    fn one_that_is_being_deleted_has_no_key_any_more() {
        let mut leaving = asking("old", 0);
        leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
        assert_eq!(claim(&asking("new", 1), &[leaving]), Claim::Owned("k".to_owned()));
    }
}
