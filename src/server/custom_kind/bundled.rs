//! The kinds of bundled definitions. Start-up makes their names and nothing else.

use std::sync::{Arc, LazyLock, OnceLock};

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
            fingerprint: fingerprint(),
            retired: CancellationToken::new(),
            source: Source::Bundled(definition),
            columns: OnceLock::new(),
            storage_version: definition.storage_version.to_owned(),
            storage: None,
            compiled,
        }
    }
}

/// Changes when any bundled schema does. Made of the texts, so that nobody has to make a schema to
/// know whether it is another one.
pub(crate) fn fingerprint() -> u64 {
    static FINGERPRINT: LazyLock<u64> =
        LazyLock::new(|| xxhash_rust::xxh3::xxh3_64(bundled::texts().concat().as_bytes()));
    *FINGERPRINT
}

/// The columns of a bundled definition.
pub(super) fn columns(definition: &Definition) -> Vec<PrinterColumn> {
    let columns = definition.columns.iter().map(|column| {
        json!({"name": column.name, "type": column.type_, "jsonPath": column.path, "priority": column.priority})
    });
    PrinterColumn::all_of(&json!({"additionalPrinterColumns": columns.collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Vec<Arc<CustomKind>> {
        bundled::all().flat_map(CustomKind::all_of_bundled).collect()
    }

    #[test]
    fn nothing_is_made_of_a_schema_before_an_object_needs_it() {
        let kinds = kinds();
        let n_made = || kinds.iter().filter(|kind| kind.compiled.is_made()).count();
        assert!(kinds.iter().all(|kind| kind.columns.get().is_none()));
        assert_eq!(n_made(), 0);
        let service = |version: &str| {
            kinds.iter().find(|kind| kind.kind == "VirtualService" && kind.version == version)
        };
        let (new, old) = (service("v1").expect("a kind"), service("v1alpha3").expect("a kind"));
        let mut object = json!({"apiVersion": "networking.istio.io/v1", "spec": {"hosts": [], "x": 1}});
        new.make_served(&mut object);
        assert_eq!(object["spec"], json!({"hosts": []}));
        assert_eq!(n_made(), 3, "the versions share their schema");
        assert!(old.compiled.is_made());
    }

    #[test]
    fn every_schema_can_be_held_to() {
        for kind in kinds() {
            assert!(kind.schema().property("spec").is_some(), "{}", kind.definition);
            assert!(!kind.columns().is_empty(), "{}", kind.definition);
            assert!(kind.document()["properties"]["metadata"]["allOf"].is_array(), "{}", kind.definition);
        }
    }
}
