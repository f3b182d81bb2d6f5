//! OTLP/HTTP: protobuf or JSON in, the same out.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body::Body;
use prost::Message;
use serde_json::json;

use super::{Partial, Refusal, Signal, Wire};
use crate::body::{self, Coding};
use crate::reply::{self, JSON, Reply};
use crate::serve::Intake;

const PROTOBUF: &str = "application/x-protobuf";

/// `google.rpc.Status` without its details, as answers to errors are
/// (<https://opentelemetry.io/docs/specs/otlp/#failures>).
#[derive(Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The answer of all three services: their messages have the same fields.
#[derive(Message)]
pub(super) struct Answer {
    #[prost(message, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    n_rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// Answers one export.
pub(crate) async fn http<B>(intake: &Intake, signal: Signal, head: &Parts, body: B) -> Reply
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wire = match wire(head) {
        Ok(wire) => wire,
        Err(kind) => {
            intake.shared.counters.refused.add(1);
            return unknown_kind(&kind);
        }
    };
    match taken(intake, signal, wire, (head, body)).await {
        Ok(partial) => success(signal, wire, &partial),
        Err(refusal) => {
            intake.shared.counters.refused.add(1);
            refused(wire, &refusal)
        }
    }
}

async fn taken<B>(
    intake: &Intake,
    signal: Signal,
    wire: Wire,
    (head, body): (&Parts, B),
) -> Result<Partial, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let coding = Coding::named(head.headers.get(header::CONTENT_ENCODING))?;
    let _turn = intake.turn().await.ok_or_else(Refusal::busy)?;
    let bytes = body::read(body).await?;
    let export = intake.export(signal, wire, (bytes, coding)).await?;
    Ok(intake.take(export).await)
}

/// By the content type; what comes after `;` says nothing about either.
fn wire(head: &Parts) -> Result<Wire, String> {
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = String::from_utf8_lossy(kind);
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        PROTOBUF | "application/protobuf" => Ok(Wire::Protobuf),
        JSON => Ok(Wire::Json),
        _ => Err(kind.into_owned()),
    }
}

fn unknown_kind(kind: &str) -> Reply {
    reply::text(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("content type `{kind}` is not supported\nhint: send {PROTOBUF} or {JSON}"),
    )
}

fn success(signal: Signal, wire: Wire, partial: &Partial) -> Reply {
    match wire {
        Wire::Protobuf => reply::typed(StatusCode::OK, PROTOBUF, answer(partial).encode_to_vec()),
        Wire::Json if *partial == Partial::default() => reply::json(StatusCode::OK, &json!({})),
        Wire::Json => {
            let name = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
            };
            // 64-bit numbers are texts in protobuf's JSON.
            let success = json!({ name: partial.n_rejected.to_string(), "errorMessage": partial.why });
            reply::json(StatusCode::OK, &json!({ "partialSuccess": success }))
        }
    }
}

/// Nothing is said where all was taken.
pub(super) fn answer(partial: &Partial) -> Answer {
    let partial_success = (*partial != Partial::default()).then(|| PartialSuccess {
        n_rejected: i64::try_from(partial.n_rejected).unwrap_or(i64::MAX),
        error_message: partial.why.clone(),
    });
    Answer { partial_success }
}

fn refused(wire: Wire, refusal: &Refusal) -> Reply {
    let Refusal { status, code, message } = refusal;
    let mut reply = match wire {
        Wire::Protobuf => {
            let status = Status { code: *code, message: message.clone() };
            reply::typed(refusal.status, PROTOBUF, status.encode_to_vec())
        }
        Wire::Json => reply::json(*status, &json!({ "code": code, "message": message })),
    };
    if *status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        reply.headers_mut().insert(header::ACCEPT_ENCODING, Coding::ACCEPTED);
    }
    if *status == StatusCode::SERVICE_UNAVAILABLE {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}
