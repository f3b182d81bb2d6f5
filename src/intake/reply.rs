//! Answers, as everything here gives them.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;

/// Bytes, or a stream of them, or frames of gRPC.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) type Reply = Response<ReplyBody>;

pub(crate) const JSON: &str = "application/json";

pub(crate) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A text for people; `hint:` lines say what to change.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    typed(status, "text/plain; charset=utf-8", text.into() + "\n")
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("what we write has texts as names");
    typed(status, JSON, body)
}
