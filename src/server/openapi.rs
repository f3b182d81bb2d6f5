//! `/openapi/v3`: an index, and a document for each group version, for each group, and for the
//! paths beside them. `kubectl` validates, patches and explains by it; generators make clients.
//!
//! ```text
//!  Kinds ─► documents ─► paths ─► operations ─► parameters
//!               └──────► schemas: what those refer to ◄─ spur_api::definitions, custom kinds
//! ```
//!
//! Sources: `kube-openapi/pkg/handler3/handler.go`; what `kubectl` looks for:
//! `cli-runtime/pkg/resource/query_param_verifier_v3.go` and `kubectl/pkg/cmd/apply/patcher.go`.
//! `tests/official` compares the documents with those of a real server.

mod compress;
mod documents;
mod fixed;
mod names;
mod operations;
mod parameters;
mod paths;
mod schemas;
pub(crate) mod swagger;

use std::time::Duration;

use http::header::{CACHE_CONTROL, ETAG, EXPIRES, HeaderValue, LAST_MODIFIED, LOCATION, VARY};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};
use spur_api::Status;

use self::documents::Document;
use crate::answer::{self, Answer, Outcome};
use crate::discovery::tagged;
use crate::kinds::Kinds;
use crate::negotiate;

/// How long a document may be kept that was asked for by its hash: 365 days, for ever.
const KEPT_FOR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The index: where each document is.
pub(crate) fn index(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    let all = documents::all(kinds);
    let paths = all.iter().map(|(path, document)| {
        (path.clone(), json!({"serverRelativeURL": url(path, &document.hash(kinds))}))
    });
    let mut answer = tagged(headers, "application/json", &json!({"paths": paths.collect::<Map<_, _>>()}));
    answer.headers_mut().insert(LAST_MODIFIED, date(kinds.made_at()));
    answer
}

/// One document. Asked for by its hash it may be kept for ever; by another's, the right one is
/// shown.
pub(crate) fn document(kinds: &Kinds, headers: &HeaderMap, path: &str, query: &str) -> Outcome {
    let documents = documents::all(kinds);
    let Some(document) = documents.get(path) else { return Err(Status::no_such_path()) };
    // Nothing but JSON is made here.
    negotiate::form_in_json(headers)?;
    let hash = document.hash(kinds);
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "hash");
    match asked.as_ref().map(|(_, asked)| &**asked).filter(|asked| !asked.is_empty()) {
        Some(asked) if asked != hash => Ok(moved(path, &hash)),
        asked => {
            let mut answer = send(kinds, headers, document, &hash);
            if asked.is_some() {
                keep(answer.headers_mut());
            }
            Ok(answer)
        }
    }
}

fn send(kinds: &Kinds, headers: &HeaderMap, document: &Document<'_>, hash: &str) -> Answer {
    let mut answer = compress::with_tag(headers, "application/json", &format!("\"{hash}\""), || {
        serde_json::to_vec(&document.build(kinds)).expect("a JSON value can always be written")
    });
    answer.headers_mut().insert(LAST_MODIFIED, date(kinds.made_at()));
    answer
}

/// 301, without a body, as Go writes it where the media type is set.
fn moved(path: &str, hash: &str) -> Answer {
    let mut answer = answer::typed(StatusCode::MOVED_PERMANENTLY, "application/json", Vec::new());
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(&url(path, hash)).expect("groups are DNS names"));
    headers.insert(ETAG, HeaderValue::from_str(&format!("\"{hash}\"")).expect("hex digits in quotes"));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    answer
}

fn keep(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    headers.insert(EXPIRES, date(jiff::Timestamp::now() + KEPT_FOR));
}

fn url(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

/// A date as HTTP has it (RFC 9110 section 5.6.7).
fn date(time: jiff::Timestamp) -> HeaderValue {
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    HeaderValue::from_str(&text.unwrap_or_default()).expect("a date is plain text")
}
