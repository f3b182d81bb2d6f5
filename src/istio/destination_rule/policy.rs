//! Connection pools, outlier detection, and TLS with upstreams.

use spur_route::policy::{ConnectionPool, OutlierDetection, UpstreamTls};
use spur_schema::FieldError;

use crate::object::{Field, Held};

pub(super) const CONNECTION_POOL: &[Field] = &[Field::holds("tcp", TCP), Field::holds("http", HTTP)];

const TCP: &[Field] = &[
    Field::honoured("maxConnections"),
    Field::honoured("connectTimeout"),
    Field::reported("tcpKeepalive", "the system's own are used"),
    Field::honoured("maxConnectionDuration"),
    Field::honoured("idleTimeout"),
];

const HTTP: &[Field] = &[
    Field::honoured("http1MaxPendingRequests"),
    Field::honoured("http2MaxRequests"),
    Field::honoured("maxRequestsPerConnection"),
    Field::honoured("maxRetries"),
    Field::honoured("idleTimeout"),
    Field::honoured("h2UpgradePolicy"),
    Field::reported("useClientProtocol", "the port's own protocol is spoken"),
    Field::reported("maxConcurrentStreams", "100 streams share a connection"),
    Field::reported("http2KeepAlive", "not supported yet"),
];

pub(super) const OUTLIER_DETECTION: &[Field] = &[
    Field::reported("consecutiveErrors", "deprecated, and without effect in Istio too"),
    Field::honoured("splitExternalLocalOriginErrors"),
    Field::honoured("consecutiveLocalOriginFailures"),
    Field::honoured("consecutiveGatewayErrors"),
    Field::honoured("consecutive5xxErrors"),
    Field::honoured("interval"),
    Field::honoured("baseEjectionTime"),
    Field::honoured("maxEjectionPercent"),
    Field::honoured("minHealthPercent"),
    Field::reported("outlierDetectionHttpErrorCodes", "not supported yet"),
];

const FILES: &str = "files are not read: name a Secret with `credentialName`";
const PLAIN: &str = "workloads are spoken to without TLS";

pub(super) const TLS: &[Field] = &[
    Field::honoured("mode"),
    Field::reported("clientCertificate", FILES),
    Field::reported("privateKey", FILES),
    Field::reported("caCertificates", FILES),
    Field::honoured("credentialName"),
    Field::honoured("subjectAltNames"),
    Field::honoured("sni"),
    Field::honoured("insecureSkipVerify"),
    Field::reported("caCrl", "not supported: revoked certificates are taken"),
];

pub(super) fn connection_pool(held: &Held<'_>) -> ConnectionPool {
    let pool = held.checked(CONNECTION_POOL);
    let mut read = ConnectionPool::default();
    if let Some(held) = pool.message("tcp") {
        let tcp = held.checked(TCP);
        read.connections_max = tcp.number_within("maxConnections", 1, u32::MAX).unwrap_or(u32::MAX);
        read.connect_timeout = tcp.duration("connectTimeout");
        read.tcp_idle_timeout = tcp.duration_or_zero("idleTimeout");
        read.connection_duration_max = tcp.duration("maxConnectionDuration");
    }
    if let Some(held) = pool.message("http") {
        let http = held.checked(HTTP);
        let bound =
            |name: &str| http.number_within(name, 0, u32::MAX).filter(|it| *it > 0).unwrap_or(u32::MAX);
        read.pending_max = bound("http1MaxPendingRequests");
        read.requests_max = bound("http2MaxRequests");
        read.retries_max = bound("maxRetries");
        read.requests_per_connection =
            http.number_within("maxRequestsPerConnection", 0, u32::MAX).unwrap_or(0);
        read.idle_timeout = http.duration_or_zero("idleTimeout");
        read.upgrades_to_h2 = match http.text("h2UpgradePolicy").unwrap_or("DEFAULT") {
            "UPGRADE" => true,
            "DEFAULT" | "DO_NOT_UPGRADE" => false,
            other => {
                let known = ["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"];
                http.fault(FieldError::not_supported(http.at("h2UpgradePolicy"), other, known));
                false
            }
        };
    }
    read
}

pub(super) fn outlier_detection(held: &Held<'_>) -> OutlierDetection {
    let outlier = held.checked(OUTLIER_DETECTION);
    let usual = OutlierDetection::default();
    let number = |name: &str, usual| outlier.number_within(name, 0, u32::MAX).unwrap_or(usual);
    let percent = |name: &str, usual| outlier.number_within(name, 0, 100).unwrap_or(usual);
    let splits = outlier.flag("splitExternalLocalOriginErrors").unwrap_or(false);
    OutlierDetection {
        consecutive_5xx: number("consecutive5xxErrors", usual.consecutive_5xx),
        consecutive_gateway: number("consecutiveGatewayErrors", usual.consecutive_gateway),
        consecutive_local: splits.then(|| number("consecutiveLocalOriginFailures", 5)),
        interval: outlier.duration("interval").unwrap_or(usual.interval),
        base_ejection_time: outlier.duration("baseEjectionTime").unwrap_or(usual.base_ejection_time),
        max_ejection_percent: percent("maxEjectionPercent", usual.max_ejection_percent),
        min_health_percent: percent("minHealthPercent", usual.min_health_percent),
    }
}

/// `None`: no TLS.
pub(super) fn tls(held: &Held<'_>) -> Option<UpstreamTls> {
    let tls = held.checked(TLS);
    match tls.text("mode").unwrap_or("DISABLE") {
        "DISABLE" => None,
        "ISTIO_MUTUAL" => {
            tls.unsupported("mode", PLAIN);
            None
        }
        mode @ ("SIMPLE" | "MUTUAL") => {
            let credential = tls.text("credentialName").filter(|name| !name.is_empty());
            let is_mutual = mode == "MUTUAL";
            // With files alone requests fail, and say so: without TLS they would be readable.
            if is_mutual && credential.is_none() && !tls.has("clientCertificate") {
                let detail = "client certificate required for mutual tls";
                tls.fault(FieldError::required(tls.at("credentialName"), detail));
            }
            Some(UpstreamTls {
                sni: tls.text("sni").filter(|sni| !sni.is_empty()).map(Into::into),
                subject_alt_names: tls.texts("subjectAltNames").into_iter().map(Into::into).collect(),
                is_mutual,
                credential: credential.map(Into::into),
                held: None,
                skips_verification: tls.flag("insecureSkipVerify").unwrap_or(false),
            })
        }
        other => {
            let known = ["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"];
            tls.fault(FieldError::not_supported(tls.at("mode"), other, known));
            None
        }
    }
}
