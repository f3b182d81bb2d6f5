//! get, wait, logs, delete, status.

use std::time::Duration;

use clap::Parser;
use serde_json::json;
use spur_runtime::{ContainerPlan, PodId, Runtime};

use super::world::World;

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn make_pod(world: &World, name: &str) -> serde_json::Value {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "command": ["true"]}]},
    });
    world.post(PODS, &pod).await
}

#[tokio::test]
async fn objects_are_shown_as_a_table() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    make_pod(&world, "web-2").await;
    let running = json!({"phase": "Running", "containerStatuses": [
        {"name": "main", "ready": true, "restartCount": 0, "image": "", "imageID": "", "state": {"running": {}}},
    ]});
    world.set_status(&format!("{PODS}/web-1"), running).await;
    insta::assert_snapshot!(world.run("get pods").await.all(), @"
    NAME    READY   STATUS    RESTARTS   AGE
    web-1   1/1     Running   0          0s
    web-2   0/1     Pending   0          0s
    ");
    insta::assert_snapshot!(world.run("get po -A -l app=web --show-labels").await.all(), @"
    NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE   LABELS
    default     web-1   1/1     Running   0          0s    app=web
    default     web-2   0/1     Pending   0          0s    app=web
    ");
    insta::assert_snapshot!(world.run("get pods -n kube-system").await.all(), @"! No resources found in kube-system namespace.");
    insta::assert_snapshot!(world.run("get pod web-1 nobody").await.all(), @r#"
    NAME    READY   STATUS    RESTARTS   AGE
    web-1   1/1     Running   0          0s
    ! error: pods "nobody" not found
    exit 1
    "#);
    insta::assert_snapshot!(world.run("get all,ns --field-selector metadata.name=default").await.all(), @"
    NAME                STATUS   AGE
    namespace/default   Active   0s
    ");
}

#[tokio::test]
async fn objects_are_shown_in_other_formats() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    insta::assert_snapshot!(world.run("get pods -o name").await.all(), @"pod/web-1");
    insta::assert_snapshot!(world.run("get pod/web-1 -o jsonpath={.spec.containers[0].name}").await.all(), @"main");
    let said = world.run("get pods -o json").await;
    let list: serde_json::Value = serde_json::from_str(&said.data).unwrap();
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("List"), &json!("Pod")));
    let said = world.run("get pod web-1 -o yaml").await;
    assert!(said.data.starts_with("apiVersion: v1\nkind: Pod\nmetadata:\n"), "{}", said.data);
    assert!(!said.data.contains("managedFields"), "{}", said.data);
}

#[tokio::test]
async fn a_watch_shows_what_is_there_and_then_each_change() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    let (mut console, screen) = crate::console::Console::captured();
    let args = crate::args::Args::try_parse_from(["spur", "get", "pods", "-w", "-o", "name"]);
    let crate::args::Command::Client(crate::args::ClientCommand::Get(args)) = args.unwrap().command else {
        panic!("get is get");
    };
    let watched = crate::get::run(&args, &world.client, &mut console);
    let changed = async {
        make_pod(&world, "web-2").await;
        while screen.data() != "pod/web-1\npod/web-2\n" {
            world.client.get("/livez").await.ok();
        }
    };
    let both = async {
        tokio::select! { _ = watched => panic!("a watch does not end"), () = changed => {} }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
}

#[tokio::test]
async fn waiting_ends_when_the_condition_is_met_or_the_time_is_up() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    let path = format!("{PODS}/web-1");
    let not_ready = json!({"conditions": [
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "main is not ready"},
    ]});
    world.set_status(&path, not_ready).await;
    insta::assert_snapshot!(world.run("wait --for=condition=Ready pod/web-1 --timeout 1s").await.all(), @"
    ! error: timed out after 1s: waited for condition Ready of pod/web-1, found Ready=False ContainersNotReady: main is not ready
    ! hint: `spur get pod/web-1 -n default -o yaml` shows its status
    exit 124
    ");

    let waits = world.run("wait --for=condition=Ready pods -l app=web --timeout 30s");
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let (said, ()) = tokio::join!(waits, world.set_status(&path, ready));
    insta::assert_snapshot!(said.all(), @"pod/web-1 condition met");
    insta::assert_snapshot!(world.run("wait --for=condition=Ready pod/nobody").await.all(), @r#"
    ! error: pods "nobody" not found
    exit 1
    "#);
    insta::assert_snapshot!(world.run("wait --for=delete pod/nobody").await.all(), @"pod/nobody condition met");

    let waits = world.run("wait --for=create pod/web-2 --timeout 30s");
    let (said, _) = tokio::join!(waits, make_pod(&world, "web-2"));
    insta::assert_snapshot!(said.all(), @"pod/web-2 condition met");
}

#[tokio::test]
async fn deleting_waits_until_the_object_is_gone() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    make_pod(&world, "web-2").await;
    make_pod(&world, "web-3").await;
    // Without a pod worker a pod only goes when it is told not to wait.
    insta::assert_snapshot!(world.run("delete pod web-1 --timeout 1s").await.all(), @"
    pod/web-1 deleted
    ! error: timed out after 1s: waited for the deletion of pod/web-1
    ! hint: `spur get pod/web-1 -n default -o yaml` shows its status
    exit 124
    ");
    insta::assert_snapshot!(world.run("delete pod/web-1 pod/web-2 --force").await.all(), @"
    pod/web-1 force deleted
    pod/web-2 force deleted
    ");
    insta::assert_snapshot!(world.run("delete pods").await.all(), @"
    ! error: which pods? no name is given
    ! hint: name them, select them with -l, or say --all
    exit 2
    ");
    insta::assert_snapshot!(world.run("delete pods -l app=web --force").await.all(), @"pod/web-3 force deleted");
    insta::assert_snapshot!(world.run("delete pod web-1").await.all(), @r#"
    ! error: pods "web-1" not found
    exit 1
    "#);
    insta::assert_snapshot!(world.run("delete pod web-1 --ignore-not-found").await.all(), @"");
}

#[tokio::test]
async fn logs_come_from_a_pod_or_from_one_of_a_workload() {
    let world = World::start().await;
    let pod = make_pod(&world, "web-1").await;
    let id = PodId::new("default", "web-1", pod["metadata"]["uid"].as_str().unwrap());
    insta::assert_snapshot!(world.run("logs web-1").await.all(), @r#"
    ! error: container "main" in pod "web-1" is waiting to start: ContainerCreating
    exit 1
    "#);
    world.runtime.start(&id, ContainerPlan::new("main", &["x"])).await.unwrap();
    for line in ["one", "two", "\u{1b}[31mthree"] {
        world.runtime.print(&id, "main", line);
    }
    insta::assert_snapshot!(world.run("logs web-1 --tail 2").await.all().replace('\u{1b}', "ESC"), @"
    two
    ESC[31mthree
    ");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    world.post("/api/v1/namespaces/default/services", &service).await;
    insta::assert_snapshot!(world.run("logs svc/web --tail 1").await.all().replace('\u{1b}', "ESC"), @"ESC[31mthree");
    insta::assert_snapshot!(world.run("logs web-1 -c other").await.all(), @"
    ! error: container other is not valid for pod web-1
    exit 1
    ");
}

#[tokio::test]
async fn status_counts_pods_and_sandboxes() {
    let world = World::start().await;
    make_pod(&world, "web-1").await;
    insta::assert_snapshot!(world.run("status").await.all().replace(&world.url, "URL"), @"
    api         URL
    entry       http://127.0.0.1:8080
    pods        0/1 ready
    sandboxes   none
    traces      0 kept
    ");
    let said = world.run("status -o json").await;
    let status: serde_json::Value = serde_json::from_str(&said.data).unwrap();
    assert_eq!(status["pods"], json!({"ready": 0, "total": 1}));
}
