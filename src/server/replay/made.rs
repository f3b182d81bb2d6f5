//! The request that is sent again: the captured one for another target.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version, uri};
use http_body_util::Full;
use spur_route::traceparent::TRACEPARENT;
use spur_route::{SPUR_KEY, SpanId, TraceId, TraceParent, is_valid_key, strip_keys};
use spur_trace::{Capture, Hop, ReplayTarget, SPUR_REPLAY_OF, entry_host};

/// What is sent.
pub(super) struct Made {
    /// The new trace, by which it is found afterwards.
    pub(super) trace_id: TraceId,
    pub(super) request: Request<Full<bytes::Bytes>>,
}

/// Why there is nothing to send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unmade {
    #[error("only {kept} of its body's {n_bytes} bytes were kept")]
    Cut { kept: usize, n_bytes: u64 },
    #[error("its body broke off after {0} bytes")]
    BrokenOff(u64),
    #[error("its secrets are not kept on disk: send it without credentials")]
    Redacted,
    #[error("it asked for another protocol, such as a WebSocket")]
    Upgrade,
    #[error("it names no host, and went to no Service")]
    NoHost,
    #[error("`{0}` cannot be a routing key")]
    Key(String),
}

pub(super) fn make(
    (hop, capture): (&Hop, &Capture),
    target: &ReplayTarget,
    without_credentials: bool,
) -> Result<Made, Unmade> {
    let request = &capture.request;
    if request.body.is_cut() {
        return Err(Unmade::Cut { kept: request.body.bytes.len(), n_bytes: request.body.n_bytes });
    }
    if !request.body.has_ended {
        return Err(Unmade::BrokenOff(request.body.n_bytes));
    }
    if capture.response.as_ref().is_some_and(|response| response.status == 101) {
        return Err(Unmade::Upgrade);
    }
    if capture.is_redacted && !without_credentials {
        return Err(Unmade::Redacted);
    }
    let trace_id = TraceId::new(rand::random::<u128>() | 1).expect("an odd number is not zero");
    let mut headers = request.headers.clone();
    let had_key = hop.key().map(ToOwned::to_owned);
    retarget(&mut headers, target, had_key)?;
    if without_credentials {
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            headers.remove(name);
        }
    }
    // hyper writes what frames the body.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let traceparent = TraceParent {
        trace_id,
        parent_id: SpanId::new(rand::random::<u64>() | 1).expect("an odd number is not zero"),
        flags: 1,
    };
    headers.insert(&TRACEPARENT, traceparent.to_header_value());
    let of = HeaderValue::from_str(&capture.id.trace_id.to_string()).expect("digits are a header value");
    headers.insert(SPUR_REPLAY_OF, of);
    let host = entry_host(hop, capture).and_then(|host| host.parse::<Authority>().ok());
    let host = host.ok_or(Unmade::NoHost)?;
    let mut made = Request::new(Full::from(request.body.bytes.clone()));
    *made.method_mut() = request.method.clone();
    if request.http_version == Version::HTTP_2 {
        let mut form = uri::Parts::default();
        form.scheme = Some(Scheme::HTTP);
        form.authority = Some(host);
        form.path_and_query = Some(request.target.clone());
        *made.version_mut() = Version::HTTP_2;
        *made.uri_mut() = Uri::from_parts(form).map_err(|_| Unmade::NoHost)?;
    } else {
        *made.uri_mut() = Uri::from(request.target.clone());
        headers.insert(HOST, HeaderValue::from_str(host.as_str()).map_err(|_| Unmade::NoHost)?);
    }
    *made.headers_mut() = headers;
    Ok(Made { trace_id, request: made })
}

/// Gives the headers the target's key in the place of every other. What was asked with a key that
/// its headers do not have (a preview host's, an implied one) gets it as a header.
fn retarget(headers: &mut HeaderMap, target: &ReplayTarget, had_key: Option<String>) -> Result<(), Unmade> {
    let key = match target {
        ReplayTarget::Same => had_key,
        ReplayTarget::Baseline => None,
        ReplayTarget::Key(key) => Some(key.clone()),
    };
    strip_keys(headers);
    if let Some(key) = key {
        let value = HeaderValue::from_str(&key).ok().filter(|_| is_valid_key(key.as_bytes()));
        headers.insert(&SPUR_KEY, value.ok_or(Unmade::Key(key))?);
    }
    Ok(())
}
