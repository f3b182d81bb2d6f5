//! Certificates and keys as Secrets hold them, and what gateways' servers and upstreams want of
//! TLS: data only. Parsing PEM and speaking TLS is left to `proxy` (through `spur-net`).
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::rule_spec::{ServerHost, ServerSpec};

/// What a Secret holds for TLS, in PEM as it stands: it may be broken. Equal texts are one version.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credential {
    /// `tls.crt` or `cert`: the chain that is shown, one's own first.
    pub certificate_pem: Option<Arc<str>>,
    /// `tls.key` or `key`.
    pub key_pem: Option<Arc<str>>,
    /// `ca.crt` or `cacert`: the authorities that are trusted.
    pub ca_pem: Option<Arc<str>>,
}

/// A Secret that holds something for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSpec {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub credential: Credential,
}

/// How a gateway's server ends its clients' TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsTerms {
    /// The Secret's name, in the namespace of the Gateway.
    pub credential: Arc<str>,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// The lowest version that is spoken.
    pub oldest: TlsVersion,
    /// The highest.
    pub newest: TlsVersion,
}

/// Whether a server's clients show certificates, which then have to be of its authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// They are not asked (`SIMPLE`).
    #[default]
    NotAsked,
    /// They may (`OPTIONAL_MUTUAL`).
    Optional,
    /// They have to (`MUTUAL`).
    Required,
}

/// The versions of TLS that are spoken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246, Istio's default for the lowest.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// A server of a Gateway to which clients speak TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsServer {
    /// The gateway, `namespace/name`.
    pub gateway: Arc<str>,
    /// The port.
    pub port: u16,
    /// Its hosts: names, `*.suffix`, or `*`.
    pub hosts: Vec<Box<str>>,
    /// What is done with a connection.
    pub end: TlsEnd,
}

/// What is done with a connection of TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TlsEnd {
    /// It ends elsewhere: its bytes are passed on.
    Passthrough,
    /// It ends here.
    Here {
        /// How.
        terms: TlsTerms,
        /// What is spoken inside.
        inside: Inside,
        /// The Secret; `None`: it is not there, and the server is not served.
        credential: Option<Credential>,
    },
}

/// What is spoken inside a connection of TLS that ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inside {
    /// HTTP/1.1 or HTTP/2.
    Http,
    /// Bytes that are not read.
    Tcp,
}

/// Secrets by namespace and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials(HashMap<(Arc<str>, Arc<str>), Credential>);

// === impl Credential ===

impl Credential {
    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Never the key.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate_pem, key_pem, ca_pem } = self;
        f.debug_struct("Credential")
            .field("certificate_pem", certificate_pem)
            .field("has_key", &key_pem.is_some())
            .field("ca_pem", ca_pem)
            .finish()
    }
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn new(specs: &[CredentialSpec]) -> Self {
        let name = |it: &CredentialSpec| (it.namespace.clone(), it.name.clone());
        let entries = specs.iter().map(|it| (name(it), it.credential.clone()));
        Self(entries.collect())
    }

    /// The Secret of this name; its authorities may stand in a second one, `<name>-cacert`.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Credential> {
        let of = |name: &str| self.0.get(&(Arc::from(namespace), Arc::from(name)));
        let mut credential = of(name)?.clone();
        if credential.ca_pem.is_none() {
            let authorities = of(&format!("{name}-cacert"));
            credential.ca_pem = authorities.and_then(|it| it.ca_pem.clone().or(it.certificate_pem.clone()));
        }
        Some(credential)
    }
}

// === impl TlsServer ===

impl TlsServer {
    pub(crate) fn new(gateway: &Arc<str>, spec: &ServerSpec, end: TlsEnd) -> Self {
        let hosts = spec.hosts.iter().map(|ServerHost { namespace: _, host }| host.clone());
        Self { gateway: gateway.clone(), port: spec.port, hosts: hosts.collect(), end }
    }

    /// Whether a request for this host, in lower case and without a port, may come by a connection
    /// that was made for this server. Where clients show certificates only the server's own hosts
    /// may: another one's might ask for more (RFC 9110, section 15.5.20).
    #[must_use]
    pub fn takes(&self, host: &str) -> bool {
        match &self.end {
            TlsEnd::Here { terms, .. } if terms.clients != ClientCertificates::NotAsked => {
                self.hosts.iter().any(|own| crate::host_map::covers(own, host))
            }
            TlsEnd::Here { .. } | TlsEnd::Passthrough => true,
        }
    }
}
