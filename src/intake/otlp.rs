//! OTLP, by HTTP and by gRPC, which differ in how a message is packed and an error told
//! (<https://opentelemetry.io/docs/specs/otlp/>).

mod decode;
mod grpc;
mod http;
mod lines;
mod spans;
pub(crate) mod values;

pub(crate) use decode::{Refusal, Wire, json};
pub(crate) use grpc::grpc;
pub(crate) use http::http;

use spur_trace::{LogRecord, Span};

use crate::serve::Intake;

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// An export, read. What was not valid is not in it.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) held: Held,
    pub(crate) n_invalid: u64,
    /// What was wrong with the first that was not valid.
    pub(crate) why: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) enum Held {
    Spans(Vec<Span>),
    Lines(Vec<LogRecord>),
    /// Points are in the store already.
    Points,
}

/// What was not taken of an export that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) n_rejected: u64,
    pub(crate) why: String,
}

// === impl Signal ===

impl Signal {
    /// By the path of OTLP/HTTP.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        match path {
            "/v1/traces" => Some(Self::Traces),
            "/v1/metrics" => Some(Self::Metrics),
            "/v1/logs" => Some(Self::Logs),
            _ => None,
        }
    }

    /// By the path of OTLP/gRPC.
    fn of_method(path: &str) -> Option<Self> {
        match path {
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Self::Traces),
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Self::Metrics),
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Self::Logs),
            _ => None,
        }
    }
}

// === impl Intake ===

impl Intake {
    /// Hands over what an export holds, and says what of it was not taken.
    pub(crate) async fn take(&self, export: Export) -> Partial {
        let Export { held, n_invalid, why } = export;
        self.shared.counters.exports.add(1);
        self.shared.counters.invalid.add(n_invalid);
        let n_turned_away = match held {
            Held::Spans(spans) => self.shared.parts.spans.send(spans).await,
            Held::Lines(lines) => {
                self.shared.parts.logs.append(lines);
                0
            }
            Held::Points => 0,
        };
        let why = match (n_turned_away, why) {
            (0, why) => why.unwrap_or_default(),
            (_, _) => "too many spans wait for the collector",
        };
        Partial { n_rejected: n_invalid + n_turned_away, why: why.to_owned() }
    }
}
