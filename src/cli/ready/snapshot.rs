//! Everything that readiness depends on, read at one time.

use anyhow::Result;
use serde_json::Value;
use spur_api::selector::LabelSelector;
use spur_api::{labels, meta};

use super::Awaited;
use crate::client::Client;
use crate::kinds;

/// The objects of every namespace: an environment is one machine's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) deployments: Vec<Value>,
    pub(crate) stateful_sets: Vec<Value>,
    pub(crate) daemon_sets: Vec<Value>,
    pub(crate) replica_sets: Vec<Value>,
    pub(crate) pods: Vec<Value>,
    pub(crate) services: Vec<Value>,
    pub(crate) slices: Vec<Value>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Reads what is there now; owners before what they own, so that nothing
    /// is taken for missing that was made in between.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        Ok(Self {
            deployments: list(client, "deployments").await?,
            stateful_sets: list(client, "statefulsets").await?,
            daemon_sets: list(client, "daemonsets").await?,
            replica_sets: list(client, "replicasets").await?,
            pods: list(client, "pods").await?,
            services: list(client, "services").await?,
            slices: list(client, "endpointslices").await?,
        })
    }

    /// The object itself.
    pub(crate) fn find(&self, awaited: &Awaited) -> Option<&Value> {
        let all = match awaited.kind {
            "Deployment" => &self.deployments,
            "StatefulSet" => &self.stateful_sets,
            "DaemonSet" => &self.daemon_sets,
            "ReplicaSet" => &self.replica_sets,
            "Pod" => &self.pods,
            "Service" => &self.services,
            _ => return None,
        };
        all.iter()
            .find(|object| meta::namespace(object) == awaited.namespace && meta::name(object) == awaited.name)
    }

    /// The pods that an object selects, or the pod itself.
    pub(crate) fn pods(&self, awaited: &Awaited) -> Vec<&Value> {
        let Some(object) = self.find(awaited) else {
            return Vec::new();
        };
        let selector = match awaited.kind {
            "Pod" => return vec![object],
            "Service" => selector_of_service(object),
            _ => LabelSelector::from_object(object.pointer("/spec/selector")),
        };
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
            return Vec::new();
        };
        let of_namespace = self.pods.iter().filter(|pod| meta::namespace(pod) == awaited.namespace);
        of_namespace.filter(|pod| selector.matches(meta::labels(pod))).collect()
    }

    /// The pods of several objects that are not ready, each once.
    pub(crate) fn pods_of(&self, awaited: &[&Awaited]) -> Vec<&Value> {
        let mut pods: Vec<&Value> = Vec::new();
        for pod in awaited.iter().flat_map(|object| self.pods(object)) {
            if !super::state::is_pod_done(pod) && !pods.iter().any(|known| meta::uid(known) == meta::uid(pod))
            {
                pods.push(pod);
            }
        }
        pods
    }

    /// The slices of a Service.
    pub(crate) fn slices(&self, namespace: &str, service: &str) -> impl Iterator<Item = &Value> {
        self.slices.iter().filter(move |slice| {
            let of = meta::labels(slice).and_then(|labels| labels.get(labels::SERVICE_NAME)?.as_str());
            meta::namespace(slice) == namespace && of == Some(service)
        })
    }

    /// The revision of the last change of an EndpointSlice.
    pub(crate) fn newest_slice_revision(&self) -> i64 {
        let revisions = self.slices.iter().filter_map(|slice| meta::resource_version(slice).parse().ok());
        revisions.max().unwrap_or(0)
    }
}

fn selector_of_service(service: &Value) -> Option<LabelSelector> {
    let labels = service.pointer("/spec/selector")?;
    LabelSelector::from_object(Some(&serde_json::json!({"matchLabels": labels})))
}

async fn list(client: &Client, word: &str) -> Result<Vec<Value>> {
    let mut list = client.get(&kinds::collection_path(kinds::kind(word)?, None)).await?;
    Ok(match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    })
}
