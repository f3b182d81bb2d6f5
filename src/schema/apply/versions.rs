//! One kind in several versions whose fields differ: a set of fields is read in the version of
//! the manager that owns it.
//!
//! Follows `merge/update.go` of structured-merge-diff: objects are converted, sets never are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::compare::{Comparison, compare};
use super::managed::Managed;
use crate::Schema;

/// How objects of a kind look in its other versions.
pub trait Versions {
    /// An object in another version, with the schema of that; `None` where there is no such
    /// version, or where it has the very same fields.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Schema<'_>, Value)>;
}

/// A kind as it is written: the version of the write, and the others.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    schema: Schema<'a>,
    others: Option<&'a dyn Versions>,
}

/// What a write has changed, as it looks in every version that somebody owns fields in.
pub(super) struct Changes {
    here: Comparison,
    elsewhere: BTreeMap<String, Comparison>,
}

// === impl Written ===

impl<'a> Written<'a> {
    /// A kind that has other versions with other fields.
    pub fn with_versions(schema: Schema<'a>, others: &'a dyn Versions) -> Self {
        Self { schema, others: Some(others) }
    }

    /// The schema of the version that is written in.
    pub(super) fn schema(&self) -> Schema<'a> {
        self.schema
    }

    /// An object of whichever version in another.
    pub(super) fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Cow<'v, Value> {
        self.see(object, api_version).1
    }

    /// An object of the version that is written in, in another, with the schema of that.
    pub(super) fn see<'v>(&self, object: &'v Value, api_version: &str) -> (Schema<'a>, Cow<'v, Value>) {
        let is_there = object.get("apiVersion").and_then(Value::as_str) == Some(api_version);
        let others = self.others.filter(|_| !is_there);
        match others.and_then(|others| others.convert(object, api_version)) {
            Some((schema, converted)) => (schema, Cow::Owned(converted)),
            None => (self.schema, Cow::Borrowed(object)),
        }
    }
}

impl<'a> From<Schema<'a>> for Written<'a> {
    fn from(schema: Schema<'a>) -> Self {
        Self { schema, others: None }
    }
}

// === impl Changes ===

impl Changes {
    /// Compares two objects in the version that is written in, and in those of the managers.
    pub(super) fn of(written: Written<'_>, (old, new): (&Value, &Value), managed: &Managed) -> Self {
        let versions = managed.0.values().map(|owned| &owned.api_version);
        let versions: BTreeSet<&String> = versions.filter(|_| written.others.is_some()).collect();
        let compared = |version: &String| {
            let (schema, new) = written.see(new, version);
            let (_, old) = written.see(old, version);
            (version.clone(), compare(schema, Some(&old), Some(&new)))
        };
        let elsewhere = versions.into_iter().map(compared).collect();
        Self { here: compare(written.schema, Some(old), Some(new)), elsewhere }
    }

    /// In the version that is written in, when nothing else is asked any more.
    pub(super) fn into_here(self) -> Comparison {
        self.here
    }

    /// In the version that is written in.
    pub(super) fn here(&self) -> &Comparison {
        &self.here
    }

    /// In another version.
    pub(super) fn at(&self, api_version: &str) -> &Comparison {
        self.elsewhere.get(api_version).unwrap_or(&self.here)
    }
}
