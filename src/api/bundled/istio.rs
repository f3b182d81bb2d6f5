//! The kinds of Istio: names, versions, columns. Their schemas stand in `istio.txt`.
//!
//! Source: the `+cue-gen` lines of github.com/istio/api, as of July 2026.

use super::{Column, Definition};
use crate::registry::Scope;

pub(super) const TEXT: &str = include_str!("istio.txt");

pub(super) const DEFINITIONS: &[Definition] = &[
    named(EXTENSIONS, "TrafficExtension", "trafficextensions", "trafficextension"),
    named(EXTENSIONS, "WasmPlugin", "wasmplugins", "wasmplugin"),
    Definition {
        short_names: &["dr"],
        columns: &[Column::text("Host", ".spec.host"), Column::AGE],
        acted_on_by: PROXY,
        ..named(NETWORKING, "DestinationRule", "destinationrules", "destinationrule")
    },
    Definition {
        versions: &["v1alpha3"],
        storage_version: "v1alpha3",
        ..named(NETWORKING, "EnvoyFilter", "envoyfilters", "envoyfilter")
    },
    Definition { short_names: &["gw"], ..named(NETWORKING, "Gateway", "gateways", "gateway") },
    Definition {
        versions: &["v1beta1"],
        storage_version: "v1beta1",
        ..named(NETWORKING, "ProxyConfig", "proxyconfigs", "proxyconfig")
    },
    Definition {
        short_names: &["se"],
        columns: &[
            Column::text("Hosts", ".spec.hosts"),
            Column::text("Location", ".spec.location"),
            Column::text("Resolution", ".spec.resolution"),
            Column::AGE,
        ],
        acted_on_by: PROXY,
        ..named(NETWORKING, "ServiceEntry", "serviceentries", "serviceentry")
    },
    named(NETWORKING, "Sidecar", "sidecars", "sidecar"),
    Definition {
        short_names: &["vs"],
        columns: &[
            Column::text("Gateways", ".spec.gateways"),
            Column::text("Hosts", ".spec.hosts"),
            Column::AGE,
        ],
        acted_on_by: PROXY,
        ..named(NETWORKING, "VirtualService", "virtualservices", "virtualservice")
    },
    Definition {
        short_names: &["we"],
        columns: &[Column::AGE, Column::text("Address", ".spec.address")],
        ..named(NETWORKING, "WorkloadEntry", "workloadentries", "workloadentry")
    },
    Definition {
        short_names: &["wg"],
        ..named(NETWORKING, "WorkloadGroup", "workloadgroups", "workloadgroup")
    },
    Definition {
        short_names: &["ap"],
        columns: &[Column::text("Action", ".spec.action"), Column::AGE],
        ..named(SECURITY, "AuthorizationPolicy", "authorizationpolicies", "authorizationpolicy")
    },
    Definition {
        short_names: &["pa"],
        columns: &[Column::text("Mode", ".spec.mtls.mode"), Column::AGE],
        ..named(SECURITY, "PeerAuthentication", "peerauthentications", "peerauthentication")
    },
    Definition {
        short_names: &["ra"],
        ..named(SECURITY, "RequestAuthentication", "requestauthentications", "requestauthentication")
    },
    Definition { short_names: &["telemetry"], ..named(TELEMETRY, "Telemetry", "telemetries", "telemetry") },
];

/// What the kinds of a group have in common.
struct Group {
    name: &'static str,
    categories: &'static [&'static str],
    versions: &'static [&'static str],
    storage_version: &'static str,
}

const EXTENSIONS: Group = Group {
    name: "extensions.istio.io",
    categories: &["istio-io", "extensions-istio-io"],
    versions: &["v1alpha1"],
    storage_version: "v1alpha1",
};

/// Who obeys rules of traffic; `docs/istio.md` says which fields.
const PROXY: &str = "proxy ([istio.md](istio.md))";

const NETWORKING: Group = Group {
    name: "networking.istio.io",
    categories: &["istio-io", "networking-istio-io"],
    versions: &["v1", "v1beta1", "v1alpha3"],
    storage_version: "v1",
};

const SECURITY: Group = Group {
    name: "security.istio.io",
    categories: &["istio-io", "security-istio-io"],
    versions: &["v1", "v1beta1"],
    storage_version: "v1",
};

const TELEMETRY: Group = Group {
    name: "telemetry.istio.io",
    categories: &["istio-io", "telemetry-istio-io"],
    versions: &["v1", "v1alpha1"],
    storage_version: "v1alpha1",
};

const fn named(group: Group, kind: &'static str, plural: &'static str, singular: &'static str) -> Definition {
    Definition {
        group: group.name,
        kind,
        plural,
        singular,
        short_names: &[],
        categories: group.categories,
        scope: Scope::Namespaced,
        versions: group.versions,
        storage_version: group.storage_version,
        has_status: true,
        columns: &[],
        acted_on_by: "",
        text: TEXT,
    }
}
