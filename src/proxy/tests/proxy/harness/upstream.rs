//! A server that answers as told and remembers what it was asked.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_route::Wire;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::until_refused;

pub(crate) type Reply = Response<BoxBody<Bytes, std::io::Error>>;
type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Handler = Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;

/// A running upstream; it stops when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) name: &'static str,
    pub(crate) wire: Wire,
    seen: Arc<Mutex<Vec<Parts>>>,
    n_connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

pub(crate) struct Builder {
    name: &'static str,
    wire: Wire,
    routes: HashMap<&'static str, Handler>,
}

/// A plain response.
pub(crate) fn text(text: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed())
}

/// A handler that never answers.
pub(crate) async fn never(_: Request<Incoming>) -> Reply {
    std::future::pending().await
}

/// A handler that answers with the body that it got.
pub(crate) async fn whole_back(req: Request<Incoming>) -> Reply {
    text(req.into_body().collect().await.expect("the body comes").to_bytes())
}

impl Upstream {
    /// An upstream that speaks HTTP/1.1.
    pub(crate) fn http1(name: &'static str) -> Builder {
        Builder { name, wire: Wire::Http1, routes: HashMap::new() }
    }

    /// An upstream that speaks HTTP/2 with prior knowledge.
    pub(crate) fn http2(name: &'static str) -> Builder {
        Builder { name, wire: Wire::Http2, routes: HashMap::new() }
    }

    /// An upstream made of bytes: `serve` gets every connection.
    pub(crate) async fn raw<F, Fut>(name: &'static str, wire: Wire, serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let n_connections = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let n_connections = Arc::clone(&n_connections);
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    n_connections.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(serve(stream));
                }
            }
        });
        Self { address, name, wire, seen: Arc::default(), n_connections, task: task.abort_handle() }
    }

    /// An upstream of HTTP/2 by h2 itself: `serve` gets every stream, in a task of its own.
    pub(crate) async fn streams<F, Fut>(name: &'static str, serve: F) -> Self
    where
        F: Fn(Request<h2::RecvStream>, h2::server::SendResponse<Bytes>) -> Fut
            + Clone
            + Send
            + Sync
            + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::raw(name, Wire::Http2, move |stream| {
            let serve = serve.clone();
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((req, respond))) = connection.accept().await {
                    tokio::spawn(serve(req, respond));
                }
            }
        })
        .await
    }

    /// Bytes: speaks first, then says everything back once the client has closed its half.
    pub(crate) async fn echo(greeting: &'static str) -> Self {
        Self::raw("db", Wire::Tcp, move |mut stream| async move {
            stream.write_all(greeting.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
        })
        .await
    }

    /// Nobody listens here any more.
    pub(crate) async fn gone(name: &'static str) -> Self {
        let upstream = Self::raw(name, Wire::Http1, |_| async {}).await;
        upstream.stop().await;
        upstream
    }

    /// Stops listening and closes all connections.
    pub(crate) async fn stop(&self) {
        self.task.abort();
        until_refused(self.address).await;
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::Relaxed)
    }

    pub(crate) fn n_requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The headers of the last request.
    pub(crate) fn last_headers(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().expect("a request came").headers.clone()
    }

    /// The target of the last request as it was received.
    pub(crate) fn last_uri(&self) -> String {
        self.seen.lock().unwrap().last().expect("a request came").uri.to_string()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Builder {
    /// Answers `path` with a text.
    pub(crate) fn route(self, path: &'static str, reply: &'static str) -> Self {
        self.on(path, move |_| async move { text(reply) })
    }

    /// Answers `path` by a function.
    pub(crate) fn on<F, Fut>(mut self, path: &'static str, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |req| -> Answering { Box::pin(handler(req)) });
        self.routes.insert(path, handler);
        self
    }

    pub(crate) async fn run(self) -> Upstream {
        let Self { name, wire, routes } = self;
        let (routes, seen) = (Arc::new(routes), Arc::new(Mutex::new(Vec::new())));
        let mut upstream = Upstream::raw(name, wire, {
            let seen = Arc::clone(&seen);
            move |stream| {
                let (routes, seen) = (Arc::clone(&routes), Arc::clone(&seen));
                serve(stream, wire, routes, seen)
            }
        })
        .await;
        upstream.seen = seen;
        upstream
    }
}

async fn serve(
    stream: TcpStream,
    wire: Wire,
    routes: Arc<HashMap<&'static str, Handler>>,
    seen: Arc<Mutex<Vec<Parts>>>,
) {
    let service = service_fn(move |req: Request<Incoming>| {
        let (routes, seen) = (Arc::clone(&routes), Arc::clone(&seen));
        async move {
            let mut head = Request::new(()).into_parts().0;
            head.method = req.method().clone();
            head.uri = req.uri().clone();
            head.version = req.version();
            head.headers = req.headers().clone();
            seen.lock().unwrap().push(head);
            let handler = routes.get(req.uri().path()).or_else(|| routes.get("*"));
            let mut rsp = match handler {
                Some(handler) => handler(req).await,
                None => text("no such path"),
            };
            if handler.is_none() {
                *rsp.status_mut() = http::StatusCode::NOT_FOUND;
            }
            Ok::<_, Infallible>(rsp)
        }
    });
    // As all servers of HTTP/2 do: window updates are small. One that is gone has no options.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(stream);
    // The peer's errors are the peer's tests' business.
    if wire == Wire::Http2 {
        let _ = conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    } else {
        let _ = conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
    }
}
