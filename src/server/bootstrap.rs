//! The objects that are there from the first start.

use serde_json::{Value, json};
use spur_api::meta;
use spur_store::{Expect, Store, WriteError};

use crate::served::Served;
use crate::{object, pipeline};

/// Namespaces every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// A first object that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make namespace `{name}`")]
pub struct BootstrapError {
    /// The object.
    pub name: String,
    /// What the store said.
    #[source]
    pub source: WriteError,
}

/// Makes the first namespaces where they are missing.
///
/// # Errors
/// When the store does not take a write.
pub async fn bootstrap(store: &Store) -> Result<(), BootstrapError> {
    let kind = Served::bundled("", "v1", "namespaces");
    for name in NAMESPACES {
        let mut namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
        pipeline::prepare_create(&kind, &mut namespace);
        match put(store, &kind, &namespace).await {
            Ok(()) | Err(WriteError::Exists { .. }) => {}
            Err(source) => return Err(BootstrapError { name: name.to_owned(), source }),
        }
    }
    Ok(())
}

async fn put(store: &Store, kind: &Served, value: &Value) -> Result<(), WriteError> {
    let key = object::key(kind, None, meta::name(value));
    store.put(key, Expect::Absent, object::encode(kind, value)).await.map(|_| ())
}
