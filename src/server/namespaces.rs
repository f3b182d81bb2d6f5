//! Objects are made only in namespaces that exist and are not being deleted.
//!
//! Source: `apiserver/pkg/admission/plugin/namespace/lifecycle`.

use spur_api::status::Cause;
use spur_api::{Status, meta};

use crate::object;
use crate::path::Target;
use crate::served::Served;
use crate::state::State;

/// Stands in every object that is going away.
const DELETED: &[u8] = b"\"deletionTimestamp\"";

/// Refuses to make an object in a namespace that is missing or going away.
pub(crate) fn admit_create(state: &State, target: &Target, name: &str) -> Result<(), Status> {
    let Some(namespace) = target.namespace.as_deref() else { return Ok(()) };
    let kind = Served::bundled("", "v1", "namespaces");
    let stored = object::stored(state, &kind, None, namespace)?;
    // Nearly always the text alone tells, and every create asks.
    let may_be_deleting = memchr::memmem::find(&stored.value, DELETED).is_some();
    if !may_be_deleting || !meta::is_deleting(&object::found(&kind, &stored)?.value) {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(target.kind.group(), target.kind.plural(), name, &why);
    status.details.causes.push(Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    });
    Err(status)
}

/// Namespaces that are always there (`lifecycle` plugin: `immortalNamespaces`).
pub(crate) const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];
