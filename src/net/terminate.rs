//! Ending clients' TLS with certificates that come and go. Which one is for whom is left to the
//! caller.
//!
//! Nothing is sent early (0-RTT could be replayed: RFC 8446, section 8), and a connection is
//! never negotiated anew, which rustls does not do.

use std::{io, sync::Arc};

use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    server::{NoClientAuth, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use crate::tls::{TlsError, authorities, chain_and_key};

/// What is needed to end clients' TLS. Cheap to clone; tickets of one are worth nothing to another.
#[derive(Clone)]
pub struct Terminate(tokio_rustls::TlsAcceptor);

/// How clients' TLS is ended.
#[derive(Debug, Clone, Copy)]
pub struct TerminateTerms<'a> {
    /// The chain that is shown, in PEM.
    pub certificate_pem: &'a str,
    /// Its key, in PEM.
    pub key_pem: &'a str,
    /// Whether clients show certificates.
    pub clients: AskedClients<'a>,
    /// Which versions are spoken.
    pub versions: Versions,
    /// Whether HTTP/2 and HTTP/1.1 are offered (ALPN, RFC 7301).
    pub is_http: bool,
}

/// Whether clients show certificates, of which authorities, in PEM.
#[derive(Debug, Clone, Copy)]
pub enum AskedClients<'a> {
    /// They are not asked.
    None,
    /// They may; one of another authority fails the handshake.
    Optional(&'a str),
    /// They have to.
    Required(&'a str),
}

/// The versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
    /// Both.
    Both,
}

// === impl Terminate ===

impl Terminate {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`TlsError`] when one of the texts is not what it should be.
    pub fn new(terms: TerminateTerms<'_>) -> Result<Self, TlsError> {
        let TerminateTerms { certificate_pem, key_pem, clients, versions, is_http } = terms;
        let provider = Arc::new(ring::default_provider());
        let (chain, key) = chain_and_key(certificate_pem, key_pem)?;
        let verifier = |pem: &str| {
            let roots = Arc::new(authorities(pem)?);
            Ok(WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)))
        };
        let verifier = match clients {
            AskedClients::None => Arc::new(NoClientAuth),
            AskedClients::Optional(pem) => {
                verifier(pem)?.allow_unauthenticated().build().map_err(TlsError::Verifier)?
            }
            AskedClients::Required(pem) => verifier(pem)?.build().map_err(TlsError::Verifier)?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions.rustls())
            .map_err(TlsError::Config)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Config)?;
        if is_http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        config.max_early_data_size = 0;
        Ok(Self(tokio_rustls::TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands. The caller has the deadline.
    ///
    /// # Errors
    /// When the peer's part of it is not acceptable, or the socket fails.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

impl std::fmt::Debug for Terminate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminate").finish_non_exhaustive()
    }
}

// === impl Versions ===

impl Versions {
    fn rustls(self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
        static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Only12 => &ONLY_12,
            Self::Only13 => &ONLY_13,
            Self::Both => &BOTH,
        }
    }
}
