//! What a sandbox wants to be there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use spur_api::sandbox::Sandbox;

use crate::sandbox::plan::{Plan, World, plan};
use crate::sandbox::workload::WorkloadKind;

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("an object")
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "namespace": "shop", "name": name, "uid": "base", "labels": {"app": name},
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
        "spec": {
            "replicas": 3, "paused": true, "minReadySeconds": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {
                    "creationTimestamp": null,
                    "labels": {"app": name, "tier": "back"},
                    "annotations": {
                        "spur.dev/runtime": "process",
                        "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    },
                },
                "spec": {
                    "initContainers": [{"name": "init", "image": "init:1"}],
                    "containers": [
                        {"name": "main", "image": "main:1", "command": ["main"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                        {"name": "side", "image": "side:1"},
                    ],
                },
            },
        },
    })
}

fn service(name: &str, selector: Value, ports: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "shop", "name": name, "labels": {"app": name}},
        "spec": {
            "type": "NodePort", "clusterIP": "10.96.0.7", "selector": selector, "ports": ports,
            "sessionAffinity": "ClientIP",
        },
    })
}

fn cart_service() -> Value {
    service(
        "cart",
        json!({"app": "cart"}),
        json!([
            {"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080},
            {"name": "admin-api", "port": 81, "protocol": "TCP", "appProtocol": "http"},
        ]),
    )
}

fn sandbox(forks: Value) -> Sandbox {
    serde_json::from_value(json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox",
        "metadata": {"namespace": "shop", "name": "pr-1", "uid": "u1"},
        "spec": {"forks": forks},
    }))
    .expect("a sandbox")
}

fn owner() -> OwnerReference {
    crate::owner::controlled_by(&sandbox(json!([])))
}

fn plan_of(forks: Value, objects: &[Value]) -> Plan {
    let objects: Vec<DynamicObject> = objects.iter().map(object).collect();
    let of_kind = |kind: &str| -> Vec<&DynamicObject> {
        objects
            .iter()
            .filter(|object| object.types.as_ref().is_some_and(|types| types.kind == kind))
            .collect()
    };
    let world = World {
        workloads: WorkloadKind::ALL
            .into_iter()
            .flat_map(|kind| of_kind(kind.name()).into_iter().map(move |object| (kind, object)))
            .collect(),
        services: of_kind("Service"),
    };
    plan(&sandbox(forks), &owner(), &world)
}

/// The fork of `cart` with these changes, or why there is none.
fn fork_of_cart(changes: Value) -> Result<Value, String> {
    let mut fork = changes;
    fork["of"] = json!({"kind": "Deployment", "name": "cart"});
    let prices = service("prices", json!({"app": "prices"}), json!([{"port": 90}]));
    let world = [deployment("cart"), cart_service(), prices];
    let mut plan = plan_of(json!([fork]), &world);
    plan.forks.remove(0).object.map_err(|error| error.to_string())
}

#[track_caller]
fn check(changes: Value, pointer: &str, expected: Value) {
    let fork = fork_of_cart(changes).expect("the fork can be made");
    assert_eq!(fork.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
}

#[track_caller]
fn check_invalid(changes: Value, expected: &str) {
    assert_eq!(fork_of_cart(changes), Err(expected.to_owned()));
}

#[test]
fn a_fork_is_the_baseline_under_labels_of_its_own() {
    let ours = json!({"spur.dev/sandbox": "pr-1", "spur.dev/sandbox-uid": "u1", "spur.dev/fork": "cart"});
    let template = &deployment("cart")["spec"]["template"];
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "pr-1-cart", "namespace": "shop", "labels": ours,
            "ownerReferences": [{
                "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "name": "pr-1", "uid": "u1",
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": 1, "minReadySeconds": 1, "selector": {"matchLabels": ours},
            "template": {
                "metadata": {"labels": ours, "annotations": {
                    "spur.dev/runtime": "process",
                    "spur.dev/baseline-labels": template["metadata"]["labels"].to_string(),
                }},
                "spec": template["spec"],
            },
        },
    });
    assert_eq!(fork_of_cart(json!({})), Ok(expected));
}

#[test]
fn images_are_set_by_container() {
    let main = "/spec/template/spec/containers/0/image";
    check(json!({"images": [{"container": "main", "image": "main:2"}]}), main, json!("main:2"));
    let init = "/spec/template/spec/initContainers/0/image";
    check(json!({"images": [{"container": "init", "image": "init:2"}]}), init, json!("init:2"));
    check_invalid(
        json!({"images": [{"image": "main:2"}]}),
        "images[0]: name the `container`, there are `main`, `side`, `init`",
    );
    check_invalid(
        json!({"images": [{"container": "mian", "image": "main:2"}]}),
        "images[0]: no container is named `mian`, found `main`, `side`, `init`",
    );
}

#[test]
fn the_only_container_needs_no_name() {
    let mut only = deployment("solo");
    only["spec"]["template"]["spec"]["containers"] = json!([{"name": "x", "image": "x:1"}]);
    let forks = json!([{"of": {"kind": "Deployment", "name": "solo"}, "images": [{"image": "x:2"}]}]);
    let plan = plan_of(forks, &[only]);
    let fork = plan.forks[0].object.as_ref().expect("the fork can be made");
    assert_eq!(fork["spec"]["template"]["spec"]["containers"], json!([{"name": "x", "image": "x:2"}]));
}

#[test]
fn variables_are_set_replaced_and_deleted() {
    let main = "/spec/template/spec/containers/0/env";
    let side = "/spec/template/spec/containers/1/env";
    let set = json!({"env": [{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]});
    let expected =
        json!([{"name": "A", "value": "9"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]);
    check(set.clone(), main, expected);
    check(set, side, json!([{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]));
    let delete = json!({"env": [{"name": "A", "operation": "delete", "container": "main"}]});
    check(delete.clone(), main, json!([{"name": "B", "value": "2"}]));
    check(delete, side, Value::Null);
    check_invalid(
        json!({"env": [{"name": "A", "value": "1", "container": "x"}]}),
        "env[0]: no container is named `x`, found `main`, `side`, `init`",
    );
}

#[test]
fn variables_come_from_config_maps_and_secrets() {
    let env = "/spec/template/spec/containers/1/env/0";
    check(
        json!({"env": [{"name": "A", "valueFrom": {"configMap": {"name": "c", "key": "k", "optional": true}}}]}),
        env,
        json!({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": true}}}),
    );
    check(
        json!({"env": [{"name": "A", "valueFrom": {"secret": {"name": "s", "key": "k"}}}]}),
        env,
        json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
    );
}

#[test]
fn a_variable_takes_the_url_of_a_fork_of_the_same_sandbox() {
    let from = |service: Value| json!({"env": [{"name": "A", "valueFrom": {"service": service}}]});
    let env = "/spec/template/spec/containers/1/env/0/value";
    check(from(json!({"name": "cart"})), env, json!("$(PR_1_CART_URL)"));
    check(from(json!({"name": "cart", "port": 80})), env, json!("$(PR_1_CART_URL)"));
    let admin = json!("http://$(PR_1_CART_SERVICE_HOST):$(PR_1_CART_SERVICE_PORT_ADMIN_API)");
    check(from(json!({"name": "cart", "port": 81})), env, admin);
    let none = "variable `A`: no fork of this sandbox stands behind service `prices`";
    check_invalid(from(json!({"name": "prices"})), none);
    check_invalid(from(json!({"name": "cart", "port": 9})), "variable `A`: service `cart` has no TCP port 9");
}

#[test]
fn command_and_args_replace_the_first_containers() {
    let changes = json!({"command": ["run"], "args": ["--fast"]});
    check(changes.clone(), "/spec/template/spec/containers/0/command", json!(["run"]));
    check(changes.clone(), "/spec/template/spec/containers/0/args", json!(["--fast"]));
    check(changes, "/spec/template/spec/containers/1/command", Value::Null);
    check(json!({"args": ["x"]}), "/spec/template/spec/containers/0/command", json!(["main"]));
}

#[test]
fn a_patch_merges_by_the_names_of_list_items_and_comes_last() {
    let patch = json!({"patch": {
        "metadata": {"labels": {"team": "a"}},
        "spec": {"replicas": 2, "template": {
            "metadata": {"labels": {"extra": "1"}},
            "spec": {"containers": [{"name": "side", "image": "side:2"}, {"name": "new", "image": "n:1"}]},
        }},
    }, "images": [{"container": "side", "image": "lost:1"}]});
    check(patch.clone(), "/spec/replicas", json!(2));
    check(patch.clone(), "/metadata/labels/team", json!("a"));
    check(patch.clone(), "/spec/template/metadata/labels/extra", json!("1"));
    let fork = fork_of_cart(patch).expect("the fork can be made");
    let containers = fork["spec"]["template"]["spec"]["containers"].as_array().expect("containers").clone();
    let image = |name: &str| containers.iter().find(|c| c["name"] == name).map(|c| c["image"].clone());
    assert_eq!(
        (image("side"), image("new"), image("main")),
        (Some(json!("side:2")), Some(json!("n:1")), Some(json!("main:1")))
    );
}

#[test]
fn a_patch_cannot_undo_what_makes_it_a_fork() {
    let protected = |patch: Value, field: &str| {
        check_invalid(json!({"patch": patch}), &format!("patch: `{field}` may not be changed"));
    };
    protected(json!({"metadata": {"name": "x"}}), "metadata.name");
    protected(json!({"metadata": {"namespace": "x"}}), "metadata.namespace");
    protected(json!({"metadata": {"ownerReferences": null}}), "metadata.ownerReferences");
    protected(json!({"metadata": {"finalizers": ["a/b"]}}), "metadata.finalizers");
    protected(json!({"kind": "StatefulSet"}), "kind");
    protected(json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}), "spec.selector");
    protected(json!({"metadata": {"labels": null}}), "metadata.labels['spur.dev/sandbox']");
    protected(
        json!({"spec": {"template": {"metadata": {"labels": {"spur.dev/fork": "else"}}}}}),
        "spec.template.metadata.labels['spur.dev/fork']",
    );
    check_invalid(
        json!({"patch": {"spec": {"template": {"metadata": {"labels": {"app": "prices"}}}}}}),
        "patch: with its labels the baseline service `prices` would select the fork",
    );
}

#[test]
fn a_patch_that_fits_no_deployment_says_where() {
    check_invalid(
        json!({"patch": {"spec": {"replica": 2}}}),
        "patch: a deployment has no field `spec.replica`",
    );
    let nameless = json!({"patch": {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}});
    let error = fork_of_cart(nameless).expect_err("a container without a name");
    assert!(error.starts_with("patch: ") && error.contains("merge key: name"), "{error}");
}

#[test]
fn each_service_of_the_baseline_gets_one_of_the_fork() {
    let by_tier = service("all-back", json!({"tier": "back"}), json!([{"port": 7, "protocol": "UDP"}]));
    let other = service("other", json!({"app": "other"}), json!([{"port": 7}]));
    let mut fork_service = service("pr-0-cart", json!({"app": "cart"}), json!([{"port": 80}]));
    fork_service["metadata"]["labels"] =
        json!({"spur.dev/sandbox": "pr-0", "spur.dev/fork-of-service": "cart"});
    let unselecting = service("none", json!({}), json!([{"port": 7}]));
    let world = [deployment("cart"), by_tier, cart_service(), other, fork_service, unselecting];
    let plan = plan_of(json!([{"of": {"kind": "Deployment", "name": "cart"}}]), &world);
    assert_eq!(plan.forks[0].services, ["all-back", "cart"]);
    let names: Vec<&str> = plan.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["pr-1-all-back", "pr-1-cart"]);
    let selector = json!({"spur.dev/sandbox": "pr-1", "spur.dev/sandbox-uid": "u1", "spur.dev/fork": "cart"});
    let expected = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "pr-1-cart", "namespace": "shop",
            "labels": {
                "spur.dev/sandbox": "pr-1", "spur.dev/sandbox-uid": "u1", "spur.dev/fork": "cart",
                "spur.dev/fork-of-service": "cart",
            },
            "ownerReferences": [owner()],
        },
        "spec": {
            "sessionAffinity": "ClientIP", "type": "ClusterIP",
            "ports": [
                {"name": "http", "port": 80, "targetPort": "web"},
                {"name": "admin-api", "port": 81, "protocol": "TCP", "appProtocol": "http"},
            ],
            "selector": selector,
        },
    });
    assert_eq!(plan.services[1].object, expected);
}

#[test]
fn two_forks_behind_one_service_get_a_service_each() {
    let both = service("back", json!({"tier": "back"}), json!([{"port": 80}]));
    let forks =
        json!([{"of": {"kind": "Deployment", "name": "a"}}, {"of": {"kind": "Deployment", "name": "b"}}]);
    let plan = plan_of(forks, &[deployment("a"), deployment("b"), both]);
    let names: Vec<(&str, &Value)> = plan
        .services
        .iter()
        .map(|service| (service.name.as_str(), &service.object["spec"]["selector"]["spur.dev/fork"]))
        .collect();
    assert_eq!(names, [("pr-1-back", &json!("a")), ("pr-1-back-b", &json!("b"))]);
}

#[test]
fn a_missing_baseline_is_told_and_another_sandboxs_fork_is_none() {
    let mut fork = deployment("cart");
    fork["metadata"]["labels"] = json!({"spur.dev/sandbox": "pr-0"});
    let plan = plan_of(json!([{"of": {"kind": "Deployment", "name": "cart"}}]), &[fork]);
    let error = plan.forks[0].object.as_ref().expect_err("there is no baseline").to_string();
    assert_eq!(
        error,
        "deployments.apps \"cart\" not found in namespace \"shop\"; hint: apply the baseline, or correct `spec.forks[].of.name`"
    );
}

/// The fork of a baseline of another kind, with the Service of its name.
fn fork_of(kind: &str, spec: Value) -> Value {
    let mut baseline = deployment("cart");
    baseline["kind"] = json!(kind);
    let map = baseline["spec"].as_object_mut().expect("a map");
    map.retain(|field, _| matches!(field.as_str(), "selector" | "template"));
    map.extend(spec.as_object().expect("a map").clone());
    let forks = json!([{"of": {"kind": kind, "name": "cart"}}]);
    // A Deployment of the same name is none of its business.
    let mut plan = plan_of(forks, &[deployment("cart"), baseline, cart_service()]);
    let fork = plan.forks.remove(0);
    assert_eq!(fork.services, ["cart"]);
    fork.object.expect("the fork can be made")
}

#[test]
fn a_stateful_fork_has_one_pod_with_claims_of_its_own_that_go_with_it() {
    let claims = json!([{"metadata": {"name": "data"}, "spec": {}}]);
    let fork = fork_of(
        "StatefulSet",
        json!({
            "replicas": 3, "serviceName": "cart", "volumeClaimTemplates": claims,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}},
        }),
    );
    let spec = &fork["spec"];
    assert_eq!((&fork["kind"], &fork["metadata"]["name"]), (&json!("StatefulSet"), &json!("pr-1-cart")));
    assert_eq!((&spec["replicas"], &spec["serviceName"]), (&json!(1), &json!("pr-1-cart")));
    assert_eq!(spec["volumeClaimTemplates"], claims);
    let policy = json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
    assert_eq!(spec["persistentVolumeClaimRetentionPolicy"], policy);
    assert!(spec.get("updateStrategy").is_none(), "{spec:#}");
}

#[test]
fn a_fork_of_a_daemon_set_is_one() {
    let fork = fork_of("DaemonSet", json!({"updateStrategy": {"type": "OnDelete"}, "minReadySeconds": 2}));
    let spec = &fork["spec"];
    assert_eq!((&fork["kind"], &spec["minReadySeconds"]), (&json!("DaemonSet"), &json!(2)));
    assert!(spec.get("replicas").is_none() && spec.get("updateStrategy").is_none(), "{spec:#}");
    assert_eq!(spec["selector"]["matchLabels"]["spur.dev/fork"], "cart");
}

#[test]
fn a_baseline_of_another_kind_is_not_taken() {
    let plan = plan_of(json!([{"of": {"kind": "StatefulSet", "name": "cart"}}]), &[deployment("cart")]);
    let error = plan.forks[0].object.as_ref().expect_err("there is no baseline").to_string();
    assert!(error.starts_with("statefulsets.apps \"cart\" not found in namespace \"shop\""), "{error}");
}
