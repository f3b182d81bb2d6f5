//! The rules for connections: `tls` and `tcp`.

use std::sync::Arc;

use spur_route::rules::{ConnectionMatch, ConnectionRoute, ConnectionRules, WeightedDestination};
use spur_route::{Rule, RuleKind};
use spur_schema::FieldError;

use super::action;
use crate::hosts;
use crate::object::{Field, Message, Place};

/// Without the condition a rule would match more, so that it is left out.
const SUBNETS: &str = "not supported: the rule is left out";

pub(super) const TLS: &[Field] = &[Field::holds("match", TLS_MATCH), Field::holds("route", ROUTE)];
pub(super) const TCP: &[Field] = &[Field::holds("match", TCP_MATCH), Field::holds("route", ROUTE)];

const ROUTE: &[Field] = &[Field::holds("destination", action::DESTINATION), Field::honoured("weight")];

const TLS_MATCH: &[Field] = &[
    Field::honoured("sniHosts"),
    Field::reported("destinationSubnets", SUBNETS),
    Field::honoured("port"),
    Field::honoured("sourceLabels"),
    Field::honoured("gateways"),
    Field::honoured("sourceNamespace"),
];

const TCP_MATCH: &[Field] = &[
    Field::reported("destinationSubnets", SUBNETS),
    Field::honoured("port"),
    Field::reported("sourceSubnet", SUBNETS),
    Field::honoured("sourceLabels"),
    Field::honoured("gateways"),
    Field::honoured("sourceNamespace"),
];

/// Which of the two lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Tls,
    Tcp,
}

/// The rules of an object with these hosts.
pub(super) fn read(place: &Place<'_>, spec: &Message<'_>, hosts: &[Box<str>]) -> ConnectionRules {
    let read = |list: List, fields: &[Field]| {
        let held = spec.messages(list.name()).into_iter().enumerate();
        let routes = held.filter_map(|(index, held)| {
            let route = held.checked(fields);
            read_route((place, list, index), &route, hosts).map(Arc::new)
        });
        routes.collect()
    };
    ConnectionRules { tls: read(List::Tls, TLS), tcp: read(List::Tcp, TCP) }
}

fn read_route(
    (place, list, index): (&Place<'_>, List, usize),
    route: &Message<'_>,
    hosts: &[Box<str>],
) -> Option<ConnectionRoute> {
    let held = route.messages("match");
    if held.is_empty() && list == List::Tls {
        route.fault(FieldError::required(
            route.at("match"),
            "TLS route must have at least one match condition",
        ));
    }
    let matches = held.iter().filter_map(|held| read_match(place, (list, held), hosts));
    let matches: Vec<ConnectionMatch> = matches.collect();
    let destinations = destinations(place, route)?;
    if matches.len() < held.len() {
        return None;
    }
    let rule = Rule {
        kind: RuleKind::VirtualService,
        namespace: place.namespace.into(),
        name: place.name.into(),
        revision: place.revision,
        route: Some(format!("{}[{index}]", list.name()).into()),
    };
    Some(ConnectionRoute { rule: Arc::new(rule), matches, destinations })
}

/// `None` where a condition cannot be read or is not obeyed.
fn read_match(
    place: &Place<'_>,
    (list, held): (List, &crate::object::Held<'_>),
    hosts: &[Box<str>],
) -> Option<ConnectionMatch> {
    let matching = held.checked(if list == List::Tls { TLS_MATCH } else { TCP_MATCH });
    let names = if list == List::Tls { sni_hosts(place, &matching, hosts) } else { Vec::new() };
    let gateways = matching.texts("gateways").into_iter();
    let gateways: Vec<Arc<str>> = gateways.map(|name| hosts::gateway(name, place.namespace)).collect();
    let is_left_out = ["destinationSubnets", "sourceSubnet"].iter().any(|name| {
        matching.value(name).is_some_and(|it| *it != serde_json::json!([]) && *it != serde_json::json!(""))
    });
    let labels = matching.text_entries("sourceLabels").into_iter();
    let read = ConnectionMatch {
        sni_hosts: names,
        port: matching.number("port").filter(|port| *port > 0).and_then(|_| matching.port("port")),
        source_labels: labels.map(|(name, value)| (name.into(), value.into())).collect(),
        source_namespace: matching.text("sourceNamespace").filter(|it| !it.is_empty()).map(Into::into),
        gateways,
    };
    (!is_left_out).then_some(read)
}

/// Names that have to be among the object's hosts (`validateSniHost` in Istio's
/// `virtualservice.go`).
fn sni_hosts(place: &Place<'_>, matching: &Message<'_>, hosts: &[Box<str>]) -> Vec<Box<str>> {
    let names = matching.texts("sniHosts");
    if names.is_empty() {
        let detail = "TLS match must have at least one SNI host";
        matching.fault(FieldError::required(matching.at("sniHosts"), detail));
    }
    for (index, name) in names.iter().enumerate() {
        let at = format!("sniHosts[{index}]");
        hosts::check(matching, &at, name);
        let full = hosts::in_full(name, place.namespace);
        let is_host = |own: &str| match own.strip_prefix('*') {
            Some(suffix) => name.to_ascii_lowercase().ends_with(suffix),
            None => own.eq_ignore_ascii_case(name) || *own == *full,
        };
        if !hosts.iter().any(|own| is_host(own)) {
            let detail = "must be one of the hosts of the virtual service";
            matching.fault(FieldError::invalid(matching.at(&at), *name, detail));
        }
    }
    names.into_iter().map(|name| name.to_ascii_lowercase().into()).collect()
}

fn destinations(place: &Place<'_>, route: &Message<'_>) -> Option<Vec<WeightedDestination>> {
    let held = route.messages("route");
    if held.is_empty() {
        route.fault(FieldError::required(route.at("route"), ""));
        return None;
    }
    let all = held.iter().filter_map(|one| action::destination(place, &one.checked(ROUTE)));
    let all: Vec<WeightedDestination> = all.collect();
    (all.len() == held.len()).then_some(())?;
    action::has_weights(route, &all).then_some(all)
}

// === impl List ===

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }
}
