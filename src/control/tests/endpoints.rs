//! EndpointSlices follow pods and Services.

use serde_json::{Value, json};

use super::world::{World, checked, deployment, is_ready, name, pod_id, service};

async fn slices(world: &World, service: &str) -> Vec<Value> {
    let all = world.list("endpointslices").await;
    all.into_iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service)
        .collect()
}

fn ends(slice: &Value) -> impl Iterator<Item = (&Value, &str)> {
    let ends = slice["endpoints"].as_array().into_iter().flatten();
    ends.map(|end| (&end["conditions"], end["targetRef"]["name"].as_str().unwrap_or("")))
}

/// The names of the pods behind a Service of which this holds, in order.
async fn pods_behind(world: &World, service: &str, holds: impl Fn(&Value) -> bool) -> Vec<String> {
    let slices = slices(world, service).await;
    let ends = slices.iter().flat_map(ends).filter(|(conditions, _)| holds(conditions));
    let mut names: Vec<String> = ends.map(|(_, name)| name.to_owned()).collect();
    names.sort();
    names
}

async fn until_ready(world: &World, service: &str, n_wanted: usize) -> Vec<Value> {
    world
        .until(&format!("{n_wanted} endpoints of {service} are ready"), async || {
            let ready = pods_behind(world, service, |conditions| conditions["ready"] == true).await;
            if ready.len() == n_wanted { Ok(()) } else { Err(format!("{:#?}", slices(world, service).await)) }
        })
        .await;
    slices(world, service).await
}

fn http_port() -> Value {
    json!([{"name": "http", "port": 80, "targetPort": "http"}])
}

#[tokio::test]
async fn a_service_has_its_ready_pods_at_their_real_ports() {
    let world = World::start().await;
    world.create(service("web", http_port())).await;
    world.create(deployment("web", 2)).await;
    let slices = until_ready(&world, "web", 2).await;
    assert_eq!(slices.len(), 2, "two replicas on one machine listen on two ports");
    let mut real: Vec<i64> = Vec::new();
    for pod in world.list_app("pods", "web").await {
        let text = pod["metadata"]["annotations"]["spur.dev/ports"].as_str().expect("ports");
        let ports: Value = serde_json::from_str(text).expect("JSON");
        real.push(ports["c/8080"].as_i64().expect("the port of the container"));
    }
    let mut found: Vec<i64> = slices.iter().filter_map(|slice| slice["ports"][0]["port"].as_i64()).collect();
    real.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, real);
    assert!(slices.iter().all(|slice| slice["ports"][0]["name"] == "http"), "{slices:#?}");
}

#[tokio::test]
async fn an_endpoint_is_ready_only_while_its_pod_is() {
    let world = World::start().await;
    world.runtime.commands_fail_with(&["v1"]);
    let mut web = deployment("web", 1);
    web["spec"]["template"]["spec"]["containers"] = json!([checked("v1")]);
    world.create(service("web", http_port())).await;
    world.create(web).await;
    world.until_count("pods", "web", 1, |pod| pod["status"]["phase"] == "Running").await;
    world.until_quiet().await;
    assert_eq!(pods_behind(&world, "web", |conditions| conditions["ready"] == true).await.len(), 0);
    world.runtime.commands_fail_with(&[]);
    until_ready(&world, "web", 1).await;
    let pod = world.list_app("pods", "web").await.remove(0);
    // The second end within ten seconds is followed by a pause, in which nothing is ready.
    for n_restarts in 0..2 {
        let is_back = |pod: &Value| {
            is_ready(pod) && pod["status"]["containerStatuses"][0]["restartCount"] == n_restarts
        };
        world.until_count("pods", "web", 1, is_back).await;
        world.runtime.fake.kill(&pod_id(&pod), "c", 9);
    }
    until_ready(&world, "web", 0).await;
}

#[tokio::test]
async fn a_pod_that_is_ending_still_serves_but_gets_nothing_new() {
    let world = World::start().await;
    world.create(service("web", http_port())).await;
    world.create(deployment("web", 1)).await;
    until_ready(&world, "web", 1).await;
    let pod = name(&world.list_app("pods", "web").await[0]).to_owned();
    world.runtime.hold();
    world.delete(&format!("pods/{pod}"), "Background").await;
    world
        .until("the endpoint is terminating", async || {
            let ending = pods_behind(&world, "web", |conditions| {
                conditions["terminating"] == true && conditions["ready"] == false
            });
            let ending = ending.await;
            if ending == [pod.clone()] { Ok(()) } else { Err(format!("{ending:?}")) }
        })
        .await;
    world.runtime.let_go();
    world.until_gone(&format!("pods/{pod}")).await;
    world
        .until("the endpoint is gone", async || {
            let all = pods_behind(&world, "web", |_| true).await;
            if all.contains(&pod) { Err(format!("{all:?}")) } else { Ok(()) }
        })
        .await;
}

#[tokio::test]
async fn a_changed_selector_moves_the_endpoints() {
    let world = World::start().await;
    world.create(deployment("blue", 1)).await;
    world.create(deployment("green", 2)).await;
    world.create(service("blue", http_port())).await;
    until_ready(&world, "blue", 1).await;
    world.patch("svc/blue", json!({"spec": {"selector": {"app": "green"}}})).await;
    world
        .until("only the others are behind it", async || {
            let behind = pods_behind(&world, "blue", |_| true).await;
            let is_moved = behind.len() == 2 && behind.iter().all(|pod| pod.starts_with("green-"));
            if is_moved { Ok(()) } else { Err(format!("{behind:?}")) }
        })
        .await;
}

#[tokio::test]
async fn a_pod_that_loses_the_label_leaves_the_service() {
    let world = World::start().await;
    world.create(service("web", http_port())).await;
    world.create(deployment("other", 1)).await;
    let pod = name(&world.until_count("pods", "other", 1, is_ready).await[0]).to_owned();
    world.patch("svc/web", json!({"spec": {"selector": {"app": null, "role": "front"}}})).await;
    world.patch(&format!("pods/{pod}"), json!({"metadata": {"labels": {"role": "front"}}})).await;
    until_ready(&world, "web", 1).await;
    world.patch(&format!("pods/{pod}"), json!({"metadata": {"labels": {"role": null}}})).await;
    until_ready(&world, "web", 0).await;
}

#[tokio::test]
async fn ports_are_found_by_name_and_by_number() {
    let world = World::start().await;
    let mut web = deployment("web", 1);
    web["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([
        {"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9090},
    ]);
    world.create(web).await;
    let ports = json!([
        {"name": "by-name", "port": 80, "targetPort": "admin"}, {"name": "by-number", "port": 81, "targetPort": 8080},
        {"name": "nowhere", "port": 82, "targetPort": "no-such-port"},
    ]);
    world.create(service("web", ports)).await;
    let slices = until_ready(&world, "web", 1).await;
    let pod = world.list_app("pods", "web").await.remove(0);
    let real = pod["metadata"]["annotations"]["spur.dev/ports"].as_str().expect("ports");
    let real: Value = serde_json::from_str(real).expect("JSON");
    let found = |name: &str| {
        let ports = slices[0]["ports"].as_array().expect("ports");
        ports.iter().find(|port| port["name"] == name).map(|port| port["port"].clone())
    };
    assert_eq!(found("by-name").as_ref(), Some(&real["c/9090"]));
    assert_eq!(found("by-number").as_ref(), Some(&real["c/8080"]));
    assert_eq!(found("nowhere"), None);
    world
        .patch("svc/web", json!({"spec": {"ports": [{"name": "renamed", "port": 80, "targetPort": "http"}]}}))
        .await;
    world
        .until("the port has its new name", async || {
            let slices = self::slices(&world, "web").await;
            match slices.as_slice() {
                [slice] if slice["ports"][0]["name"] == "renamed" => Ok(()),
                _ => Err(format!("{slices:#?}")),
            }
        })
        .await;
}

#[tokio::test]
async fn a_headless_service_has_endpoints_too_and_may_have_no_ports() {
    let world = World::start().await;
    world.create(deployment("web", 2)).await;
    let mut headless = service("web", json!([]));
    headless["spec"]["clusterIP"] = json!("None");
    world.create(headless).await;
    let slices = until_ready(&world, "web", 2).await;
    assert_eq!(slices.len(), 1, "without ports all share a slice: {slices:#?}");
    assert_eq!(slices[0]["metadata"]["labels"]["service.kubernetes.io/headless"], "");
}

#[tokio::test]
async fn a_service_without_a_selector_is_left_to_whoever_keeps_its_slices() {
    let world = World::start().await;
    let mut manual = service("manual", json!([{"port": 80}]));
    manual["spec"].as_object_mut().expect("a spec").remove("selector");
    world.create(manual).await;
    let slice = world
        .create(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "manual-1", "labels": {"kubernetes.io/service-name": "manual"}},
            "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": [{"port": 4000}],
        }))
        .await;
    world.patch("svc/manual", json!({"metadata": {"labels": {"poked": "yes"}}})).await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    world.until_quiet().await;
    assert_eq!(slices(&world, "manual").await, [slice]);
}

#[tokio::test]
async fn slices_of_a_user_beside_ours_are_not_touched() {
    let world = World::start().await;
    let slice = world
        .create(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "extra", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": [{"name": "http", "port": 4000}],
        }))
        .await;
    world.create(service("web", http_port())).await;
    world.create(deployment("web", 1)).await;
    world.until_rolled_out("web").await;
    world.until_quiet().await;
    assert_eq!(world.get("endpointslices/extra").await, Some(slice));
    assert_eq!(slices(&world, "web").await.len(), 2);
}

#[tokio::test]
async fn slices_go_with_their_service_and_come_back_when_deleted() {
    let world = World::start().await;
    world.create(service("web", http_port())).await;
    world.create(deployment("web", 1)).await;
    let slices = until_ready(&world, "web", 1).await;
    world.delete(&format!("endpointslices/{}", name(&slices[0])), "Background").await;
    until_ready(&world, "web", 1).await;
    world.delete("svc/web", "Background").await;
    world
        .until("the slices are gone", async || {
            let left = self::slices(&world, "web").await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        })
        .await;
    world.create(service("web", http_port())).await;
    until_ready(&world, "web", 1).await;
}
