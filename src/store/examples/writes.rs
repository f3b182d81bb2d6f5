//! Durable writes per second for 1 and for 64 clients, beside what the file system's own
//! `fdatasync` gives in the same run: `cargo run -p spur-store --release --example writes [DIR]`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use spur_store::{Expect, Key, ListRange, Options, Store};

/// Long enough for a few thousand commits, short enough to be run at every change.
const RUN: Duration = Duration::from_secs(3);
/// A pod as JSON has about this many bytes.
const VALUE_BYTES: usize = 2_048;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(parent)?;
    println!("directory {}, values of {VALUE_BYTES} bytes, {RUN:?} each", directory.path().display());
    let syncs = fdatasyncs(directory.path())?;
    println!("fdatasync of one 4 KiB page           {syncs:>9.0}/s");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for n_clients in [1, 64] {
        let directory = directory.path().join(format!("store-{n_clients}"));
        let store = Arc::new(Store::open(&directory, Options::default())?);
        let rate = runtime.block_on(creates(&store, n_clients));
        let stats = store.stats();
        println!(
            "creates, {n_clients:>2} client{}                   {rate:>9.0}/s   {:>5.2} x fdatasync, {:.1} per commit",
            if n_clients == 1 { " " } else { "s" },
            rate / syncs,
            stats.writes as f64 / stats.commits as f64,
        );
        let started = Instant::now();
        let listing = store.list("pods", ListRange::default())?;
        println!("  list of {} in {:?}", listing.items.len(), started.elapsed());
        drop(listing);
        drop(store);
        let started = Instant::now();
        drop(Store::open(&directory, Options::default())?);
        println!("  opened and closed again in {:?}", started.elapsed());
    }
    let store = Arc::new(Store::in_memory(Options::default()));
    let rate = runtime.block_on(creates(&store, 64));
    println!("creates, 64 clients, in memory        {rate:>9.0}/s");
    Ok(())
}

async fn creates(store: &Arc<Store>, n_clients: usize) -> f64 {
    let created = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let clients = (0..n_clients).map(|client| {
        let (store, created) = (store.clone(), created.clone());
        tokio::spawn(async move {
            let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
            for n in 0.. {
                let key = Key::namespaced("pods", "shop", &format!("pod-{client}-{n}"));
                store.put(key, Expect::Absent, value.clone()).await.expect("creates a pod");
                created.fetch_add(1, Ordering::Relaxed);
                if started.elapsed() > RUN {
                    return;
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client does not panic");
    }
    created.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn fdatasyncs(directory: &Path) -> std::io::Result<f64> {
    let file = File::create(directory.join("raw"))?;
    file.set_len(64 << 20)?;
    let page = [7; 4_096];
    let started = Instant::now();
    let mut n = 0u64;
    while started.elapsed() < RUN {
        file.write_all_at(&page, (n * 4_096) % (64 << 20))?;
        file.sync_data()?;
        n += 1;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}
