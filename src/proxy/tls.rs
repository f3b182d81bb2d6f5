//! TLS on both sides of the proxy.
//!
//! ```text
//!  client ─► first message ─► server of the table ─┬─► handshake here ─► HTTP, or bytes
//!             (its name)                           └─► bytes passed on
//!  request, DestinationRule ─► Origin ─► handshake with the upstream
//! ```
//!
//! The table carries certificates as text; what rustls makes of them is made once per text, when
//! it is first needed, and shared by all workers (`configs`).

mod accept;
mod configs;
mod fault;

pub(crate) use self::{
    accept::{Arrived, arrive},
    configs::Configs,
    fault::of_handshake,
};

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::uri::Authority;
use rustls::pki_types::ServerName;
use spur_net::{Originate, server_name};
use spur_route::Verdict;
use spur_trace::TlsFault;

use crate::worker::Worker;

/// With whom TLS is spoken, and how: connections to one address that differ in it are not shared.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) originate: Arc<Originate>,
    pub(crate) name: ServerName<'static>,
}

/// The TLS of a verdict's destination, `host` being whom the request is for; `None`: none.
///
/// # Errors
/// When the certificates that it needs are not there or cannot be used, or there is no name.
pub(crate) fn origin(
    worker: &Worker,
    verdict: &Verdict,
    host: Option<&Authority>,
) -> Result<Option<Origin>, TlsFault> {
    let Some(tls) = verdict.policy.as_deref().and_then(|policy| policy.tls.as_ref()) else {
        return Ok(None);
    };
    let originate = worker.tls.originate(tls)?;
    let name = match (&tls.sni, host) {
        (Some(sni), _) => server_name(sni),
        // Envoy's `auto_sni`.
        (None, Some(host)) => server_name(host.host()),
        (None, None) => verdict.service.as_deref().and_then(|service| server_name(&service_name(service))),
    };
    let name = name.ok_or(TlsFault::OtherName)?;
    Ok(Some(Origin { originate, name }))
}

/// The name of a Service for who speaks no HTTP; a ServiceEntry is named by its host.
fn service_name(service: &spur_route::ServicePort) -> String {
    match service.name.contains('.') {
        true => service.name.to_string(),
        false => spur_route::service_host(&service.namespace, &service.name),
    }
}

// === impl Origin ===

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.originate, &other.originate) && self.name == other.name
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.originate).hash(state);
        self.name.hash(state);
    }
}
