//! The one node: this machine.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use spur_api::kinds::pod::NODE;
use tokio_util::sync::CancellationToken;

use crate::run::{Context, Failure};

/// What the node has to give: all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allocatable {
    pub(crate) cpus: u64,
    /// Not known everywhere.
    pub(crate) memory_bytes: Option<u64>,
}

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
    let amounts = Allocatable::of_this_machine().amounts();
    json!({
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE}],
        "capacity": amounts,
        "allocatable": amounts,
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

// === impl Allocatable ===

impl Allocatable {
    pub(crate) fn of_this_machine() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        // Linux alone says it in a file (`proc_meminfo(5)`); the unit is always kB.
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self { cpus: cpus as u64, memory_bytes: memory_bytes(&memory) }
    }

    /// As the node's status says it, in Kubernetes' units.
    fn amounts(&self) -> Value {
        let Self { cpus, memory_bytes } = self;
        let mut amounts = json!({"cpu": cpus.to_string(), "pods": "4096"});
        if let Some(bytes) = memory_bytes {
            amounts["memory"] = json!(format!("{}Ki", bytes / 1024));
        }
        amounts
    }
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_where_the_machine_tells_it() {
        let meminfo = "MemTotal:        8132456 kB\nMemFree:           20000 kB\n";
        assert_eq!(memory_bytes(meminfo), Some(8_132_456 * 1024));
        assert_eq!(memory_bytes(""), None);
        let known = Allocatable { cpus: 2, memory_bytes: memory_bytes(meminfo) };
        assert_eq!(known.amounts(), json!({"cpu": "2", "pods": "4096", "memory": "8132456Ki"}));
        let unknown = Allocatable { cpus: 2, memory_bytes: None };
        assert_eq!(unknown.amounts(), json!({"cpu": "2", "pods": "4096"}));
    }
}
