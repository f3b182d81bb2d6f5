//! PX-9: gRPC that breaks off, is large, or is silent for long.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use spur_proxy::Config;
use spur_trace::HopError;

use crate::harness::{Upstream, whole, world};

/// A server of one stream a connection, which `serve` answers.
async fn server<F>(serve: F) -> Upstream
where
    F: Fn(h2::server::SendResponse<Bytes>) + Send + Sync + Clone + 'static,
{
    Upstream::streams("cart", move |_, respond| {
        serve(respond);
        std::future::ready(())
    })
    .await
}

fn grpc_head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// PX-9: `grpc-status` is not lost with the stream.
#[tokio::test]
async fn px_9_a_stream_that_is_reset_ends_with_a_status() {
    let cart = server(|mut respond| {
        let mut body = respond.send_response(grpc_head(), false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        // Once the data is out.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            body.send_reset(h2::Reason::INTERNAL_ERROR);
        });
    })
    .await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let got = whole(client.send_h2("/Cart/Watch").await).await.expect("it ends with trailers");
    let trailers = got.trailers.unwrap();
    assert_eq!((&*got.text, trailers["grpc-status"].to_str().unwrap()), ("half", "14"));
    assert_eq!(trailers["spur-reason"], "response-aborted");
    assert!(trailers["grpc-message"].to_str().unwrap().contains("broke off"), "{trailers:?}");
    let (_, end) = world.only_hop().await;
    assert_eq!((end.grpc_status, end.error), (Some(14), Some(HopError::ResponseAborted)));
    // What is not gRPC has no status to end with, and is broken off.
    let rsp = world.client("cart.shop.localhost").send_h2("/").await;
    assert!(whole(rsp).await.is_err());
}

/// PX-9: before anything was answered.
#[tokio::test]
async fn px_9_a_stream_that_is_reset_before_its_head_is_a_status() {
    let cart = server(|mut respond| respond.send_reset(h2::Reason::INTERNAL_ERROR)).await;
    let world = world().service("cart", &[&cart]).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let rsp = client.send_h2("/Cart/Get").await;
    assert_eq!((rsp.status().as_u16(), rsp.headers()["grpc-status"].to_str().unwrap()), (200, "14"));
    assert!(rsp.headers().contains_key("spur-reason"));
}

/// PX-9: 16 MiB, both ways, with its trailers.
#[tokio::test]
async fn px_9_a_message_of_16_mib_passes_both_ways() {
    const MESSAGE_BYTES: usize = 16 << 20;
    let cart = Upstream::http2("cart").on("/Cart/Mirror", |req| async {
        let body = req.into_body().collect().await.unwrap().to_bytes();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
        let mut rsp = Response::new(StreamBody::new(stream::iter(frames)).boxed());
        rsp.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        rsp
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).start().await;
    let message = "m".repeat(MESSAGE_BYTES);
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    let got = client.body(message.clone()).get_h2("/Cart/Mirror").await;
    assert!(got.text == message, "{} bytes came back", got.text.len());
    assert_eq!(got.trailers.unwrap()["grpc-status"], "0");
    let (_, end) = world.only_hop().await;
    assert_eq!((end.request_bytes, end.response_bytes), (MESSAGE_BYTES as u64, MESSAGE_BYTES as u64));
}

/// PX-9: no deadline of ours holds for a stream, neither for its head nor for its bodies.
#[tokio::test]
async fn px_9_a_stream_may_be_silent_for_longer_than_any_deadline() {
    fn short(config: &mut Config) {
        let soon = Duration::from_millis(50);
        config.limits.response_timeout = soon;
        config.limits.body_timeout = Some(soon);
        config.limits.idle_timeout = soon;
    }
    let cart = Upstream::http2("cart").on("/Cart/Watch", |req| async {
        let _ = req.into_body().collect().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let frames = stream::once(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(Frame::data(Bytes::from_static(b"late")))
        });
        Response::new(StreamBody::new(frames).boxed())
    });
    let cart = cart.run().await;
    let world = world().service("cart", &[&cart]).config(short).start().await;
    let client = world.client("cart.shop.localhost").header("content-type", "application/grpc");
    assert_eq!(client.get_h2("/Cart/Watch").await.text, "late");
}
