//! Watches: what is there, then every change, in order and without a gap.
//!
//! The stream pulls changes from the store's window, so a reader that does not
//! read costs nothing but falls out of the window and is told 410.
//!
//! Source: `apiserver/pkg/endpoints/handlers/watch.go` and
//! `apiserver/pkg/storage/cacher`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, stream};
use rand::RngExt;
use serde_json::{Value, json};
use spur_api::{Status, meta};
use spur_store::{Change, ChangeKind, NextError, Revision, Watch, WatchError};
use tokio::time::{Instant, sleep_until};

use super::get::wait_for_revision;
use super::{Request, list};
use crate::answer::{self, Outcome};
use crate::negotiate::{self, Form};
use crate::selection::Selection;
use crate::splice::Splice;
use crate::{object, table};

/// Bookmarks come about once a minute (`cacher.go`: `bookmarkFrequency`).
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// A watch without `timeoutSeconds` ends after 30 to 60 minutes, drawn at random
/// so that clients do not all come back at once (`server/config.go`: `MinRequestTimeout`).
const TIMEOUT_MIN: Duration = Duration::from_secs(1800);
/// Longest that a client may ask for: a day, so that any number of seconds makes a time.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Marks the end of the initial events (`metav1.InitialEventsAnnotationKey`).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A watch on its way to one client.
struct Following {
    request: Request,
    selection: Selection,
    form: Form,
    splice: Splice,
    changes: Watch,
    /// Events that are ready to be sent, each one line.
    lines: VecDeque<Bytes>,
    has_sent_columns: bool,
    next_bookmark: Instant,
    ends: Instant,
    is_over: bool,
}

pub(crate) async fn watch(request: &Request) -> Outcome {
    let form = negotiate::form_in_json(&request.headers)?;
    table::check_include(form, &request.query.include_object)?;
    let selection = Selection::new(request.kind(), &request.query)?;
    let query = &request.query;
    if query.send_initial_events.is_some() && query.resource_version_match != "NotOlderThan" {
        let why = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(Status::new(422, "Invalid", why));
    }
    if query.send_initial_events.is_none() && !query.resource_version_match.is_empty() {
        let why = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        return Err(Status::new(422, "Invalid", why));
    }
    wait_for_revision(request).await?;
    let version = query.resource_version.as_str();
    // Without a version, or with "any", a watch begins with what is there.
    let wants_state = query.send_initial_events.unwrap_or(matches!(version, "" | "0"));
    let (initial, after) = if wants_state {
        initial_state(request, &selection, form)?
    } else if matches!(version, "" | "0") {
        (Initial::Sent(Vec::new()), request.state.store.revision())
    } else {
        (Initial::Sent(Vec::new()), object::revision(version)?)
    };
    let started = request.state.store.watch(&request.kind().stored_resource(), request.namespace(), after);
    let changes = match started {
        Ok(changes) => changes,
        Err(WatchError::Compacted { oldest, .. }) => return Ok(gone(after, oldest)),
        Err(error) => return Err(Status::internal(error.to_string())),
    };
    let mut following = Following::new(request.clone(), selection, form, changes);
    match initial {
        Initial::Sent(objects) => {
            following.lines.extend(objects.iter().map(|sent| event_of_sent("ADDED", sent)));
        }
        Initial::Values(objects) => objects.iter().for_each(|object| following.push("ADDED", object)),
    }
    if query.send_initial_events == Some(true) {
        following.push_initial_events_end(after);
    }
    Ok(answer::streamed("application/json", following.into_stream()))
}

/// What is there when a watch begins.
enum Initial {
    /// Whole objects, as they are sent.
    Sent(Vec<Vec<u8>>),
    /// Objects that are shown in another form.
    Values(Vec<Value>),
}

fn initial_state(
    request: &Request,
    selection: &Selection,
    form: Form,
) -> Result<(Initial, Revision), Status> {
    let everything = without_page(request);
    if form == Form::Whole {
        let page = list::read_page_as_sent(&everything, selection)?;
        return Ok((Initial::Sent(page.items), page.revision));
    }
    let page = list::read_page(&everything, selection)?;
    Ok((Initial::Values(page.items), page.revision))
}

/// The same request for the whole state: a watch has no pages.
fn without_page(request: &Request) -> Request {
    let mut request = request.clone();
    request.query.limit = None;
    request.query.continue_token = String::new();
    request.query.resource_version_match = String::new();
    request.query.resource_version = String::new();
    request
}

/// A stream of one error: the client is to list again.
fn gone(asked: Revision, oldest: Revision) -> answer::Answer {
    let line = event("ERROR", &too_old(asked, oldest).to_json());
    answer::streamed("application/json", stream::iter([Ok::<_, Infallible>(line)]))
}

fn too_old(asked: Revision, oldest: Revision) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}

fn event(type_: &str, object: &Value) -> Bytes {
    let mut line = serde_json::to_vec(&json!({"type": type_, "object": object}))
        .expect("a JSON value can always be written");
    line.push(b'\n');
    Bytes::from(line)
}

fn event_type(was_there: bool, is_deleted: bool) -> &'static str {
    match (was_there, is_deleted) {
        (_, true) => "DELETED",
        (true, false) => "MODIFIED",
        (false, false) => "ADDED",
    }
}

fn event_of_sent(type_: &str, object: &[u8]) -> Bytes {
    let head = format!(r#"{{"type":"{type_}","object":"#);
    Bytes::from([head.as_bytes(), object, b"}\n"].concat())
}

// === impl Following ===

impl Following {
    fn new(request: Request, selection: Selection, form: Form, changes: Watch) -> Self {
        let random = rand::rng().random_range(0.0..1.0);
        // 0 counts as not given (`handlers/get.go`).
        let asked = request.query.timeout.filter(|timeout| !timeout.is_zero());
        let timeout = asked.map_or(TIMEOUT_MIN + TIMEOUT_MIN.mul_f64(random), |asked| asked.min(TIMEOUT_MAX));
        let now = Instant::now();
        let splice = Splice::new(request.kind());
        Self {
            splice,
            request,
            selection,
            form,
            changes,
            lines: VecDeque::new(),
            has_sent_columns: false,
            next_bookmark: now + BOOKMARK_EVERY,
            ends: now + timeout,
            is_over: false,
        }
    }

    fn into_stream(self) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut following| async move {
            let line = following.next_line().await?;
            Some((Ok(line), following))
        })
    }

    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            self.wait().await;
        }
    }

    /// Waits for changes, a bookmark's time, the end, or the server's drain.
    async fn wait(&mut self) {
        let draining = self.request.state.draining.clone();
        let kind = self.request.kind().clone();
        tokio::select! {
            batch = self.changes.next() => match batch {
                Ok(changes) => changes.iter().for_each(|change| self.push_change(change)),
                Err(error) => self.end_with(&error),
            },
            () = sleep_until(self.next_bookmark) => {
                self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                self.push_bookmark();
            }
            () = sleep_until(self.ends) => {
                // A last bookmark lets the client come back without a list.
                self.push_bookmark();
                self.is_over = true;
            }
            () = draining.cancelled() => self.is_over = true,
            // Something else is served in the kind's place: the client is to look anew.
            () = kind.retired() => {
                while let Some(Ok(changes)) = self.changes.next().now_or_never() {
                    changes.iter().for_each(|change| self.push_change(change));
                }
                self.is_over = true;
            }
        }
    }

    /// A change as this client sees it: an object that enters the selection is
    /// added, one that leaves it is deleted.
    fn push_change(&mut self, change: &Arc<Change>) {
        let kind = self.request.kind();
        let is_deleted = change.kind == ChangeKind::Deleted;
        let by_key = self.selection.matches_key(&change.key);
        if by_key == Some(false) {
            return;
        }
        if by_key == Some(true) {
            let type_ = event_type(change.previous.is_some(), is_deleted);
            let line = match self.form {
                Form::Whole => self.splice.event(type_, &change.value, change.revision),
                Form::Metadata => self.splice.metadata_event(type_, &change.value, change.revision),
                Form::Table => None,
            };
            if let Some(line) = line {
                return self.lines.push_back(line);
            }
        }
        let Ok(now) = object::decode(kind, &change.value, change.revision) else {
            let why = format!("`{}` was written as no object at {}", change.key, change.revision);
            return self.fail(&Status::internal(why));
        };
        if by_key == Some(true) {
            return self.push(event_type(change.previous.is_some(), is_deleted), &now);
        }
        // What leaves the selection is shown as it was in it, under the new revision
        // (`cacher/cache_watcher.go`, `convertToWatchEvent`).
        let before = change.previous.as_ref();
        let before = before.and_then(|before| object::decode(kind, &before.value, change.revision).ok());
        let before = before.filter(|before| self.selection.matches(before));
        match (before, !is_deleted && self.selection.matches(&now)) {
            (None, true) => self.push("ADDED", &now),
            (Some(_), true) => self.push("MODIFIED", &now),
            (Some(before), false) => self.push("DELETED", if is_deleted { &now } else { &before }),
            (None, false) => {}
        }
    }

    fn push(&mut self, type_: &str, object: &Value) {
        let shown = self.shown(object);
        self.lines.push_back(event(type_, &shown));
    }

    fn shown(&mut self, object: &Value) -> Value {
        let (kind, include) = (self.request.kind(), self.request.query.include_object.as_str());
        match self.form {
            Form::Whole => object.clone(),
            Form::Metadata => table::metadata_only(object),
            Form::Table if self.has_sent_columns => table::of_object_without_columns(kind, object, include),
            Form::Table => {
                self.has_sent_columns = true;
                table::of_object(kind, object, include)
            }
        }
    }

    fn push_bookmark(&mut self) {
        if self.request.query.allow_bookmarks {
            let bookmark = self.bookmark(self.changes.position());
            self.lines.push_back(event("BOOKMARK", &bookmark));
        }
    }

    fn push_initial_events_end(&mut self, revision: Revision) {
        if !self.request.query.allow_bookmarks {
            return;
        }
        let mut bookmark = self.bookmark(revision);
        let marked = match self.form {
            Form::Table => &mut bookmark["rows"][0]["object"],
            Form::Whole | Form::Metadata => &mut bookmark,
        };
        // A row without its object has nowhere else to bear the mark.
        if marked.is_null() {
            *marked = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"});
        }
        meta::metadata_mut(marked).insert("annotations".to_owned(), json!({INITIAL_EVENTS_END: "true"}));
        self.lines.push_back(event("BOOKMARK", &bookmark));
    }

    /// An object of the watched kind with nothing but a resourceVersion.
    fn bookmark(&mut self, revision: Revision) -> Value {
        let kind = self.request.kind();
        let object = json!({
            "kind": kind.kind(),
            "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
        });
        self.shown(&object)
    }

    fn end_with(&mut self, error: &NextError) {
        if let NextError::Lagged { position, oldest } = error {
            self.fail(&too_old(*position, *oldest));
        }
        self.is_over = true;
    }

    fn fail(&mut self, status: &Status) {
        self.lines.push_back(event("ERROR", &status.to_json()));
        self.is_over = true;
    }
}
