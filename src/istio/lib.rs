//! Istio's traffic objects as rules of the routing table.
//!
//! ```text
//!  VirtualService ──┐
//!  DestinationRule ─┼─► read ─► Reading { spec, faults, unsupported }
//!  Gateway ─────────┤
//!  ServiceEntry ────┘
//! ```
//!
//! One reading for three askers: admission refuses an object with `faults`, the status of an
//! object tells what is `unsupported` in it, and the routing table is made from `spec`. A schema
//! has seen to the types before; what has another type all the same is a fault, too, since
//! objects also come from files.
//!
//! What a rule means is `spur-route`'s business; where objects come from, the caller's.
//!
//! Sources: <https://istio.io/latest/docs/reference/config/networking/>, and what Istio's webhook
//! refuses (`pkg/config/validation/validation.go`).

mod destination_rule;
mod gateway;
mod hosts;
mod object;
mod service_entry;
mod virtual_service;

use serde_json::Value;
use spur_route::{DestinationRuleSpec, GatewaySpec, VirtualServiceSpec};
use spur_schema::FieldError;

pub use object::{Support, Unsupported};
pub use service_entry::{EntrySpec, NamedEndpoint, Takes};

/// The API group of these kinds.
pub const GROUP: &str = "networking.istio.io";

/// What an object came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it says, as far as it could be read; `None` for kinds that say nothing about routes,
    /// and where nothing is left beside the faults.
    pub spec: Option<Spec>,
    /// What is wrong with it.
    pub faults: Vec<FieldError>,
    /// What is right and not obeyed.
    pub unsupported: Vec<Unsupported>,
}

/// An object as the routing table takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Rules.
    VirtualService(VirtualServiceSpec),
    /// Policies.
    DestinationRule(DestinationRuleSpec),
    /// Servers.
    Gateway(GatewaySpec),
    /// Hosts elsewhere, as Services.
    ServiceEntry(Vec<EntrySpec>),
}

/// The kinds that are read.
pub const KINDS: [&str; 4] = ["VirtualService", "DestinationRule", "Gateway", "ServiceEntry"];

/// Reads an object of this group; `None` where its kind is none of [`KINDS`]. The version does
/// not matter: all have one shape.
#[must_use]
pub fn read(object: &Value) -> Option<Reading> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion").split_once('/').map(|(group, _)| group) != Some(GROUP) {
        return None;
    }
    let read: object::Reader = match text("kind") {
        "VirtualService" => |place, spec| Some(Spec::VirtualService(virtual_service::read(place, spec))),
        "DestinationRule" => |place, spec| destination_rule::read(place, spec).map(Spec::DestinationRule),
        "Gateway" => |place, spec| Some(Spec::Gateway(gateway::read(place, spec))),
        "ServiceEntry" => |place, spec| Some(Spec::ServiceEntry(service_entry::read(place, spec))),
        _ => return None,
    };
    Some(object::reading(object, read))
}

/// What becomes of each field of a kind: every field that these kinds have, by its path, with
/// `[]` for the items of lists and of maps.
#[must_use]
pub fn fields(kind: &str) -> Vec<(String, Support)> {
    match kind {
        "VirtualService" => object::paths(virtual_service::FIELDS),
        "DestinationRule" => object::paths(destination_rule::FIELDS),
        "Gateway" => object::paths(gateway::FIELDS),
        "ServiceEntry" => object::paths(service_entry::FIELDS),
        _ => Vec::new(),
    }
}
