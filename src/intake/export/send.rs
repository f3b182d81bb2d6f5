//! One try: connect, send, read what is answered.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use spur_net::{Alpn, server_name};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::target::ExportTarget;

/// All of a try: what OpenTelemetry's exporters wait (`OTEL_EXPORTER_OTLP_TIMEOUT`).
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is read of an answer: it says how many were rejected, and why.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// What of an answer is told.
const TOLD_CHARS: usize = 200;

/// How a try went.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The collector has them, but for some.
    Taken { n_rejected: u64 },
    /// Trying again would be as bad.
    Refused(String),
    /// Perhaps later, or after as long as it asks for.
    Failed { why: String, after: Option<Duration> },
}

pub(super) async fn attempt(target: &ExportTarget, body: Bytes) -> Attempt {
    match tokio::time::timeout(TIMEOUT, exchange(target, body)).await {
        Ok(Ok((status, headers, body))) => read(status, &headers, body),
        Ok(Err(error)) => Attempt::Failed { why: error.to_string(), after: None },
        Err(_) => Attempt::Failed { why: format!("no answer within {} s", TIMEOUT.as_secs()), after: None },
    }
}

async fn exchange(target: &ExportTarget, body: Bytes) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
    let host = target.uri.host().unwrap_or_default();
    let port = target.uri.port_u16().unwrap_or(if target.tls.is_some() { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    match &target.tls {
        None => speak(stream, target, body).await,
        Some(tls) => {
            let name =
                server_name(host).ok_or_else(|| io::Error::other(format!("`{host}` is no name for TLS")))?;
            speak(tls.connect(name, (stream, Alpn::Http1)).await?, target, body).await
        }
    }
}

/// A connection of its own for each batch: there is one a second at most.
async fn speak<S>(stream: S, target: &ExportTarget, body: Bytes) -> io::Result<(StatusCode, HeaderMap, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    // Credentials in the address are a header, and no part of the host.
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = target.uri.path_and_query().map_or("/v1/traces", |path| path.as_str());
    let mut request = Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .header(header::CONTENT_ENCODING, "gzip")
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("spur/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    for (name, value) in &target.headers {
        request.headers_mut().insert(name, value.clone());
    }
    let exchange = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
        // An answer that is too long says nothing that is needed.
        Ok((head.status, head.headers, body.map(|body| body.to_bytes()).unwrap_or_default()))
    };
    // Both in this task, so that dropping it drops the connection.
    tokio::pin!(exchange);
    tokio::pin!(connection);
    tokio::select! {
        answered = &mut exchange => answered,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

/// Which answers ask for another try is OTLP's
/// (<https://opentelemetry.io/docs/specs/otlp/#failures-1>).
fn read(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Attempt {
    if status.is_success() {
        let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
        let n_rejected = partial.map_or(0, |partial| partial.rejected_spans);
        return Attempt::Taken { n_rejected: u64::try_from(n_rejected).unwrap_or(0) };
    }
    let why = told(status, &body);
    match status.as_u16() {
        429 | 502 | 503 | 504 => Attempt::Failed { why, after: retry_after(headers) },
        _ => Attempt::Refused(why),
    }
}

fn told(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = |c: &char| !c.is_control() && *c != char::REPLACEMENT_CHARACTER;
    let text: String = text.chars().filter(printable).take(TOLD_CHARS).collect();
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

/// Seconds, or a time (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<&str>) -> Attempt {
        let headers = retry_after.map(|text| (header::RETRY_AFTER, text.parse().unwrap()));
        read(StatusCode::from_u16(status).unwrap(), &headers.into_iter().collect(), Bytes::new())
    }

    #[test]
    fn overload_asks_for_another_try_and_a_mistake_does_not() {
        for status in [429, 502, 503, 504] {
            assert!(matches!(answered(status, None), Attempt::Failed { after: None, .. }), "{status}");
        }
        for status in [400, 401, 404, 413, 500] {
            assert!(matches!(answered(status, None), Attempt::Refused(_)), "{status}");
        }
        assert!(matches!(answered(200, None), Attempt::Taken { n_rejected: 0 }));
        let Attempt::Failed { after, .. } = answered(503, Some("7")) else { panic!("it failed") };
        assert_eq!(after, Some(Duration::from_secs(7)));
        let Attempt::Failed { after, .. } = answered(429, Some("Fri, 20 Nov 2015 12:00:00 GMT")) else {
            panic!("it failed")
        };
        assert_eq!(after, Some(Duration::ZERO));
    }
}
