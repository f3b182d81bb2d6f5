//! Telemetry of applications: OTLP and Zipkin in, queries of Jaeger's and Zipkin's kind out.
//!
//! ```text
//!                     ┌ /v1/traces, gRPC, /api/v2/spans ─► spans ─► trace::SpanSender ─► collector
//!  one listener ─► answer ─ /v1/logs, gRPC ────────────► lines ─► trace::Logs
//!  (loopback, no     │  └ /v1/metrics, gRPC ───────────► points ─► MetricStore ─► the text of /metrics
//!   credentials)     └─ /api/… (GET) ◄──────────────── trace::TraceReader, Logs, MetricStore
//!
//!  trace::TraceReader ─► Exporter ─► OTLP over HTTP, to somebody else's collector
//! ```
//!
//! Every body is bounded after decompression, every span, line and point in what it holds, and what
//! was left out is told to whoever sent it (`partial_success`) and counted. Nothing of ours leaves
//! the types of `opentelemetry-proto` out of this crate: `trace` has types of its own.

mod answer;
mod body;
mod counts;
mod export;
mod guard;
mod metrics;
mod otlp;
mod query;
mod reply;
mod serve;
mod zipkin;

pub use counts::IntakeCounts;
pub use export::{ExportCounts, ExportProgress, ExportTarget, Exporter, TargetError};
pub use metrics::{MetricCounts, MetricLimits, MetricStore, Text};
pub use serve::{Intake, Parts, serve};
