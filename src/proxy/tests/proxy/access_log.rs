//! The access log, as it is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use spur_proxy::{AccessLog, AccessLogWriter, Encoding};
use spur_route::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Plan, Upstream, World, caller, raw, world};

/// What was written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A world that writes a log, and how to read it.
struct Logged {
    world: World,
    paper: Paper,
    writer: AccessLogWriter,
}

impl Logged {
    async fn start(plan: Plan, encoding: Encoding) -> Self {
        let paper = Paper::default();
        let (log, writer) = AccessLog::start(encoding, paper.clone()).unwrap();
        Self { world: plan.access_log(log).start().await, paper, writer }
    }

    /// All lines, once everything has ended.
    async fn lines(self) -> Vec<String> {
        self.world.drain(PATIENCE).await;
        tokio::task::spawn_blocking(|| self.writer.finish()).await.unwrap();
        let written = self.paper.0.lock().unwrap().clone();
        let text = String::from_utf8(written).expect("the log is UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_request_is_a_line_of_json_with_istios_names() {
    let pricing = Upstream::http1("pricing").route("/", "baseline").run().await;
    let fork = Upstream::http1("fork").route("/quote", "seven b").run().await;
    let plan = world().service("pricing", &[&pricing]).fork("pr-1", "pricing", &fork);
    let logged = Logged::start(plan, Encoding::Json).await;
    let inlet = logged.world.inlet(Some(caller("cart", None)), "pricing").await;
    let client = crate::harness::Client::new(inlet, "pricing").header("spur-key", "pr-1");
    let client = client.header("user-agent", "curl/8").header("x-request-id", "r-1");
    client.body("order").get("/quote?id=1&token=hush").await;
    let lines = logged.lines().await;
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    let wanted = json!({
        "method": "POST", "path": "/quote?id=1&token=REDACTED", "protocol": "HTTP/1.1",
        "response_code": 200, "response_flags": "-", "response_code_details": null,
        "bytes_received": 5, "bytes_sent": 7, "user_agent": "curl/8", "request_id": "r-1",
        "authority": "pricing", "upstream_host": fork.address.to_string(),
        "service": "shop/pricing:80", "key": "pr-1", "source": "shop/cart", "reason": "forked",
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name} in {line:#}");
    }
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_request_is_a_line_of_text_in_istios_order() {
    let logged = Logged::start(world(), Encoding::Text).await;
    logged.world.client("nobody.shop.localhost").header("user-agent", "a b").get("/x?y").await;
    let lines = logged.lines().await;
    let rest = lines[0].split_once("] ").unwrap().1;
    let wanted = r#""GET /x?y HTTP/1.1" 404 NR - 0 "#;
    assert!(rest.starts_with(wanted), "{rest}");
    assert!(rest.contains(r#" "-" "a b" "-" "nobody.shop.localhost" "-" 127.0.0.1:"#), "{rest}");
    assert!(rest.contains(" reason=unknown-host "), "{rest}");
}

#[tokio::test]
async fn nothing_that_is_sent_breaks_a_line_or_moves_the_cursor() {
    for encoding in [Encoding::Text, Encoding::Json] {
        let logged = Logged::start(world(), encoding).await;
        let request = b"GET /\xc2\x9b2J HTTP/1.1\r\nhost: a.shop.localhost\r\n\
            user-agent: a\" 200 \xe2\x80\xae\x9b2J\r\nconnection: close\r\n\r\n";
        raw(logged.world.entry(), request).await;
        let lines = logged.lines().await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].contains(|c: char| c.is_control() || c == '\u{202e}'), "{lines:?}");
        if encoding == Encoding::Text {
            assert_eq!(lines[0].matches('"').count(), 12, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_before_it_is_decided_is_told() {
    let logged = Logged::start(world(), Encoding::Json).await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n";
    assert!(raw(logged.world.entry(), request).await.starts_with("HTTP/1.1 400"));
    let lines = logged.lines().await;
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["response_code"], &line["response_flags"]), (&json!(400), &json!("DPE")));
    assert_eq!(line["response_code_details"], "rejected-request");
}

#[tokio::test]
async fn a_connection_is_a_line_of_its_own() {
    let db = Upstream::raw("db", Wire::Tcp, |mut stream: TcpStream| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(b"bye").await.unwrap();
    })
    .await;
    let logged = Logged::start(world().service("db", &[&db]), Encoding::Json).await;
    let inlet = logged.world.inlet(Some(caller("cart", None)), "db").await;
    let mut client = TcpStream::connect(inlet).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    let lines = logged.lines().await;
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["protocol"], &line["path"]), (&json!("TCP"), &Value::Null));
    assert_eq!((&line["bytes_received"], &line["bytes_sent"]), (&json!(5), &json!(3)));
    assert_eq!(line["upstream_host"], db.address.to_string());
}

#[tokio::test]
async fn lines_that_cannot_be_written_in_time_are_lost_and_counted() {
    /// Takes its first line only when it is told to.
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (lets_go_tx, lets_go) = std::sync::mpsc::channel();
    let (log, writer) = AccessLog::start(Encoding::Text, Stuck(lets_go)).unwrap();
    let world = world().access_log(log).start().await;
    // More than wait and are in one write, down one connection.
    let n_requests = 40_000;
    let one = "GET / HTTP/1.1\r\nhost: a.shop.localhost\r\n\r\n";
    let mut stream = TcpStream::connect(world.entry()).await.unwrap();
    let (mut answers, mut requests) = stream.split();
    let asking = async {
        for _ in 0..n_requests {
            requests.write_all(one.as_bytes()).await.unwrap();
        }
        requests.shutdown().await.unwrap();
    };
    let mut sink = tokio::io::sink();
    let ((), read) = tokio::join!(asking, tokio::io::copy(&mut answers, &mut sink));
    read.unwrap();
    let n_lost = world.handle.stats().n_unlogged;
    assert!((1..n_requests).contains(&n_lost), "{n_lost} of {n_requests} were lost");
    let scraped = world.handle.metrics().scrape(spur_proxy::Format::Prometheus);
    assert!(scraped.contains(&format!("spur_access_log_lost_total {n_lost}")), "{scraped}");
    drop(lets_go_tx);
    world.drain(PATIENCE).await;
    tokio::task::spawn_blocking(|| writer.finish()).await.unwrap();
}
