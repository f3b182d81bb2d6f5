//! The only place that makes responses: objects, statuses, warnings.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WARNING};
use http::{Response, StatusCode};
use serde_json::Value;
use spur_api::Status;

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

/// A failure as the API reports it.
pub(crate) fn failure(status: &Status) -> Answer {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(code, &status.to_json());
    if let Some(seconds) = status.details.retry_after_seconds {
        answer.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Adds a `Warning: 299` header for each text, which `kubectl` prints.
///
/// Source: RFC 7234 section 5.5; `apimachinery/pkg/util/net/http.go`, `NewWarningHeader`.
pub(crate) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings {
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
}
