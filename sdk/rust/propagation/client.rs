//! The layer around a client: puts the current context onto each request it
//! sends. Leaves connecting, retries and deadlines to the client.

use std::task::Poll;

use http::Request;
use tower::{Layer, Service};

use super::context::Context;

/// Injects [`Context::current`] into every request of the client it wraps.
///
/// The context is read when the request is *made*, in the task that makes it, so
/// this layer belongs outside of buffers and channels that hand requests to a
/// task of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct InjectLayer {
    _private: (),
}

/// A client wrapped by [`InjectLayer`].
#[derive(Clone, Debug)]
pub struct Inject<S> {
    inner: S,
}

// === impl InjectLayer ===

impl InjectLayer {
    /// A layer that injects the current context, as [`Context::inject`] says.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for InjectLayer {
    type Service = Inject<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Inject { inner }
    }
}

// === impl Inject ===

impl<S, B> Service<Request<B>> for Inject<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        Context::current().inject(req.headers_mut());
        self.inner.call(req)
    }
}
