//! PersistentVolumeClaims: each is bound to a volume of its own, and what a claim held goes with it.
//!
//! The volumes themselves are the runtime's, which makes one when a container first mounts it; a
//! PersistentVolume tells of it, as a cluster with a provisioner has it
//! (`pkg/controller/volume/persistentvolume/pv_controller.go`). A claim that names a volume is left to
//! whoever made that.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use spur_runtime::Runtimes;

use crate::run::{Context, Failure, unless_gone};

/// On volumes that are made for their claim (`storagehelpers.AnnDynamicallyProvisioned`).
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// What makes them.
const PROVISIONER: &str = "spur.dev/claims";
/// How long a volume that is still mounted may hold up its deletion: its pod ends within its grace.
const TRIES: u32 = 60;
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Binds claims and deletes what they held, until stopped.
pub(crate) async fn run(ctx: Arc<Context>, runtimes: Runtimes) {
    let api: Api<PersistentVolumeClaim> = Api::all(ctx.client.clone());
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().boxed();
    while let Some(change) = changes.next().await {
        match change {
            Ok(watcher::Event::Apply(claim) | watcher::Event::InitApply(claim)) => {
                if let Err(error) = bind(&ctx.client, &claim).await {
                    tracing::warn!(%error, "failed to bind claim `{}`", shown(&claim));
                }
            }
            Ok(watcher::Event::Delete(claim)) => {
                tokio::spawn(release(ctx.client.clone(), runtimes.clone(), claim));
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, "failed to watch claims, trying again"),
        }
    }
}

async fn bind(client: &Client, claim: &PersistentVolumeClaim) -> Result<(), Failure> {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let spec = claim.spec.as_ref();
    let names_another =
        spec.and_then(|spec| spec.volume_name.as_deref()).is_some_and(|name| name != volume_name(claim));
    if phase == Some("Bound") || names_another || claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume: PersistentVolume = serde_json::from_value(volume(claim))?;
    match volumes.create(&PostParams::default(), &volume).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => drop(made?),
    }
    let name = volume_name(claim);
    unless_gone(
        volumes
            .patch_status(
                &name,
                &PatchParams::default(),
                &Patch::Merge(json!({"status": {"phase": "Bound"}})),
            )
            .await,
    )?;
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    let uid = claim.uid();
    let named = json!({"metadata": {"uid": uid}, "spec": {"volumeName": name}});
    unless_gone(claims.patch(&claim.name_any(), &PatchParams::default(), &Patch::Merge(named)).await)?;
    let status = json!({"metadata": {"uid": uid}, "status": {
        "phase": "Bound",
        "accessModes": spec.and_then(|spec| spec.access_modes.clone()),
        "capacity": capacity(claim),
    }});
    unless_gone(claims.patch_status(&claim.name_any(), &PatchParams::default(), &Patch::Merge(status)).await)
}

/// What tells of the claim's volume.
fn volume(claim: &PersistentVolumeClaim) -> Value {
    let spec = claim.spec.as_ref();
    let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
    json!({
        "metadata": {"name": volume_name(claim), "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": capacity(claim),
            "accessModes": spec.and_then(|spec| spec.access_modes.clone()),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.and_then(|spec| spec.storage_class_name.clone()),
            "volumeMode": spec.and_then(|spec| spec.volume_mode.clone()),
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name,
                "uid": claim.uid(),
            },
            "csi": {"driver": PROVISIONER, "volumeHandle": format!("{namespace}/{name}")},
        },
    })
}

fn capacity(claim: &PersistentVolumeClaim) -> Value {
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let storage = resources.and_then(|resources| resources.requests.as_ref()?.get("storage"));
    storage.map_or_else(|| json!({"storage": "0"}), |storage| json!({"storage": storage}))
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.uid().unwrap_or_default())
}

/// The claim is gone: what it held goes as soon as nobody has it mounted any more.
async fn release(client: Client, runtimes: Runtimes, claim: PersistentVolumeClaim) {
    let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
    for runtime in runtimes.all() {
        let mut n_tries = 0;
        while let Err(error) = runtime.remove_claim(&namespace, &name).await {
            n_tries += 1;
            if n_tries == TRIES {
                tracing::warn!(%error, "what claim `{}` held is left", shown(&claim));
                break;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
    let volumes: Api<PersistentVolume> = Api::all(client);
    let deleted = volumes.delete(&volume_name(&claim), &DeleteParams::default()).await;
    if let Err(error) = unless_gone(deleted) {
        tracing::warn!(%error, "failed to delete the volume of claim `{}`", shown(&claim));
    }
}

fn shown(claim: &PersistentVolumeClaim) -> String {
    format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any())
}
