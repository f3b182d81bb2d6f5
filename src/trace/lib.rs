//! Hops and traces: rings, joins, queries.
//!
//! ```text
//!  proxy worker ──Record──► Ring ─┐                              ┌─► TraceReader::query
//!  proxy worker ──Record──► Ring ─┼─► Collector (one task) ──────┤   (a list, by key, since a seq)
//!  proxy worker ──Record──► Ring ─┤   owns the TraceStore:       └─► TraceReader::follow
//!               (never waits; the │   joins hops by trace id,        (live; a slow reader is told
//!                oldest is over-  │   publishes finished traces       how many it lost)
//!                written, counted)│
//!  application ──Span──► SpanSender (what there is no room for within a second is turned away)
//! ```
//!
//! Workers push refcounted facts, never text; text is made by whoever reads.
//! Everything is bounded, and everything dropped is counted. Traces worth
//! looking at have a ring of their own (`keep`); seconds are counted exactly
//! (`aggregate`); a [`filter`] says which traces are wanted; `propagation`
//! says which services lose keys. It leaves to others: deciding (`route`),
//! sending (`proxy`), and serving answers over HTTP (`server`).

pub mod export;
pub mod filter;
pub mod otlp_json;
pub mod sanitize;

mod aggregate;
mod as_spans;
mod attributes;
mod capture;
mod carried;
mod collector;
mod compare;
mod diff;
mod durations;
mod entry;
mod hop_line;
mod join;
mod keep;
mod limits;
mod logs;
mod map;
mod path;
mod propagation;
mod query;
mod record;
mod redact;
mod replayed;
mod resources;
mod ring;
mod sample;
mod series;
mod shown;
mod slow;
mod span;
mod span_channel;
mod span_tree;
mod spill;
mod store;
mod text;
mod trace;

pub use aggregate::{AggregateCounts, AggregateLimits, Aggregates, Summary, Tally, Window};
pub use attributes::{AttributeValue, Attributes, Finite};
pub use capture::{
    BODY_MAX_BYTES, Capture, CapturePolicy, Captured, CapturedBody, CapturedRequest, CapturedResponse,
    entry_host, own_headers, own_target,
};
pub use carried::{Carried, KeyHeader};
pub use collector::{Collector, CollectorGone, Follow, TraceReader, Update, collector};
pub use compare::{Noise, ResponseDifference, ResponsePart, compare};
pub use diff::{DiffRow, DiffSide, Difference, TraceDiff, baselines, diff, usual};
pub use durations::Durations;
pub use filter::{Filter, FilterError};
pub use keep::KeptFor;
pub use limits::Limits;
pub use logs::{
    InTrace, LINE_MAX_BYTES, LogAnswer, LogCounts, LogFollow, LogLimits, LogLine, LogQuery, LogRecord,
    LogUpdate, Logs, Severity,
};
pub use propagation::{Loss, Missing, Propagation, PropagationEdge, PropagationReport};
pub use query::{Answer, Counts, InFlight, Query};
pub use record::{Decision, HopEnd, HopError, HopId, HopProgress, HopSource, HopStart, Record, TlsFault};
pub use redact::{Redaction, redact_target};
pub use replayed::{ReplayResult, ReplayTarget, Replayed, SPUR_REPLAY_OF, sent_to};
pub use resources::Resources;
pub use ring::{Ring, RingCounts};
pub use sanitize::sanitize_for_terminal;
pub use series::{By, Edge, Place, RuleName, Series, SeriesParts};
pub use shown::{bytes, short_duration};
pub use span::{Resource, Scope, Span, SpanEvent, SpanKind, SpanLimits, SpanLink, SpanStatus};
pub use span_channel::SpanSender;
pub use spill::{Restored, Spill, SpillCounts, SpillTo, restore};
pub use store::{Marked, TraceStore};
pub use trace::{Hop, JoinedBy, Trace};
