//! The `httpGet` check: <https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/probe/http/http.go>.
//! HTTP/1.1, with TLS where `scheme` says so; as with the kubelet, any certificate will do.
//! The kubelet also speaks HTTP/2 to a server of HTTPS that prefers it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use spur_net::{Alpn, Dial, Originate, OriginateTerms, Trust, server_name};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::ProbeResult;
use super::tcp::{connect, join, words};

/// What to ask for.
#[derive(Clone, Debug)]
pub struct HttpGet {
    /// A name or an address.
    pub host: String,
    /// The port that really listens, not the container's number for it.
    pub port: u16,
    /// Whether inside TLS.
    pub scheme: Scheme,
    /// Path and query; a missing first slash is added.
    pub path: String,
    /// Added to the request, `Host`, `User-Agent` and `Accept` in place of ours.
    pub headers: HeaderMap,
}

/// What HTTP is spoken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TCP.
    Http,
    /// TLS, with a certificate that nobody verifies.
    Https,
}

/// As much of a body is read as the kubelet reads: 10 KiB (`maxRespBodyLength`).
const BODY_MAX_BYTES: usize = 10 * 1024;

/// As many redirects are followed as Go's client follows (`RedirectChecker`).
const REDIRECTS_MAX: usize = 10;

/// Services tell probes apart by this prefix, to keep them out of their logs; Kubernetes
/// writes its own version behind it, we write that of the API we serve.
pub(super) const AGENT: HeaderValue = HeaderValue::from_static("kube-probe/1.36");

/// Asks once. Status 200 to 399 within `timeout` is success; redirects are followed on the
/// same host only, one to another host counts as success.
pub async fn http_get(dial: &Dial, get: &HttpGet, timeout: Duration) -> ProbeResult {
    let url = url_of(get);
    let done = tokio::time::timeout(timeout, follow(dial, get, url.clone())).await;
    match done {
        Ok(Ok(answer)) => answer.judge(),
        Ok(Err(e)) => ProbeResult::Failure(format!("Get \"{}\": {}", e.url, e.words)),
        // Go's words for a client timeout, whatever it waited for.
        Err(_) => ProbeResult::Failure(format!(
            "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )),
    }
}

/// Asks as long as it takes; whatever is answered will do. So lifecycle hooks ask
/// (`pkg/kubelet/lifecycle/handlers.go`, `runHTTPHandler`).
///
/// # Errors
/// Nothing was answered, in the words of Go's client.
pub async fn http_send(dial: &Dial, get: &HttpGet) -> Result<StatusCode, String> {
    let answer = follow(dial, get, url_of(get)).await;
    answer.map(|answer| answer.status).map_err(|e| format!("Get \"{}\": {}", e.url, e.words))
}

struct Answer {
    status: StatusCode,
    body: Bytes,
}

struct GetError {
    url: String,
    words: String,
}

// === impl Answer ===

impl Answer {
    fn judge(&self) -> ProbeResult {
        let body = String::from_utf8_lossy(&self.body);
        if self.status.is_redirection() {
            return ProbeResult::Success(format!("Probe terminated redirects, Response body: {body}"));
        }
        if self.status.is_success() {
            ProbeResult::Success(body.into_owned())
        } else {
            ProbeResult::Failure(format!("HTTP probe failed with statuscode: {}", self.status.as_u16()))
        }
    }
}

fn url_of(get: &HttpGet) -> String {
    let slash = if get.path.starts_with('/') { "" } else { "/" };
    let scheme = match get.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    format!("{scheme}://{}{slash}{}", join(&get.host, get.port), get.path)
}

async fn follow(dial: &Dial, get: &HttpGet, first: String) -> Result<Answer, GetError> {
    let mut url = first;
    for _ in 0..REDIRECTS_MAX {
        let fail = |words: String| GetError { url: url.clone(), words };
        let uri: Uri = url.parse().map_err(|e| fail(format!("{e}")))?;
        let rsp = ask(dial, get, &uri).await.map_err(fail)?;
        match redirect_of(&rsp, &uri) {
            Some(next) if is_same_host(&next, &get.host) => url = next.to_string(),
            Some(_) | None => {
                let status = rsp.status();
                let body = read_start(rsp.into_body()).await.map_err(fail)?;
                return Ok(Answer { status, body });
            }
        }
    }
    Err(GetError { url, words: format!("stopped after {REDIRECTS_MAX} redirects") })
}

/// One request on a connection of its own: a pooled one would hide that nothing accepts
/// any more. The kubelet disables keep-alive for the same reason.
async fn ask(dial: &Dial, get: &HttpGet, uri: &Uri) -> Result<Response<Incoming>, String> {
    let host = uri.host().unwrap_or(&get.host).trim_matches(['[', ']']).to_owned();
    if uri.scheme_str() == Some("https") {
        let stream = connect(dial, &host, uri.port_u16().unwrap_or(443)).await?;
        send(shake_hands(stream, &host).await?, get, uri).await
    } else {
        send(connect(dial, &host, uri.port_u16().unwrap_or(80)).await?, get, uri).await
    }
}

/// TLS with whoever answers: `InsecureSkipVerify`, as in the kubelet.
async fn shake_hands(stream: TcpStream, host: &str) -> Result<impl Stream + use<>, String> {
    let terms = OriginateTerms { trust: Trust::Anybody, names: &[], shown: None };
    let tls = Originate::new(terms).map_err(|e| format!("tls: {e}"))?;
    let name = server_name(host).ok_or_else(|| format!("tls: {host:?} is no name"))?;
    tls.connect(name, (stream, Alpn::Http1)).await.map_err(|e| format!("tls: {e}"))
}

/// What a request can be sent over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

async fn send(stream: impl Stream, get: &HttpGet, uri: &Uri) -> Result<Response<Incoming>, String> {
    let (mut sender, conn) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| go_words(&e))?;
    let mut req = Request::get(uri.path_and_query().map_or("/", |p| p.as_str()))
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    *req.headers_mut() = headers_of(get, uri);
    // The connection's task ends with the sender and the body, thus with this probe.
    tokio::spawn(conn);
    sender.send_request(req).await.map_err(|e| go_words(&e))
}

fn headers_of(get: &HttpGet, uri: &Uri) -> HeaderMap {
    let mut headers = get.headers.clone();
    let authority = uri.authority().map_or("", |a| a.as_str());
    if let Ok(host) = HeaderValue::from_str(authority) {
        headers.entry(HOST).or_insert(host);
    }
    headers.entry(USER_AGENT).or_insert(AGENT);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers
}

/// Where a 301, 302, 303, 307 or 308 leads. Relative targets are those with a leading slash;
/// any other relative form is taken as the end of the road.
fn redirect_of(rsp: &Response<Incoming>, from: &Uri) -> Option<Uri> {
    if !matches!(rsp.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to: Uri = rsp.headers().get(LOCATION)?.to_str().ok()?.parse().ok()?;
    if to.authority().is_some() {
        return Some(to);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = to.into_parts().path_and_query;
    Uri::from_parts(parts).ok()
}

/// Only the host counts, as in the kubelet, but what is not HTTP we cannot follow.
fn is_same_host(to: &Uri, host: &str) -> bool {
    matches!(to.scheme_str(), Some("http" | "https"))
        && to.host().is_some_and(|h| h.trim_matches(['[', ']']).eq_ignore_ascii_case(host))
}

async fn read_start(mut body: Incoming) -> Result<Bytes, String> {
    let mut start = BytesMut::new();
    while start.len() < BODY_MAX_BYTES {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame.map_err(|e| go_words(&e))?.into_data() {
            start.extend_from_slice(&data);
        }
    }
    start.truncate(BODY_MAX_BYTES);
    Ok(start.freeze())
}

/// hyper's error in the words of Go's client where it has some.
fn go_words(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "EOF".into();
    }
    let source = std::error::Error::source(error);
    match source.and_then(|e| e.downcast_ref::<std::io::Error>()) {
        Some(io) => words(io),
        None if error.is_parse() => format!("malformed HTTP response: {error}"),
        None => error.to_string(),
    }
}
