//! The certificate with which all proxies end TLS: ECDSA with P-256, of an authority of its own.

use std::path::Path;

use spur_net::Authority;

use crate::load::host;

/// File names, in the directory of a proxy.
pub(crate) const CERTIFICATE: &str = "cert.pem";
pub(crate) const KEY: &str = "key.pem";
/// One behind the other, as HAProxy wants them.
pub(crate) const BOTH: &str = "both.pem";

/// Writes a new one.
pub(crate) fn write(dir: &Path) {
    let made = Authority::generate().and_then(|authority| authority.server(&[host()])).unwrap();
    let both = format!("{}{}", made.certificate_pem, made.key_pem);
    for (name, text) in [(CERTIFICATE, &made.certificate_pem), (KEY, &made.key_pem), (BOTH, &both)] {
        std::fs::write(dir.join(name), text).unwrap();
    }
}
