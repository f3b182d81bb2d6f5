//! Getting rid of an object whose stored value is damaged.
//!
//! The store deletes only what it can read, since a delete tells watches the
//! last state. So a stand-in is written first and deleted then. It bears a
//! deletionTimestamp: should the process die between the two, the next delete
//! takes it away, and until then nobody takes it for something to run.

use serde_json::{Value, json};
use spur_api::{Status, meta};
use spur_store::Expect;

use super::Request;
use crate::object;
use crate::served::Served;

/// Deletes an object that cannot be read; 404 where another was quicker.
pub(crate) async fn bury(
    request: &Request,
    namespace: Option<&str>,
    name: &str,
    is_dry_run: bool,
) -> Result<(), Status> {
    let (state, kind) = (&request.state, request.kind());
    // The stand-in replaces anything, so nothing sound may appear under the name
    // once it was found damaged. Only a burial can make room for that, and they
    // take turns.
    let _turn = state.burials().lock().await;
    match object::get(state, kind, namespace, name) {
        Ok(_) => return Err(Status::modified(kind.group(), kind.plural(), name)),
        Err(status) if !object::is_corrupt(&status) => return Err(status),
        Err(_) if is_dry_run => return Ok(()),
        Err(_) => {}
    }
    let unwritten = |error| object::unwritten(&error, kind, name);
    let key = object::key(kind, namespace, name);
    let bytes = object::encode(kind, &stand_in(kind, namespace, name));
    let revision = state.store.put(key.clone(), Expect::Any, bytes).await.map_err(unwritten)?;
    state.store.delete(key, Expect::Revision(revision), None).await.map_err(unwritten)?;
    tracing::warn!(
        kind = kind.kind(),
        object.name = name,
        "deleted {} `{name}`, whose stored value was damaged",
        kind.kind()
    );
    Ok(())
}

fn stand_in(kind: &Served, namespace: Option<&str>, name: &str) -> Value {
    let now = meta::now();
    let mut object = json!({
        "kind": kind.kind(),
        "apiVersion": kind.api_version(),
        "metadata": {
            "name": name,
            "uid": uuid::Uuid::new_v4().to_string(),
            "creationTimestamp": now,
            "deletionTimestamp": now,
            "deletionGracePeriodSeconds": 0,
        },
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}
