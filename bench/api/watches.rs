//! Many watchers: what idle ones cost, and how late busy ones hear.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{figure, megabytes, millis, quantile};
use crate::harness::{Site, Spur};
use crate::process;
use crate::streams::Multiplexed;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Streams that one connection carries: what the server allows.
const STREAMS: usize = 100;
const IDLE: usize = 10_000;
const BUSY: usize = 1_000;
/// Watchers that read nothing while the busy ones read.
const SLOW: usize = 100;
const EVENTS: u32 = 1_000;
const EVENTS_PER_SECOND: u32 = 100;

/// Ten thousand watchers to whom nothing happens, and then one thing.
pub(crate) async fn idle() {
    let spur = Spur::up().start().await;
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let before = process::resident(spur.pid());
    let start = Instant::now();
    let mut watchers = open(&site, IDLE, "").await;
    figure("opening 10,000 watches", millis(start.elapsed()), "");
    let grown = process::resident(spur.pid()) - before;
    figure(
        "memory of 10,000 idle watchers",
        megabytes(grown),
        &format!("{} KB each", grown / 1024 / IDLE as u64),
    );
    let cpu = process::cpu(spur.pid());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = (process::cpu(spur.pid()) - cpu).as_secs_f64() / 5.0;
    figure("processor while 10,000 watch, of one core", format!("{:.2} %", 100.0 * used), "");
    let start = Instant::now();
    write(&site, &mut site.connect().await, Method::POST, 0, start).await;
    for watcher in &mut watchers {
        assert!(until_object(watcher).await, "every watcher hears of it");
    }
    figure("one event to 10,000 watchers", millis(start.elapsed()), "");
    spur.end().await;
}

/// A thousand watchers of an object that changes a hundred times a second, and some that do not
/// read.
pub(crate) async fn busy() {
    let spur = Spur::up().start().await;
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let mut connection = site.connect().await;
    let epoch = Instant::now();
    write(&site, &mut connection, Method::POST, 0, epoch).await;
    let from_now = "&resourceVersion=0&fieldSelector=metadata.name%3Dbeat";
    let watchers = open(&site, BUSY, from_now).await;
    let slow = open(&site, SLOW, from_now).await;
    let mut readers = JoinSet::new();
    for watcher in watchers {
        readers.spawn(read(watcher, epoch));
    }
    let cpu = process::cpu(spur.pid());
    let start = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / EVENTS_PER_SECOND);
    for number in 1..=EVENTS {
        tick.tick().await;
        write(&site, &mut connection, Method::PUT, number, epoch).await;
    }
    let took = start.elapsed();
    let mut late: Vec<Duration> = readers.join_all().await.into_iter().flatten().collect();
    let used = (process::cpu(spur.pid()) - cpu).as_secs_f64() / took.as_secs_f64();
    late.sort();
    let found = format!("{} / {}", millis(quantile(&late, 0.5)), millis(quantile(&late, 0.99)));
    let wanted = format!("budget p99 100 ms; {:.0} writes/s", f64::from(EVENTS) / took.as_secs_f64());
    figure("1,000 watchers, write sent to event read, p50 / p99", found, &wanted);
    figure("  events delivered", format!("{}", late.len()), "1,000,000 were written for them");
    figure("  processor of the server, of one core", format!("{:.0} %", 100.0 * used), "");
    figure("  memory, 100 watchers of which read nothing", megabytes(process::resident(spur.pid())), "");
    drop(slow);
    spur.end().await;
}

async fn open(site: &Site, count: usize, query: &str) -> Vec<Incoming> {
    let mut watchers = Vec::new();
    while watchers.len() < count {
        let mut connection = Multiplexed::connect(site).await;
        for _ in 0..STREAMS.min(count - watchers.len()) {
            watchers.push(connection.open(&format!("{PATH}?watch=true{query}")).await);
        }
    }
    watchers
}

/// Writes the object, with the time at which that was begun.
async fn write(
    site: &Site,
    connection: &mut crate::harness::http::Connection,
    method: Method,
    number: u32,
    epoch: Instant,
) {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beat"},
        "data": {"number": format!("{number:06}"), "sent": format!("{:012}", epoch.elapsed().as_nanos())},
    });
    let path = if method == Method::POST { PATH.to_owned() } else { format!("{PATH}/beat") };
    let ask = site.ask(method, &path).body("application/json", object.to_string());
    connection.send(ask).await.unwrap().ok();
}

/// Reads until the object shows up.
async fn until_object(watcher: &mut Incoming) -> bool {
    while let Some(piece) = next(watcher).await {
        if find(&piece, r#""name":"beat""#).is_some() {
            return true;
        }
    }
    false
}

/// How late each event was, until the last one.
async fn read(mut watcher: Incoming, epoch: Instant) -> Vec<Duration> {
    let mut late = Vec::with_capacity(EVENTS as usize);
    let mut rest = Vec::new();
    while let Some(piece) = next(&mut watcher).await {
        let now = epoch.elapsed();
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let number: u32 = digits(&line, r#""number":""#).parse().unwrap();
            if number == 0 {
                continue;
            }
            late.push(
                now.saturating_sub(Duration::from_nanos(digits(&line, r#""sent":""#).parse().unwrap())),
            );
            if number == EVENTS {
                return late;
            }
        }
    }
    panic!("a watch ended after {} events", late.len());
}

async fn next(watcher: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = watcher.frame().await?.unwrap();
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}

fn find(text: &[u8], part: &str) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part.as_bytes())
}

fn digits<'a>(line: &'a [u8], after: &str) -> &'a str {
    let at = find(line, after).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(line))) + after.len();
    let len = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&line[at..at + len]).unwrap()
}
