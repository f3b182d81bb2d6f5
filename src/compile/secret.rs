//! What a Secret says about TLS: its certificates and keys, where it has some. Nothing else of it
//! is kept.
//!
//! The keys are Kubernetes' (`kubernetes.io/tls`) and those that Istio reads beside them
//! (<https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>,
//! `credentialName`).

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use spur_route::{Credential, CredentialSpec};

/// The name of a certificate, a key, and authorities, the one that counts first.
const CERTIFICATE: [&str; 2] = ["tls.crt", "cert"];
const KEY: [&str; 2] = ["tls.key", "key"];
const AUTHORITIES: [&str; 2] = ["ca.crt", "cacert"];

/// A Secret for TLS; `None` where it holds nothing for it.
pub(super) fn credential(secret: &Secret) -> Option<CredentialSpec> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| text(secret, name));
    let credential =
        Credential { certificate_pem: text(CERTIFICATE), key_pem: text(KEY), ca_pem: text(AUTHORITIES) };
    if credential.is_empty() {
        return None;
    }
    let (namespace, name) = super::place(secret);
    Some(CredentialSpec { namespace, name, credential })
}

/// A value as text. What is none is no PEM either, and broken in the same way: it is kept, so that
/// it is told.
fn text(secret: &Secret, name: &str) -> Option<Arc<str>> {
    // Files may have what a server would have moved to `data`.
    if let Some(text) = secret.string_data.as_ref().and_then(|data| data.get(name)) {
        return Some(text.as_str().into());
    }
    let bytes = &secret.data.as_ref()?.get(name)?.0;
    Some(String::from_utf8_lossy(bytes).into())
}
