//! A small HTTP client, with or without TLS: one request a connection, or a
//! connection that is kept.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::credentials::Credentials;

/// Longest time for one answer: above every time limit that is tested.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Somewhere to ask: an address, and the host to ask it for.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// `127.0.0.1:41234`.
    pub(crate) address: String,
    /// The `Host` header.
    pub(crate) host: String,
    /// What an API is reached with; `None` for plain HTTP.
    pub(crate) credentials: Option<Credentials>,
}

/// A request to be.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    site: Site,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer whose lines come over time.
pub(crate) struct Lines {
    body: Incoming,
    seen: Vec<u8>,
    /// The connection ends with it.
    _sender: SendRequest<Full<Bytes>>,
}

/// A connection that is kept from one request to the next.
pub(crate) struct Connection {
    site: Site,
    /// For answers that come piece by piece.
    pub(crate) sender: SendRequest<Full<Bytes>>,
}

// === impl Site ===

impl Site {
    /// The site that a URL names. A host below `localhost` is this machine's
    /// (RFC 6761, section 6.3), whatever the resolver says.
    pub(crate) fn of(url: &str) -> Self {
        let uri: Uri = url.parse().unwrap_or_else(|error| panic!("`{url}`: {error}"));
        let authority = uri.authority().unwrap_or_else(|| panic!("`{url}` names no host"));
        let port = authority.port_u16().unwrap_or(80);
        Self { address: format!("127.0.0.1:{port}"), host: authority.to_string(), credentials: None }
    }

    /// The API that a kubeconfig leads to.
    pub(crate) fn of_kubeconfig(path: &str) -> Self {
        let (url, credentials) = Credentials::of_kubeconfig(path);
        Self { credentials: Some(credentials), ..Self::of(&url) }
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask {
        Ask {
            site: self.clone(),
            method,
            path: path.to_owned(),
            headers: self.credentials.as_ref().map(Credentials::headers).unwrap_or_default(),
            body: Bytes::new(),
        }
    }

    /// A connection of one's own.
    pub(crate) async fn connect(&self) -> Connection {
        self.try_connect().await.unwrap()
    }

    /// A connection of one's own, where somebody listens.
    pub(crate) async fn try_connect(&self) -> std::io::Result<Connection> {
        Ok(Connection { site: self.clone(), sender: connect(self).await? })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

// === impl Ask ===

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: header::HeaderName = name.parse().unwrap();
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// With a routing key, in Spur's own header.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("spur-key", key)
    }

    pub(crate) fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// The answer, which there has to be.
    #[track_caller]
    pub(crate) fn send(self) -> impl Future<Output = Answer> {
        let place = std::panic::Location::caller();
        async move {
            let what = format!("{place}: {} {}{}", self.method, self.site.host, self.path);
            self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error}"))
        }
    }

    /// The answer, where there is one.
    pub(crate) async fn try_send(self) -> Result<Answer, String> {
        let mut sender = connect(&self.site).await.map_err(|error| error.to_string())?;
        exchange(&mut sender, self.request()).await
    }

    /// The answer, line by line, which has to be a success.
    pub(crate) async fn lines(self) -> Result<Lines, String> {
        let mut sender = connect(&self.site).await.map_err(|error| error.to_string())?;
        let rsp = timeout(ANSWER_WITHIN, sender.send_request(self.request())).await;
        let rsp = rsp.map_err(|_| "no answer in time")?.map_err(|error| format!("{error:?}"))?;
        if !rsp.status().is_success() {
            return Err(format!("the answer is a {}", rsp.status()));
        }
        Ok(Lines { body: rsp.into_body(), seen: Vec::new(), _sender: sender })
    }

    pub(crate) fn request(self) -> Request<Full<Bytes>> {
        let Self { site, method, path, headers, body } = self;
        let mut req = Request::new(Full::new(body));
        *req.method_mut() = method;
        *req.uri_mut() = path.parse().unwrap();
        *req.headers_mut() = headers;
        req.headers_mut().entry(header::HOST).or_insert_with(|| site.host.parse().unwrap());
        req
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text()))
    }

    /// Why Spur answered itself; `None` where the upstream did.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.headers.get("spur-reason").map(|reason| reason.to_str().unwrap())
    }

    /// The same, where it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {:?}", self.status, self.text());
        self
    }
}

// === impl Lines ===

impl Lines {
    /// The next line; `None` at an end that is one, and an error where the answer broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            let frame = timeout(ANSWER_WITHIN, self.body.frame()).await;
            match frame.map_err(|_| format!("nothing more within {ANSWER_WITHIN:?}"))? {
                None if self.seen.is_empty() => return Ok(None),
                None => return Err("it ended within a line".to_owned()),
                Some(Ok(frame)) => self.seen.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(format!("it broke off: {error:?}")),
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Sends on this connection; after an end of it, on a new one, as clients do.
    pub(crate) async fn send(&mut self, ask: Ask) -> Result<Answer, String> {
        if self.sender.ready().await.is_err() {
            self.sender = connect(&self.site).await.map_err(|error| error.to_string())?;
        }
        exchange(&mut self.sender, ask.request()).await
    }
}

async fn connect(site: &Site) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(&site.address).await?;
    stream.set_nodelay(true)?;
    match &site.credentials {
        None => talk(stream).await,
        Some(credentials) => talk(credentials.shake_hands(stream).await?).await,
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    // Ends with the sender or the peer, whichever is first.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    req: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let answer = async {
        let rsp = sender.send_request(req).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = rsp.into_parts();
        let body = body.collect().await.map_err(|error| format!("the body broke off: {error:?}"))?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    timeout(ANSWER_WITHIN, answer).await.map_err(|_| format!("no answer within {ANSWER_WITHIN:?}"))?
}
