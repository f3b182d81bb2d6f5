//! Where a host outside is, for private pods: their only way out is an HTTP proxy (RFC 9110 3.7),
//! whose listener is an inlet like others. What a Service or a rule has goes there as from any other
//! listener; the rest is looked up and leaves.

use std::{net::SocketAddr, time::Duration};

use http::uri::Authority;
use spur_net::Destination;
use spur_route::{Reason, Verdict, is_outside};
use tokio::{net::lookup_host, time::timeout};

use crate::connection::Client;

/// How long a name may take to be resolved: a resolver asks each of its servers for five seconds
/// (`RES_TIMEOUT` of resolv.conf(5)).
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// Whether the request may leave, and nothing here has its host.
pub(crate) fn leaves(client: &Client, verdict: &Verdict) -> bool {
    client.inlet.destination == Destination::Egress && verdict.reason == Reason::UnknownHost
}

/// The verdict with the host's address, or with the reason why it cannot be reached.
pub(crate) async fn find(verdict: Verdict, authority: &Authority) -> Verdict {
    let (host, port) = (authority.host(), authority.port_u16().unwrap_or(80));
    // A name for lookups, or an address, which has brackets where it is one of IPv6.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(RESOLVED_WITHIN, lookup_host((bare, port))).await;
    let Ok(Ok(found)) = found else { return verdict.not_found_outside(authority.as_str()) };
    let found: Vec<SocketAddr> = found.collect();
    // They come in the order in which they are to be tried (RFC 6724); what cannot be reached at all,
    // as IPv6 on many machines, comes last.
    match found.iter().find(|address| is_outside(address.ip())) {
        Some(address) => verdict.outside(bare, *address),
        None if found.is_empty() => verdict.not_found_outside(authority.as_str()),
        None => verdict.not_outside(authority.as_str()),
    }
}
