//! The intake from the outside: requests in, spans, lines and series out.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod anything;
mod exporting;
mod grpc;
mod http;
mod metrics;
mod queries;
mod world;
mod zipkin;
