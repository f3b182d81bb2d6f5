//! Deployments: scale, rolling update, and what owns what.

use serde_json::{Value, json};

use crate::harness::manifests::sample;
use crate::harness::{Spur, until};

fn names(pods: &[Value]) -> Vec<&str> {
    pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_and_a_rolling_update_lose_no_request() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("web", "pricing", &[("VERSION", "v1")])).await;
    api.until_condition(("deployments", "web"), "Available").await;
    spur.until_routed("web").await;

    let (stop_tx, mut stop_rx) = tokio::sync::oneshot::channel();
    let site = spur.service("web");
    let asking = tokio::spawn(async move {
        let mut versions = Vec::new();
        let mut connection = site.connect().await;
        while stop_rx.try_recv().is_err() {
            let answer = connection.send(site.get("/price/mug")).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let version = answer.json()["version"].as_str().unwrap().to_owned();
            if versions.last() != Some(&version) {
                versions.push(version);
            }
        }
        versions
    });

    let scale = |replicas: u32| json!({"spec": {"replicas": replicas}});
    api.patch("deployments", "web", &scale(3)).await.ok();
    api.until(("deployments", "web"), "at three", |web| web["status"]["availableReplicas"] == 3).await;
    let before = api.pods_of("app=web").await;
    let ports: Vec<&Value> =
        before.iter().map(|pod| &pod["metadata"]["annotations"]["spur.dev/ports"]).collect();
    assert!(ports[0] != ports[1] && ports[1] != ports[2], "each replica has its own port: {ports:?}");

    let container = json!([{
        "name": "web", "command": ["spur", "sample", "pricing"], "env": [{"name": "VERSION", "value": "v2"}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    }]);
    let update = json!({"spec": {"template": {"spec": {"containers": container}}}});
    let updated = api.patch("deployments", "web", &update).await.ok().json();
    api.until(("deployments", "web"), "rolled out", |web| {
        let status = &web["status"];
        status["observedGeneration"].as_i64() >= updated["metadata"]["generation"].as_i64()
            && status["updatedReplicas"] == 3
            && status["replicas"] == 3
            && status["availableReplicas"] == 3
    })
    .await;
    until("the old pods are gone", async || {
        let after = api.pods_of("app=web").await;
        let old: Vec<_> = names(&before).into_iter().filter(|name| names(&after).contains(name)).collect();
        if old.is_empty() && after.len() == 3 {
            Ok(())
        } else {
            Err(format!("{old:?} of {:?}", names(&after)))
        }
    })
    .await;
    api.patch("deployments", "web", &scale(1)).await.ok();
    until("one is left", async || match api.pods_of("app=web").await.len() {
        1 => Ok(()),
        n => Err(format!("{n} pods")),
    })
    .await;

    stop_tx.send(()).unwrap();
    let versions = asking.await.unwrap();
    assert_eq!((&*versions[0], &**versions.last().unwrap()), ("v1", "v2"), "{versions:?}");
    spur.end().await;
}

#[tokio::test]
async fn a_bad_update_leaves_the_old_version_serving() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("web", "pricing", &[("VERSION", "v1")])).await;
    api.until_condition(("deployments", "web"), "Available").await;
    spur.until_routed("web").await;
    // Without a probe a pod counts as ready while it runs, if only for a moment.
    let container = json!([{
        "name": "web", "command": ["sh", "-c", "exit 1"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    }]);
    api.patch("deployments", "web", &json!({"spec": {"template": {"spec": {"containers": container}}}}))
        .await
        .ok();
    until("the new pod has failed", async || {
        let pods = api.pods_of("app=web").await;
        let has_failed =
            pods.iter().any(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1));
        if has_failed && pods.len() == 2 { Ok(()) } else { Err(format!("{pods:#?}")) }
    })
    .await;
    let answer = spur.service("web").get("/price/mug").send().await.ok();
    assert_eq!(answer.json()["version"], "v1");
    spur.end().await;
}

#[tokio::test]
async fn deleting_takes_what_is_owned_along_and_a_namespace_takes_everything() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("web", "pricing", &[])).await;
    api.until_condition(("deployments", "web"), "Available").await;
    api.delete("deployments", "web").await.ok();
    until("nothing of it is left", async || {
        let (sets, pods) = (api.list("replicasets").await, api.list("pods").await);
        if sets.is_empty() && pods.is_empty() { Ok(()) } else { Err(format!("{sets:#?} {pods:#?}")) }
    })
    .await;
    assert_eq!(spur.processes(), []);

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    api.create(&namespace).await.ok();
    let mut objects = sample("web", "pricing", &[]);
    for object in &mut objects {
        object["metadata"]["namespace"] = json!("shop");
    }
    api.create_all(&objects).await;
    let site = spur.host("web.shop.localhost");
    until("it answers", async || match site.get("/health").try_send().await {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    api.delete("namespaces", "shop").await.ok();
    api.until_gone("namespaces", "shop").await;
    assert_eq!(spur.processes(), []);
    assert_eq!(site.get("/health").send().await.reason(), Some("unknown-host"));
    spur.end().await;
}
