//! One apply: merge, prune, see who loses what.
//!
//! Follows `merge/update.go` of structured-merge-diff. Reading and writing the entries is left to
//! `managed`, what kubectl applied on its own side to `last_applied`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::conflict::Conflicts;
use super::extract::{extract, extract_stored};
use super::fields::FieldSet;
use super::managed::{Managed, ManagerId, NEVER_OWNED, Owned};
use super::merge::merge;
use super::remove::remove;
use super::versions::{Changes, Written};
use super::{ApplyError, Manager, OnConflict, last_applied};

/// One apply at work.
pub(super) struct Applying<'a> {
    pub(super) written: Written<'a>,
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
        let schema = self.written.schema();
        let fields =
            extract(schema, self.applied).map_err(|error| ApplyError::Malformed(error.to_string()))?;
        let last = before.0.get(&id);
        let mut managed = before.clone();
        let owned = Owned { fields, api_version: self.manager.api_version.clone(), time: None };
        managed.0.insert(id.clone(), owned);

        let merged = merge(schema, self.live, self.applied);
        let new = match last {
            Some(last) => self.prune(merged, &managed, last),
            None => merged,
        };
        let changes = Changes::of(self.written, (self.live, &new), &managed);
        let lost = lost_fields(&managed, &changes, &id);
        if on_conflict == OnConflict::Refuse && !lost.is_empty() {
            return Err(ApplyError::Conflicts(Conflicts::of(&lost)));
        }
        managed.disown(&changes, Some(&id));
        if let Some(owned) = managed.0.get_mut(&id) {
            owned.fields = std::mem::take(&mut owned.fields).without(&NEVER_OWNED);
            let is_same = |last: &Owned| {
                (&last.fields, &last.api_version) == (&owned.fields, &owned.api_version)
                    && changes.here().is_empty()
            };
            owned.time = match last.filter(|last| is_same(last)) {
                Some(last) => last.time.clone(),
                None => Some(self.manager.time.clone()),
            };
        }
        managed.0.retain(|_, owned| !owned.fields.is_empty());
        Ok((new, managed))
    }

    /// Removes what the manager applied last time, unless somebody (itself included) owns it now.
    /// `Updater.prune` upstream.
    fn prune(&self, merged: Value, managed: &Managed, last: &Owned) -> Value {
        let (schema, there) = self.written.see(&merged, &last.api_version);
        let pruned = remove(schema, &there, &last.fields.with_named_fields(Some(schema)));
        let pruned = self.add_back_owned(&merged, pruned, managed, &last.api_version);
        let pruned = self.written.convert(&pruned, &last.api_version);
        let named = |set: &FieldSet| set.with_named_fields(Some(schema));
        let fields_of = |value: &Value| named(&extract_stored(schema, value));
        let gone = fields_of(&there).difference(&fields_of(&pruned)).intersection(&named(&last.fields));
        // Upstream removes here what has become empty, although it may be applied as such.
        let owned_now = owned_at(managed, &last.api_version);
        let pruned = remove(schema, &there, &gone.difference(&named(&owned_now)));
        self.written.convert(&pruned, &self.manager.api_version).into_owned()
    }

    /// What was pruned, with what somebody owns. `Updater.addBackOwnedItems` upstream.
    fn add_back_owned(&self, merged: &Value, mut pruned: Value, managed: &Managed, of_last: &str) -> Value {
        let owners = managed.0.values().map(|owned| owned.api_version.as_str());
        let versions: BTreeSet<&str> = owners.chain([of_last]).collect();
        for version in versions {
            let (schema, there) = self.written.see(merged, version);
            let named = |set: &FieldSet| set.with_named_fields(Some(schema));
            let fields_of = |value: &Value| named(&extract_stored(schema, value));
            let kept = fields_of(&self.written.convert(&pruned, version));
            let kept = kept.union(&named(&owned_at(managed, version)));
            pruned = remove(schema, &there, &fields_of(&there).difference(&kept));
        }
        pruned
    }

    /// Applies by force where every conflict is about a field that kubectl itself applied on
    /// the client's side.
    pub(super) fn take_over_client_side(
        &self,
        before: &Managed,
        conflicts: Conflicts,
    ) -> Result<(Value, Managed), ApplyError> {
        let allowed =
            last_applied::still_as_applied(self.written.schema(), self.live, &self.manager.api_version);
        let left = conflicts.without(&allowed.unwrap_or_default());
        if left.causes.is_empty() {
            self.run(before, OnConflict::Force)
        } else {
            Err(ApplyError::Conflicts(left))
        }
    }
}

/// What each other manager owns of the changed fields.
fn lost_fields(managed: &Managed, changes: &Changes, own: &ManagerId) -> BTreeMap<ManagerId, FieldSet> {
    let others = managed.0.iter().filter(|(id, _)| *id != own);
    let lost = others.map(|(id, owned)| {
        let changed = changes.at(&owned.api_version).changed();
        (id.clone(), owned.fields.intersection(&changed))
    });
    lost.filter(|(_, fields)| !fields.is_empty()).collect()
}

/// All that is owned in a version.
fn owned_at(managed: &Managed, api_version: &str) -> FieldSet {
    let owned = managed.0.values().filter(|owned| owned.api_version == api_version);
    owned.fold(FieldSet::new(), |all, owned| all.union(&owned.fields))
}
