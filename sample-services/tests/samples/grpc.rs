//! gRPC and HTTP on recommendation's one port.

use futures::TryStreamExt;
use http::StatusCode;
use sample_services::shop::{ListRequest, RecommendationClient, Suggestion, WatchRequest};
use spur_sdk::propagation::{Context, Inject, InjectLayer, scope};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

use crate::support::{DEADLINE, Running, start};

fn client(running: &Running) -> RecommendationClient<Inject<Channel>> {
    let channel = Endpoint::from_shared(running.url("")).unwrap().connect_lazy();
    RecommendationClient::new(InjectLayer::new().layer(channel))
}

fn watch(limit: u32) -> WatchRequest {
    WatchRequest { sku: "mug".into(), interval_ms: 1, limit }
}

fn skus(suggestions: &[Suggestion]) -> Vec<&str> {
    suggestions.iter().map(|suggestion| &*suggestion.sku).collect()
}

#[tokio::test]
async fn list_recommends_everything_but_the_product_itself() {
    let running = start("recommendation", &[("VERSION", "v7")]).await;
    let req = |limit| ListRequest { sku: "cap".into(), limit };
    let reply = client(&running).list(req(0)).await.unwrap().into_inner();
    assert_eq!(skus(&reply.suggestions), ["mug", "lamp", "poster"]);
    assert_eq!(reply.version, "v7");
    let reply = client(&running).list(req(99)).await.unwrap().into_inner();
    assert_eq!(skus(&reply.suggestions), ["mug", "lamp", "poster", "whistle"]);
}

#[tokio::test]
async fn watch_streams_until_its_limit() {
    let running = start("recommendation", &[]).await;
    let stream = client(&running).watch(watch(6)).await.unwrap().into_inner();
    let suggestions: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(skus(&suggestions), ["cap", "lamp", "poster", "whistle", "cap", "lamp"]);
}

#[tokio::test]
async fn a_stream_without_an_end_ends_with_the_service() {
    let running = start("recommendation", &[]).await;
    let mut stream = client(&running).watch(watch(0)).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    running.stop.cancel();
    let ended = async {
        loop {
            if let Err(status) = stream.message().await {
                return status;
            }
        }
    };
    let status = tokio::time::timeout(DEADLINE, ended).await.unwrap();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "recommendation is shutting down"));
}

#[tokio::test]
async fn a_call_carries_the_current_context() {
    let running = start("recommendation", &[]).await;
    let headers = [("baggage".parse().unwrap(), "spur-key=pr-1".parse().unwrap())];
    let context = Context::from_headers(&headers.into_iter().collect());
    let mut client = client(&running);
    let called = client.list(ListRequest::default());
    scope(context, called).await.unwrap();
    let lines = running.lines();
    assert!(lines[0].starts_with("POST /shop.Recommendation/List 200 "), "{lines:?}");
    assert!(lines[0].ends_with(" key=pr-1"), "{lines:?}");
}

#[tokio::test]
async fn http_is_answered_on_the_same_port() {
    let running = start("recommendation", &[]).await;
    client(&running).list(ListRequest::default()).await.unwrap();
    let health = running.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.json()["service"], "recommendation");
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let running = start("recommendation", &[]).await;
    let answer = running.get("/shop.Recommendation/Delete").await;
    assert_eq!(answer.headers["grpc-status"], (Code::Unimplemented as i32).to_string());
}
