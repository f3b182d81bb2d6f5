//! TLS on the API server's side: its certificate and the handshake. Whom a client's certificate names
//! is read in `client_certificate`.
//!
//! Which protocol is then spoken is told by the first bytes inside (`sniff`), as
//! without TLS; ALPN only offers both.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use crate::{
    Credential,
    client_certificate::{Client, Clients},
};

/// What a server needs to speak TLS. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: tokio_rustls::TlsAcceptor,
    clients: Arc<Clients>,
}

/// Certificates or keys that TLS cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A text that holds no certificate or no key.
    #[error("failed to read a certificate or key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The authority's certificate cannot verify clients.
    #[error("failed to take the authority's certificate")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// A certificate and a key that do not go together, or a certificate that is none.
    #[error("failed to use a certificate")]
    Config(#[source] rustls::Error),
    /// A text without a certificate where one has to be.
    #[error("found no certificate")]
    NoCertificate,
}

/// The authorities in a text.
pub(crate) fn authorities(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(TlsError::Pem)?).map_err(TlsError::Config)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(roots)
}

/// A chain of certificates and its key.
pub(crate) fn chain_and_key(
    certificate_pem: &str,
    key_pem: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes()).collect();
    let chain = chain.map_err(TlsError::Pem)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(TlsError::Pem)?;
    Ok((chain, key))
}

// === impl Tls ===

impl Tls {
    /// TLS 1.2 and 1.3 with this certificate. Clients may show a certificate: one of the authority in
    /// `client_ca_pem` names them, any other is told of in each request ([`Client::Unknown`]).
    ///
    /// # Errors
    /// [`TlsError`] when one of the texts is not what it should be.
    pub fn new(credential: &Credential, client_ca_pem: &str) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = authorities(client_ca_pem)?;
        let clients = Arc::new(Clients::of(roots, &provider)?);
        let (chain, key) = chain_and_key(&credential.certificate_pem, &credential.key_pem)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_client_cert_verifier(Arc::clone(&clients) as _)
            .with_single_cert(chain, key)
            .map_err(TlsError::Config)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: tokio_rustls::TlsAcceptor::from(Arc::new(config)), clients })
    }

    /// Shakes hands within `deadline`; gives the stream and who the client is, if it says so.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
        deadline: Duration,
    ) -> io::Result<(TlsStream<S>, Option<Client>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = timeout(deadline, self.acceptor.accept(stream))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"))??;
        let chain = stream.get_ref().1.peer_certificates().filter(|chain| !chain.is_empty());
        let client = chain.map(|chain| self.clients.who(chain));
        Ok((stream, client))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
