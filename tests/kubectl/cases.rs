//! What kubectl's users do, on the demo's objects.

use std::pin::Pin;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bundled;
use crate::harness::manifests::script;
use crate::harness::{DEADLINE, Spur, until};
use crate::kinds;
use crate::kubectl::{command, run};

/// A test's body, boxed so that all stand in one list.
pub(crate) type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Every test with its name.
pub(crate) const ALL: &[(&str, Case)] = &[
    ("apply_creates_then_leaves_then_configures", || Box::pin(apply())),
    ("server_side_apply_tells_conflicts", || Box::pin(server_side_apply())),
    ("get_prints_tables_and_follows_changes", || Box::pin(get())),
    ("describe_tells_events_and_selectors", || Box::pin(describe())),
    ("logs_are_read_followed_and_kept_of_the_previous_run", || Box::pin(logs())),
    ("wait_rollout_and_scale_see_the_status", || Box::pin(rollout())),
    ("explain_knows_the_fields_of_every_kind", || Box::pin(explain())),
    ("validation_names_the_unknown_field", || Box::pin(validation())),
    ("create_makes_objects_from_flags", || Box::pin(create())),
    ("delete_waits_until_it_is_gone", || Box::pin(delete())),
    ("sandboxes_are_objects_like_others", || Box::pin(sandboxes())),
    ("edit_style_patches_and_labels_work", || Box::pin(patches())),
    ("every_kind_is_applied_shown_and_deleted", || Box::pin(kinds::every_kind())),
    ("objects_in_two_versions_are_one", || Box::pin(kinds::two_versions())),
    ("what_is_wrong_is_told_in_kubernetes_words", || Box::pin(kinds::refusals())),
    ("custom_kinds_are_defined_used_and_deleted", || Box::pin(custom_kinds())),
    ("custom_objects_are_held_to_their_schema", || Box::pin(custom_schemas())),
    ("istio_and_gateway_api_are_there_without_definitions", || Box::pin(bundled::bundled_kinds())),
];

const PRICING: &str = "fixtures/demo/pricing.yaml";

/// A Spur with pricing, applied and available by kubectl alone.
pub(crate) async fn pricing() -> Spur {
    let spur = Spur::up().start().await;
    run(&spur, &["apply", "-f", PRICING]).await.ok();
    run(&spur, &["wait", "--for=condition=Available", "deployment/pricing", "--timeout=30s"]).await.ok();
    spur
}

async fn apply() {
    let spur = Spur::up().start().await;
    let all = ["apply", "-f", "fixtures/demo/"];
    run(&spur, &all).await.ok().prints(&[
        "deployment.apps/pricing created",
        "service/frontend created",
        "sandbox.spur.dev/cheaper created",
    ]);
    let before = spur.api().get("sandboxes", "cheaper").await["metadata"]["generation"].clone();
    // kubectl compares lists of custom resources whole, so that it patches where the
    // server filled in a default (`env[].operation`); nothing comes of it.
    run(&spur, &all).await.ok().prints(&["deployment.apps/pricing unchanged", "service/frontend unchanged"]);
    assert_eq!(spur.api().get("sandboxes", "cheaper").await["metadata"]["generation"], before);
    let changed = std::fs::read_to_string(PRICING).unwrap().replace("value: \"100\"", "value: \"110\"");
    let file = spur.data().write("changed.yaml", &changed).display().to_string();
    run(&spur, &["diff", "-f", &file]).await.code(1).prints(&["110"]);
    run(&spur, &["apply", "-f", &file])
        .await
        .ok()
        .prints(&["deployment.apps/pricing configured", "service/pricing unchanged"]);
    run(&spur, &["apply", "-f", &file, "--dry-run=server"]).await.ok();
    spur.end().await;
}

async fn server_side_apply() {
    let spur = Spur::up().start().await;
    let args = ["apply", "--server-side", "-f", PRICING];
    run(&spur, &args).await.ok().prints(&["deployment.apps/pricing serverside-applied"]);
    run(&spur, &args).await.ok();
    let changed = std::fs::read_to_string(PRICING).unwrap().replace("replicas: 1", "replicas: 2");
    let file = spur.data().write("changed.yaml", &changed).display().to_string();
    let other = ["apply", "--server-side", "--field-manager=other", "-f", &file];
    run(&spur, &other).await.code(1).tells(&["conflict", ".spec.replicas"]);
    run(&spur, &[&other[..], &["--force-conflicts"]].concat()).await.ok();
    run(&spur, &["get", "deploy", "pricing", "-o", "jsonpath={.spec.replicas}"]).await.ok().prints(&["2"]);
    spur.end().await;
}

async fn get() {
    let spur = pricing().await;
    run(&spur, &["get", "pods"])
        .await
        .ok()
        .prints(&["NAME", "READY", "STATUS", "RESTARTS", "AGE", "1/1", "Running"]);
    run(&spur, &["get", "all", "-A", "-o", "wide"]).await.ok().prints(&[
        "deployment.apps/pricing",
        "replicaset.apps/pricing-",
        "service/pricing",
        "pod/pricing-",
    ]);
    run(&spur, &["get", "nodes", "-o", "name"]).await.ok().prints(&["node/"]);
    run(&spur, &["get", "po", "-l", "app=pricing", "-o", "yaml"])
        .await
        .ok()
        .prints(&["kind: List", "phase: Running"]);
    run(&spur, &["get", "pods", "nothing"]).await.code(1).tells(&["\"nothing\" not found"]);

    let mut watch = command(&spur, &["get", "pods", "-w", "--output-watch-events"]);
    let mut watching = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let next = async |lines: &mut tokio::io::Lines<_>, wanted: &[&str]| loop {
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let line =
            line.unwrap_or_else(|_| panic!("no line with {wanted:?}")).unwrap().expect("the watch goes on");
        if wanted.iter().all(|part| line.contains(part)) {
            break;
        }
    };
    next(&mut lines, &["ADDED", "pricing-"]).await;
    spur.api().create_all(&[script("brief", "echo done")]).await;
    next(&mut lines, &["ADDED", "brief"]).await;
    next(&mut lines, &["MODIFIED", "brief", "Completed"]).await;
    spur.api().delete("pods", "brief").await.ok();
    next(&mut lines, &["DELETED", "brief"]).await;
    watching.kill().await.unwrap();
    spur.end().await;
}

async fn describe() {
    let spur = pricing().await;
    run(&spur, &["describe", "deployment", "pricing"]).await.ok().prints(&[
        "Selector:",
        "app=pricing",
        "1 desired",
        "Available",
        "ScalingReplicaSet",
    ]);
    run(&spur, &["describe", "pod", "-l", "app=pricing"]).await.ok().prints(&[
        "Status:",
        "Running",
        "Events:",
        "Started",
        "PRICE_PERCENT",
    ]);
    run(&spur, &["describe", "service", "pricing"]).await.ok().prints(&["Endpoints:", "127.0.0.1:"]);
    run(&spur, &["describe", "node"]).await.ok().prints(&["Ready", "HolderIdentity:  spur"]);
    run(&spur, &["describe", "namespace", "default"]).await.ok().prints(&["Active"]);
    spur.end().await;
}

async fn logs() {
    let spur = pricing().await;
    until("the service has said something", async || {
        let output = run(&spur, &["logs", "deploy/pricing"]).await.ok();
        if output.stdout.is_empty() { Err("nothing") } else { Ok(()) }
    })
    .await;
    run(&spur, &["logs", "-l", "app=pricing", "--tail=1", "--prefix"]).await.ok().prints(&["[pod/pricing-"]);
    let gate = spur.data().home().join("gate");
    let text = format!("echo one; while [ ! -e {} ]; do sleep 0.02; done; echo two", gate.display());
    spur.api().create_all(&[script("talks", &text)]).await;
    run(&spur, &["wait", "--for=condition=Ready", "pod/talks", "--timeout=30s"]).await.ok();
    let mut follow = command(&spur, &["logs", "-f", "talks"]);
    let mut following = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("two"));
    assert!(following.wait().await.unwrap().success());

    let mut crashing = script("crashes", "echo a run; exit 1");
    crashing["spec"]["restartPolicy"] = "Always".into();
    spur.api().create_all(&[crashing]).await;
    until("the previous run's log is kept", async || {
        let output = run(&spur, &["logs", "-p", "crashes"]).await;
        if output.code == 0 && output.stdout == "a run\n" { Ok(()) } else { Err(format!("{output:?}")) }
    })
    .await;
    spur.end().await;
}

async fn rollout() {
    let spur = pricing().await;
    run(&spur, &["rollout", "status", "deployment/pricing", "--timeout=30s"])
        .await
        .ok()
        .prints(&["successfully rolled out"]);
    run(&spur, &["scale", "deployment/pricing", "--replicas=2"])
        .await
        .ok()
        .prints(&["deployment.apps/pricing scaled"]);
    let is_two = "--for=jsonpath={.status.readyReplicas}=2";
    run(&spur, &["wait", is_two, "deployment/pricing", "--timeout=30s"])
        .await
        .ok()
        .prints(&["condition met"]);
    run(&spur, &["set", "env", "deployment/pricing", "VERSION=v3"]).await.ok();
    run(&spur, &["rollout", "status", "deployment/pricing", "--timeout=30s"])
        .await
        .ok()
        .prints(&["successfully rolled out"]);
    run(&spur, &["rollout", "restart", "deployment/pricing"]).await.ok();
    run(&spur, &["rollout", "status", "deployment/pricing", "--timeout=30s"]).await.ok();
    run(&spur, &["rollout", "history", "deployment/pricing"]).await.ok().prints(&["REVISION"]);
    spur.until_routed("pricing").await;
    assert_eq!(spur.service("pricing").get("/price/mug").send().await.ok().json()["version"], "v3");
    spur.end().await;
}

async fn explain() {
    let spur = Spur::up().start().await;
    run(&spur, &["explain", "deployment.spec.strategy"]).await.ok().prints(&["rollingUpdate"]);
    run(&spur, &["explain", "sandbox.spec.forks"]).await.ok().prints(&["FIELDS:", "images", "patch"]);
    run(&spur, &["explain", "pod.spec.containers.readinessProbe"]).await.ok().prints(&["httpGet"]);
    run(&spur, &["api-resources"]).await.ok().prints(&[
        "sandboxes",
        "spur.dev/v1alpha1",
        "deployments",
        "configmaps",
    ]);
    run(&spur, &["api-versions"]).await.ok().prints(&["apps/v1", "spur.dev/v1alpha1"]);
    run(&spur, &["version"]).await.ok().prints(&["Server Version"]);
    spur.end().await;
}

async fn validation() {
    let spur = Spur::up().start().await;
    let text = std::fs::read_to_string(PRICING).unwrap().replace("replicas: 1", "replcas: 1");
    let file = spur.data().write("typo.yaml", &text).display().to_string();
    run(&spur, &["apply", "-f", &file]).await.code(1).tells(&["replcas"]);
    let create = async |name: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        let file = spur.data().write("map.yaml", &text).display().to_string();
        run(&spur, &["create", "-f", &file]).await
    };
    create("Bad_Name").await.code(1).tells(&["Bad_Name"]);
    create("good").await.ok();
    create("good").await.code(1).tells(&["already exists"]);
    spur.end().await;
}

/// From 1.32 on kubectl sends these in protobuf.
async fn create() {
    let spur = Spur::up().start().await;
    let make = async |args: &str| {
        let args: Vec<&str> = ["-n", "shop"].into_iter().chain(args.split(' ')).collect();
        run(&spur, &args).await
    };
    let read =
        async |object: &str, path: &str| make(&format!("get {object} -o jsonpath={path}")).await.ok().stdout;
    run(&spur, &["create", "namespace", "shop"]).await.ok().prints(&["namespace/shop created"]);

    make("create configmap settings --from-literal=a=1 --from-literal=empty=").await.ok();
    assert_eq!(read("configmap/settings", "{.data}").await, r#"{"a":"1","empty":""}"#);
    make("create secret generic token --from-literal=key=value").await.ok();
    assert_eq!(read("secret/token", "{.type}:{.data.key}").await, "Opaque:dmFsdWU=");
    make("create serviceaccount ann").await.ok();
    make("create service clusterip web --tcp=80:http").await.ok();
    assert_eq!(read("service/web", "{.spec.type}:{.spec.ports[0].targetPort}").await, "ClusterIP:http");
    make("create deployment web --image=nginx --replicas=0 --port=8080").await.ok();
    let path = "{.spec.replicas}:{.spec.template.spec.containers[0].ports[0].containerPort}";
    assert_eq!(read("deployment/web", path).await, "0:8080");

    make("create configmap settings").await.code(1).tells(&["\"settings\" already exists"]);
    make("create configmap Bad_Name").await.code(1).tells(&["Bad_Name", "metadata.name"]);
    make("delete deployment/web service/web serviceaccount/ann secret/token configmap/settings").await.ok();
    make("get all").await.ok().tells(&["No resources found"]);
    spur.end().await;
}

async fn delete() {
    let spur = pricing().await;
    run(&spur, &["delete", "-f", PRICING])
        .await
        .ok()
        .prints(&["deployment.apps \"pricing\" deleted", "service \"pricing\" deleted"]);
    run(&spur, &["wait", "--for=delete", "pod", "-l", "app=pricing", "--timeout=30s"]).await.ok();
    assert_eq!(spur.processes(), []);
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: brief}\n---\n\
                apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: brief}\n";
    let file = spur.data().write("namespace.yaml", text).display().to_string();
    run(&spur, &["apply", "-f", &file]).await.ok();
    run(&spur, &["delete", "namespace", "brief", "--timeout=30s"]).await.ok();
    run(&spur, &["delete", "pod", "nothing"]).await.code(1).tells(&["not found"]);
    run(&spur, &["delete", "pod", "nothing", "--ignore-not-found"]).await.ok();
    spur.end().await;
}

async fn sandboxes() {
    let spur = pricing().await;
    let file =
        spur.data().write("sandbox.yaml", &crate::harness::manifests::cheaper("cheaper", "k-1").to_string());
    run(&spur, &["apply", "-f", &file.display().to_string()]).await.ok();
    run(&spur, &["wait", "--for=condition=Ready", "sandbox/cheaper", "--timeout=30s"]).await.ok();
    run(&spur, &["get", "sandboxes"]).await.ok().prints(&["cheaper", "k-1", "Ready"]);
    run(&spur, &["describe", "sandbox", "cheaper"]).await.ok().prints(&["Routing Key:", "k-1"]);
    let price = spur.service("pricing").get("/price/mug").key("k-1").send().await.ok().json();
    assert_eq!(price["cents"], 1080);
    run(&spur, &["delete", "sandbox", "cheaper", "--timeout=30s"]).await.ok();
    spur.end().await;
}

async fn patches() {
    let spur = pricing().await;
    run(&spur, &["label", "deployment", "pricing", "team=blue"]).await.ok().prints(&["labeled"]);
    run(&spur, &["annotate", "deployment", "pricing", "note=x"]).await.ok();
    run(&spur, &["get", "deploy", "-l", "team=blue", "-o", "name"])
        .await
        .ok()
        .prints(&["deployment.apps/pricing"]);
    let json = r#"[{"op": "replace", "path": "/spec/replicas", "value": 0}]"#;
    run(&spur, &["patch", "deployment", "pricing", "--type=json", "-p", json]).await.ok();
    let strategic = r#"{"spec": {"template": {"spec": {"containers": [{"name": "pricing", "env": [{"name": "X", "value": "1"}]}]}}}}"#;
    run(&spur, &["patch", "deployment", "pricing", "-p", strategic]).await.ok();
    let names = run(
        &spur,
        &["get", "deploy", "pricing", "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}"],
    )
    .await
    .ok();
    let mut names: Vec<&str> = names.stdout.split(' ').collect();
    names.sort_unstable();
    assert_eq!(names, ["PRICE_PERCENT", "VERSION", "X"]);
    run(
        &spur,
        &["run", "one-off", "--image=none", "--restart=Never", "--command", "--", "sh", "-c", "echo hello"],
    )
    .await
    .ok();
    run(&spur, &["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one-off", "--timeout=30s"])
        .await
        .ok();
    run(&spur, &["logs", "one-off"]).await.ok().prints(&["hello"]);
    spur.end().await;
}

const WIDGETS: &str = "fixtures/manifests/widgets.yaml";

/// A file with one widget.
fn widget(spur: &Spur, name: &str, spec: &str) -> String {
    let text =
        format!("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n");
    spur.data().write(&format!("{name}.yaml"), &text).display().to_string()
}

async fn custom_kinds() {
    let spur = Spur::up().start().await;
    run(&spur, &["apply", "-f", WIDGETS])
        .await
        .ok()
        .prints(&["customresourcedefinition.apiextensions.k8s.io/widgets.example.com created"]);
    let established = ["wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s"];
    run(&spur, &established).await.ok().prints(&["condition met"]);
    run(&spur, &["api-resources", "--api-group=example.com"]).await.ok().prints(&[
        "wd",
        "example.com/v1",
        "Widget",
    ]);
    run(&spur, &["explain", "widget.spec.color"]).await.ok().prints(&["What it looks like."]);
    run(&spur, &["apply", "-f", &widget(&spur, "one", "color: red")])
        .await
        .ok()
        .prints(&["widget.example.com/one created"]);
    run(&spur, &["create", "-f", &widget(&spur, "two", "color: blue, size: 2")]).await.ok();
    run(&spur, &["get", "wd"])
        .await
        .ok()
        .prints(&["NAME", "COLOR", "SIZE", "AGE", "one", "red", "two", "blue"]);
    run(&spur, &["get", "all"]).await.ok().prints(&["widget.example.com/one"]);
    run(&spur, &["get", "wd", "--field-selector=spec.color=blue", "-o", "name"])
        .await
        .ok()
        .prints(&["widget.example.com/two"]);
    run(&spur, &["apply", "-f", &widget(&spur, "one", "color: red, size: 4")])
        .await
        .ok()
        .prints(&["configured"]);
    run(&spur, &["scale", "widget/one", "--replicas=5"])
        .await
        .ok()
        .prints(&["widget.example.com/one scaled"]);
    run(&spur, &["get", "wd", "one", "-o", "jsonpath={.spec.size}"]).await.ok().prints(&["5"]);
    run(&spur, &["label", "wd", "one", "team=blue"]).await.ok();
    run(&spur, &["delete", "wd", "two", "--timeout=10s"]).await.ok();
    run(&spur, &["delete", "-f", WIDGETS, "--timeout=30s"]).await.ok();
    // What it says depends on whether it has forgotten its own discovery by then.
    run(&spur, &["get", "wd"]).await.code(1);
    spur.end().await;
}

async fn custom_schemas() {
    let spur = Spur::up().start().await;
    run(&spur, &["apply", "-f", WIDGETS]).await.ok();
    let refused = async |spec: &str, why: &str| {
        run(&spur, &["apply", "-f", &widget(&spur, "bad", spec)]).await.code(1).tells(&[why]);
    };
    refused("size: 1", "spec.color: Required value").await;
    refused("color: x", "spec.color in body should be at least 3 chars long").await;
    refused("color: red, shape: round", "unknown field \"spec.shape\"").await;
    refused("color: black, size: 4", "at most three black widgets").await;
    run(&spur, &["apply", "-f", &widget(&spur, "good", "color: red")]).await.ok();
    run(&spur, &["apply", "-f", &widget(&spur, "good", "color: blue")])
        .await
        .code(1)
        .tells(&["spec.color: Invalid value", "the color cannot change"]);
    let text =
        std::fs::read_to_string(WIDGETS).unwrap().replace("self.color != 'black'", "self.colour != 'black'");
    let file = spur.data().write("typo.yaml", &text).display().to_string();
    run(&spur, &["apply", "-f", &file])
        .await
        .code(1)
        .tells(&["x-kubernetes-validations[0].rule", "undefined field 'colour'"]);
    spur.end().await;
}
