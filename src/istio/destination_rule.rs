//! DestinationRules: policies and subsets.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/destination-rule/>.

mod load_balancer;
mod policy;

use std::collections::HashSet;
use std::sync::Arc;

use spur_route::policy::Policy;
use spur_route::{DestinationRuleSpec, PortPolicies, Rule, RuleKind, SubsetSpec};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Message, Place};

pub(crate) const FIELDS: &[Field] = &[
    Field::honoured("host"),
    Field::holds("trafficPolicy", TRAFFIC_POLICY),
    Field::holds("subsets", SUBSET),
    Field::honoured("exportTo"),
    Field::reported("workloadSelector", "not supported yet: it holds for every caller"),
];

const SUBSET: &[Field] =
    &[Field::honoured("name"), Field::honoured("labels"), Field::holds("trafficPolicy", TRAFFIC_POLICY)];

const TRAFFIC_POLICY: &[Field] = &[
    Field::holds("loadBalancer", load_balancer::FIELDS),
    Field::holds("connectionPool", policy::CONNECTION_POOL),
    Field::holds("outlierDetection", policy::OUTLIER_DETECTION),
    Field::holds("tls", policy::TLS),
    Field::holds("portLevelSettings", PORT_POLICY),
    Field::reported("tunnel", "not supported"),
    Field::reported("proxyProtocol", "not supported"),
    Field::reported(
        "retryBudget",
        "not supported yet: a fifth of the requests at once, and 3 always, may be retries",
    ),
];

const PORT_POLICY: &[Field] = &[
    Field::holds("port", &[Field::honoured("number")]),
    Field::holds("loadBalancer", load_balancer::FIELDS),
    Field::holds("connectionPool", policy::CONNECTION_POOL),
    Field::holds("outlierDetection", policy::OUTLIER_DETECTION),
    Field::holds("tls", policy::TLS),
];

pub(crate) fn read(place: &Place<'_>, spec: &Message<'_>) -> Option<DestinationRuleSpec> {
    spec.check(FIELDS);
    let host = spec.text("host").unwrap_or_default();
    if host.is_empty() {
        spec.fault(FieldError::required(spec.at("host"), ""));
        return None;
    }
    hosts::check(spec, "host", host);
    let mut names = HashSet::new();
    let mut subsets = Vec::new();
    for held in &spec.messages("subsets") {
        let subset = held.checked(SUBSET);
        let name = subset.text("name").unwrap_or_default();
        if name.is_empty() {
            subset.fault(FieldError::required(subset.at("name"), "subset name is required"));
        } else if !names.insert(name) {
            subset.fault(FieldError::duplicate(subset.at("name"), name));
        } else {
            let labels = subset.text_entries("labels").into_iter();
            subsets.push(SubsetSpec {
                name: name.into(),
                labels: labels.map(|(name, value)| (name.into(), value.into())).collect(),
                policy: policies(&subset),
            });
        }
    }
    let rule = Rule {
        kind: RuleKind::DestinationRule,
        namespace: place.namespace.into(),
        name: place.name.into(),
        revision: place.revision,
        route: None,
    };
    Some(DestinationRuleSpec {
        rule: Arc::new(rule),
        host: hosts::in_full(host, place.namespace).into(),
        export_to: hosts::visibility(spec, place.namespace),
        policy: policies(spec),
        subsets,
    })
}

/// The `trafficPolicy` of a host or a subset.
fn policies(message: &Message<'_>) -> PortPolicies {
    let Some(held) = message.message("trafficPolicy") else { return PortPolicies::default() };
    let traffic = held.checked(TRAFFIC_POLICY);
    let by_port = traffic.messages("portLevelSettings");
    let by_port = by_port.iter().filter_map(|held| {
        let port = held.checked(PORT_POLICY);
        let number = port.message("port").and_then(|held| held.get().port("number"));
        if number.is_none() {
            port.fault(FieldError::required(port.at("port.number"), "port is required"));
        }
        Some((number?, read_policy(&port)))
    });
    PortPolicies { all: read_policy(&traffic), by_port: by_port.collect() }
}

fn read_policy(message: &Message<'_>) -> Policy {
    Policy {
        load_balancer: message.message("loadBalancer").and_then(|held| load_balancer::read(&held)),
        connection_pool: message.message("connectionPool").map(|held| policy::connection_pool(&held)),
        outlier_detection: message.message("outlierDetection").map(|held| policy::outlier_detection(&held)),
        tls: message.message("tls").and_then(|held| policy::tls(&held)),
    }
}
