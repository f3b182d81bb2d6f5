//! Where a pod runs, as far as its containers are told: its addresses, its node's, and what the
//! node has to give.

use std::net::{IpAddr, Ipv4Addr};

use crate::node::Allocatable;

/// Where a pod runs. The first address of each list is the one of its `…IP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pod_ips: Vec<IpAddr>,
    pub(super) host_ips: Vec<IpAddr>,
    pub(super) allocatable: Allocatable,
}

// === impl Place ===

impl Place {
    /// The shared process network of this machine: every pod is reached at the node's own address.
    pub(super) fn shared() -> Self {
        let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        Self { pod_ips: here.clone(), host_ips: here, allocatable: Allocatable::of_this_machine() }
    }
}
