//! Services that are names of hosts elsewhere (`type: ExternalName`). Pure.
//!
//! In a cluster such a name is an alias in DNS: the client goes to the other host at whichever port
//! it likes. Here it is a Service whose endpoints are the addresses of that host, so that it is
//! reached, seen and ruled like any other. A host that is another Service of the cluster gives its
//! endpoints, once: what is an alias itself gives none.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use spur_istio::{EntrySpec, NamedEndpoint, Takes};
use spur_route::ServiceSpec;

/// Where an ExternalName leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum External {
    /// A host that is not the cluster's, in lower case.
    Host(Box<str>),
    /// Another Service.
    Service {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// The port of HTTP, and what is said to be spoken there where a Service that is a mere name lists
/// no ports.
const WEB: [(i32, &str, &str); 2] = [(80, "http", "http"), (443, "https", "https")];

/// The ports at which a Service is reached. One that is the name of a host elsewhere need not list
/// any, since an alias in DNS has none: it is then reached at those of the web.
#[must_use]
pub fn ports(service: &Service) -> Cow<'_, [ServicePort]> {
    let listed = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or(&[]);
    if !listed.is_empty() || External::of(service).is_none() {
        return Cow::Borrowed(listed);
    }
    let port = |(port, name, spoken): (i32, &str, &str)| ServicePort {
        port,
        name: Some(name.to_owned()),
        app_protocol: Some(spoken.to_owned()),
        ..ServicePort::default()
    };
    WEB.map(port).to_vec().into()
}

// === impl External ===

impl External {
    /// `None` for a Service that is none.
    #[must_use]
    pub fn of(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        spec.type_.as_deref().filter(|type_| *type_ == "ExternalName")?;
        let host = spec.external_name.as_deref().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let within = host.strip_suffix(".svc.cluster.local").and_then(|within| within.split_once('.'));
        Some(match within {
            Some((name, namespace)) if !namespace.contains('.') => {
                Self::Service { namespace: namespace.into(), name: name.into() }
            }
            _ => Self::Host(host.into()),
        })
    }

    /// The name whose addresses are endpoints; `None` for an address, and for another Service.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Host(host) if host.parse::<IpAddr>().is_err() => Some(host),
            Self::Host(_) | Self::Service { .. } => None,
        }
    }
}

/// The Service with the addresses of a host as endpoints, as far as they are known.
pub(super) fn at_host<'a>(
    service: ServiceSpec,
    host: &str,
    addresses_of: impl Fn(&str) -> Option<&'a [IpAddr]>,
) -> ServiceSpec {
    let named = service.ports.iter().map(|port| NamedEndpoint {
        name: host.into(),
        takes: Takes::All,
        port: port.number,
        // As a client does that follows an alias; the API gives `targetPort` no meaning here.
        target: port.number,
        labels: Arc::default(),
    });
    let named = named.collect();
    let literal: Option<IpAddr> = host.parse().ok();
    let literal = literal.as_ref().map(std::slice::from_ref);
    let entry = EntrySpec { service: Arc::new(service), named };
    Arc::unwrap_or_clone(entry.resolved(|name| literal.or_else(|| addresses_of(name))))
}
