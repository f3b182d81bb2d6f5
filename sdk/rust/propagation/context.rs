//! The context of one request: captured from its headers, current while it is
//! being answered, put onto the calls made meanwhile. Leaves to the layers when
//! each of these happens.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;

use super::headers::{self, Family};
use super::{lists, routing_key};

tokio::task_local! {
    static CURRENT: Context;
}

/// The headers of one request that have to go out with every call it causes.
///
/// Cheap to clone. It holds no more than the server accepted as headers, so the
/// server's limit on headers is its bound.
#[derive(Clone, Debug, Default)]
pub struct Context {
    headers: Arc<HeaderMap>,
}

/// A future that runs with a context of its own; made by [`scope`].
pub type Scope<F> = TaskLocalFuture<Context, F>;

/// Runs `future` so that [`Context::current`] inside it is `context`.
///
/// With `Context::default()` the calls made inside carry no context at all.
pub fn scope<F: Future>(context: Context, future: F) -> Scope<F> {
    CURRENT.scope(context, future)
}

// === impl Context ===

impl Context {
    /// Captures the context of an incoming request; see
    /// [`is_context_header`](super::is_context_header).
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::from_headers_and(headers, &[])
    }

    /// Like [`from_headers`](Self::from_headers), with further headers that this
    /// environment has agreed upon, such as a custom carrier of the routing key.
    pub fn from_headers_and(headers: &HeaderMap, further: &[HeaderName]) -> Self {
        let mut captured = HeaderMap::new();
        for (name, value) in headers {
            if headers::is_context_header(name) || further.contains(name) {
                captured.append(name, value.clone());
            }
        }
        Self { headers: Arc::new(captured) }
    }

    /// The context of the request that this task is answering; empty outside of
    /// any [`scope`], as in a task that was spawned without one.
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Puts the context onto an outgoing request, next to what it already says:
    ///
    /// - `baggage` and `tracestate` are merged: members whose names are there
    ///   stay as they are, the others are added up to the W3C limits.
    /// - An outgoing `traceparent` stands, and so does any outgoing B3 header
    ///   together with the absence of the others: a service that makes spans has
    ///   said where it stands in the trace.
    /// - Every other header is added unless it is there.
    ///
    /// Injecting twice is the same as injecting once.
    pub fn inject(&self, outgoing: &mut HeaderMap) {
        let has_b3 = outgoing.keys().any(|name| headers::family(name) == Some(Family::B3));
        for name in self.headers.keys() {
            match headers::family(name).unwrap_or(Family::Single) {
                Family::List { members_max, bytes_max } if outgoing.contains_key(name) => {
                    self.merge_list(outgoing, name, (members_max, bytes_max));
                }
                Family::B3 if has_b3 => {}
                Family::W3cTrace | Family::B3 | Family::Single | Family::List { .. } => {
                    self.copy_unless_present(outgoing, name);
                }
            }
        }
    }

    /// The routing key that this context carries, if any: for logs and pages.
    /// Requests are routed by the proxy's own reading, never by this one.
    pub fn routing_key(&self) -> Option<&str> {
        routing_key::read(&self.headers)
    }

    /// The captured headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Runs `work` at once with this context current.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    fn copy_unless_present(&self, outgoing: &mut HeaderMap, name: &HeaderName) {
        if outgoing.contains_key(name) {
            return;
        }
        for value in self.headers.get_all(name) {
            outgoing.append(name.clone(), value.clone());
        }
    }

    fn merge_list(
        &self,
        outgoing: &mut HeaderMap,
        name: &HeaderName,
        (members_max, bytes_max): (usize, usize),
    ) {
        let present: Vec<_> = lists::members(lines(outgoing, name)).collect();
        let wanted: Vec<_> = lists::members(lines(&self.headers, name)).collect();
        let Some(line) = lists::missing(&present, &wanted, members_max, bytes_max) else {
            return;
        };
        let line = HeaderValue::from_bytes(&line).expect("parts of header values make one again");
        outgoing.append(name.clone(), line);
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests;
