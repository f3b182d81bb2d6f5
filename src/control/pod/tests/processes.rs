//! The pod worker over real processes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use serde_json::json;
use spur_runtime::process::ProcessConfig;
use spur_runtime::{LogOptions, PodId, ProcessRuntime, Runtime};

use super::world::{self, World, holds, status};

async fn log(runtime: &ProcessRuntime, id: &PodId) -> String {
    let Ok(stream) = runtime.logs(id, "app", LogOptions::default()).await else { return String::new() };
    let whole = stream.try_fold(Vec::new(), async |mut bytes, piece| {
        bytes.extend_from_slice(&piece);
        Ok(bytes)
    });
    String::from_utf8(whole.await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_real_process_gets_its_environment_is_restarted_and_ends_with_its_pod() {
    let dir = tempfile::tempdir().unwrap();
    let config = ProcessConfig {
        dir: dir.path().join("runtime"),
        base_env: BTreeMap::new(),
        dial: spur_net::Dial::default(),
    };
    let (runtime, reaped) = ProcessRuntime::open(config).await.unwrap();
    assert!(reaped.is_empty());
    let runtime = Arc::new(runtime);
    let world = World::with(runtime.clone()).await;
    world.service("cart", json!({}), json!([{"port": 80}])).await;
    // The first run ends by itself, the second stays until SIGTERM, of which it makes a failure.
    let script = "trap 'echo bye; exit 7' TERM; echo $PORT $CART_URL $1; [ -e gone ] || { : > gone; exit 3; }; while :; do sleep 0.05; done";
    let container = json!({
        "command": ["sh", "-c", script, "sh"], "args": ["$(SHOP)"], "ports": [{"containerPort": 8080}],
        "env": [{"name": "SHOP", "value": "shop"}], "workingDir": world.tmp.path(),
    });
    let id = world.run_app("web", container).await;
    let is_so = |pod: &k8s_openapi::api::core::v1::Pod| {
        status(pod).is_some_and(|status| status.restart_count == 1 && status.ready)
    };
    let pod = world.pod_until("web", "to be restarted", is_so).await;
    let of_app = status(&pod).unwrap();
    assert!(of_app.container_id.as_ref().unwrap().starts_with("process://"));
    assert_eq!(of_app.last_state.clone().unwrap().terminated.unwrap().exit_code, 3);
    let url = {
        let inlets = world.inlets.lock().unwrap();
        format!("http://{}", inlets[0].listener.local_addr().unwrap())
    };
    let wanted = format!("{} {url} shop\n", super::world::real_port(&pod, 8080));
    assert!(holds(async || log(&runtime, &id).await == wanted).await, "{:?}", log(&runtime, &id).await);
    world.delete("web", 20).await;
    world.gone("web").await;
    assert!(runtime.list().is_empty());
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn hooks_run_in_real_processes_and_what_they_print_last_is_why_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let config = ProcessConfig {
        dir: dir.path().join("runtime"),
        base_env: BTreeMap::new(),
        dial: spur_net::Dial::default(),
    };
    let (runtime, _) = ProcessRuntime::open(config).await.unwrap();
    let runtime = Arc::new(runtime);
    let world = World::with(runtime.clone()).await;
    // What it starts gets SIGTERM, too, of which the shell would say something.
    let script = "exec 2>/dev/null; trap 'cat begun ended; exit 7' TERM; while :; do sleep 0.05; done";
    let hook = |text: &str| json!({"exec": {"command": ["sh", "-c", text]}});
    let container = json!({
        "command": ["sh", "-c", script], "workingDir": world.tmp.path(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"postStart": hook("echo $SHOP > begun"), "preStop": hook("echo bye > ended")},
        "env": [{"name": "SHOP", "value": "shop"}],
    });
    let spec = json!({"restartPolicy": "Never", "containers": [world::app(container)]});
    world.run_pod("web", spec).await;
    world.ready("web").await;
    world.patch("web", json!({"spec": {"activeDeadlineSeconds": 1}})).await;
    let is_so = |pod: &k8s_openapi::api::core::v1::Pod| world::phase(pod) == "Failed";
    let pod = world.pod_until("web", "to be past its deadline", is_so).await;
    let ended = status(&pod).unwrap().state.clone().unwrap().terminated.unwrap();
    assert_eq!((ended.exit_code, ended.message.as_deref()), (7, Some("shop\nbye\n")));
    assert_eq!(pod.status.unwrap().reason.as_deref(), Some("DeadlineExceeded"));
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();
}
