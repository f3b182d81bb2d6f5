//! Route changes: from the API's answer to the first request that goes the new way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::figures::{figure, megabytes};
use crate::harness::{Site, Spur};
use crate::process;

/// Services beside the two that the changes are about, each with a slice and a VirtualService.
const ROUTES: usize = 5_000;
const CHANGES: usize = 1_000;
/// Clients that make the objects, and those that send requests all the while.
const MAKERS: usize = 16;
const LOAD: usize = 8;
/// After which a change that nobody sees is a failure of the bench.
const PATIENCE: Duration = Duration::from_secs(5);

const SERVICES: &str = "/api/v1/namespaces/default/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const RULES: &str = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";

pub(crate) async fn run() {
    let spur = Spur::up().start().await;
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let before = process::resident(spur.pid());
    let backends = [backend("old").await, backend("new").await];
    make_routes(&site, backends).await;
    let grown = process::resident(spur.pid()).saturating_sub(before);
    figure("memory of 5,000 Services with slices and rules", megabytes(grown), "budget 40 MB");

    change(&site, &spur, "route change, 5,000 routes").await;

    let (failed, sent, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::default());
    let mut load = JoinSet::new();
    for _ in 0..LOAD {
        let site = spur.host("a.default.localhost");
        load.spawn(send_until(site, Arc::clone(&is_over), (failed.clone(), sent.clone())));
    }
    let start = Instant::now();
    change(&site, &spur, "  the same under load").await;
    let took = start.elapsed();
    is_over.store(true, Ordering::Relaxed);
    load.join_all().await;
    let sent = sent.load(Ordering::Relaxed);
    figure("  requests meanwhile", format!("{:.0}/s", sent as f64 / took.as_secs_f64()), "");
    figure("  of which failed", format!("{} of {sent}", failed.load(Ordering::Relaxed)), "budget 0");
    spur.end().await;
}

/// Changes the way of `a` again and again, and tells how long each change took to be seen.
async fn change(site: &Site, spur: &Spur, what: &str) {
    let (mut api, mut entry) = (site.connect().await, spur.host("a.default.localhost").connect().await);
    let mut took = Vec::with_capacity(CHANGES);
    for number in 0..CHANGES {
        let to = ["b", "a"][number % 2];
        let patch = json!({"spec": rule(to)}).to_string();
        let path = format!("{RULES}/a");
        let patch = site.ask(Method::PATCH, &path).body("application/merge-patch+json", patch);
        api.send(patch).await.unwrap().ok();
        let start = Instant::now();
        let wanted = if to == "a" { "old" } else { "new" };
        loop {
            let answer = entry.send(spur.host("a.default.localhost").get("/")).await.unwrap().ok();
            if answer.text() == wanted {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "change {number} was never seen");
        }
        took.push(start.elapsed());
    }
    took.sort();
    let at = |share: f64| took[(share * CHANGES as f64) as usize].as_secs_f64() * 1e3;
    figure(what, format!("p50 {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99)), "budget p99 10 ms");
}

/// Sends request after request.
async fn send_until(site: Site, is_over: Arc<AtomicBool>, (failed, sent): (Arc<AtomicU64>, Arc<AtomicU64>)) {
    let mut connection = site.connect().await;
    while !is_over.load(Ordering::Relaxed) {
        let answer = connection.send(site.get("/")).await;
        sent.fetch_add(1, Ordering::Relaxed);
        if !answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::OK) {
            failed.fetch_add(1, Ordering::Relaxed);
        }
        if answer.is_err() {
            connection = site.connect().await;
        }
    }
}

async fn make_routes(site: &Site, [old, new]: [SocketAddr; 2]) {
    let mut names: Vec<(String, SocketAddr)> = (0..ROUTES).map(|n| (format!("s{n}"), old)).collect();
    names.extend([("a".to_owned(), old), ("b".to_owned(), new)]);
    let mut makers = JoinSet::new();
    for names in names.chunks(ROUTES.div_ceil(MAKERS)) {
        let (site, names) = (site.clone(), names.to_vec());
        makers.spawn(async move {
            let mut connection = site.connect().await;
            for (name, backend) in names {
                for (path, object) in objects(&name, backend) {
                    let ask = site.ask(Method::POST, path).body("application/json", object.to_string());
                    connection.send(ask).await.unwrap().ok();
                }
            }
        });
    }
    makers.join_all().await;
}

fn objects(name: &str, backend: SocketAddr) -> [(&'static str, Value); 3] {
    let metadata = json!({"name": name, "labels": {"kubernetes.io/service-name": name}});
    let service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80, "name": "http"}]}});
    let slice = json!({
        "metadata": metadata, "addressType": "IPv4",
        "ports": [{"port": backend.port(), "name": "http"}],
        "endpoints": [{"addresses": [backend.ip()], "conditions": {"ready": true}}],
    });
    let rule = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": name}, "spec": {"hosts": [name], "http": rule(name)["http"]},
    });
    [(SERVICES, service), (SLICES, slice), (RULES, rule)]
}

fn rule(to: &str) -> Value {
    json!({"http": [{"route": [{"destination": {"host": to}}]}]})
}

/// Answers with its name.
async fn backend(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(move |_| async move {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(name.as_bytes()))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}
