//! From the bytes of an export to what it holds.

use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Export, Held, Signal, lines, spans};
use crate::body::{self, BodyError, Coding};
use crate::serve::{Intake, Shared};

/// From so many bytes on a body is worked on where it holds up no other task: a tenth of a
/// millisecond of decompression.
const LARGE_BYTES: usize = 64 << 10;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Protobuf,
    Json,
}

/// Why a request is not taken at all.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// By gRPC's numbers (<https://grpc.io/docs/guides/status-codes/>).
    pub(crate) code: i32,
    pub(crate) message: String,
}

/// An absent list is an empty one in JSON of protobuf; the types of `opentelemetry-proto` want it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Json {
    resource_spans: Vec<ResourceSpans>,
    resource_metrics: Vec<ResourceMetrics>,
    resource_logs: Vec<ResourceLogs>,
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 3, message: message.into() }
    }

    /// Exporters try again.
    pub(crate) fn busy() -> Self {
        let message = "too many exports at once".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: 14, message }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge => Self { status: StatusCode::PAYLOAD_TOO_LARGE, code: 8, message },
            BodyError::Broken(_) | BodyError::Incomplete(_) => Self::unreadable(message),
            BodyError::UnknownCoding(_) => {
                Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, code: 12, message }
            }
        }
    }
}

// === impl Intake ===

impl Intake {
    /// Reads an export.
    pub(crate) async fn export(
        &self,
        signal: Signal,
        wire: Wire,
        (bytes, coding): (Bytes, Coding),
    ) -> Result<Export, Refusal> {
        let n_bytes = bytes.len();
        let read = move |shared: &Shared| {
            let bytes = body::decompress(bytes, coding)?;
            export(shared, signal, wire, bytes)
        };
        self.worked(n_bytes, read).await
    }

    /// Does some work on a body, out of the way where it is much.
    pub(crate) async fn worked<T: Send + 'static>(
        &self,
        n_bytes: usize,
        work: impl FnOnce(&Shared) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if n_bytes < LARGE_BYTES {
            return work(&self.shared);
        }
        let shared = self.shared.clone();
        let worked = tokio::task::spawn_blocking(move || work(&shared)).await;
        worked.unwrap_or_else(|_| {
            Err(Refusal {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: 13,
                message: "reading it failed".to_owned(),
            })
        })
    }
}

fn export(shared: &Shared, signal: Signal, wire: Wire, bytes: Bytes) -> Result<Export, Refusal> {
    let mut of_json = Json::default();
    if wire == Wire::Json {
        of_json = json(&bytes)?;
    }
    Ok(match signal {
        Signal::Traces => {
            let resources = match wire {
                Wire::Json => of_json.resource_spans,
                Wire::Protobuf => ExportTraceServiceRequest::decode(bytes).map_err(broken)?.resource_spans,
            };
            let (spans, n_invalid) = spans::read(shared, resources);
            let why = (n_invalid > 0).then_some("spans without an id of their own or of their trace");
            Export { held: Held::Spans(spans), n_invalid, why }
        }
        Signal::Logs => {
            let resources = match wire {
                Wire::Json => of_json.resource_logs,
                Wire::Protobuf => ExportLogsServiceRequest::decode(bytes).map_err(broken)?.resource_logs,
            };
            Export { held: Held::Lines(lines::read(shared, resources)), n_invalid: 0, why: None }
        }
        Signal::Metrics => {
            let resources = match wire {
                Wire::Json => of_json.resource_metrics,
                Wire::Protobuf => {
                    ExportMetricsServiceRequest::decode(bytes).map_err(broken)?.resource_metrics
                }
            };
            let n_invalid = shared.take_points(resources);
            let why = (n_invalid > 0).then_some("points that have no value, or for which there is no room");
            Export { held: Held::Points, n_invalid, why }
        }
    })
}

fn broken(error: prost::DecodeError) -> Refusal {
    Refusal::unreadable(format!("body is not the protobuf message of this path: {error}"))
}

/// Reads JSON, and says where it is not what is wanted.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        let error = error.to_string();
        // Only numbers are allowed there (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
        let is_enum = error.contains("invalid type: string") && error.contains("expected i32");
        let hint = if is_enum {
            "\nhint: values of enumerations are numbers in OTLP's JSON: `\"kind\": 2`, not `\"kind\": \"SPAN_KIND_SERVER\"`"
        } else {
            ""
        };
        Refusal::unreadable(format!("body is not the JSON of this path: {error}{hint}"))
    })
}
