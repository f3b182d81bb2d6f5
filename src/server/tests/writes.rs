//! Creating and updating: identity, defaults, validation, conflicts.

use http::Method;
use serde_json::json;

use super::world::{CONFIG_MAPS, DEPLOYMENTS, PODS, SANDBOXES, config_map, deployment, pod, sandbox, world};

#[tokio::test]
async fn a_new_object_gets_its_identity_from_the_server() {
    let world = world().await;
    let mut sent = deployment("web");
    sent["metadata"]["uid"] = json!("mine");
    sent["metadata"]["creationTimestamp"] = json!(null);
    sent["status"] = json!({"replicas": 7});
    let created = world.post(DEPLOYMENTS, &sent).await.expect(201);
    assert_ne!(created["metadata"]["uid"], "mine");
    assert_eq!(created["metadata"]["generation"], 1);
    assert_eq!(created["metadata"]["namespace"], "default");
    assert_eq!(created["spec"]["replicas"], 1, "defaults are filled in");
    assert_eq!(created["status"], json!({}), "status is not the creator's to write");
    let read = world.get(&format!("{DEPLOYMENTS}/web")).await.expect(200);
    assert_eq!(read, created);
    assert_eq!(read.as_object().expect("a map").keys().next().map(String::as_str), Some("kind"));
}

/// Typed clients reach into `status` without a look whether it is there: in Go it is a struct,
/// which is written even when it is empty, with the fields that its type cannot leave out.
#[tokio::test]
async fn a_status_is_there_from_the_beginning() {
    let world = world().await;
    let template = deployment("web")["spec"]["template"].clone();
    let selector = deployment("web")["spec"]["selector"].clone();
    let create = async |path: &str, kind: &str, spec: serde_json::Value| {
        let (api_version, _) = path.trim_start_matches("/apis/").split_once("/namespaces").expect("a path");
        let object =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "n"}, "spec": spec});
        world.post(path, &object).await.expect(201)["status"].clone()
    };
    let workload = json!({"selector": selector, "template": template, "serviceName": "s"});
    let apps = |plural: &str| format!("/apis/apps/v1/namespaces/default/{plural}");
    let daemon_set = json!({
        "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
    });
    let without_service = json!({"selector": workload["selector"], "template": workload["template"]});
    let status = create(&apps("replicasets"), "ReplicaSet", without_service.clone()).await;
    assert_eq!(status, json!({"replicas": 0}));
    assert_eq!(create(&apps("daemonsets"), "DaemonSet", without_service).await, daemon_set);
    let status = create(&apps("statefulsets"), "StatefulSet", workload).await;
    assert_eq!(status, json!({"replicas": 0, "availableReplicas": 0}));
    let ingress = json!({"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}});
    let path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    assert_eq!(create(path, "Ingress", ingress).await, json!({"loadBalancer": {}}));
    let budget = json!({"minAvailable": 1, "selector": selector});
    let path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let wanted =
        json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
    assert_eq!(create(path, "PodDisruptionBudget", budget).await, wanted);
}

#[tokio::test]
async fn the_creator_owns_what_was_sent_and_not_what_the_server_decides() {
    let world = world().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "main", "image": "none", "command": ["true"]}]},
    });
    let pods = "/api/v1/namespaces/default/pods";
    let created = world.post(pods, &pod).await.expect(201);
    assert_eq!(created["status"]["phase"], "Pending");
    let fields = &created["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!(fields.get("f:status"), None, "{fields:#}");
    assert_eq!(fields["f:spec"].get("f:nodeName"), None, "{fields:#}");
    assert!(fields["f:spec"]["f:containers"].is_object(), "{fields:#}");
    assert!(fields["f:spec"]["f:restartPolicy"].is_object(), "a default is as if it were sent: {fields:#}");
    // So that whoever reports the status meets no conflict.
    let status = json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}});
    world.patch(&format!("{pods}/p/status?fieldManager=node"), "apply-patch+yaml", &status).await.expect(200);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let world = world().await;
    let mut sent = deployment("Bad_Name");
    sent["spec"]["replicas"] = json!(-1);
    let message = world.post(DEPLOYMENTS, &sent).await.message(422);
    assert!(message.contains("metadata.name: Invalid value"), "{message}");
    assert!(message.contains("spec.replicas: Invalid value"), "{message}");
}

#[tokio::test]
async fn names_are_generated_and_unique() {
    let world = world().await;
    let mut sent = config_map("");
    sent["metadata"] = json!({"generateName": "cm-"});
    let first = world.post(CONFIG_MAPS, &sent).await.expect(201);
    let second = world.post(CONFIG_MAPS, &sent).await.expect(201);
    let name = first["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("cm-") && name.len() == 8, "{name}");
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let world = world().await;
    let create = async |body| world.post(CONFIG_MAPS, &body).await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    assert_eq!(create(config_map("a")).await.message(409), "configmaps \"a\" already exists");
    assert!(create(config_map("Not_A_Name")).await.message(422).contains("metadata.name: Invalid value"));
    assert!(create(config_map("..")).await.message(422).contains("metadata.name"));
    let mut wrong = config_map("b");
    wrong["metadata"]["namespace"] = json!("other");
    assert!(create(wrong).await.message(400).contains("namespace"));
    let other = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}});
    assert!(create(other).await.message(400).contains("kind"));
    let path = "/api/v1/namespaces/nowhere/configmaps";
    assert_eq!(world.post(path, &config_map("a")).await.message(404), "namespaces \"nowhere\" not found");
    let mut deployment = deployment("web");
    deployment["spec"]["replicas"] = json!("three");
    let message = world.post(DEPLOYMENTS, &deployment).await.message(400);
    assert!(message.contains("spec.replicas"), "{message}");
}

#[tokio::test]
async fn broken_bodies_are_refused() {
    let world = world().await;
    let send =
        async |media: &str, body: &'static str| world.send(Method::POST, CONFIG_MAPS, media, body).await;
    send("application/json", "{\"kind\":").await.expect(400);
    send("application/json", "[]").await.expect(400);
    send("application/vnd.kubernetes.protobuf", "k8s").await.expect(400);
    send("text/plain", "k8s").await.expect(415);
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\n";
    send("application/yaml", yaml).await.expect(201);
    let deep = "[".repeat(100_000);
    world.send(Method::POST, CONFIG_MAPS, "application/json", deep).await.expect(400);
    let large = " ".repeat(3 * 1024 * 1024 + 1);
    world.send(Method::POST, CONFIG_MAPS, "application/json", large).await.expect(413);
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_about_or_dropped() {
    let world = world().await;
    let mut sent = deployment("web");
    sent["spec"]["replicaz"] = json!(3);
    let strict = world.post(&format!("{DEPLOYMENTS}?fieldValidation=Strict"), &sent).await.message(400);
    assert!(strict.contains("strict decoding error: unknown field \"spec.replicaz\""), "{strict}");
    let warned = world.post(DEPLOYMENTS, &sent).await;
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"spec.replicaz\\\"\"");
    assert_eq!(warned.expect(201)["spec"].get("replicaz"), None);
    sent["metadata"]["name"] = json!("web2");
    let ignored = world.post(&format!("{DEPLOYMENTS}?fieldValidation=Ignore"), &sent).await;
    assert_eq!(ignored.headers.get("warning"), None);
}

#[tokio::test]
async fn a_stale_update_is_a_conflict_and_an_empty_version_wins() {
    let world = world().await;
    let path = format!("{CONFIG_MAPS}/a");
    let mut object = world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let stale = object.clone();
    object["data"]["k"] = json!("2");
    let updated = world.put(&path, &object).await.expect(200);
    assert_ne!(updated["metadata"]["resourceVersion"], stale["metadata"]["resourceVersion"]);
    assert!(world.put(&path, &stale).await.message(409).contains("the object has been modified"));
    let unconditional = world.put(&path, &config_map("a")).await.expect(200);
    assert_eq!(unconditional["data"]["k"], "v");
    assert_eq!(unconditional["metadata"]["uid"], stale["metadata"]["uid"], "identity stays");
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let world = world().await;
    let created = world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let revision = world.store.revision();
    let again = world.put(&format!("{DEPLOYMENTS}/web"), &created).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
    assert_eq!(world.store.revision(), revision);
}

#[tokio::test]
async fn spec_and_status_are_written_through_their_own_doors() {
    let world = world().await;
    let path = format!("{DEPLOYMENTS}/web");
    let mut object = world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    object["spec"]["replicas"] = json!(3);
    object["status"] = json!({"replicas": 9});
    let updated = world.put(&path, &object).await.expect(200);
    assert_eq!((&updated["spec"]["replicas"], &updated["status"]), (&json!(3), &json!({})));
    assert_eq!(updated["metadata"]["generation"], 2);
    let mut object = updated;
    object["spec"]["replicas"] = json!(5);
    object["status"] = json!({"replicas": 2});
    let updated = world.put(&format!("{path}/status"), &object).await.expect(200);
    assert_eq!((&updated["spec"]["replicas"], &updated["status"]["replicas"]), (&json!(3), &json!(2)));
    assert_eq!(updated["metadata"]["generation"], 2);
    world.put(&format!("{path}/nothing"), &object).await.expect(404);
}

#[tokio::test]
async fn scale_reads_and_writes_the_replicas() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = world.get(&path).await.expect(200);
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    let patch = json!({"spec": {"replicas": 4}});
    world.patch(&path, "merge-patch+json", &patch).await.expect(200);
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/web")).await.expect(200)["spec"]["replicas"], 4);
    world.patch(&path, "merge-patch+json", &json!({"spec": {"replicas": -1}})).await.expect(422);
}

#[tokio::test]
async fn a_dry_run_answers_like_a_write_and_writes_nothing() {
    let world = world().await;
    let revision = world.store.revision();
    world.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("a")).await.expect(201);
    world.get(&format!("{CONFIG_MAPS}/a")).await.expect(404);
    assert_eq!(world.store.revision(), revision);
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    world.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("a")).await.expect(409);
    world.delete(&format!("{CONFIG_MAPS}/a?dryRun=All")).await.expect(200);
    world.get(&format!("{CONFIG_MAPS}/a")).await.expect(200);
}

#[tokio::test]
async fn a_sandbox_is_held_to_its_schema() {
    let world = world().await;
    let wrong = world.post(SANDBOXES, &sandbox(json!({"fallback": "sometimes"}))).await.message(422);
    assert!(wrong.contains("spec.fallback"), "{wrong}");
    let forks = json!({"forks": [{"of": {"kind": "Deployment"}}]});
    let wrong = world.post(SANDBOXES, &sandbox(forks)).await.message(422);
    assert!(wrong.contains("spec.forks[0].of.name"), "{wrong}");
    let made = world.post(SANDBOXES, &sandbox(json!({"forks": []}))).await.expect(201);
    assert_eq!(made["spec"]["fallback"], "baseline");
}

#[tokio::test]
async fn a_spec_or_metadata_of_the_wrong_type_is_no_empty_one() {
    let world = world().await;
    let wrong = world.post(SANDBOXES, &sandbox(json!("x"))).await.message(422);
    assert!(wrong.contains("spec: Invalid value"), "{wrong}");
    let mut made = world.post(SANDBOXES, &sandbox(json!({}))).await.expect(201);
    made["metadata"] = json!("x");
    let wrong = world.put(&format!("{SANDBOXES}/s"), &made).await.message(400);
    assert!(wrong.contains("metadata"), "{wrong}");
    let patch = json!({"metadata": {"labels": {"a": 5}}});
    world.patch(&format!("{SANDBOXES}/s"), "merge-patch+json", &patch).await.expect(400);
}

#[tokio::test]
async fn a_bundled_kind_need_not_be_named_again_in_the_body() {
    let world = world().await;
    let plain = |name: &str| json!({"metadata": {"name": name}, "data": {"k": "v"}});
    let made = world.post(CONFIG_MAPS, &plain("a")).await.expect(201);
    assert_eq!((&made["kind"], &made["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!(made.as_object().expect("a map").keys().next().map(String::as_str), Some("kind"));
    world.put(&format!("{CONFIG_MAPS}/a"), &plain("a")).await.expect(200);
    let message = world.post(CONFIG_MAPS, &json!({"kind": 5, "metadata": {"name": "b"}})).await.message(400);
    assert!(message.contains("kind"), "{message}");
    // Custom kinds and applies have to say what they are.
    let bare = json!({"metadata": {"name": "s"}, "spec": {}});
    assert_eq!(world.post(SANDBOXES, &bare).await.message(400), "Object 'apiVersion' is missing in the body");
    let apply = format!("{CONFIG_MAPS}/c?fieldManager=x");
    world.patch(&apply, "apply-patch+yaml", &plain("c")).await.expect(400);
}

#[tokio::test]
async fn a_body_of_another_kind_is_named_and_not_picked_apart() {
    let world = world().await;
    let message = world.post(&format!("{CONFIG_MAPS}?fieldValidation=Strict"), &deployment("web")).await;
    let message = message.message(400);
    assert!(message.contains("does not match the expected"), "{message}");
}

#[tokio::test]
async fn a_version_of_zero_is_no_version() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let mut object = config_map("a");
    object["metadata"]["resourceVersion"] = json!("0");
    object["data"]["k"] = json!("2");
    world.put(&format!("{CONFIG_MAPS}/a"), &object).await.expect(200);
}

#[tokio::test]
async fn no_write_makes_an_object_too_deep_to_be_read() {
    let world = world().await;
    let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
    let fork = |patch| json!({"forks": [{"of": {"kind": "Deployment", "name": "web"}, "patch": patch}]});
    world.post(SANDBOXES, &sandbox(fork(deep(60)))).await.expect(201);
    let below = format!("/spec/forks/0/patch{}", "/a".repeat(60));
    let deepen = json!([{"op": "replace", "path": below, "value": deep(60)}]);
    let path = format!("{SANDBOXES}/s");
    world.patch(&path, "json-patch+json", &deepen).await.expect(422);
    let copy = json!([{"op": "copy", "from": "/spec/forks/0/patch", "path": below}]);
    world.patch(&path, "json-patch+json", &copy).await.expect(422);
    world.get(SANDBOXES).await.expect(200);
}

#[tokio::test]
async fn one_of_the_owners_is_the_controller() {
    let world = world().await;
    let mut object = config_map("a");
    let owner = |uid| json!({"apiVersion": "v1", "kind": "Pod", "name": uid, "uid": uid, "controller": true});
    object["metadata"]["ownerReferences"] = json!([owner("x"), owner("y")]);
    let message = world.post(CONFIG_MAPS, &object).await.message(422);
    assert!(message.contains("Only one reference can have Controller set to true"), "{message}");
}

/// `AllowCreateOnUpdate` of upstream's strategies.
#[tokio::test]
async fn a_put_makes_objects_of_the_kinds_for_which_upstream_does_so() {
    let world = world().await;
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let object = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "a"},
    });
    let made = world.put(lease, &object).await.expect(201);
    assert_eq!((&made["spec"]["holderIdentity"], made["metadata"]["uid"].is_string()), (&json!("a"), true));
    assert_eq!(world.put(lease, &made).await.expect(200)["metadata"]["uid"], made["metadata"]["uid"]);
    world.put(&format!("{CONFIG_MAPS}/a"), &config_map("a")).await.expect(404);
    world.put(&format!("{DEPLOYMENTS}/web"), &deployment("web")).await.expect(404);
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "p"}, "value": 1,
    });
    world.put("/apis/scheduling.k8s.io/v1/priorityclasses/p", &class).await.expect(404);
}

/// Kubernetes keeps what its Go types can say, and these cannot tell `tty: false` from nothing. A
/// typed client that reads an object and writes it back unchanged must not start a rollout.
#[tokio::test]
async fn empty_values_that_mean_nothing_are_not_kept() {
    let world = world().await;
    let mut sent = deployment("web");
    sent["metadata"]["labels"] = json!({});
    sent["spec"]["paused"] = json!(false);
    sent["spec"]["minReadySeconds"] = json!(0);
    let container = &mut sent["spec"]["template"]["spec"]["containers"][0];
    let empty = json!({"tty": false, "env": [], "workingDir": "", "ports": [], "securityContext": {}});
    container.as_object_mut().expect("a map").extend(empty.as_object().expect("a map").clone());
    let created = world.post(DEPLOYMENTS, &sent).await.expect(201);
    let container = &created["spec"]["template"]["spec"]["containers"][0];
    for gone in ["tty", "env", "workingDir", "ports"] {
        assert!(container.get(gone).is_none(), "{gone}: {container}");
    }
    assert_eq!(container["securityContext"], json!({}), "a pointer in Go");
    assert!(created["metadata"].get("labels").is_none());
    assert!(created["spec"].get("paused").is_none() && created["spec"].get("minReadySeconds").is_none());
    let owned = created["metadata"]["managedFields"][0]["fieldsV1"].to_string();
    assert!(!owned.contains("f:tty") && !owned.contains("f:paused"), "{owned}");

    let mut again = created.clone();
    again["spec"]["template"]["spec"]["containers"][0]["stdin"] = json!(false);
    let path = format!("{DEPLOYMENTS}/web");
    assert_eq!(world.put(&path, &again).await.expect(200), created, "changes nothing");
    let patch = json!({"spec": {"paused": false, "replicas": 0}});
    let patched = world.patch(&path, "merge-patch+json", &patch).await.expect(200);
    assert_eq!(patched["spec"]["replicas"], 0, "a pointer in Go");
    assert!(patched["spec"].get("paused").is_none());

    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "none"},
        "rules": [],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(world.post(path, &role).await.expect(201)["rules"], json!([]), "Go writes it always");
}

/// An applied configuration's empty values are the applier's, as upstream has it, and are no part of
/// the object.
#[tokio::test]
async fn an_applied_empty_value_is_owned_and_not_there() {
    let world = world().await;
    let mut applied = deployment("web");
    applied["spec"]["paused"] = json!(false);
    const APPLY: &str = "apply-patch+yaml";
    let path = format!("{DEPLOYMENTS}/web");
    let first = world.patch(&format!("{path}?fieldManager=me"), APPLY, &applied).await.expect(201);
    assert!(first["spec"].get("paused").is_none());
    assert!(first["metadata"]["managedFields"][0]["fieldsV1"].to_string().contains("f:paused"));
    let again = world.patch(&format!("{path}?fieldManager=me"), APPLY, &applied).await.expect(200);
    assert_eq!(again, first, "the same once more changes nothing");
}

#[tokio::test]
async fn some_kinds_are_put_by_version_only() {
    let world = world().await;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}});
    let path = format!("{leases}/l");
    let made = world.put(&path, &lease).await.expect(201);
    assert_eq!(
        world.put(&path, &lease).await.message(422),
        "Lease.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0x0: \
         must be specified for an update"
    );
    world.put(&path, &made).await.expect(200);
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    world.put(&format!("{CONFIG_MAPS}/a"), &config_map("a")).await.expect(200);
}

/// `serviceAccount` is what the field was called before; clients read either.
#[tokio::test]
async fn an_account_is_named_twice() {
    let world = world().await;
    let spec = |object: &serde_json::Value| {
        let spec = object.pointer("/spec/template/spec").unwrap_or(&object["spec"]);
        [spec["serviceAccount"].clone(), spec["serviceAccountName"].clone()]
    };
    let made = world.post(PODS, &pod("p")).await.expect(201);
    assert_eq!(spec(&made), ["default", "default"]);
    let mut old = deployment("web");
    old["spec"]["template"]["spec"]["serviceAccount"] = json!("builder");
    let made = world.post(DEPLOYMENTS, &old).await.expect(201);
    assert_eq!(spec(&made), ["builder", "builder"]);
    let patch = json!({"spec": {"template": {"spec": {"serviceAccountName": "other"}}}});
    let patched = world.patch(&format!("{DEPLOYMENTS}/web"), "merge-patch+json", &patch).await.expect(200);
    assert_eq!(spec(&patched), ["other", "other"]);
}
