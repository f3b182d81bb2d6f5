//! What a worker writes about its pod: the ports, the status, and at the end
//! that it is gone. Every write names the pod's uid, so that one of the same name
//! that came later is never touched.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use spur_api::labels;

use crate::run::is_of_another;

/// The name under which this worker writes.
const MANAGER: &str = "spur-pod";

/// Whether the pod was there to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// It has been deleted, or another pod has its name.
    Gone,
}

/// Writes the annotation with the real ports.
pub(super) async fn ports(client: &Client, pod: &Pod, text: &str) -> Result<Written, kube::Error> {
    let patch = json!({"metadata": {"uid": pod.uid(), "annotations": {labels::PORTS: text}}});
    let written = api(client, pod).patch(&pod.name_any(), &by_us(), &Patch::Merge(patch)).await;
    outcome(written)
}

/// Writes the status.
pub(super) async fn status(client: &Client, pod: &Pod, status: &PodStatus) -> Result<Written, kube::Error> {
    let mut status = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    complete(&mut status);
    let patch = json!({"metadata": {"uid": pod.uid()}, "status": status});
    let written = api(client, pod).patch_status(&pod.name_any(), &by_us(), &Patch::Merge(patch)).await;
    outcome(written)
}

/// Lets the pod go: nothing of it runs any more.
pub(super) async fn gone(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams::default().grace_period(0).preconditions(preconditions);
    let deleted = api(client, pod).delete(&pod.name_any(), &params).await;
    outcome(deleted.map(|_| ())).map(|_| ())
}

fn api(client: &Client, pod: &Pod) -> Api<Pod> {
    Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default())
}

fn by_us() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// A merge patch leaves what it does not name: what we keep and do not have is named null.
fn complete(status: &mut Value) {
    for field in ["reason", "message", "podIP", "podIPs"] {
        if status.get(field).is_none() {
            status[field] = Value::Null;
        }
    }
}

fn outcome<T>(result: Result<T, kube::Error>) -> Result<Written, kube::Error> {
    match result {
        Ok(_) => Ok(Written::Yes),
        Err(kube::Error::Api(status)) if status.code == 404 || is_of_another(&status) => Ok(Written::Gone),
        Err(error) => Err(error),
    }
}
