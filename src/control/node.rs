//! The one node: this machine.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use spur_api::kinds::pod::NODE;
use tokio_util::sync::CancellationToken;

use crate::run::{Context, Failure};

/// Writes the node once; nothing about this machine changes while it runs.
pub(crate) async fn run(ctx: Arc<Context>, runtime: &'static str, stop: CancellationToken) {
    loop {
        match write(&ctx, runtime).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "failed to write the node, trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    }
}

async fn write(ctx: &Context, runtime: &str) -> Result<(), Failure> {
    let nodes: Api<Node> = Api::all(ctx.client.clone());
    let params = PatchParams::apply("spur-node").force();
    let identity = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {
            "kubernetes.io/hostname": NODE,
            "kubernetes.io/os": std::env::consts::OS,
            "kubernetes.io/arch": architecture(),
            "node-role.kubernetes.io/control-plane": "",
        }},
    });
    let written = nodes.patch(NODE, &params, &Patch::Apply(&identity)).await?;
    let old = serde_json::to_value(written.status)?;
    let status = status(runtime, &old);
    if old != status {
        let patch = Patch::Merge(json!({"status": status}));
        nodes.patch_status(NODE, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

/// Since when the node is ready: a restart changes nothing about that.
fn ready_since(old: &Value) -> Value {
    let ready = |condition: &&Value| condition["type"] == "Ready" && condition["status"] == "True";
    let known = old["conditions"].as_array().and_then(|conditions| conditions.iter().find(ready));
    known.map_or_else(|| json!(spur_api::meta::now()), |known| known["lastTransitionTime"].clone())
}

fn status(runtime: &str, old: &Value) -> Value {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    json!({
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE}],
        "capacity": {"cpu": cpus, "pods": "4096"},
        "allocatable": {"cpu": cpus, "pods": "4096"},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "SpurReady",
            "message": "spur runs pods on this machine",
            "lastTransitionTime": ready_since(old),
        }],
        "nodeInfo": {
            "architecture": architecture(), "bootID": "", "machineID": "", "systemUUID": "",
            "containerRuntimeVersion": format!("{runtime}://{}", env!("CARGO_PKG_VERSION")),
            "kernelVersion": kernel(), "kubeProxyVersion": "", "operatingSystem": std::env::consts::OS,
            "kubeletVersion": format!("spur-{}", env!("CARGO_PKG_VERSION")), "osImage": std::env::consts::OS,
        },
    })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}
