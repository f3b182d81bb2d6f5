//! A trace as readers get it: plain data, with the hops joined.
//!
//! Made by `store` with `join`; drawn by `path`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use spur_route::{Endpoint, SpanId, TraceId, Version};

use crate::capture::Captured;
use crate::hop_line::HopLine;
use crate::keep::KeptFor;
use crate::record::{HopEnd, HopProgress, HopStart};
use crate::span::{Span, is_zero};
use crate::text;

/// All hops of one entry request, at one moment, and the spans that applications reported of it.
/// One of which no request came through the proxy has spans only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The number of its publication, rising; 0 while it is in flight. A trace
    /// that gets a late hop is published again, under a new number.
    pub seq: u64,
    /// Its id.
    pub trace_id: TraceId,
    /// Whether no hop is open.
    pub is_finished: bool,
    /// When the first hop began, or, where there is none, the first span.
    #[serde(with = "text::time")]
    pub started: SystemTime,
    /// From the first hop's start to the last end seen; where there is no hop, of the spans.
    #[serde(rename = "duration_us", with = "text::micros")]
    pub duration: Duration,
    /// The key of the earliest hop that has one.
    pub key: Option<Arc<str>>,
    /// Why it is worth looking at, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<KeptFor>,
    /// What somebody marked it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Arc<str>>,
    /// Hops that were not kept, because the trace has too many.
    pub n_dropped_hops: u64,
    /// The hops by their start; a parent may stand after its child only where clocks disagree.
    pub hops: Vec<Hop>,
    /// What applications reported, by their start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Arc<Span>>,
    /// Spans that were not kept, because the trace has too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_dropped_spans: u64,
}

/// One request between two workloads, or into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "HopLine")]
pub struct Hop {
    /// The hop that this one belongs under; absent for a root.
    pub parent: Option<SpanId>,
    /// How the parent was found.
    pub joined_by: JoinedBy,
    /// The key that the caller got earlier in this trace, where it sent none on.
    pub lost_key: Option<Arc<str>>,
    /// The hop that brought its caller a key, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_came_by: Option<SpanId>,
    /// How it began.
    #[serde(flatten)]
    pub start: Arc<HopStart>,
    /// How far it is, where it is long and has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<HopProgress>,
    /// How it ended; absent while it is open.
    #[serde(flatten)]
    pub end: Option<Arc<HopEnd>>,
    /// That heads and bodies were captured, and where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
}

/// How a hop's parent was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinedBy {
    /// It has none: nobody in the trace called its caller.
    Root,
    /// The request named the parent's span.
    Span,
    /// The parent went to this hop's caller and was open when this one began.
    Caller,
    /// The same, but several hops fit; the latest was taken.
    OneOfSeveral,
}

// === impl Trace ===

impl Trace {
    /// Whether some hop carries this key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.hops.iter().any(|hop| hop.key() == Some(key))
    }

    /// Whether some hop failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.hops.iter().any(Hop::is_failed)
    }

    /// The request that everything else followed from: the first that nobody in the trace led to.
    /// `None` where there are spans only.
    #[must_use]
    pub fn entry(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.parent.is_none()).or(self.hops.first())
    }

    /// The hops that went on without the key that their caller got.
    pub fn lost_key_hops(&self) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(|hop| hop.lost_key.is_some())
    }
}

// === impl Hop ===

impl Hop {
    /// The name of the Service that was asked for, or the words of a refused request.
    #[must_use]
    pub fn name(&self) -> &str {
        let decision = &self.start.decision;
        match (&decision.service, &decision.asked) {
            (Some(service), _) => &service.name,
            (None, Some(asked)) => asked,
            (None, None) => "?",
        }
    }

    /// The routing key that it carries.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.start.decision.key.as_ref().map(|key| &*key.value)
    }

    /// Whether a fork served it, or should have.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        matches!(self.start.decision.version, Version::Sandbox(_))
    }

    /// Who sent it: a workload, or `gw` where it came from outside.
    #[must_use]
    pub fn caller(&self) -> &str {
        self.start.source.as_ref().map_or("gw", |source| &source.workload)
    }

    /// Whether the baseline served it, or should have; what was refused before there was a version
    /// to choose went nowhere.
    #[must_use]
    pub fn is_to_baseline(&self) -> bool {
        let decision = &self.start.decision;
        decision.version == Version::Baseline && (decision.asked.is_none() || decision.service.is_some())
    }

    /// Where it went, as far as is known.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        let served_by = self.end.as_ref().and_then(|end| end.served_by.as_ref());
        served_by.or(self.start.endpoint.as_ref())
    }

    /// Whether its end has not been seen.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Whether it failed: by an error, a status of 500 or more, or a
    /// `grpc-status` that is the server's fault; or it was refused.
    ///
    /// The gRPC codes are those that OpenTelemetry counts as errors of a server
    /// (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>).
    #[must_use]
    pub fn is_failed(&self) -> bool {
        let Some(end) = &self.end else {
            return false;
        };
        let is_grpc_failure = matches!(end.grpc_status, Some(2 | 4 | 12 | 13 | 14 | 15));
        end.error.is_some()
            || self.start.decision.asked.is_some()
            || end.status.is_some_and(|status| status >= 500)
            || is_grpc_failure
    }
}
