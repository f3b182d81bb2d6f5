//! Both layers together, around an axum router and a tonic-like service.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::propagation::{Context, InjectLayer, PropagationLayer};

fn request(lines: &[(&str, &str)]) -> Request<Body> {
    let mut req = Request::get("/");
    for (name, value) in lines {
        req = req.header(*name, *value);
    }
    req.body(Body::empty()).unwrap()
}

fn current_key() -> String {
    Context::current().routing_key().unwrap_or("none").to_owned()
}

async fn answer(app: Router, lines: &[(&str, &str)]) -> String {
    let rsp = app.oneshot(request(lines)).await.unwrap();
    let body = rsp.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A client that answers with the headers it was sent.
async fn mirror(req: Request<Body>) -> Result<HeaderMap, Infallible> {
    Ok(req.into_parts().0.headers)
}

#[tokio::test]
async fn a_handler_runs_in_its_requests_scope() {
    let app = Router::new().route("/", get(|| async { current_key() })).layer(PropagationLayer::new());
    assert_eq!(answer(app.clone(), &[("baggage", "spur-key=pr-1")]).await, "pr-1");
    assert_eq!(answer(app, &[]).await, "none");
}

#[tokio::test]
async fn concurrent_requests_do_not_mix() {
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                let before = current_key();
                tokio::task::yield_now().await;
                assert_eq!(before, current_key());
                before
            }),
        )
        .layer(PropagationLayer::new());
    let keys: Vec<String> = (0..50).map(|i| format!("pr-{i}")).collect();
    let answers = keys.iter().map(|key| {
        let app = app.clone();
        async move { answer(app, &[("spur-key", key)]).await }
    });
    assert_eq!(futures::future::join_all(answers).await, keys);
}

#[tokio::test]
async fn a_streamed_body_is_produced_in_scope() {
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                Body::from_stream(stream::unfold(0, |i| async move {
                    (i < 2).then(|| (Ok::<_, Infallible>(Bytes::from(current_key() + ";")), i + 1))
                }))
            }),
        )
        .layer(PropagationLayer::new());
    assert_eq!(answer(app, &[("spur-key", "pr-1")]).await, "pr-1;pr-1;");
}

#[tokio::test]
async fn work_before_the_future_is_in_scope_too() {
    let eager = service_fn(|_req: Request<Body>| {
        let key = current_key();
        async move { Ok::<_, Infallible>(Response::new(key)) }
    });
    let rsp = PropagationLayer::new().layer(eager).oneshot(request(&[("spur-key", "pr-1")])).await.unwrap();
    let body = rsp.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "pr-1");
}

#[tokio::test]
async fn a_client_call_carries_what_came_in() {
    let client = InjectLayer::new().layer(service_fn(mirror));
    let app = Router::new()
        .route(
            "/",
            get(|| async move {
                let sent = client.oneshot(request(&[("accept", "text/plain")])).await;
                format!("{:?}", sent.unwrap())
            }),
        )
        .layer(PropagationLayer::and_headers([HeaderName::from_static("x-tenant")]));
    let incoming = [("spur-key", "pr-1"), ("x-tenant", "blue"), ("cookie", "a=b")];
    let sent = answer(app, &incoming).await;
    assert_eq!(sent, r#"{"accept": "text/plain", "spur-key": "pr-1", "x-tenant": "blue"}"#);
}

#[tokio::test]
async fn outside_of_any_request_nothing_is_added() {
    let client = InjectLayer::new().layer(service_fn(mirror));
    assert!(client.oneshot(request(&[])).await.unwrap().is_empty());
}
