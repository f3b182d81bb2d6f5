//! What a kubeconfig holds: the authority to trust, and a token to show.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, header};
use kube::config::Kubeconfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to reach an API, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) trust: Arc<ClientConfig>,
    token: String,
}

// === impl Credentials ===

impl Credentials {
    /// The server's address and the credentials of a kubeconfig with one of each.
    pub(super) fn of_kubeconfig(path: &str) -> (String, Self) {
        let config = Kubeconfig::read_from(path).unwrap_or_else(|error| panic!("`{path}`: {error}"));
        let config = serde_json::to_value(config).unwrap();
        let text_at = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let authority = BASE64.decode(text_at("/clusters/0/cluster/certificate-authority-data")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let trust = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let credentials = Self { trust: Arc::new(trust), token: text_at("/users/0/user/token") };
        (text_at("/clusters/0/cluster/server"), credentials)
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token)).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, bearer)])
    }

    pub(super) async fn shake_hands(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(self.trust.clone()).connect(name, stream).await
    }
}
