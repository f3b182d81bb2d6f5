//! SB-9: many pods at once, pods that go while they come, names that look alike, and an image that never
//! comes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::api::{Api, collection, is_condition};
use crate::harness::until;
use crate::world::{World, pod, shell};

/// Pods in each of two namespaces: enough to be in each other's way, and two cores start them in half
/// the time that is waited.
const N_PODS: usize = 12;

const NAMESPACES: [&str; 2] = ["default", "other"];

async fn make_namespace(api: &Api, name: &str) {
    api.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await.ok();
}

async fn pods_in(api: &Api, namespace: &str) -> Vec<Value> {
    let listed = api.ask(Method::GET, &collection("pods", namespace)).send().await.ok();
    listed.json()["items"].as_array().unwrap().clone()
}

fn sleeper(namespace: &str, name: &str) -> Value {
    let mut sleeper = pod(name, &[shell("a", "exec sleep 1000")]);
    sleeper["metadata"]["namespace"] = json!(namespace);
    sleeper["spec"]["terminationGracePeriodSeconds"] = json!(0);
    sleeper
}

/// The containers of pods: others hold the addresses of Services.
fn containers(world: &World) -> Vec<String> {
    let all = world.containers("{{.Names}} {{.Status}}");
    all.into_iter().filter(|name| !name.contains("spur_holder_")).collect()
}

async fn until_no_containers(world: &World) {
    until("no container of a pod is left", async || {
        let left = containers(world);
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
}

pub(crate) async fn many() {
    let world = World::up().await;
    let api = world.spur().api();
    make_namespace(&api, "other").await;
    let names: Vec<String> = (0..N_PODS).map(|nth| format!("p{nth}")).collect();
    // The same names in both, all at once.
    let pods = NAMESPACES.iter().flat_map(|ns| names.iter().map(|name| sleeper(ns, name)));
    let pods: Vec<Value> = pods.collect();
    let made = join_all(pods.iter().map(|pod| api.create(pod))).await;
    for answer in made {
        answer.ok();
    }
    for namespace in NAMESPACES {
        let pods = until(&format!("all of `{namespace}` are ready"), async || {
            let pods = pods_in(&api, namespace).await;
            let n_ready = pods.iter().filter(|pod| is_condition(pod, "Ready", "True")).count();
            if n_ready == N_PODS { Ok(pods) } else { Err(format!("{n_ready} are")) }
        })
        .await;
        let addresses: BTreeSet<&str> =
            pods.iter().filter_map(|pod| pod["status"]["podIP"].as_str()).collect();
        assert_eq!(addresses.len(), N_PODS, "each has an address of its own: {addresses:?}");
    }
    assert_eq!(containers(&world).len(), 2 * N_PODS, "one container each");
    let deletes = NAMESPACES.map(|namespace| api.ask(Method::DELETE, &collection("pods", namespace)).send());
    for answer in join_all(deletes).await {
        answer.ok();
    }
    for namespace in NAMESPACES {
        until("they are gone", async || match pods_in(&api, namespace).await.len() {
            0 => Ok(()),
            n_left => Err(format!("{n_left} are left")),
        })
        .await;
    }
    until_no_containers(&world).await;
}

pub(crate) async fn deleted() {
    let world = World::up().await;
    let api = world.spur().api();
    // From before the worker has seen it to after it runs.
    let lives = (0..10_u64).map(|nth| {
        let (api, name) = (&api, format!("p{nth}"));
        async move {
            api.create(&sleeper("default", &name)).await.ok();
            tokio::time::sleep(Duration::from_millis(nth * nth * 20)).await;
            api.delete("pods", &name).await.ok();
            // Asked twice it is the same.
            let again = api.delete("pods", &name).await;
            assert!(matches!(again.status, StatusCode::OK | StatusCode::NOT_FOUND), "{}", again.text());
            api.until_gone("pods", &name).await;
        }
    });
    join_all(lives).await;
    until_no_containers(&world).await;
    // Its name is free for another of the same name, at once.
    for _ in 0..3 {
        api.create(&sleeper("default", "again")).await.ok();
        api.until_condition(("pods", "again"), "Ready").await;
        api.delete("pods", "again").await.ok();
        api.until_gone("pods", "again").await;
    }
    until_no_containers(&world).await;
}

pub(crate) async fn names() {
    let world = World::up().await;
    let api = world.spur().api();
    // 253 and 63 characters are the most that Kubernetes takes.
    let long = |last: &str| {
        format!("{}{last}", ["a".repeat(62), "b".repeat(62), "c".repeat(62), "d".repeat(63)].join("."))
    };
    let (first, second) = (long("e"), long("f"));
    make_namespace(&api, &"n".repeat(63)).await;
    let mut pods = vec![sleeper("default", &first), sleeper("default", &second)];
    pods.push(sleeper(&"n".repeat(63), &first));
    // What joins names with `_` and `-` has these in one.
    pods.extend([sleeper("default", "a-b"), sleeper("default", "b")]);
    for pod in &mut pods {
        pod["metadata"]["labels"] = json!({});
        pod["spec"]["containers"][0]["name"] = json!("c".repeat(63));
    }
    pods[3]["spec"]["containers"][0]["name"] = json!("a");
    pods[4]["spec"]["containers"][0]["name"] = json!("a-a");
    api.create_all(&pods).await;
    for namespace in ["default", &"n".repeat(63)] {
        until("all run", async || {
            let pods = pods_in(&api, namespace).await;
            let waiting = pods.iter().find(|pod| !is_condition(pod, "Ready", "True"));
            waiting.map_or(Ok(()), |pod| Err(format!("{:#}", pod["status"])))
        })
        .await;
    }
    assert_eq!(containers(&world).len(), pods.len());
}

/// A registry that takes connections and says nothing.
pub(crate) async fn stuck() {
    let registry = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!("{}/slow/image:1", registry.local_addr().unwrap());
    let world = World::up().await;
    let api = world.spur().api();
    let mut stuck = sleeper("default", "stuck");
    stuck["spec"]["containers"][0]["image"] = json!(image);
    api.create(&stuck).await.ok();
    let (mut asked, _) =
        tokio::time::timeout(Duration::from_secs(30), registry.accept()).await.expect("it is asked").unwrap();
    // Others of its namespace come up meanwhile, and what waits says for what.
    api.create(&sleeper("default", "other")).await.ok();
    api.until_condition(("pods", "other"), "Ready").await;
    let waiting = api.get("pods", "stuck").await;
    let reason = &waiting["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
    assert_eq!(reason, "ContainerCreating", "{:#}", waiting["status"]);
    let events = api.events_of("stuck").await;
    assert!(events.iter().any(|(reason, _)| reason == "Pulling"), "{events:?}");
    api.delete("pods", "stuck").await.ok();
    api.until_gone("pods", "stuck").await;
    // Nobody asks any more: the engine has given the pull up with the pod.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), asked.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the engine still waits for the registry");
}
