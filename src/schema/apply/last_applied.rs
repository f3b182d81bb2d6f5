//! Objects that kubectl applied on its own side before: their annotation says what was applied.
//!
//! Follows `k8s.io/apimachinery/pkg/util/managedfields/internal` (lastappliedmanager.go,
//! lastappliedupdater.go, lastapplied.go). Only the manager `kubectl` is treated so; other
//! appliers opt out by their name.

use serde_json::{Value, json};

use super::compare::compare;
use super::extract::extract;
use super::fields::FieldSet;
use super::managed::strip_entries;
use crate::Schema;

/// Where kubectl keeps what it applied (`LastAppliedConfigAnnotation`).
pub(super) const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager that is treated so.
pub(super) const KUBECTL: &str = "kubectl";

/// All annotations of an object together may have this many bytes
/// (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`, TotalAnnotationSizeLimitB).
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// The fields that kubectl applied on its own side and that are still as it applied them:
/// taking those over is no conflict. None where the annotation is not there or not readable.
pub(super) fn still_as_applied(schema: Schema<'_>, live: &Value, api_version: &str) -> Option<FieldSet> {
    let text = annotation(live)?;
    let last = crate::decode::json(text.as_bytes()).ok()?.value;
    if last.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
        return None;
    }
    let fields = extract(schema, &last).ok()?;
    let changes = compare(schema, Some(&last), Some(live));
    Some(fields.difference(&changes.modified).difference(&changes.added).difference(&changes.removed))
}

/// Keeps the annotation of an object that has one in step with what was applied now, so that
/// one may go back to applying on the client's side.
pub(super) fn refresh(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    strip_entries(&mut applied);
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.shift_remove(ANNOTATION);
    }
    // Like kubectl's own, with a line end.
    let text = format!("{applied}\n");
    let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") else { return };
    annotations.insert(ANNOTATION.to_owned(), json!(text));
    let n_bytes: usize =
        annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if n_bytes > ANNOTATIONS_BYTES_MAX {
        annotations.shift_remove(ANNOTATION);
    }
}

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}
