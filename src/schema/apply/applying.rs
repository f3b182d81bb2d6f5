//! One apply: merge, prune, see who loses what.
//!
//! Follows `merge/update.go` of structured-merge-diff. Reading and writing the entries is left to
//! `managed`, what kubectl applied on its own side to `last_applied`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::compare;
use super::conflict::Conflicts;
use super::extract::{extract, extract_stored};
use super::fields::FieldSet;
use super::managed::{Managed, ManagerId, Owned, never_owned};
use super::merge::merge;
use super::remove::remove;
use super::{ApplyError, Manager, OnConflict, last_applied};
use crate::Schema;

/// One apply at work.
pub(super) struct Applying<'a> {
    pub(super) schema: Schema<'a>,
    /// Without its entries.
    pub(super) live: &'a Value,
    pub(super) applied: &'a Value,
    pub(super) manager: &'a Manager,
}

// === impl Applying ===

impl Applying<'_> {
    /// The new object, without its entries, and who owns it. `Updater.Apply` upstream.
    pub(super) fn run(
        &self,
        before: &Managed,
        on_conflict: OnConflict,
    ) -> Result<(Value, Managed), ApplyError> {
        let id = ManagerId::of(self.manager);
        let fields =
            extract(self.schema, self.applied).map_err(|error| ApplyError::Malformed(error.to_string()))?;
        let last = before.0.get(&id).map(|owned| owned.fields.clone()).unwrap_or_default();
        let last_time = before.0.get(&id).and_then(|owned| owned.time.clone());
        let mut managed = before.clone();
        let owned = Owned { fields, api_version: self.manager.api_version.clone(), time: None };
        managed.0.insert(id.clone(), owned);

        let merged = merge(self.schema, self.live, self.applied);
        let new = self.prune(merged, &managed, &last);
        let changes = compare(self.schema, Some(self.live), Some(&new));
        let changed = changes.changed();
        let lost = lost_fields(&managed, &changed, &id);
        if on_conflict == OnConflict::Refuse && !lost.is_empty() {
            return Err(ApplyError::Conflicts(Conflicts::of(&lost)));
        }
        managed.disown(&changed, Some(&id));
        managed.disown(&changes.removed, Some(&id));
        if let Some(owned) = managed.0.get_mut(&id) {
            owned.fields = owned.fields.difference(&never_owned());
            let is_new = last != owned.fields || !changes.is_empty();
            owned.time = if is_new { Some(self.manager.time.clone()) } else { last_time };
        }
        managed.0.retain(|_, owned| !owned.fields.is_empty());
        Ok((new, managed))
    }

    /// Removes what the manager applied last time, unless somebody (itself included) owns it now.
    /// `Updater.prune` upstream.
    fn prune(&self, merged: Value, managed: &Managed, last: &FieldSet) -> Value {
        if last.is_empty() {
            return merged;
        }
        let schema = self.schema;
        let named = |set: &FieldSet| set.with_named_fields(Some(schema));
        let fields_of = |value: &Value| named(&extract_stored(schema, value));
        let owned_now = managed.0.values().fold(FieldSet::new(), |all, owned| all.union(&owned.fields));
        let all = fields_of(&merged);

        let pruned = remove(schema, &merged, &named(last));
        let owned_now = named(&owned_now);
        let kept = fields_of(&pruned).union(&owned_now);
        let pruned = remove(schema, &merged, &all.difference(&kept));
        let gone = all.difference(&fields_of(&pruned)).intersection(&named(last));
        // Upstream removes here what has become empty, although it may be applied as such.
        remove(schema, &merged, &gone.difference(&owned_now))
    }

    /// Applies by force where every conflict is about a field that kubectl itself applied on
    /// the client's side.
    pub(super) fn take_over_client_side(
        &self,
        before: &Managed,
        conflicts: Conflicts,
    ) -> Result<(Value, Managed), ApplyError> {
        let allowed = last_applied::still_as_applied(self.schema, self.live, &self.manager.api_version);
        let left = conflicts.without(&allowed.unwrap_or_default());
        if left.causes.is_empty() {
            self.run(before, OnConflict::Force)
        } else {
            Err(ApplyError::Conflicts(left))
        }
    }
}

/// What each other manager owns of the changed fields.
fn lost_fields(managed: &Managed, changed: &FieldSet, own: &ManagerId) -> BTreeMap<ManagerId, FieldSet> {
    let others = managed.0.iter().filter(|(id, _)| *id != own);
    let lost = others.map(|(id, owned)| (id.clone(), owned.fields.intersection(changed)));
    lost.filter(|(_, fields)| !fields.is_empty()).collect()
}
