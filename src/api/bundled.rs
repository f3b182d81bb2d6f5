//! Kinds that are served as if their CustomResourceDefinitions had been applied: those of Istio
//! and of Gateway API.
//!
//! ```text
//!  DEFINITIONS ──► Definition { names, versions, columns }      rows; all that start-up needs
//!                      │ schema(), at first use
//!                      ▼
//!  istio.txt, gateway.txt ── language ──► openAPIV3Schema       types, limits, rules, written once
//! ```
//!
//! They follow their schema to the letter and nothing else. How they are served, and that a user's
//! definition takes their place, is the server's business.

mod constraints;
mod gateway;
mod istio;
mod language;

use serde_json::Value;

use self::language::Source;
use crate::registry::Scope;

/// A kind in all its versions, which share one schema.
#[derive(Debug)]
pub struct Definition {
    /// API group.
    pub group: &'static str,
    /// `VirtualService`.
    pub kind: &'static str,
    /// `virtualservices`, as it stands in paths.
    pub plural: &'static str,
    /// `virtualservice`, as people type it.
    pub singular: &'static str,
    /// `vs`.
    pub short_names: &'static [&'static str],
    /// The groups of kinds that `kubectl get` knows it by.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub scope: Scope,
    /// The versions that are served, the best first.
    pub versions: &'static [&'static str],
    /// The version that objects are stored in.
    pub storage_version: &'static str,
    /// Whether `status` is written under `/status` only.
    pub has_status: bool,
    /// Columns of the `Table` after `Name`; without any it shows the age.
    pub columns: &'static [Column],
    /// What acts on the objects, for the documentation; empty where they are stored and served only.
    pub acted_on_by: &'static str,
    text: &'static str,
}

/// A column of the `Table`.
#[derive(Debug)]
pub struct Column {
    /// Header.
    pub name: &'static str,
    /// `string` or `date`.
    pub type_: &'static str,
    /// Where its cells are found, as a JSON path.
    pub path: &'static str,
    /// 0 always shown, 1 only with `-o wide`.
    pub priority: u8,
}

/// Every bundled definition.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    istio::DEFINITIONS.iter().chain(gateway::DEFINITIONS)
}

/// What all the schemas are made from: they change with it, and only with it or this code.
pub fn texts() -> [&'static str; 2] {
    [istio::TEXT, gateway::TEXT]
}

// === impl Definition ===

impl Definition {
    /// `virtualservices.networking.istio.io`, as a definition of the user would be called.
    pub fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// The `openAPIV3Schema`, made anew.
    ///
    /// # Panics
    /// Never: a test makes every one.
    pub fn schema(&self) -> Value {
        Source::read(self.text).schema(self.kind)
    }
}

// === impl Column ===

impl Column {
    const AGE: Self = Self::new("Age", "date", ".metadata.creationTimestamp");

    const fn text(name: &'static str, path: &'static str) -> Self {
        Self::new(name, "string", path)
    }

    const fn new(name: &'static str, type_: &'static str, path: &'static str) -> Self {
        Self { name, type_, path, priority: 0 }
    }
}

#[cfg(test)]
mod tests;
