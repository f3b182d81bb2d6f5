//! Envoy's response flags: what was odd about a response, in a few letters.
//!
//! Source: <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>,
//! `%RESPONSE_FLAGS%`.

use spur_trace::{Decision, HopEnd, HopError};

/// The flags of a hop; `-` where there is none.
pub(super) fn response_flags(decision: Option<&Decision>, end: &HopEnd) -> &'static str {
    match end.error {
        Some(error) => of_error(error),
        None if end.served_by.is_none() && decision.is_some_and(|decision| decision.asked.is_some()) => {
            of_refusal(end.status)
        }
        None => "-",
    }
}

fn of_error(error: HopError) -> &'static str {
    match error {
        HopError::ConnectRefused
        | HopError::ConnectTimeout
        | HopError::ConnectFailed
        | HopError::TlsFailed(_) => "UF",
        HopError::Idle => "SI",
        HopError::TooOld => "DT",
        HopError::UpstreamClosed | HopError::ResponseAborted => "UC",
        HopError::BadResponse | HopError::WebSocketOverH2 => "UPE",
        HopError::ResponseTimeout | HopError::RouteTimeout | HopError::DeadlineExceeded => "UT",
        HopError::ClientGone => "DC",
        HopError::BadRequestBody | HopError::RejectedRequest => "DPE",
        HopError::StreamRefused => "UR",
        HopError::NoHealthyEndpoint => "UH",
        HopError::OverLimit => "UO",
        HopError::Draining => "LR",
    }
}

/// What was answered without an upstream: no route, or nothing ready behind it.
fn of_refusal(status: Option<u16>) -> &'static str {
    match status {
        Some(404) => "NR",
        Some(503) => "UH",
        _ => "-",
    }
}
