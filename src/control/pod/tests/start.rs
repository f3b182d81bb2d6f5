//! From a new pod to a ready one, and what is refused on the way.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::{StdinMode, StdioPlan};

use super::world::{World, app, condition, holds, phase, real_port, status, waits};

#[tokio::test]
async fn a_pod_runs_and_is_ready_with_its_ports_told() {
    let world = World::new().await;
    let ports = json!([{"containerPort": 8080, "name": "http"}, {"containerPort": 9090}]);
    let container = json!({"args": ["--port=$(PORT)"], "workingDir": "/srv", "ports": ports});
    // Nothing listens: the runtime is scripted.
    let metadata = json!({"name": "web", "annotations": {"spur.dev/readiness": "none"}});
    let id = world.create(json!({"metadata": metadata, "spec": {"containers": [app(container)]}})).await;
    let pod = world.ready("web").await;
    assert_eq!(phase(&pod), "Running");
    for type_ in ["PodScheduled", "Initialized", "ContainersReady"] {
        assert_eq!(condition(&pod, type_), "True", "{type_}");
    }
    let of_pod = pod.status.clone().unwrap();
    assert_eq!((of_pod.pod_ip.as_deref(), of_pod.host_ip.as_deref()), (Some("127.0.0.1"), Some("127.0.0.1")));
    assert_eq!(of_pod.qos_class.as_deref(), Some("BestEffort"));
    assert!(of_pod.start_time.is_some());
    let of_app = status(&pod).unwrap();
    assert!(of_app.ready && of_app.started == Some(true) && of_app.restart_count == 0);
    assert_eq!(of_app.container_id.as_deref(), Some("fake://1"));
    let plan = world.fake.plan(&id, "app").unwrap();
    let http = real_port(&pod, 8080);
    assert_eq!((plan.command, plan.args), (vec!["serve".to_owned()], vec![format!("--port={http}")]));
    assert_eq!(plan.working_dir.unwrap().to_str(), Some("/srv"));
    let env = |name: &str| world.env(&id, name);
    assert_eq!(env("PORT"), Some(http.to_string()));
    assert_eq!(env("PORT_HTTP"), Some(http.to_string()));
    assert_eq!(env("SPUR_EXE").as_deref(), Some("/opt/spur/bin/spur"));
    assert_eq!(env("PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin:/opt/spur/bin"));
    assert_eq!(env("SPUR_SANDBOX"), None);
    assert_eq!(env("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref(), Some("http://127.0.0.1:4318"));
    assert_eq!(env("OTEL_SERVICE_NAME").as_deref(), Some("web"));
    world.event("Normal Created Created container: app").await;
    world.event("Normal Started Started container app").await;
}

#[tokio::test]
async fn where_no_pod_has_a_network_of_its_own_it_is_shared_and_an_event_says_why() {
    let world = World::new().await;
    let metadata = |name: &str, network: &str| json!({"name": name, "annotations": {"spur.dev/network": network, "spur.dev/readiness": "none"}});
    let ports = json!({"ports": [{"containerPort": 8080}]});
    let pod = |name: &str, network: &str| json!({"metadata": metadata(name, network), "spec": {"containers": [app(ports.clone())]}});
    let id = world.create(pod("web", "private")).await;
    let web = world.ready("web").await;
    assert_eq!(web.status.as_ref().unwrap().pod_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(world.env(&id, "PORT"), Some(real_port(&web, 8080).to_string()));
    world
        .event(
            "Warning NotSupported annotation `spur.dev/network: private` is left out, and the pod runs on \
             this machine's own network: what is played has no networks",
        )
        .await;
    world.create(pod("wrong", "bridge")).await;
    let message = world.waiting("wrong", "NotSupported").await;
    assert!(message.contains("\"bridge\"; next: "), "{message}");
}

#[tokio::test]
async fn a_container_gets_the_input_and_the_terminal_it_asks_for() {
    let world = World::new().await;
    let check = async |name: &str, container, stdin, tty| {
        let id = world.run_app(name, container).await;
        world.ready(name).await;
        assert_eq!(world.fake.plan(&id, "app").unwrap().stdio, StdioPlan { stdin, tty }, "{name}");
    };
    check("plain", json!({}), StdinMode::Closed, false).await;
    check("open", json!({"stdin": true}), StdinMode::Open, false).await;
    check("once", json!({"stdin": true, "stdinOnce": true, "tty": true}), StdinMode::Once, true).await;
    check("alone", json!({"stdinOnce": true}), StdinMode::Closed, false).await;
}

#[tokio::test]
async fn a_pod_without_ports_has_neither_port_nor_annotation() {
    let world = World::new().await;
    let id = world.run_app("job", json!({})).await;
    let pod = world.ready("job").await;
    assert_eq!(world.env(&id, "PORT"), None);
    assert!(pod.metadata.annotations.unwrap_or_default().is_empty());
}

#[tokio::test]
async fn the_status_is_written_once_and_then_left_alone() {
    let world = World::new().await;
    world.run_app("quiet", json!({})).await;
    let ready = world.ready("quiet").await;
    world.patch("quiet", json!({"metadata": {"labels": {"seen": "1"}}})).await;
    world.run_app("later", json!({})).await;
    world.ready("later").await;
    let after = world.get("quiet").await.unwrap();
    assert_eq!(after.status, ready.status);
    let fields = after.metadata.managed_fields.unwrap_or_default();
    let ours = fields.iter().filter(|entry| entry.manager.as_deref() == Some("spur-pod")).count();
    assert_eq!(ours, 1, "one write, of the status: {fields:#?}");
}

#[tokio::test]
async fn an_image_without_a_command_waits_and_names_docker() {
    let world = World::new().await;
    world.run_pod("db", json!({"containers": [{"name": "db", "image": "postgres:17"}]})).await;
    let message = world.waiting("db", "NotSupported").await;
    assert!(message.contains("on Docker") && message.contains("`command`"), "{message}");
    world.event(&format!("Warning NotSupported {message}")).await;
    let pod = world.get("db").await.unwrap();
    assert_eq!((phase(&pod), condition(&pod, "Ready")), ("Pending", "False"));
}

#[tokio::test]
async fn a_refused_pod_starts_none_of_its_containers() {
    let world = World::new().await;
    let containers = json!([{"name": "app", "command": ["x"]}, {"name": "db", "image": "postgres:17"}]);
    let id = world.run_pod("mixed", json!({"containers": containers})).await;
    let is_so = |pod: &Pod| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        statuses.is_some_and(|statuses| statuses.len() == 2)
    };
    let pod = world.pod_until("mixed", "to have its status", is_so).await;
    assert_eq!(waits(&pod).0, "ContainerCreating");
    assert!(world.fake.plan(&id, "app").is_none());
    world.delete("mixed", 30).await;
    world.gone("mixed").await;
}

#[tokio::test]
async fn one_pod_that_cannot_run_stops_no_other() {
    let world = World::new().await;
    world
        .run_pod("bad", json!({"hostNetwork": true, "containers": [{"name": "app", "command": ["x"]}]}))
        .await;
    world.run_app("good", json!({})).await;
    world.ready("good").await;
    assert!(world.waiting("bad", "NotSupported").await.contains("`spec.hostNetwork`"));
}

#[tokio::test]
async fn what_is_left_out_is_told_once() {
    let world = World::new().await;
    world.run_app("bounded", json!({"resources": {"limits": {"memory": "1Gi"}}})).await;
    world.ready("bounded").await;
    world
        .event("Warning NotSupported left out by the process runtime: spec.containers{app}.resources.limits")
        .await;
}

#[tokio::test]
async fn a_gate_holds_readiness_until_its_condition_is_true() {
    let world = World::new().await;
    let gates = json!([{"conditionType": "shop/warm"}]);
    world
        .run_pod("gated", json!({"readinessGates": gates, "containers": [{"name": "app", "command": ["x"]}]}))
        .await;
    let is_so = |pod: &Pod| condition(pod, "ContainersReady") == "True";
    let pod = world.pod_until("gated", "to have ready containers", is_so).await;
    assert_eq!(condition(&pod, "Ready"), "False");
    let mut conditions = serde_json::to_value(pod.status.unwrap().conditions).unwrap();
    conditions.as_array_mut().unwrap().push(json!({"type": "shop/warm", "status": "True"}));
    let patch = kube::api::Patch::Merge(json!({"status": {"conditions": conditions}}));
    world.pods().patch_status("gated", &Default::default(), &patch).await.unwrap();
    let pod = world.ready("gated").await;
    assert_eq!(condition(&pod, "shop/warm"), "True", "it is not ours to take away");
}

#[tokio::test]
async fn stopping_ends_every_worker_and_leaves_what_runs() {
    let mut world = World::new().await;
    let id = world.run_app("web", json!({})).await;
    world.service("cart", json!({}), json!([{"port": 80}])).await;
    let other = world.run_app("other", json!({})).await;
    world.ready("web").await;
    world.ready("other").await;
    world.stop_worker().await;
    for id in [&id, &other] {
        assert!(
            holds(async || spur_runtime::Runtime::state(&world.fake, id, "app").unwrap().is_running()).await
        );
    }
    assert!(world.inlets.lock().unwrap().iter().all(|inlet| inlet.closed.is_cancelled()));
    assert!(is_ready_still(&world).await);
}

async fn is_ready_still(world: &World) -> bool {
    condition(&world.get("web").await.unwrap(), "Ready") == "True"
}
