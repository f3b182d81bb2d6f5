//! The layer around a server: captures each request's context and answers the
//! request, body included, in its scope. Leaves outgoing calls to the client's
//! layer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use http::{HeaderName, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::context::{Context, Scope, scope};

/// Runs the service it wraps in the scope of each request's [`Context`].
///
/// Works for whatever serves `http::Request`: an axum `Router::layer`, a tonic
/// `Server::builder().layer`, a hyper service.
#[derive(Clone, Debug, Default)]
pub struct PropagationLayer {
    further: Arc<[HeaderName]>,
}

/// A service wrapped by [`PropagationLayer`].
#[derive(Clone, Debug)]
pub struct Propagation<S> {
    inner: S,
    further: Arc<[HeaderName]>,
}

pin_project! {
    /// The answer of a [`Propagation`] service, on its way.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Scope<F>,
        context: Context,
    }
}

pin_project! {
    /// A response body that is produced in its request's scope, so that calls
    /// made while streaming carry the context as well.
    #[derive(Debug)]
    pub struct ScopedBody<B> {
        #[pin]
        inner: B,
        context: Context,
    }
}

// === impl PropagationLayer ===

impl PropagationLayer {
    /// Propagates the headers of [`is_context_header`](super::is_context_header).
    pub fn new() -> Self {
        Self::default()
    }

    /// Propagates these headers as well: the custom carriers that the
    /// environment is configured with.
    pub fn and_headers(further: impl IntoIterator<Item = HeaderName>) -> Self {
        Self { further: further.into_iter().collect() }
    }
}

impl<S> Layer<S> for PropagationLayer {
    type Service = Propagation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Propagation { inner, further: self.further.clone() }
    }
}

// === impl Propagation ===

impl<S, ReqBody, RspBody> Service<Request<ReqBody>> for Propagation<S>
where
    S: Service<Request<ReqBody>, Response = Response<RspBody>>,
{
    type Response = Response<ScopedBody<RspBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<ReqBody>) -> Self::Future {
        let context = Context::from_headers_and(req.headers(), &self.further);
        let inner = context.enter(|| self.inner.call(req));
        ResponseFuture { inner: scope(context.clone(), inner), context }
    }
}

// === impl ResponseFuture ===

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ScopedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let context = std::mem::take(this.context);
        Poll::Ready(result.map(|rsp| rsp.map(|inner| ScopedBody { inner, context })))
    }
}

// === impl ScopedBody ===

impl<B: Body> Body for ScopedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let inner = this.inner;
        this.context.enter(|| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for ScopedBody<B> {
    /// An empty body in an empty context; tonic answers with one when it refuses.
    fn default() -> Self {
        Self { inner: B::default(), context: Context::default() }
    }
}

#[cfg(test)]
mod tests;
