//! What a request asks for: the Service that its host or listener names, and the rules that
//! stand before it.

use std::sync::{Arc, LazyLock};

use super::{Ask, Destination};
use crate::gateway_port::GatewayHost;
use crate::host::{self, HostKind, HostName};
use crate::host_map::bare_host;
use crate::rule_spec::VirtualServiceSpec;
use crate::rules::MESH;
use crate::service::{Port, Service};
use crate::table::{RoutingTable, Sandbox};
use crate::verdict::Reason;
use crate::virtual_host::Rules;

/// What was asked for.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    /// The Service and its port; `None` for hosts that only rules know.
    pub(super) named: Option<(&'t Service, &'t Port)>,
    /// The sandbox that the host names.
    pub(super) preview: Option<&'t Arc<Sandbox>>,
    /// The rules for the host; `None`: the Service takes what is for it.
    pub(super) rules: Option<HostRules<'t>>,
    /// The port that was asked for: the Service's, or the gateway's.
    pub(super) port: u16,
}

/// The rules of a host, and by which way they were found.
#[derive(Clone, Copy)]
pub(super) struct HostRules<'t> {
    /// `None` for a host of a gateway for which no VirtualService has any.
    pub(super) rules: Option<&'t Rules>,
    /// `mesh`, or the gateways.
    pub(super) gateways: &'t [Arc<str>],
    pub(super) redirects_to_https: bool,
}

/// What `http://` means without a port, and so the port of gateways for which the entry
/// listener stands.
const ENTRY_PORT: u16 = 80;

static OF_MESH: LazyLock<[Arc<str>; 1]> = LazyLock::new(|| [MESH.into()]);

/// Finds what was asked for.
pub(super) fn resolve<'t>(table: &'t RoutingTable, ask: &Ask<'_>) -> Result<Target<'t>, Reason> {
    let caller = ask.source.map(|source| source.namespace);
    match &ask.destination {
        Destination::Service { namespace, service, port } => {
            let service = table.service(namespace, service).ok_or(Reason::UnknownService)?;
            let port = service.port(*port).ok_or(Reason::UnknownPort)?;
            Ok(Target::of_service((service, port), None, caller))
        }
        Destination::Datagrams { namespace, service, port } => {
            let service = table.service(namespace, service).ok_or(Reason::UnknownService)?;
            let port = service.datagram_port(*port).ok_or(Reason::UnknownPort)?;
            Ok(Target::of_datagrams((service, port)))
        }
        Destination::Host(host) if ask.is_connection => resolve_tunnel(table, &host::normalise(host), caller),
        Destination::Host(host) => resolve_host(table, &host::normalise(host), caller),
        Destination::Gateway { port, host } => {
            let host = host::normalise(host);
            let host = bare_host(&host);
            let at = (*port, ask.is_tls);
            let found = table.rules().at_gateway(at, host);
            let found = found.or_else(|| table.rules().at_gateway_wildcard(at, host));
            Ok(Target::of_gateway(found.ok_or(Reason::UnknownHost)?, *port))
        }
    }
}

/// On the entry listener: what a gateway names, then Services by their names, then what the mesh
/// has rules for, then the wildcards of gateways.
fn resolve_host<'t>(
    table: &'t RoutingTable,
    authority: &str,
    caller: Option<&str>,
) -> Result<Target<'t>, Reason> {
    let host = bare_host(authority);
    let mut ports = table.entry_port().into_iter().chain([ENTRY_PORT]);
    let exact = |port| Some(Target::of_gateway(table.rules().at_gateway((port, false), host)?, port));
    if let Some(target) = ports.find_map(exact) {
        return Ok(target);
    }
    let missing = match resolve_name(table, authority, caller) {
        Err(Reason::UnknownHost) => Reason::UnknownHost,
        other => return other,
    };
    if let Some(service) = table.service_of_host(host, caller) {
        let port = service.default_port().ok_or(Reason::UnknownPort)?;
        return Ok(Target::of_service((service, port), None, caller));
    }
    if let Some(rules) = HostRules::of_mesh(table.rules().of_mesh_host(host), caller) {
        return Ok(Target { named: None, preview: None, rules: Some(rules), port: ENTRY_PORT });
    }
    let mut ports = table.entry_port().into_iter().chain([ENTRY_PORT]);
    let wildcard =
        |port| Some(Target::of_gateway(table.rules().at_gateway_wildcard((port, false), host)?, port));
    ports.find_map(wildcard).ok_or(missing)
}

/// A tunnel on the entry listener leads to a port of a Service, by whichever of its names; what
/// only rules know has none.
fn resolve_tunnel<'t>(
    table: &'t RoutingTable,
    authority: &str,
    caller: Option<&str>,
) -> Result<Target<'t>, Reason> {
    let (host, port) = authority.rsplit_once(':').ok_or(Reason::UnknownPort)?;
    let port: u16 = port.parse().map_err(|_| Reason::UnknownPort)?;
    let named = match resolve_name(table, host, caller) {
        Ok(target) => target.named.map(|(service, _)| (service, target.preview)).ok_or(Reason::UnknownHost),
        Err(Reason::UnknownHost) => {
            table.service_of_host(host, caller).map(|service| (service, None)).ok_or(Reason::UnknownHost)
        }
        Err(other) => Err(other),
    };
    let (service, preview) = named?;
    let port = service.port(port).ok_or(Reason::UnknownPort)?;
    Ok(Target::of_service((service, port), preview, caller))
}

/// A host that is the name of a Service, and with it perhaps of a sandbox.
fn resolve_name<'t>(
    table: &'t RoutingTable,
    authority: &str,
    caller: Option<&str>,
) -> Result<Target<'t>, Reason> {
    let name = HostName::parse(authority).ok_or(Reason::UnknownHost)?;
    let target = |service: &'t Service, port: Option<&'t Port>, preview| {
        let port = port.or_else(|| service.default_port()).ok_or(Reason::UnknownPort)?;
        Ok(Target::of_service((service, port), preview, caller))
    };
    let plain = table.service(name.namespace, name.label);
    match name.kind {
        HostKind::Cluster { port } => {
            let service = plain.ok_or(Reason::UnknownHost)?;
            // A port that the Service does not have is the entry listener's own.
            target(service, port.and_then(|port| service.port(port)), None)
        }
        HostKind::Local => match resolve_preview(table, &name) {
            Ok((service, sandbox)) => target(service, None, Some(sandbox)),
            // A Service may have `--` in its name.
            Err(reason) => target(plain.ok_or(reason)?, None, None),
        },
    }
}

fn resolve_preview<'t>(
    table: &'t RoutingTable,
    host: &HostName<'_>,
) -> Result<(&'t Service, &'t Arc<Sandbox>), Reason> {
    let namespace = host.namespace;
    let (sandbox, service) = host::split_preview(host.label).ok_or(Reason::UnknownHost)?;
    // As it stands first: a short name is never written shortened.
    let service = table
        .service(namespace, service)
        .or_else(|| table.service(namespace, table.full_name(namespace, service)))
        .ok_or(Reason::UnknownHost)?;
    let sandbox = table
        .sandbox(namespace, sandbox)
        .or_else(|| table.sandbox(namespace, table.full_name(namespace, sandbox)))
        .ok_or(Reason::UnknownSandbox)?;
    Ok((service, sandbox))
}

// === impl Target ===

impl<'t> Target<'t> {
    fn of_service(
        named: (&'t Service, &'t Port),
        preview: Option<&'t Arc<Sandbox>>,
        caller: Option<&str>,
    ) -> Self {
        let rules = HostRules::of_mesh(&named.0.virtual_services, caller);
        Self { named: Some(named), preview, rules, port: named.1.service_port.port }
    }

    /// No rule is about datagrams.
    fn of_datagrams(named: (&'t Service, &'t Port)) -> Self {
        Self { named: Some(named), preview: None, rules: None, port: named.1.service_port.port }
    }

    /// Nothing: for connections at gateways, which are looked up by their rules.
    pub(super) fn unread() -> Self {
        Self { named: None, preview: None, rules: None, port: 0 }
    }

    fn of_gateway(host: &'t GatewayHost, port: u16) -> Self {
        let rules = HostRules {
            rules: host.rules(),
            gateways: &host.gateways,
            redirects_to_https: host.redirects_to_https,
        };
        Self { named: None, preview: None, rules: Some(rules), port }
    }
}

// === impl HostRules ===

impl<'t> HostRules<'t> {
    /// The rules of the first VirtualService that the caller sees: in the mesh they are not merged.
    fn of_mesh(all: &'t [Arc<VirtualServiceSpec>], caller: Option<&str>) -> Option<Self> {
        let seen = all.iter().find(|spec| spec.export_to.includes(caller))?;
        // One that has nothing but rules for connections leaves requests alone.
        let rules = Some(&seen.rules).filter(|rules| !rules.routes().is_empty())?;
        Some(Self { rules: Some(rules), gateways: &*OF_MESH, redirects_to_https: false })
    }
}
