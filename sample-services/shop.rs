//! The shop's gRPC interface: messages, paths and a client, kept by hand so that
//! no build needs protoc. `shop.proto` says the same to other languages; a test
//! compares the two. Leaves the answers to `recommendation`.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http_body::Body as HttpBody;
use prost::Message;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::StdError;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// The path of the unary call.
pub const LIST_PATH: &str = "/shop.Recommendation/List";

/// The path of the streaming call.
pub const WATCH_PATH: &str = "/shop.Recommendation/Watch";

/// Asks for what goes well with a product.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListRequest {
    /// The product in the cart; others are recommended.
    #[prost(string, tag = "1")]
    pub sku: String,
    /// At most so many; 0 stands for 3.
    #[prost(uint32, tag = "2")]
    pub limit: u32,
}

/// What goes well with a product.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListReply {
    /// Best first.
    #[prost(message, repeated, tag = "1")]
    pub suggestions: Vec<Suggestion>,
    /// The version of the service that answered.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// Asks for suggestions one at a time.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WatchRequest {
    /// The product in the cart; others are recommended.
    #[prost(string, tag = "1")]
    pub sku: String,
    /// Milliseconds between two suggestions; 0 stands for 1000.
    #[prost(uint32, tag = "2")]
    pub interval_ms: u32,
    /// The stream ends after so many; 0 stands for no end.
    #[prost(uint32, tag = "3")]
    pub limit: u32,
}

/// One product that goes well with another.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Suggestion {
    /// The product.
    #[prost(string, tag = "1")]
    pub sku: String,
    /// What it is called.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The version of the service that suggests it.
    #[prost(string, tag = "3")]
    pub version: String,
}

/// Calls `shop.Recommendation` over any gRPC transport, such as a tonic channel
/// in an `InjectLayer`.
#[derive(Clone, Debug)]
pub struct RecommendationClient<T> {
    inner: Grpc<T>,
}

// === impl RecommendationClient ===

impl<T> RecommendationClient<T>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    /// A client over this transport.
    pub fn new(transport: T) -> Self {
        Self { inner: Grpc::new(transport) }
    }

    /// The unary call. Fails with the server's status, or `Unavailable` where it
    /// cannot be reached.
    pub async fn list(&mut self, req: ListRequest) -> Result<Response<ListReply>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(LIST_PATH);
        let codec = ProstCodec::<ListRequest, ListReply>::new();
        self.inner.unary(Request::new(req), path, codec).await
    }

    /// The streaming call; fails as [`list`](Self::list) does.
    pub async fn watch(&mut self, req: WatchRequest) -> Result<Response<Streaming<Suggestion>>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(WATCH_PATH);
        let codec = ProstCodec::<WatchRequest, Suggestion>::new();
        self.inner.server_streaming(Request::new(req), path, codec).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.inner.ready().await.map_err(|error| {
            let error: StdError = error.into();
            Status::unavailable(format!("could not reach the service: {error}"))
        })
    }
}

#[cfg(test)]
mod tests;
