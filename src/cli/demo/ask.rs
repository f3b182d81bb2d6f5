//! One request to the shop through the entry, and the trace that it left.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::header::HOST;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use spur_route::{SpanId, TraceId, preview_host};
use spur_trace::Trace;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::Failure;
use crate::trace;

/// The service that people see.
const FRONT: &str = "frontend";

/// What is asked for; a cart of one product makes a short trace.
const PATH: &str = "/api/cart?sku=mug";

/// An answer takes milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Until the first route works and the trace is complete: a few milliseconds each.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// A cart has about 500 bytes.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// Traces that are looked through for ours.
const TRACES: u32 = 100;

/// Where requests go.
pub(super) struct ShopFront {
    entry: SocketAddr,
    namespace: String,
}

/// A request's answer and its trace.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) cart: Cart,
    pub(super) trace: Trace,
}

/// What we read of the answer of `GET /api/cart`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cart {
    pub(super) total_cents: u64,
    pub(super) currency: String,
    /// The version of each service that answered.
    pub(super) answered: std::collections::BTreeMap<String, String>,
    /// The key that the frontend saw.
    pub(super) key: Option<String>,
}

// === impl ShopFront ===

impl ShopFront {
    /// The shop behind an entry address.
    ///
    /// # Errors
    /// When the text is no address.
    pub(super) fn new(entry: &str, namespace: &str) -> Result<Self> {
        let uri: http::Uri = entry.parse().with_context(|| format!("`{entry}` is no address"))?;
        let authority = uri.authority().with_context(|| format!("`{entry}` has no host"))?;
        let entry =
            authority.as_str().parse().with_context(|| format!("`{entry}` is no IP address and port"))?;
        Ok(Self { entry, namespace: namespace.to_owned() })
    }

    /// The address that is asked.
    pub(super) fn url(&self) -> String {
        format!("http://{}{PATH}", self.host())
    }

    /// The address under which the sandbox's shop opens in a browser.
    pub(super) fn preview(&self, sandbox: &str) -> String {
        format!("http://{}:{}/", preview_host(sandbox, FRONT, &self.namespace), self.entry.port())
    }

    fn host(&self) -> String {
        format!("{FRONT}.{}.localhost:{}", self.namespace, self.entry.port())
    }

    /// Asks, with or without a key, until the shop answers; then reads the trace.
    ///
    /// # Errors
    /// When the answer is no cart, or the trace does not come.
    pub(super) async fn ask(&self, client: &Client, key: Option<&str>) -> Result<Asked> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        let (cart, trace_id) = loop {
            let (traceparent, trace_id) = new_trace();
            let (status, reason, body) = self.send(&traceparent, key).await?;
            if status.is_success() {
                let text = String::from_utf8_lossy(&body);
                let cart =
                    serde_json::from_slice(&body).with_context(|| format!("found no cart in: {text}"))?;
                break (cart, trace_id);
            }
            // A route may be a moment younger than what it leads to.
            let may_pass = reason.is_some() && Instant::now() < deadline;
            if !may_pass {
                let body = String::from_utf8_lossy(&body).trim().to_owned();
                bail!(Failure::new(format!("the shop answered {status} to GET {}: {body}", self.url())));
            }
            tokio::time::sleep(TRY_EVERY).await;
        };
        let trace = complete_trace(client, trace_id, &cart, deadline).await?;
        Ok(Asked { cart, trace })
    }

    async fn send(
        &self,
        traceparent: &str,
        key: Option<&str>,
    ) -> Result<(http::StatusCode, Option<String>, Bytes)> {
        let tried = || format!("failed to GET {}", self.url());
        let mut request = Request::get(PATH).header(HOST, self.host()).header("traceparent", traceparent);
        if let Some(key) = key {
            request = request.header("spur-key", key);
        }
        let request = request.body(Empty::new()).with_context(tried)?;
        let answered = tokio::time::timeout(ANSWER_WITHIN, exchange(self.entry, request)).await;
        answered.with_context(tried)?.with_context(tried)
    }
}

/// One request on a connection of its own.
async fn exchange(
    address: SocketAddr,
    request: Request<Empty<Bytes>>,
) -> Result<(http::StatusCode, Option<String>, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response: Response<Incoming> = sender.send_request(request).await?;
        let status = response.status();
        let reason = response.headers().get("spur-reason").and_then(|reason| reason.to_str().ok());
        let reason = reason.map(str::to_owned);
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the body broke off: {error}"))?.to_bytes();
        Ok::<_, anyhow::Error>((status, reason, body))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended?;
            answer.await
        }
    }
}

/// A `traceparent` that nobody else has, so that the trace is found again.
fn new_trace() -> (String, TraceId) {
    // A random number is zero, which the ids must not be, once in 2^64.
    let trace_id = TraceId::new(rand::random::<u128>() | 1).expect("the last bit is set");
    let span_id = SpanId::new(rand::random::<u64>() | 1).expect("the last bit is set");
    (format!("00-{trace_id}-{span_id}-01"), trace_id)
}

/// The trace, once every service that answered is in it.
async fn complete_trace(client: &Client, trace_id: TraceId, cart: &Cart, deadline: Instant) -> Result<Trace> {
    loop {
        let found = trace::last(client, TRACES).await?;
        // A trace with late hops is told again; the last is the fullest.
        let found = found.into_iter().rev().find(|trace| trace.trace_id == trace_id);
        let missing = match &found {
            Some(trace) => {
                let is_in_trace = |service: &String| trace.hops.iter().any(|hop| hop.name() == service);
                cart.answered.keys().find(|service| !is_in_trace(service)).cloned()
            }
            None => Some(FRONT.to_owned()),
        };
        match (found, missing) {
            (Some(trace), None) => return Ok(trace),
            (_, Some(service)) if Instant::now() >= deadline => {
                let message = format!("trace {trace_id} has no hop of `{service}` after {SETTLED_WITHIN:?}");
                bail!(Failure::new(message).hint("`spur trace` shows the traces that are kept"));
            }
            _ => tokio::time::sleep(TRY_EVERY).await,
        }
    }
}
