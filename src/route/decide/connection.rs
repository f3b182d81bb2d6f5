//! Where a connection goes whose bytes are not read: by the rules for connections, else, for a
//! Service, to the Service.

use std::sync::Arc;

use super::resolve::Target;
use super::{Ask, Destination, Keyed, by_weight};
use crate::credential::{Inside, TlsEnd};
use crate::decide::choose::Candidate;
use crate::explain::RuleFinding;
use crate::host;
use crate::host_map::bare_host;
use crate::rule_spec::VirtualServiceSpec;
use crate::rules::{ConnectionRoute, ConnectionView, MESH};
use crate::table::RoutingTable;
use crate::verdict::{Reason, Verdict};
use crate::witness::Witness;

/// Which of an object's rules a connection is asked about.
type Pick = fn(&VirtualServiceSpec) -> &[Arc<ConnectionRoute>];

const TLS: Pick = |spec| &spec.connections.tls;
const TCP: Pick = |spec| &spec.connections.tcp;

/// On a listener of a Service: the rules of the first object that the caller sees, those for TLS
/// before the others where it is spoken, then the Service itself
/// (`buildSidecarOutboundTLSFilterChainOpts` and `…TCPFilterChainOpts` in Istio's `tls.go`).
pub(super) fn to_service<W: Witness>(
    table: &RoutingTable,
    (ask, target): (&Ask<'_>, &Target<'_>),
    (verdict, keyed): (Verdict, Option<&Keyed<'_>>),
    witness: &mut W,
) -> Verdict {
    let Some((service, port)) = target.named else {
        return verdict.refused(Reason::UnknownHost, &ask.destination.to_string());
    };
    let caller = ask.source.map(|source| source.namespace);
    let seen = service.virtual_services.iter().find(|spec| spec.export_to.includes(caller));
    let name = host::normalise(ask.host);
    let view = view(ask, (&name, target.port), MESH);
    let by_name = ask.is_tls.then(|| find(seen.into_iter(), (&view, TLS), witness)).flatten();
    if let Some(route) = by_name.or_else(|| find(seen.into_iter(), (&view, TCP), witness)) {
        let verdict = Verdict { rule: Some(route.rule.clone()), ..verdict };
        return by_weight(table, (ask, target.port), &route.destinations, (verdict, keyed), witness);
    }
    let candidate = Candidate::whole((service, port), caller);
    let verdict = Verdict { rule: Some(service.rule.clone()), ..verdict };
    verdict.sent_to(&candidate, keyed, witness)
}

/// At a port of gateways: the rules of the objects that are bound to the server's gateway.
pub(super) fn to_gateway<W: Witness>(
    table: &RoutingTable,
    ask: &Ask<'_>,
    (verdict, keyed): (Verdict, Option<&Keyed<'_>>),
    witness: &mut W,
) -> Verdict {
    let refused = |verdict: Verdict, reason| verdict.refused(reason, &ask.destination.to_string());
    let Destination::Gateway { port, host } = ask.destination else {
        return refused(verdict, Reason::UnknownHost);
    };
    let name = host::normalise(host);
    let name = bare_host(&name);
    let Some(at) = table.rules().gateway_port(port) else { return refused(verdict, Reason::UnknownHost) };
    let (gateway, pick) = match at.tls_server(Some(name).filter(|it| !it.is_empty())) {
        Some(server) if ask.is_tls => match &server.end {
            TlsEnd::Passthrough => (&server.gateway, TLS),
            TlsEnd::Here { inside: Inside::Tcp, .. } => (&server.gateway, TCP),
            // Its requests are read, each by itself.
            TlsEnd::Here { inside: Inside::Http, .. } => return refused(verdict, Reason::UnknownHost),
        },
        _ => match at.tcp_gateway().filter(|_| !ask.is_tls) {
            Some(gateway) => (gateway, TCP),
            None => return refused(verdict, Reason::UnknownHost),
        },
    };
    let view = view(ask, (name, port), gateway);
    match find(at.connections(gateway), (&view, pick), witness) {
        Some(route) => {
            let verdict = Verdict { rule: Some(route.rule.clone()), ..verdict };
            by_weight(table, (ask, port), &route.destinations, (verdict, keyed), witness)
        }
        None => refused(verdict, Reason::NoRoute),
    }
}

/// The rule that names most nearly what the connection asks for; of two, the first.
fn find<'t, W: Witness>(
    specs: impl Iterator<Item = &'t Arc<VirtualServiceSpec>>,
    (view, pick): (&ConnectionView<'_>, Pick),
    witness: &mut W,
) -> Option<&'t ConnectionRoute> {
    let all = specs.flat_map(|spec| pick(spec).iter().map(move |route| (route, spec)));
    let all: Vec<_> = all.collect();
    witness.rules(|| {
        let finding = |(route, spec): &(&Arc<ConnectionRoute>, &Arc<VirtualServiceSpec>)| RuleFinding {
            rule: route.rule.clone(),
            why_not: route.why_not(view, &spec.gateways),
        };
        all.iter().map(finding).collect()
    });
    let near = all.iter().filter_map(|(route, spec)| Some((route.nearness(view, &spec.gateways)?, route)));
    // `max_by_key` gives the last of equals.
    let (_, route) = near.rev().max_by_key(|(nearness, _)| *nearness)?;
    Some(route)
}

fn view<'a>(ask: &'a Ask<'_>, (sni, port): (&'a str, u16), gateway: &'a str) -> ConnectionView<'a> {
    ConnectionView {
        sni,
        port,
        source_namespace: ask.source.map(|source| source.namespace),
        source_labels: ask.source.and_then(|source| source.labels),
        gateway,
    }
}
