//! Something changed among ConfigMaps and Secrets: a number that rises, for
//! workers that wait for one that is missing. What changed is not kept, and
//! contents are never read here.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metadata::Metadata;

/// Raises the number for every change, until stopped.
pub(super) async fn follow(client: Client, changes_tx: Arc<watch::Sender<u64>>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow_kind::<ConfigMap>(&client, &changes_tx) => {}
        () = follow_kind::<Secret>(&client, &changes_tx) => {}
    }
}

async fn follow_kind<K>(client: &Client, changes_tx: &watch::Sender<u64>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<Metadata<K>> = Api::all(client.clone());
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    while let Some(change) = changes.next().await {
        match change {
            Ok(_) => changes_tx.send_modify(|count| *count += 1),
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "failed to watch configuration"),
        }
    }
}
