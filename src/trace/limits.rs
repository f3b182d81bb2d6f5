//! How much a store keeps.

use crate::aggregate::AggregateLimits;

/// How much is kept; what is beyond goes, oldest trace first, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ordinary traces, in flight ones included.
    pub max_traces: usize,
    /// Bytes that their hops and spans take, names shared with the routing table not counted.
    pub max_bytes: usize,
    /// Traces that are worth looking at ([`KeptFor`]), in flight ones included.
    pub max_kept_traces: usize,
    /// Bytes that their hops and spans take, likewise.
    pub max_kept_bytes: usize,
    /// Hops of one trace; further ones are dropped.
    pub max_hops_per_trace: usize,
    /// Spans of one trace, their bytes counted with those of hops; further ones are dropped.
    pub max_spans_per_trace: usize,
    /// Ends that came before their start; the oldest go.
    pub max_early_ends: usize,
    /// Bytes that captured heads and bodies take.
    pub max_capture_bytes: usize,
    /// What is kept of counts by the second.
    pub aggregates: AggregateLimits,
}

// === impl Limits ===

impl Default for Limits {
    /// 10,000 traces are what Aspire keeps, and hours of a developer's clicks; as
    /// many again are worth looking at. 40 and 24 MiB keep `spur` within its
    /// memory budget where traces are large. A trace of 1,000 hops is a loop or a load test; a
    /// service that is instrumented well makes some spans for each. 4,096 early ends are one
    /// sweep's worth at 400,000 hops per second. 32 MiB of captures are 256 pairs of bodies at
    /// their cap, and the last few thousand requests of an ordinary API.
    fn default() -> Self {
        Self {
            max_traces: 10_000,
            max_bytes: 40 << 20,
            max_kept_traces: 10_000,
            max_kept_bytes: 24 << 20,
            max_hops_per_trace: 1_000,
            max_spans_per_trace: 4_000,
            max_early_ends: 4_096,
            max_capture_bytes: 32 << 20,
            aggregates: AggregateLimits::default(),
        }
    }
}
