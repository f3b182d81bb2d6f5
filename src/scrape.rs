//! The listener for metrics: plain HTTP on loopback, as every scraper speaks it.
//!
//! What is counted is the proxy's business, and that of applications what they report.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};

use anyhow::Result;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use spur_intake::{MetricStore, Text};
use spur_net::{Limits, Listening};
use spur_proxy::{Format, Metrics};
use tokio_util::sync::CancellationToken;

/// What the proxy counts, and what applications report, where that is taken.
pub(crate) type Sources = (Metrics, Option<MetricStore>);

/// Serves `/metrics` until `stop` is cancelled; returns where.
pub(crate) fn serve(listener: TcpListener, sources: Sources, stop: CancellationToken) -> Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let listening = Listening { tcp: tokio::net::TcpListener::from_std(listener)?, tls: None };
    let service = service_fn(move |request: Request<Incoming>| {
        let answered = answer(&sources, &request);
        async move { Ok::<_, Infallible>(answered) }
    });
    tokio::spawn(spur_net::serve(listening, service, Limits::default(), stop));
    Ok(address)
}

fn answer(sources: &Sources, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let format = Format::accepted(accept.unwrap_or_default());
            (StatusCode::OK, format.content_type(), text(sources, format))
        }
        (_, "/metrics") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET /metrics is all there is\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// Both in one text, in which OpenMetrics' last line stays the last.
fn text((metrics, reported): &Sources, format: Format) -> String {
    const LAST: &str = "# EOF\n";
    let mut text = metrics.scrape(format);
    let Some(reported) = reported else { return text };
    match format {
        Format::Prometheus => text.push_str(&reported.text(Text::Prometheus)),
        Format::OpenMetrics => {
            text.truncate(text.strip_suffix(LAST).map_or(text.len(), str::len));
            text.push_str(&reported.text(Text::OpenMetrics));
            text.push_str(LAST);
        }
    }
    text
}
