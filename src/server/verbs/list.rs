//! GET of a collection: consistent pages at one revision.
//!
//! Source: `apiserver/pkg/storage/etcd3/store.go`, `GetList`.

use http::StatusCode;
use serde_json::{Map, Value, json};
use spur_api::Status;
use spur_store::{Key, ListRange, Listing, Revision, Stored};

use super::Request;
use super::get::wait_for_revision;
use crate::answer::{self, Outcome};
use crate::negotiate::{self, Form};
use crate::selection::Selection;
use crate::splice::Splice;
use crate::{object, table};

/// Where a list goes on: the revision of its first page and the last key given.
#[derive(Debug, PartialEq)]
struct Continue {
    /// `None` for what is there now: the first page's state is forgotten.
    revision: Option<Revision>,
    namespace: String,
    name: String,
}

/// The objects of one page, as values or as the bytes that are sent.
#[derive(Debug)]
pub(crate) struct Page<T = Value> {
    pub(crate) items: Vec<T>,
    pub(crate) revision: Revision,
    continue_token: String,
    remaining: Option<u64>,
    /// Objects that would be in the page if their stored values were sound.
    pub(crate) corrupt: Vec<Key>,
}

pub(crate) async fn list(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    table::check_include(form, &request.query.include_object)?;
    let selection = Selection::new(request.kind(), &request.query)?;
    check_versions(request)?;
    wait_for_revision(request).await?;
    if form == Form::Whole {
        let page = read_page_as_sent(request, &selection)?;
        let (list_kind, api_version) = (request.kind().list_kind(), request.kind().api_version());
        let head = json!({"kind": list_kind, "apiVersion": api_version, "metadata": page.metadata()});
        let left_out = page.left_out();
        let mut answer = answer::typed(StatusCode::OK, "application/json", with_items(&head, page.items));
        answer::warn(&mut answer, left_out.as_slice());
        return Ok(answer);
    }
    let page = read_page(request, &selection)?;
    let metadata = page.metadata();
    let left_out = page.left_out();
    let mut answer = answer::ok(&in_form(form, request, metadata, page.items));
    answer::warn(&mut answer, left_out.as_slice());
    Ok(answer)
}

/// A JSON object with one field more: `items`.
fn with_items(head: &Value, items: Vec<Vec<u8>>) -> Vec<u8> {
    let mut list = serde_json::to_vec(head).expect("a JSON value can always be written");
    let end = list.pop();
    list.reserve(items.iter().map(|item| item.len() + 1).sum::<usize>() + 16);
    list.extend_from_slice(br#","items":["#);
    for (idx, item) in items.into_iter().enumerate() {
        if idx > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&item);
    }
    list.push(b']');
    list.extend(end);
    list
}

/// Reads pages until the limit is filled with objects that match.
pub(crate) fn read_page(request: &Request, selection: &Selection) -> Result<Page, Status> {
    read(request, selection, |stored| {
        let found = object::found(selection.kind(), stored)?;
        Ok(selection.matches(&found.value).then_some(found.value))
    })
}

/// The same, each object whole and as it is sent.
pub(crate) fn read_page_as_sent(request: &Request, selection: &Selection) -> Result<Page<Vec<u8>>, Status> {
    let splice = Splice::new(selection.kind());
    let spliced = |stored: &Stored| splice.object(&stored.value, stored.revision);
    read(request, selection, |stored| {
        match selection.matches_key(&stored.key) {
            Some(false) => return Ok(None),
            Some(true) => {
                if let Some(sent) = spliced(stored) {
                    return Ok(Some(sent));
                }
            }
            None => {}
        }
        let found = object::found(selection.kind(), stored)?;
        let written = || serde_json::to_vec(&found.value).expect("a JSON value can always be written");
        Ok(selection.matches(&found.value).then(|| spliced(stored).unwrap_or_else(written)))
    })
}

/// Reads pages; `selected` gives the objects that match, and fails where one is damaged.
fn read<T>(
    request: &Request,
    selection: &Selection,
    selected: impl Fn(&Stored) -> Result<Option<T>, Status>,
) -> Result<Page<T>, Status> {
    let query = &request.query;
    let token = Continue::parse(&query.continue_token)?;
    let exact = (query.resource_version_match == "Exact").then(|| object::revision(&query.resource_version));
    let at = match &token {
        Some(token) => token.revision,
        None => exact.transpose()?,
    };
    // With a selector every object is read: how many match shows only then.
    let limit = if selection.is_everything() { query.limit } else { None };
    let range = ListRange {
        namespace: request.namespace(),
        after: token.as_ref().map(|token| (token.namespace.as_str(), token.name.as_str())),
        limit,
        at,
    };
    let listing =
        request.state.store.list(&request.kind().stored_resource(), range).map_err(|error| match token {
            Some(token) => match object::unreadable(&error) {
                status if status.code == 410 => expired_continue(token),
                status => status,
            },
            None => object::unreadable(&error),
        })?;
    let mut page = Page::new(listing, selected, query.limit);
    page.remaining = page.remaining.filter(|_| selection.is_everything());
    Ok(page)
}

/// Source: `internalversion/validation.ValidateListOptions`.
fn check_versions(request: &Request) -> Result<(), Status> {
    let query = &request.query;
    let invalid = |why: &str| {
        Err(Status::new(422, "Invalid", format!("ListOptions.meta.k8s.io \"\" is invalid: {why}")))
    };
    if query.send_initial_events.is_some() {
        return invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list");
    }
    match query.resource_version_match.as_str() {
        "" => {}
        _ if query.resource_version.is_empty() => {
            return invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
        }
        _ if !query.continue_token.is_empty() => {
            return invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
            );
        }
        "NotOlderThan" => {}
        "Exact" if query.resource_version == "0" => {
            return invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
            );
        }
        "Exact" => {}
        _ => {
            return invalid(
                "resourceVersionMatch: Unsupported value: supported values: \"Exact\", \"NotOlderThan\"",
            );
        }
    }
    if !query.continue_token.is_empty() && !query.resource_version.is_empty() && query.resource_version != "0"
    {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(())
}

/// Source: `etcd3/errors.go`, `handleCompactedErrorForPaging`.
fn expired_continue(token: Continue) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.details.continue_token = Continue { revision: None, ..token }.to_string();
    status
}

/// A list in the form that was asked for.
pub(crate) fn in_form(form: Form, request: &Request, metadata: Value, items: Vec<Value>) -> Value {
    let kind = request.kind();
    match form {
        Form::Whole => as_list(&kind.list_kind(), &kind.api_version(), metadata, items),
        Form::Table => table::of_list(kind, &items, metadata, &request.query.include_object),
        Form::Metadata => {
            let items = items.iter().map(table::metadata_only).collect();
            as_list("PartialObjectMetadataList", "meta.k8s.io/v1", metadata, items)
        }
    }
}

pub(crate) fn as_list(kind: &str, api_version: &str, metadata: Value, items: Vec<Value>) -> Value {
    let mut list = Map::with_capacity(4);
    list.insert("kind".to_owned(), json!(kind));
    list.insert("apiVersion".to_owned(), json!(api_version));
    list.insert("metadata".to_owned(), metadata);
    list.insert("items".to_owned(), Value::Array(items));
    Value::Object(list)
}

// === impl Page ===

impl<T> Page<T> {
    fn new(
        listing: Listing,
        selected: impl Fn(&Stored) -> Result<Option<T>, Status>,
        limit: Option<usize>,
    ) -> Self {
        let Listing { items: stored, revision, has_more, remaining, corrupt } = listing;
        let mut page =
            Self { items: Vec::new(), revision, continue_token: String::new(), remaining, corrupt };
        let limit = limit.unwrap_or(usize::MAX);
        let mut is_cut = has_more;
        let mut last = None;
        // Each stored value goes when it is read: a long list is not held twice.
        for stored in stored {
            match selected(&stored) {
                Err(_) => {
                    page.corrupt.push(stored.key.clone());
                    last = Some(stored.key);
                }
                Ok(None) => {}
                Ok(Some(_)) if page.items.len() == limit => {
                    is_cut = true;
                    break;
                }
                Ok(Some(item)) => {
                    page.items.push(item);
                    last = Some(stored.key);
                }
            }
        }
        if let Some(last) = last.filter(|_| is_cut) {
            let namespace = last.namespace.as_deref().unwrap_or_default().to_owned();
            let token = Continue { revision: Some(revision), namespace, name: last.name.to_string() };
            page.continue_token = token.to_string();
        }
        page
    }

    /// Says how many objects are missing, and why.
    fn left_out(&self) -> Option<String> {
        match self.corrupt.as_slice() {
            [] => None,
            [one] => Some(format!("1 object is left out, its stored value is corrupt: `{one}`")),
            [one, ..] => {
                let count = self.corrupt.len();
                Some(format!(
                    "{count} objects are left out, their stored values are corrupt: `{one}` and others"
                ))
            }
        }
    }

    pub(crate) fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if !self.continue_token.is_empty() {
            metadata["continue"] = json!(self.continue_token);
            if let Some(remaining) = self.remaining.filter(|remaining| *remaining > 0) {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        metadata
    }
}

// === impl Continue ===

impl Continue {
    /// Reads `<revision>.<namespace>.<name>`, each part in hex so that none can
    /// hold the dot; 0 is no revision, as the first is 1.
    fn parse(token: &str) -> Result<Option<Self>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let wrong = || Status::bad_request("continue key is not valid: it was not given by this server");
        let mut parts = token.split('.').map(unhex);
        let mut next = || parts.next().flatten().ok_or_else(wrong);
        let revision: u64 = next()?.parse().map_err(|_| wrong())?;
        let revision = Some(Revision(revision)).filter(|revision| revision.0 > 0);
        Ok(Some(Self { revision, namespace: next()?, name: next()? }))
    }
}

impl std::fmt::Display for Continue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = self.revision.map_or(0, |revision| revision.0).to_string();
        write!(f, "{}.{}.{}", hex(&revision), hex(&self.namespace), hex(&self.name))
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<String> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    String::from_utf8(digits.collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continue_token_survives_the_journey() {
        for revision in [Some(Revision(42)), None] {
            let token = Continue { revision, namespace: String::new(), name: "a.b".to_owned() };
            assert_eq!(Continue::parse(&token.to_string()).expect("our own token"), Some(token));
        }
        for foreign in ["x", "..", "3432.zz.61", "ä", "34"] {
            assert!(Continue::parse(foreign).is_err(), "{foreign:?} was taken");
        }
    }
}
