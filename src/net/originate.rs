//! TLS towards servers: whom we trust, what we show, what is spoken inside.

mod verify;

use std::{
    io,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::danger::ServerCertVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::ServerName,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::verify::{Anybody, OneOf};
use crate::tls::{TlsError, authorities, chain_and_key};

/// What is needed to speak TLS with servers of one sort. Cheap to clone.
#[derive(Clone)]
pub struct Originate {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    other: Arc<ClientConfig>,
}

/// How TLS with servers is spoken.
#[derive(Debug, Clone, Copy)]
pub struct OriginateTerms<'a> {
    /// Whom we trust.
    pub trust: Trust<'a>,
    /// Names of which the server's certificate has to have one; empty: the name that is asked for.
    pub names: &'a [Arc<str>],
    /// The chain that we show and its key, in PEM.
    pub shown: Option<(&'a str, &'a str)>,
}

/// Which servers are trusted.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Those with a certificate of one of the system's authorities.
    System,
    /// Those with one of these authorities, in PEM.
    Authorities(&'a str),
    /// All of them: whoever answers can read along.
    Anybody,
}

/// What is spoken inside (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
    /// Nothing is said.
    None,
}

/// The system's authorities, read once, when they are first needed; what cannot be read is left
/// out, as OpenSSL does.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(error.message = %error, "failed to read some of the system's authorities");
    }
    let mut roots = RootCertStore::empty();
    let (n_added, n_ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(n_added, n_ignored, "read the system's authorities");
    Arc::new(roots)
});

/// A name, or an address, as TLS knows it; `None` where it can be neither.
#[must_use]
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).ok()
}

// === impl Originate ===

impl Originate {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`TlsError`] when one of the texts is not what it should be.
    pub fn new(terms: OriginateTerms<'_>) -> Result<Self, TlsError> {
        let OriginateTerms { trust, names, shown } = terms;
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(trust, names, &provider)?);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((certificate_pem, key_pem)) => {
                let (chain, key) = chain_and_key(certificate_pem, key_pem)?;
                config.with_client_auth_cert(chain, key).map_err(TlsError::Config)?
            }
        };
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self { http1: speaking(&[b"http/1.1"]), http2: speaking(&[b"h2"]), other: speaking(&[]) })
    }

    /// Shakes hands. The caller has the deadline.
    ///
    /// # Errors
    /// When the server's part of it is not acceptable, or the socket fails; the source of the error
    /// is rustls' own.
    pub async fn connect<S>(
        &self,
        name: ServerName<'static>,
        (stream, alpn): (S, Alpn),
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = match alpn {
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
            Alpn::None => &self.other,
        };
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }
}

fn verifier(
    trust: Trust<'_>,
    names: &[Arc<str>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let roots = match trust {
        Trust::Anybody => return Ok(Arc::new(Anybody::new(provider))),
        Trust::System => Arc::clone(&SYSTEM),
        Trust::Authorities(pem) => Arc::new(authorities(pem)?),
    };
    Ok(Arc::new(OneOf::new(roots, names, provider)))
}

impl std::fmt::Debug for Originate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Originate").finish_non_exhaustive()
    }
}
