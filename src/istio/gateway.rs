//! Gateways: which ports and hosts are served.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/gateway/>.

use spur_route::{GatewaySpec, ServerHost, ServerSpec};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Message, Place};

const NO_WORKLOADS: &str = "every Gateway is served by the one proxy there is";
const NO_TLS: &str = "not supported yet: the server is left out";

pub(crate) const FIELDS: &[Field] =
    &[Field::holds("servers", SERVER), Field::reported("selector", NO_WORKLOADS)];

const SERVER: &[Field] = &[
    Field::holds("port", PORT),
    Field::reported("bind", "not supported: gateways listen where the proxy does"),
    Field::honoured("hosts"),
    Field::holds("tls", TLS),
    Field::reported("defaultEndpoint", "not implemented in Istio either"),
    Field::honoured("name"),
];

const PORT: &[Field] = &[
    Field::honoured("number"),
    Field::honoured("protocol"),
    Field::honoured("name"),
    Field::reported("targetPort", "deprecated, and without effect in Istio too"),
];

const TLS: &[Field] = &[
    Field::honoured("httpsRedirect"),
    Field::reported("mode", NO_TLS),
    Field::reported("serverCertificate", NO_TLS),
    Field::reported("privateKey", NO_TLS),
    Field::reported("caCertificates", NO_TLS),
    Field::reported("caCrl", NO_TLS),
    Field::reported("credentialName", NO_TLS),
    Field::reported("credentialNames", NO_TLS),
    Field::reported("caCertCredentialName", NO_TLS),
    Field::reported("tlsCertificates", NO_TLS),
    Field::reported("subjectAltNames", NO_TLS),
    Field::reported("verifyCertificateSpki", NO_TLS),
    Field::reported("verifyCertificateHash", NO_TLS),
    Field::reported("minProtocolVersion", NO_TLS),
    Field::reported("maxProtocolVersion", NO_TLS),
    Field::reported("cipherSuites", NO_TLS),
    Field::reported("insecureSkipVerify", NO_TLS),
];

/// Protocols that are HTTP without TLS.
const HTTP: [&str; 4] = ["HTTP", "HTTP2", "GRPC", "GRPC-WEB"];
const OTHERS: [&str; 4] = ["HTTPS", "TLS", "TCP", "MONGO"];

pub(crate) fn read(place: &Place<'_>, spec: &Message<'_>) -> GatewaySpec {
    spec.check(FIELDS);
    let held = spec.messages("servers");
    if held.is_empty() {
        spec.fault(FieldError::required(spec.at("servers"), "gateway must have at least one server"));
    }
    let servers = held.iter().filter_map(|held| server(place, &held.checked(SERVER))).collect();
    let id = format!("{}/{}", place.namespace, place.name).into();
    GatewaySpec { id, namespace: place.namespace.into(), servers }
}

fn server(place: &Place<'_>, server: &Message<'_>) -> Option<ServerSpec> {
    let hosts = server.texts("hosts");
    if hosts.is_empty() {
        server
            .fault(FieldError::required(server.at("hosts"), "server config must contain at least one host"));
    }
    let hosts: Vec<ServerHost> = hosts
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let (namespace, host) = text.split_once('/').unwrap_or(("*", text));
            hosts::check(server, &format!("hosts[{index}]"), host);
            let namespace = match namespace {
                "*" => None,
                "." => Some(place.namespace.into()),
                name => Some(name.into()),
            };
            ServerHost { namespace, host: host.to_ascii_lowercase().into() }
        })
        .collect();
    let held = server.message("port");
    let Some(port) = held.as_ref().map(|held| held.checked(PORT)) else {
        server.fault(FieldError::required(server.at("port"), "port is required"));
        return None;
    };
    let protocol = port.text("protocol").unwrap_or_default().to_ascii_uppercase();
    let tls = server.message("tls");
    let tls = tls.as_ref().map(|held| held.checked(TLS));
    let redirects_to_https = tls.and_then(|tls| tls.flag("httpsRedirect")).unwrap_or(false);
    let number = port.port("number");
    if number.is_none() && !port.has("number") {
        port.fault(FieldError::required(port.at("number"), ""));
    }
    if OTHERS.contains(&&*protocol) {
        port.unsupported("protocol", "only HTTP without TLS is served yet: the server is left out");
        return None;
    }
    if !HTTP.contains(&&*protocol) {
        let known = HTTP.into_iter().chain(OTHERS);
        port.fault(FieldError::not_supported(port.at("protocol"), protocol, known));
        return None;
    }
    Some(ServerSpec { port: number?, hosts, redirects_to_https })
}
