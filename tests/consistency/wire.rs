//! Between calls and HTTP: ConfigMaps whose one value and one label are a
//! [`Content`].

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::http::Ask;
use crate::harness::{Answer as Response, Site};
use crate::history::{Answer, Call, Change, Content, EventKind, Extent, Notice, Seen, Shade, Write};

/// The namespace that a run has to itself.
pub(crate) const NAMESPACE: &str = "consistency";

/// What the namespace controller puts into every namespace.
const FOREIGN: &str = "kube-root-ca.crt";

/// The one write after everything else; watchers end with it.
pub(crate) const LAST: &str = "z-last";

/// ConfigMaps of the namespace.
pub(crate) const PATH: &str = "/api/v1/namespaces/consistency/configmaps";

/// Objects in a page: the keys that live are up to five.
const PAGE: usize = 2;

/// The request for a call; of a list in pages the first.
pub(crate) fn request(site: &Site, call: &Call) -> Ask {
    match call {
        Call::Write(write) => write_request(site, write),
        Call::Get(key) => site.ask(Method::GET, &format!("{PATH}/{key}")),
        Call::List(shade, extent) => {
            let extent = match extent {
                Extent::Whole => None,
                Extent::Pages => Some(format!("limit={PAGE}")),
                Extent::At(at) => Some(format!("resourceVersion={at}&resourceVersionMatch=Exact")),
            };
            let query: Vec<String> = shade.map(selector).into_iter().chain(extent).collect();
            site.ask(Method::GET, &format!("{PATH}?{}", query.join("&")))
        }
    }
}

/// The request for the page of a list after this one, where there is another.
pub(crate) fn next_page(site: &Site, call: &Call, page: &Response) -> Option<Ask> {
    let Call::List(shade, Extent::Pages) = call else { return None };
    let body: Value = serde_json::from_slice(&page.body).ok()?;
    let token = body["metadata"]["continue"].as_str().filter(|token| !token.is_empty())?;
    let mut query: Vec<String> = shade.map(selector).into_iter().collect();
    query.push(format!("limit={PAGE}&continue={token}"));
    Some(site.ask(Method::GET, &format!("{PATH}?{}", query.join("&"))))
}

/// A list with one more page, which has to be of the same state.
pub(crate) fn with_page(list: Answer, page: Answer) -> Answer {
    match (list, page) {
        (Answer::Listing(revision, mut items), Answer::Listing(same, more)) if revision == same => {
            items.extend(more);
            Answer::Listing(revision, items)
        }
        (Answer::Listing(..), Answer::Expired) => Answer::Expired,
        (list, page) => Answer::Odd(format!("{page:?} as a page after {list:?}")),
    }
}

/// The query of a selection.
pub(crate) fn selector(shade: Shade) -> String {
    format!("labelSelector=shade={}", shade.text())
}

fn write_request(site: &Site, write: &Write) -> Ask {
    let Write { key, change, only_at, only_uid } = write;
    let of_key = format!("{PATH}/{key}");
    match change {
        Change::Create(content) => {
            site.ask(Method::POST, PATH).body("application/json", object(write, content).to_string())
        }
        Change::Replace(content) => {
            site.ask(Method::PUT, &of_key).body("application/json", object(write, content).to_string())
        }
        Change::Patch(content) => site
            .ask(Method::PATCH, &of_key)
            .body("application/merge-patch+json", object(write, content).to_string()),
        Change::Delete => {
            let mut preconditions = json!({});
            if let Some(revision) = only_at {
                preconditions["resourceVersion"] = json!(revision.to_string());
            }
            if let Some(uid) = only_uid {
                preconditions["uid"] = json!(uid);
            }
            let options = json!({"preconditions": preconditions});
            site.ask(Method::DELETE, &of_key).body("application/json", options.to_string())
        }
    }
}

/// An object, and as well a merge patch that makes one of any other.
fn object(write: &Write, content: &Content) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": write.key, "labels": {"shade": content.shade.text()}},
        "data": {"value": content.value},
    });
    if let Some(revision) = write.only_at {
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
    }
    if let Some(uid) = &write.only_uid {
        object["metadata"]["uid"] = json!(uid);
    }
    object
}

/// What a response says of a call.
pub(crate) fn answer(call: &Call, response: &Response) -> Answer {
    let odd = || Answer::Odd(format!("{} {}", response.status, response.text()));
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else { return odd() };
    let reason = body["reason"].as_str().unwrap_or_default();
    match (response.status, reason) {
        (status, _) if status.is_success() => success(call, &body).unwrap_or_else(odd),
        (StatusCode::CONFLICT, "AlreadyExists") => Answer::Exists,
        (StatusCode::CONFLICT, "Conflict") => Answer::Conflict,
        // A patch that names another uid would change it, which is how it is refused.
        (StatusCode::UNPROCESSABLE_ENTITY, "Invalid") if is_uid_refused(&body) => Answer::Conflict,
        (StatusCode::NOT_FOUND, "NotFound") => Answer::NotFound,
        (StatusCode::GONE, "Expired") => Answer::Expired,
        (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage") => Answer::NotWritten(text(&body)),
        // Reads go on whatever the disk does.
        (StatusCode::INTERNAL_SERVER_ERROR, "InternalError") if matches!(call, Call::Write(_)) => {
            failure(text(&body))
        }
        _ => odd(),
    }
}

fn is_uid_refused(body: &Value) -> bool {
    body["details"]["causes"][0]["field"] == "metadata.uid"
}

/// The server's own words decide whether a failed write may have taken place
/// (`spur_store::WriteError`).
fn failure(text: String) -> Answer {
    let is_unwritten = text.contains("nothing was written") || text.contains("store is closed");
    if is_unwritten { Answer::NotWritten(text) } else { Answer::Unknown(text) }
}

fn text(body: &Value) -> String {
    body["message"].as_str().unwrap_or_default().to_owned()
}

fn success(call: &Call, body: &Value) -> Option<Answer> {
    match call {
        Call::Write(Write { change: Change::Delete, .. }) => {
            Some(Answer::Deleted(body["details"]["uid"].as_str()?.to_owned()))
        }
        Call::Write(_) | Call::Get(_) => Some(Answer::Object(seen(body)?)),
        Call::List(..) => {
            let ours = body["items"].as_array()?.iter().filter(|object| !is_foreign(object));
            let items = ours.map(seen).collect::<Option<_>>()?;
            Some(Answer::Listing(revision(body)?, items))
        }
    }
}

fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// Whether no client of a run wrote it.
fn is_foreign(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["namespace"] != NAMESPACE || metadata["name"] == FOREIGN
}

/// A ConfigMap as a checker knows it.
pub(crate) fn seen(object: &Value) -> Option<Seen> {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let shade = Shade::of(metadata["labels"]["shade"].as_str()?)?;
    Some(Seen {
        key: text(&metadata["name"])?,
        uid: text(&metadata["uid"])?,
        revision: revision(object)?,
        content: Content { value: text(&object["data"]["value"])?, shade },
    })
}

/// One line of a watch's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Notice(Notice),
    /// The bookmark behind the initial events.
    InitialEnd(u64),
    Gone,
}

/// Reads a line of a watch; what is not ours is `None`.
pub(crate) fn line(line: &[u8]) -> Option<Line> {
    let odd = || Some(Line::Notice(Notice::Odd(String::from_utf8_lossy(line).into_owned())));
    let Ok(event) = serde_json::from_slice::<Value>(line) else { return odd() };
    let object = &event["object"];
    let kind = match event["type"].as_str() {
        Some("ADDED") => EventKind::Added,
        Some("MODIFIED") => EventKind::Modified,
        Some("DELETED") => EventKind::Deleted,
        Some("BOOKMARK") => {
            let Some(revision) = revision(object) else { return odd() };
            let is_end = object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true";
            return Some(match is_end {
                true => Line::InitialEnd(revision),
                false => Line::Notice(Notice::Bookmark(revision)),
            });
        }
        Some("ERROR") if object["code"] == 410 => return Some(Line::Gone),
        _ => return odd(),
    };
    if is_foreign(object) {
        return None;
    }
    seen(object).map_or_else(odd, |seen| Some(Line::Notice(Notice::Event(kind, seen))))
}

/// This file's own tests.
pub(crate) const TESTS: &[(&str, fn())] = &[
    ("statuses_are_read_by_their_own_words", statuses_are_read_by_their_own_words),
    ("an_object_is_read_as_it_was_written", an_object_is_read_as_it_was_written),
    ("lines_of_a_watch_are_read", lines_of_a_watch_are_read),
    ("pages_are_of_one_state", pages_are_of_one_state),
];

fn delete() -> Call {
    let write = Write { key: "k".to_owned(), change: Change::Delete, only_at: None, only_uid: None };
    Call::Write(write)
}

fn response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    Response { status, headers: http::HeaderMap::new(), body: body.to_string().into() }
}

fn statuses_are_read_by_their_own_words() {
    let of = |code: u16, reason: &str, message: &str| {
        answer(&delete(), &response(code, &json!({"reason": reason, "message": message, "code": code})))
    };
    assert_eq!(of(409, "AlreadyExists", ""), Answer::Exists);
    assert_eq!(of(409, "Conflict", ""), Answer::Conflict);
    assert_eq!(of(404, "NotFound", ""), Answer::NotFound);
    assert_eq!(of(507, "InsufficientStorage", "full"), Answer::NotWritten("full".to_owned()));
    let unknown = "outcome of writing `k` is unknown, read it back before retrying: injected";
    assert_eq!(of(500, "InternalError", unknown), Answer::Unknown(unknown.to_owned()));
    let unwritten = "failed to write `k`, nothing was written: injected";
    assert_eq!(of(500, "InternalError", unwritten), Answer::NotWritten(unwritten.to_owned()));
    for (code, reason) in [(418, ""), (500, "StorageCorrupt"), (422, "Invalid"), (404, "")] {
        assert!(matches!(of(code, reason, ""), Answer::Odd(_)), "{code} {reason}");
    }
    let failed = response(500, &json!({"reason": "InternalError", "message": unknown}));
    assert!(matches!(answer(&Call::Get("k".to_owned()), &failed), Answer::Odd(_)), "reads go on");
    let deleted = response(200, &json!({"status": "Success", "details": {"uid": "u"}}));
    assert_eq!(answer(&delete(), &deleted), Answer::Deleted("u".to_owned()));
    assert!(matches!(answer(&delete(), &response(200, &json!({}))), Answer::Odd(_)));
}

fn sample() -> (Write, Value, Seen) {
    let content = Content { value: "v".to_owned(), shade: Shade::Dark };
    let change = Change::Replace(content.clone());
    let write = Write { key: "k".to_owned(), change, only_at: Some(7), only_uid: Some("u".to_owned()) };
    let mut object = object(&write, &content);
    object["metadata"]["namespace"] = json!(NAMESPACE);
    (write, object, Seen { key: "k".to_owned(), uid: "u".to_owned(), revision: 7, content })
}

fn an_object_is_read_as_it_was_written() {
    let (write, object, expected) = sample();
    assert_eq!(answer(&Call::Write(write), &response(200, &object)), Answer::Object(expected.clone()));
    let foreign = json!({"metadata": {"name": FOREIGN, "namespace": NAMESPACE}});
    let list = json!({"metadata": {"resourceVersion": "9"}, "items": [object, foreign]});
    let call = Call::List(None, Extent::Whole);
    assert_eq!(answer(&call, &response(200, &list)), Answer::Listing(9, vec![expected]));
}

fn lines_of_a_watch_are_read() {
    let (_, object, seen) = sample();
    let read =
        |type_: &str, object: &Value| line(json!({"type": type_, "object": object}).to_string().as_bytes());
    let event = Notice::Event(EventKind::Deleted, seen);
    assert_eq!(read("DELETED", &object), Some(Line::Notice(event)));
    let mut elsewhere = object.clone();
    elsewhere["metadata"]["namespace"] = json!("default");
    assert_eq!(read("ADDED", &elsewhere), None);
    let mut foreign = object.clone();
    foreign["metadata"]["name"] = json!(FOREIGN);
    assert_eq!(read("ADDED", &foreign), None);
    let mut bookmark = json!({"metadata": {"resourceVersion": "9"}});
    assert_eq!(read("BOOKMARK", &bookmark), Some(Line::Notice(Notice::Bookmark(9))));
    bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    assert_eq!(read("BOOKMARK", &bookmark), Some(Line::InitialEnd(9)));
    assert_eq!(read("ERROR", &json!({"code": 410})), Some(Line::Gone));
    assert!(matches!(read("ERROR", &json!({"code": 500})), Some(Line::Notice(Notice::Odd(_)))));
    assert!(matches!(line(b"{"), Some(Line::Notice(Notice::Odd(_)))));
}

fn pages_are_of_one_state() {
    let (_, _, seen) = sample();
    let page = |revision| Answer::Listing(revision, vec![seen.clone()]);
    let both = Answer::Listing(9, vec![seen.clone(), seen.clone()]);
    assert_eq!(with_page(page(9), page(9)), both);
    assert!(matches!(with_page(page(9), page(10)), Answer::Odd(_)));
    assert_eq!(with_page(page(9), Answer::Expired), Answer::Expired);
}
