//! Durable creates: one client, many, and the disk's own rate.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{figure, megabytes};
use crate::harness::{Site, Spur};
use crate::process;

/// As many objects as the peer was measured with.
pub(crate) const OBJECTS: usize = 24_500;
const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// How long one client writes.
const ONE_CLIENT_FOR: Duration = Duration::from_secs(4);
const CLIENTS: usize = 64;

/// Leaves a Spur with [`OBJECTS`] ConfigMaps of 1 KB.
pub(crate) async fn run() -> Spur {
    let spur = Spur::up().start().await;
    let fsyncs = fsyncs_per_second(&spur);
    figure("fdatasync of the disk, one after another", format!("{fsyncs:.0}/s"), "");
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let made = Arc::new(AtomicUsize::new(0));

    let start = Instant::now();
    let mut connection = site.connect().await;
    while start.elapsed() < ONE_CLIENT_FOR {
        let number = made.fetch_add(1, Ordering::Relaxed);
        connection.send(create(&site, number)).await.unwrap().ok();
    }
    let one = rate(made.load(Ordering::Relaxed), start.elapsed());
    figure("creates, 1 client", format!("{one:.0}/s"), "peer 960/s");

    let before = made.load(Ordering::Relaxed);
    let (start, cpu) = (Instant::now(), process::cpu(spur.pid()));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (site, made) = (site.clone(), made.clone());
        clients.spawn(async move {
            let mut connection = site.connect().await;
            loop {
                let number = made.fetch_add(1, Ordering::Relaxed);
                if number >= OBJECTS {
                    return;
                }
                connection.send(create(&site, number)).await.unwrap().ok();
            }
        });
    }
    clients.join_all().await;
    let (took, cpu) = (start.elapsed(), process::cpu(spur.pid()) - cpu);
    let many = rate(OBJECTS - before, took);
    figure("creates, 64 clients", format!("{many:.0}/s"), "budget 3 x the peer's 3,100/s");
    figure(
        "  of which the server's processor time",
        format!("{:.0} us each", 1e6 * cpu.as_secs_f64() / many / took.as_secs_f64()),
        "",
    );
    figure(
        "  as a multiple of one client's",
        format!("{:.1}", many / one),
        "budget 5 x the fsync rate of one client",
    );
    figure(
        "memory with 24,500 ConfigMaps of 1 KB",
        megabytes(process::resident(spur.pid())),
        "budget 0.3 x the peer's 833 MB",
    );
    spur
}

fn create(site: &Site, number: usize) -> crate::harness::http::Ask {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("made-{number:06}")},
        "data": {"value": "x".repeat(1024)},
    });
    site.ask(Method::POST, PATH).body("application/json", object.to_string())
}

/// What a client that waits for its own fsync can reach, on the directory of the store.
fn fsyncs_per_second(spur: &Spur) -> f64 {
    let mut file = std::fs::File::create(spur.data().path().join("fsync-bench")).unwrap();
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < Duration::from_secs(2) {
        file.write_all(&[1; 1024]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    rate(count, start.elapsed())
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
