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

mod documents;
mod fixed;
mod names;
mod operations;
mod parameters;
mod paths;
mod schemas;
pub(crate) mod swagger;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Map, json};
use spur_api::Status;

use crate::answer::{self, Answer, Outcome};
use crate::discovery::tagged;
use crate::kinds::Kinds;

/// The index: where each document is.
pub(crate) fn index(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    let all = documents::all(kinds);
    let paths = all.iter().map(|(path, document)| {
        let url = format!("/openapi/v3/{path}?hash={}", document.hash(kinds));
        (path.clone(), json!({"serverRelativeURL": url}))
    });
    tagged(headers, "application/json", &json!({"paths": paths.collect::<Map<_, _>>()}))
}

/// One document. Asked for by its hash it may be kept for ever.
pub(crate) fn document(kinds: &Kinds, headers: &HeaderMap, path: &str, query: &str) -> Outcome {
    let documents = documents::all(kinds);
    let Some(document) = documents.get(path) else { return Err(Status::no_such_path()) };
    let hash = document.hash(kinds);
    let mut answer = answer::with_tag(headers, "application/json", &format!("\"{hash}\""), || {
        serde_json::to_vec(&document.build(kinds)).expect("a JSON value can always be written")
    });
    if query.split('&').any(|part| part == format!("hash={hash}")) {
        answer
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable, max-age=31536000"));
    }
    Ok(answer)
}
