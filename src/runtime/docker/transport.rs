//! Requests to an engine by network, with TLS or without.
//!
//! bollard has this too, but trusts the authorities of the system beside the given one, and goes on
//! without a certificate where it cannot read it. One connection per request, as bollard has it: what
//! becomes a stream of its own (`exec`, `attach`) keeps it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, Docker};
use http::uri::{Parts, Uri};
use http::{HeaderValue, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use spur_net::{Alpn, Originate, OriginateTerms, Trust, server_name};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::read;

/// How long a connection and a handshake may take together: engines are near.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// A port of an engine.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    host: Arc<str>,
    port: u16,
    tls: Option<Originate>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

// === impl Transport ===

impl Transport {
    /// # Errors
    /// What is wrong with the certificates.
    pub(super) fn new(host: &str, port: u16, certificates: Option<&Path>) -> Result<Self, String> {
        let tls =
            match certificates {
                None => None,
                Some(folder) => {
                    let [ca, certificate, key] = read(folder)?;
                    let (trust, shown) = (Trust::Authorities(&ca), Some((&*certificate, &*key)));
                    let tls = Originate::new(OriginateTerms { trust, names: &[], shown });
                    Some(tls.map_err(|error| {
                        format!("certificates in `{}`: {}", folder.display(), chain(&error))
                    })?)
                }
            };
        Ok(Self { host: host.into(), port, tls })
    }

    /// A client that sends its requests this way.
    pub(super) fn client(self, answer_within: Duration) -> Result<Docker, Error> {
        // It is never looked up: what is connected to is ours to say.
        let named = Some("http://docker");
        let send = move |request: BollardRequest| {
            let transport = self.clone();
            async move { transport.send(request).await }
        };
        Docker::connect_with_custom_transport(
            send,
            named,
            answer_within.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
    }

    /// Connects, also to see whether somebody answers.
    ///
    /// # Errors
    /// Nobody does, or not as somebody whom we trust.
    pub(super) async fn connect(&self) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
        let connect = async {
            let stream = TcpStream::connect((&*self.host, self.port)).await?;
            stream.set_nodelay(true)?;
            let Some(tls) = &self.tls else { return Ok(Box::new(stream) as Box<dyn Stream>) };
            let name = server_name(&self.host)
                .ok_or_else(|| io::Error::other("no certificate can have such a name"))?;
            Ok(Box::new(tls.connect(name, (stream, Alpn::Http1)).await?) as Box<dyn Stream>)
        };
        let connected = tokio::time::timeout(CONNECTED_WITHIN, connect).await;
        connected.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))?
    }

    async fn send(&self, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|err| Error::HyperResponseError { err })?;
        // Ends with the answer, or with the stream that it has become; also when nobody reads that.
        let connection = tokio::spawn(connection.with_upgrades());
        // A server wants the path alone, and the name beside it (RFC 9112, sections 3.2.1 and 3.2).
        let mut parts = Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(path) = Uri::from_parts(parts) {
            *request.uri_mut() = path;
        }
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("docker"));
        let sent = sender.send_request(request).await;
        drop(sender);
        match sent {
            Ok(answer) => Ok(answer),
            // The request knows only that there is no connection any more; that knows why.
            Err(err) => match connection.await {
                Ok(Err(err)) => Err(Error::HyperResponseError { err }),
                Ok(Ok(())) | Err(_) => Err(Error::HyperResponseError { err }),
            },
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
