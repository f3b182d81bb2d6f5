//! Whole lists of many objects, and what the objects take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{figure, megabytes, millis, quantile};
use crate::harness::{Site, Spur};
use crate::process;

/// As many objects as the peer was measured with.
const OBJECTS: usize = 24_500;
const TIMES: usize = 9;
const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Clients that make the objects.
const CLIENTS: usize = 64;

pub(crate) async fn run() {
    let spur = Spur::up().start().await;
    let site = Site::of_kubeconfig(spur.kubeconfig());
    make_objects(&site).await;
    let found = megabytes(process::resident(spur.pid()));
    figure("memory with 24,500 ConfigMaps of 1 KB", found, "budget 0.3 x the peer's 833 MB");
    let mut connection = site.connect().await;
    let cases = [
        ("list of 24,500", PATH.to_owned(), "peer 0.42 s"),
        ("list of 10,000", format!("{PATH}?limit=10000"), "budget 300 ms"),
        ("page of 500", format!("{PATH}?limit=500"), ""),
        ("list of 24,500 by a label", format!("{PATH}?labelSelector=none%3Dsuch"), ""),
    ];
    for (what, path, compared) in cases {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            let answer = connection.send(site.get(&path)).await.unwrap().ok();
            times.push(start.elapsed());
            size = answer.body.len();
        }
        times.sort();
        let found = format!("{} ({:.1} MB)", millis(quantile(&times, 0.5)), size as f64 / 1e6);
        figure(what, found, compared);
    }
    let answer = connection.send(site.get(PATH)).await.unwrap().ok().json();
    // The root certificate's ConfigMap is there too.
    assert!(answer["items"].as_array().unwrap().len() >= OBJECTS, "the list is whole");
    figure("memory after the lists", megabytes(process::resident(spur.pid())), "");
    spur.end().await;
}

async fn make_objects(site: &Site) {
    let n_made = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (site, n_made) = (site.clone(), n_made.clone());
        clients.spawn(async move {
            let mut connection = site.connect().await;
            loop {
                let number = n_made.fetch_add(1, Ordering::Relaxed);
                if number >= OBJECTS {
                    return;
                }
                let name = format!("made-{number:06}");
                let object = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                    "data": {"value": "x".repeat(1024)},
                });
                let ask = site.ask(Method::POST, PATH).body("application/json", object.to_string());
                connection.send(ask).await.unwrap().ok();
            }
        });
    }
    clients.join_all().await;
}
