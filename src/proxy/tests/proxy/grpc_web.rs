//! gRPC-Web: browsers' requests in front of servers of gRPC.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use tokio::sync::mpsc;

use crate::harness::{Client, Upstream, World, world};

/// A message of gRPC: a flag, four bytes of length, the message.
const HELLO: &[u8] = b"\x00\x00\x00\x00\x05hello";
const HEARD: &[u8] = b"\x00\x00\x00\x00\x05heard";

/// A server of gRPC that hears one message and answers one, and what it was asked.
async fn server() -> (Upstream, mpsc::Receiver<(Request<()>, Bytes)>) {
    let (asked_tx, asked_rx) = mpsc::channel(8);
    let upstream =
        Upstream::streams("cart", move |request, respond| answer(request, respond, asked_tx.clone()));
    (upstream.await, asked_rx)
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    asked_tx: mpsc::Sender<(Request<()>, Bytes)>,
) {
    let (head, mut body) = request.into_parts();
    let mut heard = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        heard.extend_from_slice(&data);
    }
    asked_tx.send((Request::from_parts(head, ()), heard.into())).await.unwrap();
    let head = Response::builder().header("content-type", "application/grpc+proto").body(()).unwrap();
    let mut body = respond.send_response(head, false).unwrap();
    body.send_data(Bytes::from_static(HEARD), false).unwrap();
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    body.send_trailers(trailers).unwrap();
}

fn client(world: &World, content_type: &str) -> Client {
    world.client("cart.shop.localhost").header("content-type", content_type).header("x-grpc-web", "1")
}

#[tokio::test]
async fn a_message_is_answered_with_one_and_a_frame_of_trailers() {
    let (cart, mut asked_rx) = server().await;
    let world = world().service("cart", &[&cart]).start().await;
    let asking = client(&world, "application/grpc-web+proto").body(HELLO);
    for over_h2 in [false, true] {
        let got = if over_h2 { asking.get_h2("/Cart/Say").await } else { asking.get("/Cart/Say").await };
        assert_eq!(
            (got.status.as_u16(), got.headers["content-type"].to_str().unwrap()),
            (200, "application/grpc-web+proto")
        );
        let wanted = [HEARD, b"\x80\x00\x00\x00\x10grpc-status: 0\r\n"].concat();
        assert_eq!(got.bytes, wanted, "{}", got.text);
        assert_eq!(got.trailers, None);
        let (asked, heard) = asked_rx.recv().await.unwrap();
        assert_eq!((asked.method(), asked.uri().path()), (&Method::POST, "/Cart/Say"));
        assert_eq!(asked.headers()["content-type"], "application/grpc+proto");
        assert_eq!(asked.headers()["te"], "trailers");
        assert_eq!(heard, HELLO);
    }
}

#[tokio::test]
async fn text_is_base64_both_ways() {
    let (cart, mut asked_rx) = server().await;
    let world = world().service("cart", &[&cart]).start().await;
    let text = BASE64_STANDARD.encode(HELLO);
    let got = client(&world, "application/grpc-web-text+proto").body(text).get("/Cart/Say").await;
    assert_eq!(got.headers["content-type"], "application/grpc-web-text+proto");
    let (message, trailers) = got.text.split_at(BASE64_STANDARD.encode(HEARD).len());
    assert_eq!(BASE64_STANDARD.decode(message).unwrap(), HEARD);
    assert_eq!(BASE64_STANDARD.decode(trailers).unwrap(), b"\x80\x00\x00\x00\x10grpc-status: 0\r\n");
    assert_eq!(asked_rx.recv().await.unwrap().1, HELLO);
}

#[tokio::test]
async fn a_refusal_has_a_status_that_a_browser_can_read() {
    let world = world().start().await;
    let got = client(&world, "application/grpc-web").body(HELLO).get("/Cart/Say").await;
    assert_eq!((got.status.as_u16(), &got.headers["grpc-status"]), (200, &HeaderValue::from_static("12")));
    assert_eq!(got.headers["content-type"], "application/grpc-web+proto");
    assert_eq!(got.reason(), "unknown-host");
}

#[tokio::test]
async fn text_that_is_none_fails_its_client_alone() {
    let (cart, _asked_rx) = server().await;
    let world = world().service("cart", &[&cart]).start().await;
    let got = client(&world, "application/grpc-web-text").body("!!!!").get("/Cart/Say").await;
    assert_eq!((got.status.as_u16(), got.reason()), (200, "bad-request-body"));
    let text = BASE64_STANDARD.encode(HELLO);
    let got = client(&world, "application/grpc-web-text").body(text).get("/Cart/Say").await;
    assert_eq!(got.reason(), "", "the next one is answered");
}

#[tokio::test]
async fn a_port_that_does_not_declare_http2_gets_it_as_it_is() {
    let web = Upstream::http1("web").route("/Cart/Say", "as it came").run().await;
    let world = world().service("cart", &[&web]).start().await;
    let got = client(&world, "application/grpc-web").body(HELLO).get("/Cart/Say").await;
    assert_eq!(got.text, "as it came");
}
