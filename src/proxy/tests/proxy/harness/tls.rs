//! A client and a server that speak TLS by rustls itself.

use std::{io, net::SocketAddr, sync::Arc};

use http::{Request, Version};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use spur_net::server_name;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::{Authority, Client, PATIENCE, Pair, client::Got, whole};

/// Whom to ask for what name, and how.
#[derive(Clone)]
pub(crate) struct TlsClient {
    address: SocketAddr,
    name: String,
    config: ClientConfig,
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    chain(pem).into_iter().for_each(|one| roots.add(one).unwrap());
    roots
}

impl TlsClient {
    /// A client that trusts the authority; for an address as `name` it names none.
    pub(crate) fn new(address: SocketAddr, name: &str, authority: &Authority) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&authority.pem))
            .with_no_client_auth();
        Self { address, name: name.to_owned(), config }
    }

    /// Showing a certificate.
    pub(crate) fn showing(mut self, authority: &Authority, pair: &Pair) -> Self {
        self.config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&authority.pem))
            .with_client_auth_cert(
                chain(&pair.certificate),
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
            )
            .unwrap();
        self
    }

    /// Speaking one version alone.
    pub(crate) fn speaking(mut self, authority: &Authority, is_13: bool) -> Self {
        let version = if is_13 { &TLS13 } else { &TLS12 };
        self.config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&authority.pem))
            .with_no_client_auth();
        self
    }

    pub(crate) fn config(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// The same connector each time: it keeps tickets.
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.config.clone()))
    }

    pub(crate) async fn connect(&self) -> io::Result<client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let connected = self.connector().connect(server_name(&self.name).unwrap(), stream);
        timeout(PATIENCE, connected).await.expect("the handshake ends")
    }

    /// Asks for a host over HTTP/1.1, the same as the name unless another is given.
    pub(crate) async fn get(&self, host: &str, path: &str) -> io::Result<Got> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Client::new(self.address, host).request(path);
        let sent = timeout(PATIENCE, sender.send_request(request)).await.expect("it ends");
        Ok(whole(sent.map_err(io::Error::other)?).await.unwrap())
    }

    /// The same over HTTP/2, by ALPN.
    pub(crate) async fn get_h2(&self, path: &str) -> Got {
        let client = self.clone().config(|config| config.alpn_protocols = vec![b"h2".to_vec()]);
        let stream = client.connect().await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(stream);
        let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut request: Request<_> = Client::new(self.address, &self.name).request_h2(path);
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = format!("https://{}{path}", self.name).parse().unwrap();
        whole(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()).await.unwrap()
    }
}

/// Shakes hands as a server that shows `pair`, and asks for certificates of its authorities.
pub(crate) async fn serve_tls(
    stream: TcpStream,
    pair: &Pair,
    alpn: &[&[u8]],
) -> io::Result<server::TlsStream<TcpStream>> {
    let provider = Arc::new(default_provider());
    let verifier = match &pair.authorities {
        Some(pem) => {
            let roots = Arc::new(roots(pem));
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().unwrap()
        }
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain(&pair.certificate),
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}
