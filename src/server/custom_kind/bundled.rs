//! The kinds of bundled definitions. Start-up makes their names and nothing else.

use std::sync::{Arc, OnceLock};

use serde_json::json;
use spur_api::Subresource;
use spur_api::bundled::{self, Definition};
use tokio_util::sync::CancellationToken;

use super::{Compiled, CustomKind, PrinterColumn, ScalePaths, Source, definition_name};

// === impl CustomKind ===

impl CustomKind {
    /// The versions of a bundled definition.
    pub(crate) fn all_of_bundled(definition: &'static Definition) -> Vec<Arc<Self>> {
        // The versions share one schema, so that no version is stored otherwise than it is written.
        let compiled = Arc::new(Compiled::of_bundled(definition));
        let versions = definition.versions.iter();
        versions.map(|version| Arc::new(Self::bundled(definition, version, compiled.clone()))).collect()
    }

    fn bundled(definition: &'static Definition, version: &str, compiled: Arc<Compiled>) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            group: definition.group.to_owned(),
            version: version.to_owned(),
            kind: definition.kind.to_owned(),
            list_kind: format!("{}List", definition.kind),
            plural: definition.plural.to_owned(),
            singular: definition.singular.to_owned(),
            short_names: owned(definition.short_names),
            categories: owned(definition.categories),
            scope: definition.scope,
            subresources: if definition.has_status { vec![Subresource::Status] } else { Vec::new() },
            is_served: true,
            definition: definition_name(definition.group, version, definition.kind),
            fields: Vec::new(),
            scale: ScalePaths::default(),
            deprecation: None,
            fingerprint: bundled::fingerprint(),
            retired: CancellationToken::new(),
            source: Source::Bundled(definition),
            columns: OnceLock::new(),
            storage_version: definition.storage_version.to_owned(),
            storage: None,
            compiled,
        }
    }
}

/// The columns of a bundled definition.
pub(super) fn columns(definition: &Definition) -> Vec<PrinterColumn> {
    let columns = definition.columns.iter().map(|column| {
        json!({"name": column.name, "type": column.type_, "jsonPath": column.path, "priority": column.priority})
    });
    PrinterColumn::all_of(&json!({"additionalPrinterColumns": columns.collect::<Vec<_>>()}))
}
