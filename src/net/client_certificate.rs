//! Who a client of the API server is by the certificate that it shows.
//!
//! A handshake only proves that the client holds the key; whether the authority is ours is asked
//! afterwards. So a certificate that says nothing here does not end the connection: the request may
//! bring a token, and is told 401 if it does not (Go's `tls.RequestClientCert`;
//! `apiserver/pkg/authentication/request/x509/x509.go`).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::TlsError;

/// Who a client says it is; an extension of every request on its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Its certificate is of our authority, is for clients, and held at the handshake.
    Known(ClientCertificate),
    /// It has shown another one.
    Unknown {
        /// What is wrong with it.
        why: String,
    },
}

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's common name.
    pub common_name: String,
    /// The subject's organizations.
    pub organizations: Vec<String>,
    /// When it ends, which its connection may outlive.
    pub until: SystemTime,
}

/// Takes any certificate whose key the client holds, and tells those of one authority.
#[derive(Debug)]
pub(crate) struct Clients {
    ours: Arc<dyn ClientCertVerifier>,
}

// === impl Client ===

impl Client {
    /// Whom the client is to be taken for now.
    ///
    /// # Errors
    /// Why it is nobody that is known.
    pub fn named(&self) -> Result<&ClientCertificate, &str> {
        match self {
            Self::Known(certificate) if certificate.until < SystemTime::now() => {
                Err("it has expired since the handshake")
            }
            Self::Known(certificate) => Ok(certificate),
            Self::Unknown { why } => Err(why),
        }
    }
}

// === impl Clients ===

impl Clients {
    pub(crate) fn of(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let ours = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::Verifier)?;
        Ok(Self { ours })
    }

    /// Who has shown this chain, its own certificate first.
    pub(crate) fn who(&self, chain: &[CertificateDer<'_>]) -> Client {
        let [certificate, intermediates @ ..] = chain else {
            return Client::Unknown { why: "there is none".to_owned() };
        };
        let verified = self.ours.verify_client_cert(certificate, intermediates, UnixTime::now());
        match verified.map_err(|error| error.to_string()).and_then(|_| named(certificate)) {
            Ok(named) => Client::Known(named),
            Err(why) => Client::Unknown { why },
        }
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.ours.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ours.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ours.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ours.supported_verify_schemes()
    }
}

fn named(der: &[u8]) -> Result<ClientCertificate, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let subject = certificate.subject();
    // Before 1970 all have ended.
    let until = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
    Ok(ClientCertificate {
        common_name: subject.iter_common_name().find_map(text).unwrap_or_default(),
        organizations: subject.iter_organization().filter_map(text).collect(),
        until: SystemTime::UNIX_EPOCH + Duration::from_secs(until),
    })
}
