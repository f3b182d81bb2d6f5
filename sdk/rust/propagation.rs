//! Carries a request's context through a service: what came in with a request
//! goes out with every call that is made while it is being answered.
//!
//! A sandbox only works if every service on the way passes the routing key on.
//! A service that does not is answered for by baseline from there on, without
//! any error. This module is the whole of that duty for a Rust service: one
//! layer around the server, one around each client.
//!
//! Which headers belong to the context is listed in [`is_context_header`].
//! What they *mean* (which carrier of the key wins) is decided by Spur's proxy,
//! not here; spans are made by OpenTelemetry, not here. A service that makes its
//! own spans keeps doing so: an outgoing request that already says where it
//! stands in the trace is left as it is ([`Context::inject`]).
//!
//! # A server and its client
//!
//! The layers are plain `tower` layers over `http` types, so the same two serve
//! axum, hyper and tonic.
//!
//! ```
//! use axum::{Router, routing::get};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use spur_sdk::propagation::{InjectLayer, PropagationLayer};
//! use tower::{Layer, ServiceExt};
//!
//! // Every request of this client carries the context of the request that is
//! // being answered by the task that makes it.
//! let client = InjectLayer::new().layer(
//!     Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>(),
//! );
//!
//! let app: Router = Router::new()
//!     .route(
//!         "/checkout",
//!         get(move || async move {
//!             let request = http::Request::get("http://pricing/price/mug")
//!                 .body(axum::body::Body::empty())
//!                 .expect("a constant address is valid");
//!             match client.oneshot(request).await {
//!                 Ok(answer) => answer.status().to_string(),
//!                 Err(failure) => failure.to_string(),
//!             }
//!         }),
//!     )
//!     .layer(PropagationLayer::new());
//! # let _ = app;
//! ```
//!
//! # tonic
//!
//! On the client, put the layer *around* the channel: inside of the channel's own
//! stack it would run in the channel's worker task, where there is no request.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use spur_sdk::propagation::{InjectLayer, PropagationLayer};
//! use tower::Layer;
//!
//! let channel = tonic::transport::Endpoint::from_static("http://recommendation").connect_lazy();
//! let client = tonic::client::Grpc::new(InjectLayer::new().layer(channel));
//! // Generated clients take it as well: `RecommendationClient::new(…)`.
//!
//! let server = tonic::transport::Server::builder()
//!     .layer(PropagationLayer::new())
//!     .add_routes(tonic::service::Routes::default())
//!     .serve("127.0.0.1:0".parse().expect("a constant address is valid"));
//! # let _ = (client, server);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Any other client, and tasks
//!
//! A client without tower gets the headers by hand. A spawned task is outside of
//! the request's scope unless it is given the context.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use spur_sdk::propagation::{Context, scope};
//!
//! let mut headers = http::HeaderMap::new();
//! Context::current().inject(&mut headers);
//!
//! let task = tokio::spawn(scope(Context::current(), async {
//!     Context::current().routing_key().map(str::to_owned)
//! }));
//! assert_eq!(task.await?, None, "this example answers no request");
//! # Ok::<(), tokio::task::JoinError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
mod headers;
mod lists;
mod routing_key;

mod client;
mod server;

pub use client::{Inject, InjectLayer};
pub use context::{Context, Scope, scope};
pub use headers::is_context_header;
pub use server::{Propagation, PropagationLayer, ResponseFuture, ScopedBody};
