//! Watches over HTTP/2, many on a connection, as client-go has them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::Site;

/// A connection for many streams.
#[derive(Clone)]
pub(crate) struct Multiplexed {
    sender: SendRequest<Empty<Bytes>>,
    site: Site,
}

// === impl Multiplexed ===

impl Multiplexed {
    pub(crate) async fn connect(site: &Site) -> Self {
        let stream = TcpStream::connect(&site.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let credentials = site.credentials.as_ref().expect("an API's address");
        let mut trust = (*credentials.trust).clone();
        trust.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(trust)).connect(name, stream).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, site: site.clone() }
    }

    /// The body of an answer that is a stream.
    pub(crate) async fn open(&mut self, path: &str) -> Incoming {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = format!("https://{}{path}", self.site.host).parse().unwrap();
        request.headers_mut().extend(self.site.credentials.as_ref().unwrap().headers());
        request.headers_mut().remove(header::HOST);
        self.sender.ready().await.unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.into_body()
    }
}
