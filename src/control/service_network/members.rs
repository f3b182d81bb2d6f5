//! The pods behind Services that have addresses of their own, as EndpointSlices tell them. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt;
use spur_api::labels;
use spur_runtime::ServiceId;

/// The ready pods of each Service.
pub(super) type Members = BTreeMap<ServiceId, Vec<Member>>;

/// A pod behind a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    /// Its own.
    pub(super) address: Ipv4Addr,
    /// Its name below that of the Service, where it has one.
    pub(super) hostname: Option<String>,
}

/// What one slice says.
pub(super) type OfSlice = Option<(ServiceId, Vec<Member>)>;

/// `None` for a slice of no Service.
pub(super) fn of(slice: &EndpointSlice) -> OfSlice {
    let service = slice.labels().get(labels::SERVICE_NAME)?;
    let id = ServiceId::new(&slice.namespace().unwrap_or_default(), service);
    Some((id, slice.endpoints.iter().flatten().filter_map(member).collect()))
}

/// All slices together, in an order that does not depend on theirs.
pub(super) fn all<'a>(slices: impl Iterator<Item = &'a OfSlice>) -> Members {
    let mut members = Members::new();
    for (id, of_slice) in slices.flatten() {
        members.entry(id.clone()).or_default().extend(of_slice.iter().cloned());
    }
    for of_service in members.values_mut() {
        of_service.sort();
        of_service.dedup();
    }
    members
}

/// Pods without an address of their own are reached by nobody on another network.
fn member(endpoint: &Endpoint) -> Option<Member> {
    let is_ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
    let address: Ipv4Addr = endpoint.addresses.first()?.parse().ok()?;
    let is_own = is_ready && !address.is_loopback();
    is_own.then(|| Member { address, hostname: endpoint.hostname.clone() })
}
