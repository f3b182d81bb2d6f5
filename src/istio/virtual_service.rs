//! VirtualServices: hosts, gateways, and the ordered rules.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/virtual-service/> and
//! `validateVirtualService` in Istio's `validation.go`.

mod action;
mod connections;
mod filters;
mod matching;
mod retries;

use std::collections::HashSet;
use std::sync::Arc;

use spur_route::rules::{Action, HttpRoute, MESH};
use spur_route::{Rule, RuleKind, VirtualServiceSpec};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Message, Place};

const LATER: &str = "not supported yet: requests are handled as if it were not there";

pub(crate) const FIELDS: &[Field] = &[
    Field::honoured("hosts"),
    Field::honoured("gateways"),
    Field::holds("http", HTTP),
    Field::holds("tls", connections::TLS),
    Field::holds("tcp", connections::TCP),
    Field::honoured("exportTo"),
];

const HTTP: &[Field] = &[
    Field::honoured("name"),
    Field::holds("match", matching::FIELDS),
    Field::holds("route", action::ROUTE),
    Field::holds("redirect", action::REDIRECT),
    Field::holds("directResponse", action::DIRECT_RESPONSE),
    Field::reported("delegate", "not supported yet: the rule is left out"),
    Field::holds("rewrite", filters::REWRITE),
    Field::honoured("timeout"),
    Field::holds("retries", retries::FIELDS),
    Field::reported("fault", LATER),
    Field::reported("mirror", LATER),
    Field::reported("mirrors", LATER),
    Field::reported("mirrorPercent", LATER),
    Field::reported("mirror_percent", LATER),
    Field::reported("mirrorPercentage", LATER),
    Field::reported("corsPolicy", LATER),
    Field::holds("headers", filters::HEADERS),
];

pub(crate) fn read(place: &Place<'_>, spec: &Message<'_>) -> VirtualServiceSpec {
    spec.check(FIELDS);
    let hosts = read_hosts(place, spec);
    let mut gateways: Vec<Arc<str>> =
        spec.texts("gateways").into_iter().map(|name| hosts::gateway(name, place.namespace)).collect();
    if gateways.is_empty() {
        gateways.push(MESH.into());
    }
    if gateways.iter().any(|gateway| **gateway == *MESH)
        && let Some(index) = spec.texts("hosts").iter().position(|host| *host == "*")
    {
        let detail = "wildcard host * is not allowed for virtual services bound to the mesh gateway";
        spec.fault(FieldError::invalid(spec.at(&format!("hosts[{index}]")), "*", detail));
    }
    if !["http", "tls", "tcp"]
        .iter()
        .any(|name| spec.value(name).is_some_and(|it| *it != serde_json::json!([])))
    {
        spec.fault(FieldError::required(
            spec.at("http"),
            "http, tcp or tls must be provided in virtual service",
        ));
    }
    let held = spec.messages("http").into_iter().enumerate();
    let http: Vec<Arc<HttpRoute>> = held
        .filter_map(|(index, route)| read_route((place, index), &route.checked(HTTP)).map(Arc::new))
        .collect();
    let id = (place.namespace.into(), place.name.into());
    let connections = connections::read(place, spec, &hosts);
    let mut read = VirtualServiceSpec::new(id, hosts, gateways, http);
    read.connections = connections;
    read.export_to = hosts::visibility(spec, place.namespace);
    read
}

fn read_hosts(place: &Place<'_>, spec: &Message<'_>) -> Vec<Box<str>> {
    let mut seen = HashSet::new();
    let mut hosts = Vec::new();
    for (index, host) in spec.texts("hosts").into_iter().enumerate() {
        let at = format!("hosts[{index}]");
        hosts::check(spec, &at, host);
        let full = hosts::in_full(host, place.namespace);
        if seen.insert(full.clone()) {
            hosts.push(full.into());
        } else {
            spec.fault(FieldError::duplicate(spec.at(&at), host));
        }
    }
    if hosts.is_empty() {
        spec.unsupported(
            "hosts",
            "a VirtualService without hosts is a delegate, and those are not supported yet",
        );
    }
    hosts
}

/// `None` for a rule that does nothing we know: one that delegates, or is faulty.
fn read_route((place, index): (&Place<'_>, usize), route: &Message<'_>) -> Option<HttpRoute> {
    let mut matches: Vec<_> = route
        .messages("match")
        .iter()
        .filter_map(|held| matching::read(&held.checked(matching::FIELDS), place.namespace))
        .collect();
    if matches.len() < route.messages("match").len() {
        // A rule of which a condition is lost would match what it should not.
        return None;
    }
    // There may be thousands of rules, and a list that grew has room for four.
    matches.shrink_to_fit();
    let action = action::read(place, route, &matches)?;
    let filters = filters::read(route, matches!(action, Action::Forward(_)));
    let name = route.text("name").filter(|name| !name.is_empty());
    let at = match name {
        Some(name) => format!("http[{index}] `{name}`"),
        None => format!("http[{index}]"),
    };
    let rule = Rule {
        kind: RuleKind::VirtualService,
        namespace: place.namespace.into(),
        name: place.name.into(),
        revision: place.revision,
        route: Some(at.into()),
    };
    Some(HttpRoute {
        rule: Arc::new(rule),
        matches,
        action,
        filters,
        timeout: route.duration("timeout"),
        retries: retries::read(route),
    })
}
