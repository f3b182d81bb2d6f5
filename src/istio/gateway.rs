//! Gateways: which ports and hosts are served.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/gateway/>.

mod tls;

use spur_route::{GatewaySpec, ServerHost, ServerSpec, Serves};
use spur_schema::FieldError;

use crate::hosts;
use crate::object::{Field, Message, Place};

const NO_WORKLOADS: &str = "every Gateway is served by the one proxy there is";

pub(crate) const FIELDS: &[Field] =
    &[Field::holds("servers", SERVER), Field::reported("selector", NO_WORKLOADS)];

const SERVER: &[Field] = &[
    Field::holds("port", PORT),
    Field::reported("bind", "not supported: gateways listen where the proxy does"),
    Field::honoured("hosts"),
    Field::holds("tls", tls::FIELDS),
    Field::reported("defaultEndpoint", "not implemented in Istio either"),
    Field::honoured("name"),
];

const PORT: &[Field] = &[
    Field::honoured("number"),
    Field::honoured("protocol"),
    Field::honoured("name"),
    Field::reported("targetPort", "deprecated, and without effect in Istio too"),
];

/// Protocols, and what is spoken in them.
const PROTOCOLS: [(&str, Protocol); 8] = [
    ("HTTP", Protocol::Http),
    ("HTTP2", Protocol::Http),
    ("GRPC", Protocol::Http),
    ("GRPC-WEB", Protocol::Http),
    ("HTTPS", Protocol::Tls { is_http: true }),
    ("TLS", Protocol::Tls { is_http: false }),
    ("TCP", Protocol::Tcp),
    ("MONGO", Protocol::Tcp),
];

/// What a protocol comes to.
#[derive(Clone, Copy)]
enum Protocol {
    /// HTTP, inside TLS where the server says how.
    Http,
    Tls {
        is_http: bool,
    },
    /// Bytes, inside TLS where the server says how.
    Tcp,
}

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
    let held_tls = server.message("tls");
    let tls = held_tls.as_ref().map(|held| held.checked(tls::FIELDS));
    let redirects_to_https = tls.as_ref().and_then(|tls| tls.flag("httpsRedirect")).unwrap_or(false);
    let number = port.port("number");
    if number.is_none() && !port.has("number") {
        port.fault(FieldError::required(port.at("number"), ""));
    }
    let serves = serves((server, &port), tls.as_ref())?;
    Some(ServerSpec { port: number?, hosts, redirects_to_https, serves })
}

/// `None` where the server is faulty or left out.
fn serves((server, port): (&Message<'_>, &Message<'_>), tls: Option<&Message<'_>>) -> Option<Serves> {
    let protocol = port.text("protocol").unwrap_or_default().to_ascii_uppercase();
    let Some((_, found)) = PROTOCOLS.iter().find(|(name, _)| *name == protocol) else {
        let known = PROTOCOLS.map(|(name, _)| name);
        port.fault(FieldError::not_supported(port.at("protocol"), protocol, known));
        return None;
    };
    // Beside `httpsRedirect`, which plain servers have.
    let ended = tls.filter(|tls| tls.has("mode") || tls.has("credentialName"));
    match (found, ended) {
        (Protocol::Http, None) => Some(Serves::Http),
        (Protocol::Tcp, None) => Some(Serves::Tcp),
        (Protocol::Http, Some(tls)) => tls::serves(tls, true),
        (Protocol::Tcp, Some(tls)) => tls::serves(tls, false),
        (Protocol::Tls { is_http }, _) => match tls {
            Some(tls) => tls::serves(tls, *is_http),
            None => {
                let detail = "server must have TLS settings for HTTPS/TLS protocols";
                server.fault(FieldError::required(server.at("tls"), detail));
                None
            }
        },
    }
}
