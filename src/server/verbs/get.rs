//! GET of one object.

use http::StatusCode;
use spur_api::Status;

use super::Request;
use crate::answer::{self, Outcome};
use crate::negotiate::{self, Form};
use crate::splice::Splice;
use crate::{object, table};

pub(crate) async fn get(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    wait_for_revision(request).await?;
    table::check_include(form, &request.query.include_object)?;
    let (kind, name) = (request.kind(), request.target.object_name());
    let stored = object::stored(&request.state, kind, request.namespace(), name)?;
    if form == Form::Whole
        && let Some(sent) = Splice::new(kind).object(&stored.value, stored.revision)
    {
        return Ok(answer::typed(StatusCode::OK, "application/json", sent));
    }
    let found = object::found(kind, &stored)?;
    Ok(answer::ok(&match form {
        Form::Whole => found.value,
        Form::Metadata => table::metadata_only(&found.value),
        Form::Table => table::of_object(kind, &found.value, &request.query.include_object),
    }))
}

/// A read at a revision that is not there yet waits for it, up to 3 s
/// (`apiserver/pkg/storage/cacher`: `blockTimeout`).
pub(crate) async fn wait_for_revision(request: &Request) -> Result<(), Status> {
    let text = &request.query.resource_version;
    if text.is_empty() {
        return Ok(());
    }
    let revision = object::revision(text)?;
    if revision <= request.state.store.revision() {
        return Ok(());
    }
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
    let waited = request.state.store.wait_for(revision, deadline).await;
    waited.map_err(|_| Status::too_large_resource_version(revision.0, request.state.store.revision().0))
}
