//! What a server of a Gateway says of TLS.
//!
//! A setting that would let fewer clients in and is not obeyed leaves the server out: serving it
//! would let in who should not be.

use std::sync::Arc;

use spur_route::{ClientCertificates, Serves, TlsTerms, TlsVersion};
use spur_schema::FieldError;

use crate::object::{Field, Message};

const FILES: &str = "files are not read: name a Secret with `credentialName`";
const LEFT_OUT: &str = "not supported: the server is left out";

pub(super) const FIELDS: &[Field] = &[
    Field::honoured("httpsRedirect"),
    Field::honoured("mode"),
    Field::reported("serverCertificate", FILES),
    Field::reported("privateKey", FILES),
    Field::reported("caCertificates", FILES),
    Field::reported("caCrl", LEFT_OUT),
    Field::honoured("credentialName"),
    Field::reported("credentialNames", "not supported: one Secret with `credentialName` is"),
    Field::reported(
        "caCertCredentialName",
        "not supported: the Secret itself, or `<name>-cacert`, has `ca.crt`",
    ),
    Field::reported("tlsCertificates", FILES),
    Field::reported("subjectAltNames", LEFT_OUT),
    Field::reported("verifyCertificateSpki", LEFT_OUT),
    Field::reported("verifyCertificateHash", LEFT_OUT),
    Field::honoured("minProtocolVersion"),
    Field::honoured("maxProtocolVersion"),
    Field::reported("cipherSuites", "not supported: those of rustls are offered, all of which are strong"),
    Field::reported("insecureSkipVerify", LEFT_OUT),
];

/// Settings that would let fewer clients in, or other ones.
const STRICTER: [&str; 5] =
    ["caCrl", "subjectAltNames", "verifyCertificateSpki", "verifyCertificateHash", "insecureSkipVerify"];

/// Fields that name a certificate in one way or another.
const CERTIFICATES: [&str; 4] = ["credentialName", "credentialNames", "serverCertificate", "tlsCertificates"];

/// What a server serves that speaks TLS; `None` where it is left out.
pub(super) fn serves(tls: &Message<'_>, is_http: bool) -> Option<Serves> {
    let clients = match tls.text("mode").unwrap_or("PASSTHROUGH") {
        "PASSTHROUGH" => return Some(Serves::Passthrough),
        "SIMPLE" => ClientCertificates::NotAsked,
        "MUTUAL" => ClientCertificates::Required,
        "OPTIONAL_MUTUAL" => ClientCertificates::Optional,
        "AUTO_PASSTHROUGH" | "ISTIO_MUTUAL" => {
            tls.unsupported("mode", LEFT_OUT);
            return None;
        }
        other => {
            let known =
                ["PASSTHROUGH", "SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL"];
            tls.fault(FieldError::not_supported(tls.at("mode"), other, known));
            return None;
        }
    };
    if !CERTIFICATES.iter().any(|name| tls.has(name)) {
        let detail = "TLS that ends at the gateway needs a certificate";
        tls.fault(FieldError::required(tls.at("credentialName"), detail));
        return None;
    }
    let oldest = version(tls, "minProtocolVersion", TlsVersion::V1_2);
    let newest = version(tls, "maxProtocolVersion", TlsVersion::V1_3);
    let (oldest, newest) = (oldest?, newest?);
    if oldest > newest {
        let detail = "must not be below `minProtocolVersion`";
        let found = tls.text("maxProtocolVersion").unwrap_or_default();
        tls.fault(FieldError::invalid(tls.at("maxProtocolVersion"), found, detail));
        return None;
    }
    if STRICTER.iter().any(|name| is_given(tls, name)) {
        return None;
    }
    let Some(credential) = tls.text("credentialName").filter(|name| !name.is_empty()) else {
        tls.unsupported("mode", "without `credentialName` there is no certificate: the server is left out");
        return None;
    };
    let terms = TlsTerms { credential: Arc::from(credential), clients, oldest, newest };
    Some(if is_http { Serves::Https(terms) } else { Serves::TcpInTls(terms) })
}

/// Whether a field says something: an empty list and `false` are as good as nothing.
fn is_given(tls: &Message<'_>, name: &str) -> bool {
    tls.value(name).is_some_and(|value| *value != serde_json::json!([]) && *value != false && *value != "")
}

/// `None` where no version that is spoken is left.
fn version(tls: &Message<'_>, name: &str, usual: TlsVersion) -> Option<TlsVersion> {
    match tls.text(name).unwrap_or("TLS_AUTO") {
        "TLS_AUTO" => Some(usual),
        "TLSV1_2" => Some(TlsVersion::V1_2),
        "TLSV1_3" => Some(TlsVersion::V1_3),
        "TLSV1_0" | "TLSV1_1" if name == "minProtocolVersion" => {
            tls.unsupported(name, "TLS 1.0 and 1.1 are not spoken: 1.2 is the lowest");
            Some(TlsVersion::V1_2)
        }
        "TLSV1_0" | "TLSV1_1" => {
            tls.unsupported(name, "TLS 1.0 and 1.1 are not spoken: the server is left out");
            None
        }
        other => {
            let known = ["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];
            tls.fault(FieldError::not_supported(tls.at(name), other, known));
            None
        }
    }
}
