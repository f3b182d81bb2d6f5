//! The accept loop with TLS: who is trusted, what is spoken, what is refused.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use spur_net::{Authority, Client, Credential, Limits, Listening, Tls, bind_loopback, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Anything that has not happened by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    authority: Authority,
    _stop: DropGuard,
}

/// A server that answers with whom the client's certificate names.
fn run(limits: Limits) -> Server {
    let authority = Authority::generate().unwrap();
    let credential = authority.server(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let tls = Some(Tls::new(&credential, authority.certificate_pem()).unwrap());
    let listener = bind_loopback().unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(|req: Request<Incoming>| async move {
        let client = req.extensions().get::<Client>();
        let text = match client {
            Some(client) => match client.named() {
                Ok(named) => format!("{:?} {} {:?}", req.version(), named.common_name, named.organizations),
                Err(why) => format!("{:?} unknown: {why}", req.version()),
            },
            None => format!("{:?} nobody", req.version()),
        };
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let stop = CancellationToken::new();
    let listening = Listening { tcp: TcpListener::from_std(listener).unwrap(), tls };
    tokio::spawn(serve(listening, service, limits, stop.clone()));
    Server { address, authority, _stop: stop.drop_guard() }
}

impl Server {
    async fn shake_hands(&self, shown: Option<&Credential>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => config.with_no_client_auth(),
            Some(Credential { certificate_pem, key_pem }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
                let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
                // Unlike `with_client_auth_cert` this asks not whether the two belong together.
                let shown = CertifiedKey::new(chain, key);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn ask(&self, shown: Option<&Credential>) -> String {
        let stream = self.shake_hands(shown).await.unwrap();
        let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let rsp = sender.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
        String::from_utf8(rsp.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_certificate_of_the_authority_names_its_holder() {
    let server = run(Limits::default());
    assert_eq!(server.ask(None).await, "HTTP/1.1 nobody");
    let jane = server.authority.client("jane", "dev").unwrap();
    assert_eq!(server.ask(Some(&jane)).await, "HTTP/1.1 jane [\"dev\"]");
}

/// A token may come with it, so that the handshake goes on.
#[tokio::test]
async fn a_certificate_of_another_authority_names_nobody() {
    let server = run(Limits::default());
    let foreign = Authority::generate().unwrap().client("jane", "system:masters").unwrap();
    let answer = server.ask(Some(&foreign)).await;
    // Each authority of ours has the same name, and a key of its own.
    assert_eq!(answer, "HTTP/1.1 unknown: invalid peer certificate: BadSignature");
}

/// What is shown has to be held: a certificate alone is public.
#[tokio::test]
async fn a_certificate_without_its_key_ends_the_handshake() {
    let server = run(Limits::default());
    let [jane, joe] = ["jane", "joe"].map(|name| server.authority.client(name, "dev").unwrap());
    let stolen = Credential { certificate_pem: jane.certificate_pem, key_pem: joe.key_pem };
    let failed = match server.shake_hands(Some(&stolen)).await {
        Err(_) => true,
        // With TLS 1.3 the client learns of it when it reads.
        Ok(mut stream) => {
            let _refused_already = stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            matches!(timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap(), Err(_) | Ok(0))
        }
    };
    assert!(failed);
}

#[tokio::test]
async fn http2_is_negotiated() {
    let server = run(Limits::default());
    let stream = server.shake_hands(None).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let req = Request::builder().uri("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let rsp = sender.send_request(req).await.unwrap();
    assert_eq!(rsp.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0 nobody");
}

#[tokio::test]
async fn a_plain_request_is_told_that_tls_is_spoken() {
    let server = run(Limits::default());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_stops_is_closed() {
    let server = run(Limits { first_bytes_timeout: Duration::from_millis(100), ..Limits::default() });
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The beginning of a handshake record of 512 bytes.
    stream.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    let n_read = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(matches!(n_read, Ok(_) | Err(_)), "it is closed");
    // One that has shaken hands and then says nothing, too.
    let mut stream = server.shake_hands(None).await.unwrap();
    let closed = timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}
