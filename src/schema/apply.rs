//! Server-side apply: who owns which field of an object, in `metadata.managedFields`.
//!
//! ```text
//!  applied ── extract ──► what the manager owns from now on
//!  live + applied ── merge ── remove (what it applied last and nobody applies now) ──► new
//!  live, new ── compare ──► added, modified: a conflict where another manager owns it, or taken
//! ```
//!
//! Follows structured-merge-diff (`merge/update.go`) and `k8s.io/apimachinery/pkg/util/
//! managedfields/internal`. Sets of fields are in the version of their manager; where versions of a
//! kind differ in their fields, objects are compared in each. Fields that an endpoint ignores (status on the object itself, all
//! but status on `/status`) are the caller's to take out of `applied`, or to keep as they were in
//! `new`, before it calls.

mod applying;
mod compare;
mod conflict;
mod element;
mod extract;
mod fields;
pub mod fields_v1;
mod last_applied;
mod managed;
mod merge;
mod remove;
mod shape;
mod versions;

use serde_json::{Map, Value};

use self::applying::Applying;
pub use self::compare::{Comparison, compare};
pub use self::conflict::{Conflict, Conflicts};
pub use self::element::{ElementError, PathElement, Scalar};
pub use self::extract::{ExtractError, extract};
pub use self::fields::FieldSet;
pub use self::managed::ManagedFieldsError;
use self::managed::{Managed, ManagerId, NEVER_OWNED, Owned, strip_entries};
pub use self::merge::merge;
use self::versions::Changes;
pub use self::versions::{Versions, Written};
use crate::equal::same;

/// Who writes, as one entry of `metadata.managedFields` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// `fieldManager`, 128 characters at most.
    pub name: String,
    /// How it writes.
    pub operation: Operation,
    /// The version that it writes in: `apps/v1`.
    pub api_version: String,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: String,
    /// Now, in RFC 3339 with whole seconds and `Z`: `2026-11-20T10:00:00Z`.
    pub time: String,
}

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Anything else.
    Update,
}

/// What to do where another manager owns a field that is applied with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse.
    Refuse,
    /// Take the field over (`force=true`).
    Force,
}

/// Why an apply or an update of ownership failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that were applied with other values; HTTP 409.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// The object cannot be applied at all; HTTP 400.
    #[error("{0}")]
    Malformed(String),
}

/// Who owns what was there before the first apply to an object without entries
/// (`skipnonapplied.go`).
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Applies `applied` to `live`, which is none where the object is to be made; returns the new
/// object with its `metadata.managedFields`.
///
/// What the manager applied last time and does not apply now goes, unless another manager owns it
/// too. An apply that changes nothing returns `live` as it is, times included.
///
/// # Errors
///
/// Conflicts, unless forced; or the object does not fit its schema, comes in another version
/// than the manager's, or carries `metadata.managedFields`.
pub fn apply<'a>(
    kind: impl Into<Written<'a>>,
    live: Option<&Value>,
    applied: &Value,
    manager: &Manager,
    on_conflict: OnConflict,
) -> Result<Value, ApplyError> {
    check_applied(applied, manager)?;
    let written = kind.into();
    let mut bare = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut managed = Managed::decode(&bare).map_err(|error| {
        ApplyError::Malformed(format!("failed to decode managed fields: {}", in_full(&error)))
    })?;
    strip_entries(&mut bare);
    if managed.0.is_empty() && live.is_some() {
        managed = owned_before(written, &bare, manager);
    }
    let applying = Applying { written, live: &bare, applied, manager };
    let (mut new, managed) = match applying.run(&managed, on_conflict) {
        Err(ApplyError::Conflicts(conflicts)) if manager.name == last_applied::KUBECTL => {
            applying.take_over_client_side(&managed, conflicts)?
        }
        outcome => outcome?,
    };
    if manager.name == last_applied::KUBECTL {
        last_applied::refresh(&mut new, applied);
    }
    managed.encode_into(&mut new);
    match live {
        Some(live) if same(&without_times(live), &without_times(&new)) => Ok(live.clone()),
        _ => Ok(new),
    }
}

/// Records who owns what after a write that is no apply: the manager owns what it changed, and
/// the owners before it no longer do. `live` is none where the object was made. Returns `new`
/// with its `metadata.managedFields`.
///
/// Entries that `new` itself brings are taken for the live ones, except on a subresource; an
/// empty list drops all. An object without entries is not tracked until it is applied to.
///
/// # Errors
///
/// `new` is no object.
pub fn update<'a>(
    kind: impl Into<Written<'a>>,
    live: Option<&Value>,
    new: Value,
    manager: &Manager,
) -> Result<Value, ApplyError> {
    if !new.is_object() {
        return Err(ApplyError::Malformed("the object to be written is no JSON object".to_owned()));
    }
    let mut managed = entries_before(live, &new, manager);
    let mut object = new;
    strip_entries(&mut object);
    if managed.0.is_empty() && live.is_some() {
        return Ok(object);
    }
    let mut bare = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    strip_entries(&mut bare);
    record_update(kind.into(), &mut managed, (&bare, &object), manager);
    managed.cap();
    managed.encode_into(&mut object);
    Ok(object)
}

// === impl Operation ===

impl Operation {
    /// The word in an entry.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

fn check_applied(applied: &Value, manager: &Manager) -> Result<(), ApplyError> {
    if !applied.is_object() {
        return Err(ApplyError::Malformed("the applied configuration is no JSON object".to_owned()));
    }
    let found = applied.get("apiVersion").and_then(Value::as_str).unwrap_or(&manager.api_version);
    if found != manager.api_version {
        return Err(ApplyError::Malformed(format!(
            "Incorrect version specified in apply patch. Specified patch version: {found}, expected: {}",
            manager.api_version
        )));
    }
    if managed::entries(applied).is_some_and(|entries| !entries.is_null()) {
        return Err(ApplyError::Malformed("metadata.managedFields must be nil".to_owned()));
    }
    Ok(())
}

/// The owners of an object that nobody has applied to yet: one for everything.
fn owned_before(written: Written<'_>, live: &Value, manager: &Manager) -> Managed {
    let mut managed = Managed::default();
    let before =
        Manager { name: BEFORE_FIRST_APPLY.to_owned(), operation: Operation::Update, ..manager.clone() };
    record_update(written, &mut managed, (&Value::Object(Map::new()), live), &before);
    managed
}

/// The entries that hold before an update (`decodeLiveOrNew`).
fn entries_before(live: Option<&Value>, new: &Value, manager: &Manager) -> Managed {
    let of_live = || live.and_then(|live| Managed::decode(live).ok()).unwrap_or_default();
    if !manager.subresource.is_empty() {
        return of_live();
    }
    if managed::is_reset(new) {
        return Managed::default();
    }
    match Managed::decode(new) {
        Ok(managed) if !managed.0.is_empty() => managed,
        Ok(_) | Err(_) => of_live(),
    }
}

/// Gives the manager what changed from `old` to `new` and takes it from the others.
fn record_update(
    written: Written<'_>,
    managed: &mut Managed,
    (old, new): (&Value, &Value),
    manager: &Manager,
) {
    let changes = Changes::of(written, (old, new), managed);
    managed.disown(&changes, None);
    // What has gone is not in the new object, so that nobody owns it.
    let fields = changes.into_here().into_changed().without(&NEVER_OWNED);
    if fields.is_empty() {
        return;
    }
    let owned = managed.0.entry(ManagerId::of(manager)).or_insert_with(|| Owned {
        fields: FieldSet::new(),
        api_version: manager.api_version.clone(),
        time: None,
    });
    owned.fields = std::mem::take(&mut owned.fields).with(fields);
    owned.time = Some(manager.time.clone());
}

fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Array(entries)) = object.pointer_mut("/metadata/managedFields") {
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.shift_remove("time");
        }
        // Their order follows their times.
        entries.sort_by_cached_key(Value::to_string);
    }
    object
}

fn in_full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", in_full(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
