//! Kinds whose versions differ in their fields: who owns what is looked up in the version that
//! they wrote in.

use serde_json::Value;
use spur_api::{Kind, REGISTRY, definitions, meta};
use spur_schema::Schema;
use spur_schema::apply::{Versions, Written};

use crate::served::Served;

// === impl Served ===

impl Served {
    /// The kind as server-side apply writes it.
    pub(crate) fn written(&self) -> Written<'_> {
        match self {
            Self::Bundled(kind) if rows_of(kind).nth(1).is_some() => {
                Written::with_versions(self.schema(), self)
            }
            // Versions of a definition are one shape under several names: they convert by their name alone.
            Self::Bundled(_) | Self::Custom(_) => self.schema().into(),
        }
    }
}

impl Versions for Served {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Schema<'_>, Value)> {
        let Self::Bundled(kind) = self else { return None };
        let row = |version: &str| rows_of(kind).find(|row| row.api_version() == version);
        let (from, to) = (row(meta::text(object, "/apiVersion"))?, row(api_version)?);
        let mut converted = object.clone();
        from.reshape(&mut converted, to);
        Some((definitions::schemas().get(to.definition)?, converted))
    }
}

/// All rows that share the objects of one.
fn rows_of(kind: &'static Kind) -> impl Iterator<Item = &'static Kind> {
    let stored = |row: &Kind| (row.stored().group, row.stored().version, row.stored().plural);
    REGISTRY.iter().filter(move |row| stored(row) == stored(kind))
}
