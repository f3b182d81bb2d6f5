//! The only place that makes responses: objects, statuses, warnings.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY, WARNING};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use spur_api::{Status, yaml};

use crate::indent::indented;
use crate::negotiate::Written;

/// A response of the API.
pub(crate) type Answer = Response<Body>;

/// What a handler gives: an answer, or a failure that becomes one.
pub(crate) type Outcome = Result<Answer, Status>;

/// 200 with a JSON body.
pub(crate) fn ok(value: &Value) -> Answer {
    json(StatusCode::OK, value)
}

/// A JSON body with a status code.
pub(crate) fn json(code: StatusCode, value: &Value) -> Answer {
    let body = serde_json::to_vec(value).expect("a JSON value can always be written");
    typed(code, "application/json", body)
}

/// Plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Answer {
    typed(code, "text/plain; charset=utf-8", text.into())
}

/// A body of some media type.
pub(crate) fn typed(code: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Kubernetes sends this on every answer; discovery and OpenAPI set their own.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// A document under its `ETag`; 304 to who has it already, and then it is not made.
pub(crate) fn with_tag(
    headers: &HeaderMap,
    media_type: &'static str,
    tag: &str,
    make: impl FnOnce() -> Vec<u8>,
) -> Answer {
    let mut answer = if is_known(headers, tag) {
        typed(StatusCode::NOT_MODIFIED, media_type, Vec::new())
    } else {
        typed(StatusCode::OK, media_type, make())
    };
    answer.headers_mut().insert(ETAG, HeaderValue::from_str(tag).expect("hex digits in quotes"));
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    answer
}

/// The same answer written otherwise, where it is JSON that was made whole.
pub(crate) async fn written(answer: Answer, written: Written) -> Answer {
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|of| of == "application/json");
    let is_whole = answer.extensions().get::<Streamed>().is_none();
    if written == Written::Json || !is_json || !is_whole {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    match rewritten(body, written).await {
        Ok(body) => {
            if written == Written::Yaml {
                parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
            }
            Response::from_parts(parts, Body::from(body))
        }
        Err(why) => failure(&Status::internal(format!("failed to write the answer: {why}"))),
    }
}

async fn rewritten(body: Body, written: Written) -> Result<Vec<u8>, axum::BoxError> {
    let json = body.collect().await?.to_bytes();
    Ok(match written {
        // 304, or the answer to HEAD.
        _ if json.is_empty() => Vec::new(),
        Written::Yaml => yaml::to_string(&serde_json::from_slice(&json)?).into_bytes(),
        Written::IndentedJson => indented(&json),
        Written::Json => json.into(),
    })
}

/// Whether a client has what stands under this tag, in whichever bytes (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// A failure as the API reports it.
pub(crate) fn failure(status: &Status) -> Answer {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(code, &status.to_json());
    if let Some(seconds) = status.details.retry_after_seconds {
        answer.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// 405, with the methods that are allowed (RFC 9110 section 15.5.6).
pub(crate) fn method_not_allowed(allowed: &[&str]) -> Answer {
    let mut answer = failure(&Status::method_not_allowed());
    let methods = HeaderValue::from_str(&allowed.join(", ")).expect("methods are plain words");
    answer.headers_mut().insert(ALLOW, methods);
    answer
}

/// On an answer whose end nobody waits for.
#[derive(Clone, Copy, Debug)]
struct Streamed;

/// A body that comes piece by piece. A panic while a piece is made ends this
/// body, and not the task that reads it, which may be one of our own.
pub(crate) fn streamed<E>(
    media_type: &'static str,
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Answer
where
    E: Into<axum::BoxError> + 'static,
{
    let pieces = AssertUnwindSafe(pieces).catch_unwind().map(|piece| match piece {
        Ok(piece) => piece.map_err(Into::into),
        Err(panic) => {
            let what = panic_text(&*panic);
            tracing::error!(panic = what, "a stream panicked: {what}");
            Err(axum::BoxError::from("the stream panicked"))
        }
    });
    let mut answer = typed(StatusCode::OK, media_type, Body::from_stream(pieces));
    answer.extensions_mut().insert(Streamed);
    answer
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Adds a `Warning: 299` header for each text, which `kubectl` prints.
///
/// Source: RFC 7234 section 5.5; `apimachinery/pkg/util/net/http.go`, `NewWarningHeader`.
pub(crate) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS_MAX) {
        add_warning(answer, warning);
    }
    let n_more = warnings.len().saturating_sub(WARNINGS_MAX);
    if n_more > 0 {
        add_warning(answer, &format!("{n_more} more warnings are left out"));
    }
}

/// Warnings in one answer: hyper, which kube-rs reads with, refuses an answer
/// of more than 100 headers.
const WARNINGS_MAX: usize = 40;
/// Longest warning, in characters (`endpoints/filters/warning.go`: `truncateItemRunes`).
const WARNING_MAX: usize = 256;

fn add_warning(answer: &mut Answer, warning: &str) {
    let plain = warning.chars().take(WARNING_MAX).map(|char| if char.is_control() { ' ' } else { char });
    let escaped = plain.collect::<String>().replace('\\', "\\\\").replace('"', "\\\"");
    let value = HeaderValue::from_bytes(format!("299 - \"{escaped}\"").as_bytes());
    answer.headers_mut().append(WARNING, value.expect("control characters are taken out"));
}
