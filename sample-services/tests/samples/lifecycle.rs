//! Starting with settings that cannot be used, and ending.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::get as route_get;
use axum::{Json, Router};
use http::StatusCode;
use sample_services::SAMPLES;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{DEADLINE, get, start, start_double};

#[tokio::test]
async fn every_sample_is_healthy_and_says_who_it_is() {
    for sample in SAMPLES {
        let running = start(sample.name, &[("VERSION", "v2")]).await;
        let health = running.get("/health").await;
        assert_eq!(health.status, StatusCode::OK);
        let wanted = serde_json::json!({ "status": "ok", "service": sample.name, "version": "v2" });
        assert_eq!(health.json(), wanted);
        assert_eq!(health.headers["served-by"], format!("{}/v2", sample.name));
        assert_eq!(running.get("/metrics").await.status, StatusCode::OK);
        assert_eq!(running.get("/nothing-here").await.status, StatusCode::NOT_FOUND);
    }
}

async fn check_refused(name: &str, var: (&str, &str), expected: &str) {
    let mut running = start(name, &[var]).await;
    let ended = tokio::time::timeout(DEADLINE, &mut running.task).await.unwrap();
    assert_eq!(ended.unwrap().unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_ends_the_service_at_once() {
    check_refused(
        "pricing",
        ("PRICE_PERCENT", "cheap"),
        "`PRICE_PERCENT`: found `cheap`, wanted a number from 0 to 1000",
    )
    .await;
    check_refused("checkout", ("PROPAGATE", "no"), "`PROPAGATE`: found `no`, wanted `on` or `off`").await;
    check_refused("dummy", ("VERSION", "v3"), "`VERSION`: found `v3`, wanted `v1` or `v2`").await;
}

/// Stands in for pricing: says when it is asked, answers when it is let.
#[derive(Default)]
struct Gate {
    asked: Notify,
    let_go: Notify,
}

async fn price_behind_gate(State(gate): State<Arc<Gate>>) -> Json<Value> {
    gate.asked.notify_one();
    gate.let_go.notified().await;
    Json(json!({ "sku": "mug", "cents": 7, "currency": "EUR", "version": "v1" }))
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let gate = Arc::new(Gate::default());
    let app = Router::new().route("/price/{sku}", route_get(price_behind_gate)).with_state(gate.clone());
    let (pricing, _server) = start_double(app).await;
    let inventory = start("inventory", &[]).await;
    let inventory_url = inventory.url("");
    let vars = [("PRICING_URL", &*pricing), ("INVENTORY_URL", &*inventory_url)];
    let mut checkout = start("checkout", &vars).await;

    let url = checkout.url("/checkout?sku=mug");
    let asked = tokio::spawn(async move { get(&url, &[]).await });
    tokio::time::timeout(DEADLINE, gate.asked.notified()).await.unwrap();
    checkout.stop.cancel();
    until_refused(checkout.address).await;
    gate.let_go.notify_one();

    let answer = asked.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["total_cents"], 7);
    tokio::time::timeout(DEADLINE, &mut checkout.task).await.unwrap().unwrap().unwrap();
}

/// Waits until nobody listens there any more.
async fn until_refused(address: SocketAddr) {
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, refused).await.unwrap();
}

#[tokio::test]
async fn silent_and_half_said_connections_do_not_hold_up_the_end() {
    let mut running = start("pricing", &[]).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut half = TcpStream::connect(running.address).await.unwrap();
    half.write_all(b"GET /price/mug HTTP/1.1\r\nhost:").await.unwrap();
    let mut preface = TcpStream::connect(running.address).await.unwrap();
    preface.write_all(b"PRI * HT").await.unwrap();
    running.get("/health").await;

    let started = Instant::now();
    running.stop.cancel();
    tokio::time::timeout(DEADLINE, &mut running.task).await.unwrap().unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    for connection in [&mut silent, &mut half, &mut preface] {
        let read = tokio::time::timeout(DEADLINE, connection.read(&mut [0; 64])).await.unwrap();
        assert!(!matches!(read, Ok(1..)), "{read:?}");
    }
}
