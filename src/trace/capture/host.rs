//! By which host the entry finds again what a hop asked for.

use spur_route::Carrier;

use super::Capture;
use crate::trace::Hop;

/// The host: the request's own, which rules may name, where it came in at the entry; else the
/// Service's. A preview host would bring its own key, and is the Service's, too. `None` where
/// neither is known.
#[must_use]
pub fn entry_host(hop: &Hop, capture: &Capture) -> Option<String> {
    let decision = &hop.start.decision;
    let is_preview = decision.key.as_ref().is_some_and(|key| key.carrier == Carrier::PreviewHost);
    let own = capture.request.authority.as_deref().filter(|_| hop.start.source.is_none() && !is_preview);
    match (own, &decision.service) {
        (Some(own), _) => Some(own.to_owned()),
        (None, Some(service)) => {
            Some(format!("{}.{}.svc.cluster.local:{}", service.name, service.namespace, service.port))
        }
        (None, None) => None,
    }
}
