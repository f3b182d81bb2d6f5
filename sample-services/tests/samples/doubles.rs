//! The test doubles: `ws-echo` and `dummy`, and the metrics of any service.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{DEADLINE, Running, start};

async fn connect(running: &Running) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let url = format!("ws://{}/ws", running.address);
    let (socket, answer) = client_async(url, stream).await.unwrap();
    assert_eq!(answer.headers()["served-by"], "ws-echo/v1");
    socket
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Message {
    let received = tokio::time::timeout(DEADLINE, socket.next()).await;
    received.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn ws_echo_says_back_what_it_is_told() {
    let running = start("ws-echo", &[]).await;
    let mut socket = connect(&running).await;
    for message in [Message::text("hello"), Message::binary(vec![0, 159, 255]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(receive(&mut socket).await, message);
    }
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn ws_echo_says_goodbye_when_it_ends() {
    let mut running = start("ws-echo", &[]).await;
    let mut socket = connect(&running).await;
    running.stop.cancel();
    let Message::Close(Some(frame)) = receive(&mut socket).await else {
        panic!("wanted a close frame");
    };
    assert_eq!(frame.code, CloseCode::Away);
    let ended = tokio::time::timeout(DEADLINE, &mut running.task).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_message_over_the_bound_ends_the_session() {
    let running = start("ws-echo", &[]).await;
    let mut socket = connect(&running).await;
    // The service stops reading at the bound, so the sending may fail as well.
    let _cut = socket.send(Message::binary(vec![0; 1024 * 1024 + 1])).await;
    let received = tokio::time::timeout(DEADLINE, socket.next()).await.unwrap();
    assert!(!matches!(received, Some(Ok(Message::Binary(_)))), "{received:?}");
}

/// 1,000 draws scatter by at most 1.45 points (one standard deviation, at 30 %);
/// the seeds make the counts the same in every run, the bounds are 4 of them.
async fn check_error_rate(version: &str, percent: u32) {
    let running = start("dummy", &[("VERSION", version), ("SEED", "7")]).await;
    let mut n_failed = 0;
    for _ in 0..1000 {
        let answer = running.get("/api/error").await;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::INTERNAL_SERVER_ERROR => n_failed += 1,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    let wanted = percent * 10 - 58..=percent * 10 + 58;
    assert!(wanted.contains(&n_failed), "{version}: {n_failed} of 1000 failed");

    let metrics = running.get("/metrics").await.text();
    let labels = format!("service=\"dummy\",version=\"{version}\"");
    for line in [
        format!("http_requests_total{{{labels},status=\"500\"}} {n_failed}"),
        format!("http_requests_total{{{labels},status=\"200\"}} {}", 1000 - n_failed),
        format!("http_request_duration_seconds_count{{{labels}}} 1000"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "`{line}` in:\n{metrics}");
    }
}

#[tokio::test]
async fn dummy_v1_fails_three_in_ten() {
    check_error_rate("v1", 30).await;
}

#[tokio::test]
async fn dummy_v2_fails_one_in_ten() {
    check_error_rate("v2", 10).await;
}

#[tokio::test]
async fn the_same_seed_fails_the_same_requests() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let running = start("dummy", &[("SEED", "11")]).await;
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(running.get("/api/error").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn dummy_takes_its_versions_time_and_says_hello() {
    for (version, ms) in [("v1", 100), ("v2", 50)] {
        let running = start("dummy", &[("VERSION", version)]).await;
        let hello = running.get("/").await.json();
        assert_eq!(hello["message"], format!("Hello from {version}!"));
        let started = Instant::now();
        let data = running.get("/api/data").await.json();
        assert_eq!(data["latency_ms"], ms);
        assert!(started.elapsed() >= Duration::from_millis(ms), "{version}");
    }
}

#[tokio::test]
async fn asking_for_health_and_metrics_is_not_counted() {
    let running = start("pricing", &[]).await;
    running.get("/health").await;
    running.get("/price/mug").await;
    running.get("/price/none").await;
    let first = running.get("/metrics").await;
    assert_eq!(first.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let second = running.get("/metrics").await.text();
    assert_eq!(first.text(), second);
    for (status, n) in [(200, 1), (404, 1)] {
        let line =
            format!("http_requests_total{{service=\"pricing\",version=\"v1\",status=\"{status}\"}} {n}");
        assert!(second.lines().any(|found| found == line), "`{line}` in:\n{second}");
    }
    assert_eq!(running.lines().len(), 2);
}
