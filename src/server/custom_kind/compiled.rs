//! A schema that objects are held to, compiled when the first object needs it: at start there may
//! be hundreds.

use std::sync::OnceLock;

use serde_json::{Value, json};
use spur_api::{bundled, definitions};
use spur_schema::{CompileError, Schema, Schemas};

/// The schema of one version, or of several that share it.
#[derive(Debug)]
pub(super) struct Compiled {
    source: Source,
    schemas: OnceLock<Schemas>,
}

#[derive(Debug)]
enum Source {
    /// A whole object's document.
    Document(Value),
    /// What makes it, so that nothing of it is kept but the schema.
    Bundled(&'static bundled::Definition),
}

/// The name of a custom kind's schema among its [`Schemas`].
const ROOT: &str = "CustomResource";

// === impl Compiled ===

impl Compiled {
    /// Of a version of the user's definition.
    pub(super) fn of_version(version: &Value) -> Self {
        Self::new(Source::Document(spur_schema::custom_resource(&version["schema"]["openAPIV3Schema"])))
    }

    /// Of all versions of a bundled definition.
    pub(super) fn of_bundled(definition: &'static bundled::Definition) -> Self {
        Self::new(Source::Bundled(definition))
    }

    fn new(source: Source) -> Self {
        Self { source, schemas: OnceLock::new() }
    }

    #[cfg(test)]
    pub(super) fn is_made(&self) -> bool {
        self.schemas.get().is_some()
    }

    pub(super) fn schema(&self) -> Schema<'_> {
        let schemas = self.schemas.get_or_init(|| match &self.source {
            Source::Bundled(bundled) => compile(&spur_schema::custom_resource(&bundled.schema()))
                .expect("a test compiles every bundled schema"),
            Source::Document(document) => compile(document).unwrap_or_else(|error| {
                // Validation compiles every schema, so that this one was written by another build.
                // Objects keep all they have until somebody mends the definition.
                tracing::error!(%error, "a schema cannot be compiled and holds nobody to anything: {error}");
                let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
                compile(&spur_schema::custom_resource(&open)).expect("a schema of our own compiles")
            }),
        });
        schemas.get(ROOT).expect("compiled under this name")
    }
}

fn compile(document: &Value) -> Result<Schemas, CompileError> {
    let mut all = definitions::metadata().clone();
    all.insert(ROOT.to_owned(), document.clone());
    Schemas::compile(&all)
}
