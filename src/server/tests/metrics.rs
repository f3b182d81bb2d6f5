//! `metrics.k8s.io`: what is answered of what the runtime says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spur_api::quantity::{ONE, nanos};
use spur_api::{kinds::pod::NODE, meta};
use spur_runtime::{ContainerPlan, FakeRuntime, FakeUsage, PodId, Runtime};
use spur_store::{Options, Store};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::world::{PODS, Reply, World, pod, with, world};
use crate::User;

const ALL: &str = "/apis/metrics.k8s.io/v1beta1/pods";
const DEFAULT: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods";
const NODES: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// A server, and the runtime whose pods it knows.
struct Machine {
    world: World,
    runtime: FakeRuntime,
}

impl Machine {
    async fn new() -> Self {
        let runtime = FakeRuntime::new();
        let store = Arc::new(Store::in_memory(Options::default()));
        let world = with(store, Arc::new(runtime.clone()), CancellationToken::new()).await;
        Self { world, runtime }
    }

    /// A pod that runs, with a container for each of these uses.
    async fn run(&self, name: &str, uses: &[FakeUsage]) -> PodId {
        let mut wanted = pod(name);
        wanted["metadata"]["labels"] = json!({"app": name});
        let containers = (0..uses.len()).map(|n| json!({"name": format!("c{n}"), "image": "a"}));
        wanted["spec"]["containers"] = containers.collect();
        let made = self.world.post(PODS, &wanted).await.expect(201);
        let id = PodId::new("default", name, meta::uid(&made));
        for (n, usage) in uses.iter().enumerate() {
            let container = format!("c{n}");
            self.runtime.uses(&id, &container, *usage);
            self.runtime.start(&id, ContainerPlan::new(&container, &["x"])).await.expect("a start");
        }
        let running = json!({"status": {"phase": "Running"}});
        self.world.patch(&format!("{PODS}/{name}/status"), "merge-patch+json", &running).await.expect(200);
        id
    }
}

fn using(cpu_millis: u32, mebibytes: u64) -> FakeUsage {
    FakeUsage { cpu_millis, memory_bytes: mebibytes << 20, written_bytes: 0 }
}

fn names(list: &Value) -> Vec<&str> {
    meta::list(list, "/items").iter().map(meta::name).collect()
}

/// Millicores, to the nearest.
fn millis(usage: &Value) -> i128 {
    let nanos = nanos(usage["cpu"].as_str().expect("a quantity")).expect("a quantity");
    (nanos + ONE / 2000) / (ONE / 1000)
}

#[tokio::test]
async fn who_asks_first_waits_for_a_second_reading_and_who_asks_again_does_not() {
    let machine = Machine::new().await;
    machine.run("web", &[using(250, 3), using(1500, 20)]).await;
    let began = Instant::now();
    let found = machine.world.get(&format!("{DEFAULT}/web")).await.expect(200);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(
        (&found["kind"], &found["apiVersion"]),
        (&json!("PodMetrics"), &json!("metrics.k8s.io/v1beta1"))
    );
    assert_eq!(found["metadata"]["namespace"], "default");
    assert_eq!(found["metadata"]["labels"], json!({"app": "web"}));
    let window = spur_schema::duration::parse(found["window"].as_str().expect("a window"));
    assert!(window.is_some_and(|it| (900..5000).contains(&it.as_millis())), "{found}");
    assert!(found["timestamp"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    let [first, second] = meta::list(&found, "/containers") else { panic!("{found}") };
    assert_eq!((&first["name"], &second["name"]), (&json!("c0"), &json!("c1")));
    assert_eq!((millis(&first["usage"]), &first["usage"]["memory"]), (250, &json!("3Mi")));
    assert_eq!((millis(&second["usage"]), &second["usage"]["memory"]), (1500, &json!("20Mi")));
    let began = Instant::now();
    let table = machine.world.get_as(DEFAULT, TABLE).await.expect(200);
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
    let columns: Vec<&str> =
        meta::list(&table, "/columnDefinitions").iter().map(|column| meta::text(column, "/name")).collect();
    assert_eq!(columns, ["Name", "cpu", "memory", "Window"]);
    let cells = &table["rows"][0]["cells"];
    assert_eq!((&cells[0], &cells[2]), (&json!("web"), &json!("23Mi")));
}

#[tokio::test]
async fn selectors_choose_and_what_does_not_run_is_left_out() {
    let machine = Machine::new().await;
    machine.run("a", &[using(1, 1)]).await;
    machine.run("b", &[using(1, 1)]).await;
    let ended = machine.run("ended", &[using(1, 1)]).await;
    machine.runtime.exit(&ended, "c0", 0);
    machine.world.post(PODS, &pod("pending")).await.expect(201);
    let list = async |query: &str| machine.world.get(&format!("{ALL}{query}")).await.expect(200);
    let all = list("").await;
    assert_eq!((&all["kind"], names(&all)), (&json!("PodMetricsList"), vec!["a", "b"]));
    assert_eq!(names(&list("?labelSelector=app%3Db").await), ["b"]);
    assert_eq!(names(&list("?fieldSelector=metadata.name%3Da").await), ["a"]);
    assert_eq!(names(&list("?fieldSelector=metadata.namespace%3Dother").await), [""; 0]);
    let other = "/apis/metrics.k8s.io/v1beta1/namespaces/other/pods";
    assert_eq!(names(&machine.world.get(other).await.expect(200)), [""; 0]);
    let refused =
        machine.world.get(&format!("{ALL}?fieldSelector=status.phase%3DRunning")).await.message(400);
    assert_eq!(refused, "field label not supported: status.phase");
    let missing = async |name: &str| machine.world.get(&format!("{DEFAULT}/{name}")).await.message(404);
    for name in ["ended", "pending"] {
        let wanted = format!("podmetrics.metrics.k8s.io \"default/{name}\" not found");
        assert_eq!(missing(name).await, wanted);
    }
    assert_eq!(missing("none").await, "pods \"none\" not found");
}

#[tokio::test]
async fn a_container_that_was_started_again_is_counted_anew() {
    let machine = Machine::new().await;
    let web = machine.run("web", &[using(900, 1)]).await;
    let path = format!("{DEFAULT}/web");
    machine.world.get(&path).await.expect(200);
    machine.runtime.exit(&web, "c0", 1);
    machine.runtime.uses(&web, "c0", using(100, 2));
    machine.runtime.start(&web, ContainerPlan::new("c0", &["x"])).await.expect("a start");
    let found = machine.world.get(&path).await.expect(200);
    let usage = &found["containers"][0]["usage"];
    assert_eq!((millis(usage), &usage["memory"]), (100, &json!("2Mi")));
}

#[tokio::test]
async fn many_who_ask_at_once_wait_once() {
    let machine = Machine::new().await;
    machine.run("web", &[using(700, 1)]).await;
    let began = Instant::now();
    let asks = (0..50).map(|_| machine.world.get(DEFAULT));
    for reply in futures::future::join_all(asks).await {
        let list = reply.expect(200);
        assert_eq!(millis(&list["items"][0]["containers"][0]["usage"]), 700, "{list}");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn metrics_are_read_and_nothing_else() {
    let world = world().await;
    world.post(DEFAULT, &json!({"kind": "PodMetrics"})).await.expect(405);
    world.delete(&format!("{DEFAULT}/web")).await.expect(405);
    world.get(&format!("{DEFAULT}?watch=true")).await.expect(405);
    let jane = world.server.acting_as(User::named("jane".to_owned()));
    let asked = http::Request::builder().uri(ALL).body(axum::body::Body::empty()).expect("a request");
    let refused = Reply::read(jane.oneshot(asked).await.expect("the router answers")).await.message(403);
    assert!(refused.contains("cannot list resource \"pods\" in API group \"metrics.k8s.io\""), "{refused}");
    let service =
        world.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io").await.expect(200);
    assert_eq!(
        (&service["spec"]["groupPriorityMinimum"], &service["spec"]["versionPriority"]),
        (&json!(100), &json!(100))
    );
    let discovery = world.get("/apis/metrics.k8s.io/v1beta1").await.expect(200);
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"],
        })
    };
    let wanted = json!([resource("pods", "PodMetrics", true), resource("nodes", "NodeMetrics", false)]);
    assert_eq!(discovery["resources"], wanted);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_node_is_this_machine() {
    let world = world().await;
    let node = |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"of": name}}});
    for name in [NODE, "other"] {
        world.post("/api/v1/nodes", &node(name)).await.expect(201);
    }
    let list = world.get(NODES).await.expect(200);
    assert_eq!((&list["kind"], names(&list)), (&json!("NodeMetricsList"), vec![NODE]));
    let found = &list["items"][0];
    assert_eq!(found["metadata"]["labels"], json!({"of": NODE}));
    let memory = nanos(found["usage"]["memory"].as_str().expect("a quantity")).expect("a quantity") / ONE;
    assert!(memory > 1 << 20, "{found}");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(millis(&found["usage"]) <= 1100 * cores as i128, "{found}");
    assert_eq!(
        world.get(&format!("{NODES}/other")).await.message(404),
        "nodemetrics.metrics.k8s.io \"other\" not found"
    );
}
