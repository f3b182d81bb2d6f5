//! DELETE of a collection: each object that matches, one by one.

use spur_api::{Status, meta};
use tokio::time::Instant;

use super::delete_options::DeleteOptions;
use super::{Request, bury, came_between, delete, last_try, list};
use crate::answer::{self, Outcome};
use crate::object::{self, Found};
use crate::selection::Selection;

pub(crate) async fn delete_collection(request: &Request) -> Outcome {
    let kind = request.kind();
    let options = DeleteOptions::read(request)?;
    let selection = Selection::new(kind, &request.query)?;
    let page = list::read_page(request, &selection)?;
    for value in &page.items {
        let revision = object::revision(meta::resource_version(value))?;
        let found = Found { value: value.clone(), revision, is_current: true };
        unless_gone(until_done(request, &options, &selection, found).await)?;
    }
    // Whether a damaged object matches a selector cannot be known.
    if selection.is_everything() {
        for key in &page.corrupt {
            unless_gone(bury::bury(request, key.namespace.as_deref(), &key.name, options.is_dry_run).await)?;
        }
    }
    let metadata = page.metadata();
    Ok(answer::ok(&list::as_list(&kind.list_kind(), &kind.api_version(), metadata, page.items)))
}

/// Deletes an object, again when a write came between and it is still meant.
async fn until_done(
    request: &Request,
    options: &DeleteOptions,
    selection: &Selection,
    mut found: Found,
) -> Result<(), Status> {
    let last_try = last_try();
    loop {
        match delete::once_as_read(request, options, &found).await {
            Err(status) if came_between(&status) && Instant::now() < last_try => {}
            outcome => return outcome,
        }
        let (namespace, name) = (meta::namespace(&found.value), meta::name(&found.value));
        found = object::get(&request.state, request.kind(), Some(namespace), name)?;
        if !selection.matches(&found.value) {
            return Ok(());
        }
    }
}

fn unless_gone(outcome: Result<(), Status>) -> Result<(), Status> {
    match outcome {
        Err(status) if status.code == 404 => Ok(()),
        outcome => outcome,
    }
}
