//! Probes against a real listener, and what their answers do to the pod.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use spur_runtime::ExecOutput;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::world::{World, app, condition, holds, is_running, real_port, status};

/// An HTTP service whose answer the test chooses.
#[derive(Clone, Default)]
struct Health(Arc<AtomicU16>);

impl Health {
    fn answers(&self, status: u16) {
        self.0.store(status, Ordering::Relaxed);
    }

    /// Serves on the pod's real port, as its process would.
    async fn serve(&self, port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let health = self.0.clone();
        let answer = async move || StatusCode::from_u16(health.load(Ordering::Relaxed)).unwrap();
        let app = Router::new().route("/ok", get(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
}

async fn started(world: &World, name: &str) -> Pod {
    world.pod_until(name, "to run", is_running).await
}

#[tokio::test]
async fn a_pod_is_ready_when_its_service_answers_and_as_long_as_it_does() {
    let world = World::new().await;
    let probe =
        json!({"httpGet": {"port": "http", "path": "/ok"}, "periodSeconds": 1, "failureThreshold": 1});
    let ports = json!([{"containerPort": 8080, "name": "http"}]);
    world.run_app("web", json!({"readinessProbe": probe, "ports": ports})).await;
    let pod = started(&world, "web").await;
    assert_eq!(condition(&pod, "Ready"), "False", "nobody answers yet");
    let pod = world.pod_until("web", "to tell its ports", |pod| pod.metadata.annotations.is_some()).await;
    let health = Health::default();
    health.answers(200);
    health.serve(real_port(&pod, 8080)).await;
    world.ready("web").await;
    health.answers(500);
    let pod = world.pod_until("web", "to be unready", |pod| condition(pod, "Ready") == "False").await;
    assert_eq!(status(&pod).unwrap().restart_count, 0);
    world.event("Warning Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 500").await;
    health.answers(204);
    world.ready("web").await;
}

#[tokio::test]
async fn a_service_that_listens_soon_is_ready_long_before_the_first_period() {
    let world = World::new().await;
    let probe = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 60});
    world.run_app("web", json!({"readinessProbe": probe, "ports": [{"containerPort": 8080}]})).await;
    let pod = world.pod_until("web", "to tell its ports", |pod| pod.metadata.annotations.is_some()).await;
    let _listener = TcpListener::bind(("127.0.0.1", real_port(&pod, 8080))).await.unwrap();
    let ready = tokio::time::timeout(Duration::from_secs(20), world.ready("web")).await;
    assert!(ready.is_ok(), "the period is 60 s");
    assert!(
        !world.events().await.iter().any(|event| event.contains("Unhealthy")),
        "early tries do not count"
    );
}

/// Redis that loads what it had until it is told to be ready.
#[derive(Clone, Default)]
struct Redis {
    n_asked: Arc<AtomicU16>,
    is_loaded: Arc<AtomicBool>,
}

impl Redis {
    async fn serve(&self, port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let redis = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut ping = [0; 6];
                stream.read_exact(&mut ping).await.unwrap();
                assert_eq!(&ping, b"PING\r\n");
                let is_loaded = redis.is_loaded.load(Ordering::Relaxed);
                let answer = if is_loaded { "+PONG\r\n" } else { "-LOADING wait\r\n" };
                stream.write_all(answer.as_bytes()).await.unwrap();
                redis.n_asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    async fn was_asked(&self, n_times: u16) {
        let so = holds(async || self.n_asked.load(Ordering::Relaxed) >= n_times).await;
        assert!(so, "it is asked {n_times} times");
    }
}

#[tokio::test]
async fn without_a_probe_a_pod_is_ready_when_its_port_answers_in_its_protocol() {
    let world = World::new().await;
    let container = json!({"image": "redis:8", "ports": [{"containerPort": 6379}]});
    world.run_app("cache", container).await;
    let pod = world.pod_until("cache", "to tell its ports", |pod| pod.metadata.annotations.is_some()).await;
    let redis = Redis::default();
    redis.serve(real_port(&pod, 6379)).await;
    redis.was_asked(2).await;
    let pod = world.get("cache").await.unwrap();
    assert_eq!(condition(&pod, "Ready"), "False", "it accepts, and loads");
    redis.is_loaded.store(true, Ordering::Relaxed);
    world.ready("cache").await;
}

#[tokio::test]
async fn nothing_is_guessed_where_the_pod_wants_none() {
    let world = World::new().await;
    let container = app(json!({"image": "redis:8", "ports": [{"containerPort": 6379}]}));
    let metadata = json!({"name": "cache", "annotations": {"spur.dev/readiness": "none"}});
    world.create(json!({"metadata": metadata, "spec": {"containers": [container]}})).await;
    world.ready("cache").await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_fails_its_liveness_probe_is_restarted() {
    let world = World::new().await;
    world.fake.on_exec(Box::new(|_, command| {
        let exit_code = i32::from(command == ["sick"]);
        Ok(ExecOutput {
            exit_code,
            stdout: "no pulse".into(),
            stderr: Default::default(),
            is_truncated: false,
        })
    }));
    let probe = json!({"exec": {"command": ["sick"]}, "periodSeconds": 10, "failureThreshold": 2});
    world.run_app("web", json!({"livenessProbe": probe})).await;
    world.ready("web").await;
    tokio::time::advance(Duration::from_secs(10)).await;
    world.event("Warning Unhealthy Liveness probe failed: no pulse").await;
    assert_eq!(status(&world.get("web").await.unwrap()).unwrap().restart_count, 0, "one failure is not two");
    tokio::time::advance(Duration::from_secs(10)).await;
    world.event("Normal Killing Container app failed liveness probe, will be restarted").await;
    let is_so = |pod: &Pod| status(pod).is_some_and(|status| status.restart_count == 1);
    let pod = world.pod_until("web", "to be restarted", is_so).await;
    let last = status(&pod).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(last.exit_code, 143);
}

#[tokio::test(start_paused = true)]
async fn until_a_container_has_started_up_the_other_probes_wait() {
    let world = World::new().await;
    let is_up = Arc::new(AtomicU16::new(1));
    let answer = is_up.clone();
    world.fake.on_exec(Box::new(move |_, command| {
        let exit_code = if command == ["startup"] { i32::from(answer.load(Ordering::Relaxed)) } else { 0 };
        Ok(ExecOutput {
            exit_code,
            stdout: Default::default(),
            stderr: Default::default(),
            is_truncated: false,
        })
    }));
    let container = json!({
        "startupProbe": {"exec": {"command": ["startup"]}, "periodSeconds": 5, "failureThreshold": 10},
        "readinessProbe": {"exec": {"command": ["ready"]}},
    });
    world.run_app("web", container).await;
    started(&world, "web").await;
    tokio::time::advance(Duration::from_secs(12)).await;
    world.event("Warning Unhealthy Startup probe failed: ").await;
    let of_app = |pod: &Pod| status(pod).map(|status| (status.started, status.ready));
    assert_eq!(of_app(&world.get("web").await.unwrap()), Some((Some(false), false)));
    is_up.store(0, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(5)).await;
    let pod = world.ready("web").await;
    assert_eq!(of_app(&pod), Some((Some(true), true)));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_does_not_start_up_is_restarted() {
    let world = World::new().await;
    world.fake.on_exec(Box::new(|_, _| {
        Ok(ExecOutput {
            exit_code: 1,
            stdout: Default::default(),
            stderr: Default::default(),
            is_truncated: false,
        })
    }));
    let probe = json!({"exec": {"command": ["x"]}, "periodSeconds": 10, "failureThreshold": 1});
    world.run_app("web", json!({"startupProbe": probe})).await;
    started(&world, "web").await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let is_so = |pod: &Pod| status(pod).is_some_and(|status| status.restart_count == 1);
    world.pod_until("web", "to be restarted", is_so).await;
    world.event("Normal Killing Container app failed startup probe, will be restarted").await;
}
