//! The routing table as data, and the verdict; no IO.
//!
//! ```text
//!  ServiceSpec ─┐                       Ask { destination, source, method, uri, headers }
//!  SandboxSpec ─┴─► RoutingTable ──────────────┐  │
//!                   (immutable, one Arc         ▼  ▼
//!                    shared by all workers)    decide ──► Verdict { version, key, reason, outcome }
//!                                              explain ─► Explanation (the same code, and every
//!                                                         candidate with why it was not taken)
//! ```
//!
//! The rules decide which Service a request goes to; the routing key decides
//! which version of it. Only this crate decides. It leaves to others: where
//! the specs come from (`control`), picking one of the named endpoints and
//! sending (`proxy`), remembering (`trace`).

pub mod b3;
pub mod baggage;
pub mod traceparent;
pub mod tracestate;

mod carrier;
mod credential;
mod decide;
mod explain;
mod gateway_port;
mod host;
mod host_map;
mod inject;
mod map;
mod named;
mod outside;
mod percent;
pub mod policy;
mod question;
mod rule_spec;
mod rule_table;
pub mod rules;
mod service;
mod shared;
mod spec;
mod strip;
mod table;
mod verdict;
mod virtual_host;
mod wire;
mod witness;

pub use carrier::{
    BAGGAGE_KEYS, Carrier, CarrierSpec, KEY_MAX_LEN, SPUR_KEY, TRACESTATE_KEYS, is_valid_key, key_headers,
};
pub use credential::{
    ClientCertificates, Credential, CredentialSpec, Inside, TlsEnd, TlsServer, TlsTerms, TlsVersion,
};
pub use decide::{Ask, Destination, Source, decide, explain};
pub use explain::{
    Asked, CandidateFinding, CandidateOutcome, CarrierFinding, CarrierOutcome, DestinationFinding,
    DestinationOutcome, Explanation, RuleFinding,
};
pub use gateway_port::PortTakes;
pub use host::preview_host;
pub use inject::inject_key;
pub use named::Named;
pub use outside::is_outside;
pub use question::{Caller, Question, QuestionError};
pub use rule_spec::{
    DestinationRuleSpec, GatewaySpec, PortPolicies, RuleSpecs, ServerHost, ServerSpec, Serves, SubsetSpec,
    VirtualServiceSpec, Visibility, service_host,
};
pub use spec::{
    DatagramPortSpec, EndpointSpec, Fallback, ForkSpec, PortSpec, SandboxSpec, ServiceSpec, Specs,
};
pub use strip::strip_keys;
pub use table::{RejectedSandbox, RejectedWhy, RoutingTable};
pub use traceparent::{SpanId, TraceId, TraceParent};
pub use verdict::{
    Applied, Endpoint, Outcome, Reason, RoutingKey, Rule, RuleKind, SandboxRef, ServicePort, Share, Verdict,
    Version,
};
pub use wire::Wire;
