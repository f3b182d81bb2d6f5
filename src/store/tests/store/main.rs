//! The store at its own door: plain keys and bytes in, objects, lists and watches out.

#![expect(clippy::unwrap_used, reason = "what tests share is a test too, which clippy cannot tell")]

mod damage;
mod directory;
mod journal;
mod model;
mod objects;
mod watches;

use bytes::Bytes;
use spur_store::{Change, Key, Options, Revision, Store, Watch};

/// `ns/name`, or `name` for a cluster-scoped object.
fn key(resource: &str, path: &str) -> Key {
    match path.split_once('/') {
        Some((namespace, name)) => Key::namespaced(resource, namespace, name),
        None => Key::cluster(resource, path),
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn in_memory() -> Store {
    Store::in_memory(Options::default())
}

/// Everything a watch has to tell by now.
async fn drain(watch: &mut Watch, until: Revision) -> Vec<Change> {
    let mut changes = Vec::new();
    while watch.position() < until {
        let batch = watch.next().await.expect("the watch is not behind");
        changes.extend(batch.iter().map(|change| (**change).clone()));
    }
    changes
}
