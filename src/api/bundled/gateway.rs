//! The kinds of Gateway API: names, versions, columns. Their schemas stand in `gateway.txt`.
//!
//! Versions that are published and not served are left out: nobody can see them.
//!
//! Source: the `+kubebuilder` lines of sigs.k8s.io/gateway-api, standard channel, as of August 2026.

use super::{Column, Definition};
use crate::registry::Scope;

pub(super) const TEXT: &str = include_str!("gateway.txt");

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        short_names: &["gc"],
        scope: Scope::Cluster,
        versions: WITH_BETA,
        columns: &[
            Column::text("Controller", ".spec.controllerName"),
            ACCEPTED,
            Column::AGE,
            Column { priority: 1, ..Column::text("Description", ".spec.description") },
        ],
        ..named("GatewayClass", "gatewayclasses", "gatewayclass")
    },
    Definition {
        short_names: &["gtw"],
        versions: WITH_BETA,
        columns: &[
            Column::text("Class", ".spec.gatewayClassName"),
            Column::text("Address", ".status.addresses[*].value"),
            PROGRAMMED,
            Column::AGE,
        ],
        ..named("Gateway", "gateways", "gateway")
    },
    Definition { versions: WITH_BETA, columns: HOSTNAMES, ..named("HTTPRoute", "httproutes", "httproute") },
    Definition { columns: HOSTNAMES, ..named("GRPCRoute", "grpcroutes", "grpcroute") },
    named("TCPRoute", "tcproutes", "tcproute"),
    named("TLSRoute", "tlsroutes", "tlsroute"),
    named("UDPRoute", "udproutes", "udproute"),
    Definition {
        short_names: &["refgrant"],
        versions: WITH_BETA,
        storage_version: "v1beta1",
        has_status: false,
        ..named("ReferenceGrant", "referencegrants", "referencegrant")
    },
    Definition {
        short_names: &["btlspolicy"],
        ..named("BackendTLSPolicy", "backendtlspolicies", "backendtlspolicy")
    },
    Definition {
        short_names: &["lset"],
        columns: &[ACCEPTED, PROGRAMMED, Column::AGE],
        ..named("ListenerSet", "listenersets", "listenerset")
    },
];

const WITH_BETA: &[&str] = &["v1", "v1beta1"];

const ACCEPTED: Column = Column::text("Accepted", r#".status.conditions[?(@.type=="Accepted")].status"#);

const PROGRAMMED: Column =
    Column::text("Programmed", r#".status.conditions[?(@.type=="Programmed")].status"#);

const HOSTNAMES: &[Column] = &[Column::text("Hostnames", ".spec.hostnames"), Column::AGE];

const fn named(kind: &'static str, plural: &'static str, singular: &'static str) -> Definition {
    Definition {
        group: "gateway.networking.k8s.io",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &["gateway-api"],
        scope: Scope::Namespaced,
        versions: &["v1"],
        storage_version: "v1",
        has_status: true,
        columns: &[],
        acted_on_by: "",
        text: TEXT,
    }
}
