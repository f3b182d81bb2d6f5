//! Makes objects what they are wanted to be, and removes what is not wanted.
//!
//! An object is created where it is missing and replaced, at the version that
//! was seen, where it differs. So neither an object of somebody else nor one
//! that was changed in between is ever overwritten.

use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams, Preconditions};
use serde_json::{Value, json};
use spur_api::meta;
use xxhash_rust::xxh3::xxh3_64;

use crate::owner;

/// On an object: a hash of what was wanted when it was last written. It tells
/// that a field is not wanted any more, which the object alone cannot.
const WANTED: &str = "spur.dev/wanted";

/// Why an object is not what it is wanted to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnsureError {
    /// The name is taken.
    #[error("{kind} `{name}` exists already and is not this sandbox's; hint: rename it or the sandbox")]
    Foreign {
        /// `Deployment` or `Service`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The last one of this name is still going away.
    #[error("{kind} `{name}` is being deleted")]
    Leaving {
        /// `Deployment` or `Service`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API does not take it as it is.
    #[error("{0}")]
    Refused(String),
    /// The API could not be asked, or somebody else wrote in between.
    #[error(transparent)]
    Api(kube::Error),
}

/// Makes an object what it is wanted to be, and returns it as it is then.
pub(super) async fn ensure(
    api: &Api<DynamicObject>,
    wanted: &Value,
    found: Option<&DynamicObject>,
    owner_uid: &str,
) -> Result<DynamicObject, EnsureError> {
    let wanted = marked(wanted);
    if let Some(found) = found {
        return update(api, wanted, found, owner_uid).await;
    }
    let object: DynamicObject = serde_json::from_value(wanted.clone()).map_err(kube::Error::SerdeError)?;
    match api.create(&writer(), &object).await {
        // Somebody else's, or our own that is not in the cache yet.
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            let found = api.get(meta::name(&wanted)).await?;
            update(api, wanted, &found, owner_uid).await
        }
        outcome => Ok(outcome?),
    }
}

/// Deletes this very object; that it is gone already is as good.
pub(super) async fn remove(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<(), EnsureError> {
    let preconditions = Preconditions { uid: object.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(&object.name_any(), &params).await {
        // 404: gone. 409: gone, and another of that name is there.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        outcome => Ok(outcome.map(|_| ())?),
    }
}

async fn update(
    api: &Api<DynamicObject>,
    wanted: Value,
    found: &DynamicObject,
    owner_uid: &str,
) -> Result<DynamicObject, EnsureError> {
    let (kind, name) = (meta::text(&wanted, "/kind").to_owned(), found.name_any());
    if !owner::is_controlled_by(&found.metadata, owner_uid) {
        return Err(EnsureError::Foreign { kind, name });
    }
    if found.metadata.deletion_timestamp.is_some() {
        return Err(EnsureError::Leaving { kind, name });
    }
    let there = serde_json::to_value(found).map_err(kube::Error::SerdeError)?;
    if holds(&there, &wanted) {
        return Ok(found.clone());
    }
    let object = serde_json::from_value(replaced(there, wanted)).map_err(kube::Error::SerdeError)?;
    Ok(api.replace(&name, &writer(), &object).await?)
}

fn writer() -> PostParams {
    PostParams { dry_run: false, field_manager: Some("spur-sandbox".to_owned()) }
}

/// The wanted object with the hash of itself.
fn marked(wanted: &Value) -> Value {
    let bytes = serde_json::to_vec(wanted).expect("a JSON value can always be written");
    let hash = format!("{:016x}", xxh3_64(&bytes));
    let mut marked = wanted.clone();
    let annotations = meta::metadata_mut(&mut marked).entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(WANTED.to_owned(), json!(hash));
    }
    marked
}

/// What is there, with what is wanted in place of it; annotations of others
/// stay, and so does what the server has set.
fn replaced(mut there: Value, mut wanted: Value) -> Value {
    let metadata = meta::metadata_mut(&mut there);
    for (field, value) in std::mem::take(meta::metadata_mut(&mut wanted)) {
        match (field.as_str(), value) {
            ("annotations", Value::Object(annotations)) => {
                if !metadata.get("annotations").is_some_and(Value::is_object) {
                    metadata.insert(field.clone(), json!({}));
                }
                let kept = metadata.get_mut("annotations").and_then(Value::as_object_mut);
                kept.expect("made a map just above").extend(annotations);
            }
            (_, value) => {
                metadata.insert(field, value);
            }
        }
    }
    if let (Some(there), Some(spec)) = (there.as_object_mut(), wanted.get_mut("spec")) {
        there.insert("spec".to_owned(), spec.take());
    }
    there
}

/// Whether everything that is wanted is there; defaults and other people's
/// additions may be there too.
fn holds(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => wanted.iter().all(|(field, wanted)| {
            wanted.is_null() || there.get(field).is_some_and(|there| holds(there, wanted))
        }),
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() == wanted.len()
                && there.iter().zip(wanted).all(|(there, wanted)| holds(there, wanted))
        }
        (there, wanted) => there == wanted,
    }
}

// === impl EnsureError ===

impl EnsureError {
    /// Whether trying again may help, without anybody changing anything.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Leaving { .. } | Self::Api(_) => true,
            Self::Foreign { .. } | Self::Refused(_) => false,
        }
    }
}

impl From<kube::Error> for EnsureError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
                Self::Refused(status.message)
            }
            // Metadata of a wrong shape, which a patch may have made.
            kube::Error::SerdeError(error) => Self::Refused(error.to_string()),
            error => Self::Api(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_additions_of_others_are_no_difference() {
        let wanted = json!({"a": {"b": 1, "none": null}, "list": [{"x": 1}]});
        assert!(holds(&json!({"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}]}), &wanted));
        assert!(!holds(&json!({"a": {"b": 2}, "list": [{"x": 1}]}), &wanted));
        assert!(!holds(&json!({"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}]}), &wanted));
        assert!(!holds(&json!({"a": {"b": 1}}), &wanted));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_a_difference() {
        let (before, after) =
            (marked(&json!({"spec": {"a": 1, "b": 2}})), marked(&json!({"spec": {"a": 1}})));
        assert!(holds(&before, &before));
        assert!(!holds(&before, &after));
    }

    #[test]
    fn replacing_keeps_what_others_wrote() {
        let there = json!({
            "metadata": {"name": "a", "resourceVersion": "5", "labels": {"old": "1"}, "annotations": {"theirs": "1"}},
            "spec": {"gone": true}, "status": {"x": 1},
        });
        let wanted =
            json!({"metadata": {"labels": {"new": "1"}, "annotations": {"ours": "1"}}, "spec": {"b": 1}});
        let expected = json!({
            "metadata": {
                "name": "a", "resourceVersion": "5", "labels": {"new": "1"},
                "annotations": {"theirs": "1", "ours": "1"},
            },
            "spec": {"b": 1}, "status": {"x": 1},
        });
        assert_eq!(replaced(there, wanted), expected);
    }
}
