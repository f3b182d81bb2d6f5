//! Apply and update as managers see them: owners, conflicts, removal.

mod properties;

use serde_json::{Value, json};

use super::*;
use crate::tests::schemas;
use crate::{Schemas, apply_defaults};

/// A kind with every sort of field, under names that Kubernetes uses.
pub(super) fn deployments() -> Schemas {
    schemas(json!({
        "Deployment": {"type": "object", "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {
                "name": {"type": "string"},
                "namespace": {"type": "string"},
                "uid": {"type": "string"},
                "resourceVersion": {"type": "string"},
                "generation": {"type": "integer"},
                "creationTimestamp": {"type": "string"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "managedFields": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "atomic"},
            }},
            "spec": {"type": "object", "properties": {
                "replicas": {"type": "integer"},
                "paused": {"type": "boolean"},
                "args": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
                "selector": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "nodes": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "integer"}}}},
                "raw": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.runtime.RawExtension"},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "containers": {
                    "type": "array", "items": {"$ref": "#/$defs/Container"},
                    "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
                },
            }},
            "status": {"type": "object", "properties": {"ready": {"type": "integer"}}},
        }},
        "Container": {"type": "object", "properties": {
            "name": {"type": "string"},
            "image": {"type": "string"},
            "tty": {"type": "boolean"},
            "ports": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                "items": {"type": "object", "properties": {
                    "containerPort": {"type": "integer"},
                    "name": {"type": "string"},
                    "protocol": {"type": "string", "default": "TCP"},
                }},
            },
        }},
    }))
}

fn manager(name: &str, operation: Operation, time: &str) -> Manager {
    Manager {
        name: name.to_owned(),
        operation,
        api_version: "apps/v1".to_owned(),
        subresource: String::new(),
        time: format!("2026-11-20T10:00:{time}Z"),
    }
}

/// An object on a server, written by many.
struct Server {
    schemas: Schemas,
    live: Option<Value>,
    second: u8,
}

impl Server {
    fn new() -> Server {
        Server { schemas: deployments(), live: None, second: 10 }
    }

    fn write(&mut self, name: &str, operation: Operation) -> Manager {
        self.second += 1;
        manager(name, operation, &self.second.to_string())
    }

    fn try_apply(&mut self, name: &str, config: &Value, on_conflict: OnConflict) -> Result<(), ApplyError> {
        let manager = self.write(name, Operation::Apply);
        let schema = self.schemas.get("Deployment").unwrap();
        self.live = Some(apply(schema, self.live.as_ref(), config, &manager, on_conflict)?);
        Ok(())
    }

    fn apply(&mut self, name: &str, config: Value) -> &mut Server {
        self.try_apply(name, &config, OnConflict::Refuse).unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    fn force(&mut self, name: &str, config: Value) -> &mut Server {
        self.try_apply(name, &config, OnConflict::Force).unwrap();
        self
    }

    fn conflict(&mut self, name: &str, config: Value, message: &str) -> &mut Server {
        let before = self.live.clone();
        match self.try_apply(name, &config, OnConflict::Refuse).unwrap_err() {
            ApplyError::Conflicts(conflicts) => assert_eq!(conflicts.to_string(), message),
            ApplyError::Malformed(message) => panic!("{message}"),
        }
        assert_eq!(self.live, before);
        self
    }

    /// Writes with `change` made to the live object.
    fn update(&mut self, name: &str, change: impl Fn(&mut Value)) -> &mut Server {
        let manager = self.write(name, Operation::Update);
        self.update_as(&manager, change)
    }

    fn update_as(&mut self, manager: &Manager, change: impl Fn(&mut Value)) -> &mut Server {
        let mut new = self.live.clone().unwrap_or_else(|| json!({}));
        change(&mut new);
        let schema = self.schemas.get("Deployment").unwrap();
        self.live = Some(update(schema, self.live.as_ref(), new, manager).unwrap());
        self
    }

    /// The object without entries.
    fn object(&self) -> Value {
        let mut object = self.live.clone().unwrap();
        strip_entries(&mut object);
        // Entries alone need metadata too.
        if object["metadata"] == json!({}) {
            object.as_object_mut().unwrap().shift_remove("metadata");
        }
        object
    }

    /// Each entry as `manager operation: fields`.
    fn owners(&self) -> Vec<String> {
        let entries =
            self.live.as_ref().unwrap()["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let owner = |entry: &Value| {
            let fields = fields_v1::decode(&entry["fieldsV1"]).unwrap().to_string().replace('\n', " ");
            format!(
                "{} {}: {fields}",
                entry["manager"].as_str().unwrap(),
                entry["operation"].as_str().unwrap()
            )
        };
        entries.iter().map(owner).collect()
    }

    fn check(&mut self, object: Value, owners: &[&str]) -> &mut Server {
        assert_eq!(self.object(), object);
        assert_eq!(self.owners(), owners);
        self
    }
}

fn replicas(n: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": n}})
}

#[test]
fn what_is_applied_is_owned() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    server.check(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1}}),
        &["ann Apply: .spec.replicas"],
    );
    let entry = &server.live.unwrap()["metadata"]["managedFields"][0];
    let expected = json!({
        "manager": "ann", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-11-20T10:00:11Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}},
    });
    assert_eq!(entry.to_string(), expected.to_string());
}

#[test]
fn applying_again_changes_nothing() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    let first = server.live.clone();
    server.apply("ann", replicas(1));
    assert_eq!(server.live, first);
}

#[test]
fn another_value_for_another_managers_field_is_a_conflict() {
    let mut server = Server::new();
    server.update("kubectl-client-side-apply", |object| *object = replicas(1));
    server.conflict(
        "ann",
        replicas(2),
        r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas"#,
    );
    server.apply("bob", json!({"metadata": {"labels": {"a": "1"}}}));
    server.conflict(
        "ann",
        json!({"metadata": {"labels": {"a": "2"}}, "spec": {"replicas": 2}}),
        "Apply failed with 2 conflicts: conflicts with \"bob\":\n- .metadata.labels.a\n\
         conflicts with \"kubectl-client-side-apply\" using apps/v1:\n- .spec.replicas",
    );
}

#[test]
fn the_same_value_is_owned_together() {
    let mut server = Server::new();
    server.apply("ann", replicas(1)).apply("bob", replicas(1));
    assert_eq!(server.owners(), ["ann Apply: .spec.replicas", "bob Apply: .spec.replicas"]);
    server.conflict(
        "ann",
        replicas(2),
        "Apply failed with 1 conflict: conflict with \"bob\": .spec.replicas",
    );
    server.apply("ann", json!({"metadata": {"name": "d"}}));
    assert_eq!(server.object()["spec"]["replicas"], 1);
    assert_eq!(server.owners(), ["bob Apply: .spec.replicas"]);
}

#[test]
fn force_takes_fields_over() {
    let mut server = Server::new();
    server.apply("ann", replicas(1)).force("bob", replicas(2));
    server.check(replicas(2), &["bob Apply: .spec.replicas"]);
}

#[test]
fn what_is_no_longer_applied_goes() {
    let mut server = Server::new();
    server
        .apply("ann", json!({"spec": {"replicas": 1, "paused": true}, "metadata": {"labels": {"a": "1"}, "finalizers": ["x"]}}))
        .apply("ann", json!({"spec": {"replicas": 1}, "metadata": {"finalizers": []}}))
        .check(json!({"spec": {"replicas": 1}}), &["ann Apply: .spec.replicas"]);
}

#[test]
fn items_go_with_the_manager_that_applied_them_alone() {
    let container = |name: &str, image: &str| json!({"name": name, "image": image});
    let mut server = Server::new();
    server
        .apply("ann", json!({"spec": {"containers": [container("a", "1"), container("b", "1")]}}))
        .apply("bob", json!({"spec": {"containers": [container("b", "1"), container("c", "1")]}}))
        .apply("ann", json!({"spec": {"containers": [container("a", "2")]}}))
        .check(
            json!({"spec": {"containers": [container("a", "2"), container("b", "1"), container("c", "1")]}}),
            &[
                r#"bob Apply: .spec.containers[name="b"] .spec.containers[name="b"].image .spec.containers[name="b"].name .spec.containers[name="c"] .spec.containers[name="c"].image .spec.containers[name="c"].name"#,
                r#"ann Apply: .spec.containers[name="a"] .spec.containers[name="a"].image .spec.containers[name="a"].name"#,
            ],
        );
}

#[test]
fn what_an_updater_owns_outlasts_the_applier() {
    let mut server = Server::new();
    server.apply("ann", json!({"spec": {"containers": [{"name": "a"}]}}));
    server.update("bob", |object| object["spec"]["containers"][0]["image"] = json!("x"));
    server.update("bob", |object| {
        object["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "b"}));
    });
    server.apply("ann", json!({"spec": {"containers": [{"name": "a"}], "replicas": 1}}));
    assert_eq!(server.object()["spec"]["containers"], json!([{"name": "a", "image": "x"}, {"name": "b"}]));
    server.apply("ann", json!({"spec": {"replicas": 1}}));
    // The item itself was ann's, with all that bob added to it; what bob made is his.
    // The item itself was ann's, with what bob added to it; the one that bob made is his.
    assert_eq!(server.object()["spec"]["containers"], json!([{"name": "b"}]));
}

#[test]
fn what_is_applied_empty_stays_when_its_last_item_goes() {
    let mut server = Server::new();
    server.apply("ann", json!({"spec": {"containers": [{"name": "a"}]}}));
    server.update("bob", |object| object["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]));
    server.apply("ann", json!({"spec": {}}));
    server.check(json!({"spec": {"containers": []}}), &["ann Apply: .spec"]);
}

#[test]
fn atomic_values_are_owned_and_replaced_whole() {
    let mut server = Server::new();
    server.apply("ann", json!({"spec": {"selector": {"a": "1"}, "args": ["x"]}}));
    server.conflict(
        "bob",
        json!({"spec": {"selector": {"b": "2"}}}),
        "Apply failed with 1 conflict: conflict with \"ann\": .spec.selector",
    );
    server.force("bob", json!({"spec": {"selector": {"b": "2"}}}));
    server.check(
        json!({"spec": {"selector": {"b": "2"}, "args": ["x"]}}),
        &["ann Apply: .spec.args", "bob Apply: .spec.selector"],
    );
}

#[test]
fn ports_with_and_without_the_default_protocol_are_one() {
    let port = |port: Value| json!({"spec": {"containers": [{"name": "a", "ports": [port]}]}});
    let mut server = Server::new();
    server.apply("ann", port(json!({"containerPort": 80})));
    server.update("defaults", |object| {
        let schemas = deployments();
        apply_defaults(schemas.get("Deployment").unwrap(), object);
    });
    server.apply("ann", port(json!({"containerPort": 80, "protocol": "TCP"})));
    assert_eq!(server.object(), port(json!({"containerPort": 80, "protocol": "TCP"})));
    server.apply("ann", port(json!({"containerPort": 80, "protocol": "UDP"})));
    assert_eq!(server.object(), port(json!({"containerPort": 80, "protocol": "UDP"})));
}

#[test]
fn an_update_owns_what_it_changes_and_takes_it_from_others() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    server.update("bob", |object| object["spec"]["replicas"] = json!(3));
    assert_eq!(server.owners(), ["bob Update: .spec.replicas"]);
    server.conflict(
        "ann",
        replicas(1),
        "Apply failed with 1 conflict: conflict with \"bob\" using apps/v1: .spec.replicas",
    );
    server.apply("ann", replicas(3));
    assert_eq!(server.owners(), ["ann Apply: .spec.replicas", "bob Update: .spec.replicas"]);
    server.update("bob", |object| {
        object["spec"].as_object_mut().unwrap().shift_remove("replicas");
    });
    assert_eq!(server.owners(), Vec::<String>::new());
}

#[test]
fn an_update_that_changes_nothing_keeps_the_entries() {
    let mut server = Server::new();
    server.update("bob", |object| *object = replicas(1));
    let first = server.live.clone();
    server.update("bob", |_| {}).update("ann", |_| {});
    assert_eq!(server.live, first);
}

#[test]
fn what_identifies_an_object_is_never_owned() {
    let mut server = Server::new();
    server.update("bob", |object| {
        *object = json!({"apiVersion": "apps/v1", "kind": "D", "metadata": {
            "name": "d", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1, "creationTimestamp": "t",
        }});
    });
    assert_eq!(server.owners(), Vec::<String>::new());
    assert!(server.live.unwrap()["metadata"].get("managedFields").is_none());
}

#[test]
fn subresources_have_owners_of_their_own() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    let status = Manager { subresource: "status".to_owned(), ..manager("ann", Operation::Update, "30") };
    server.update_as(&status, |object| object["status"] = json!({"ready": 1}));
    let entries = server.live.clone().unwrap()["metadata"]["managedFields"].clone();
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(server.owners(), ["ann Apply: .spec.replicas", "ann Update: .status .status.ready"]);
    server.conflict(
        "ann",
        json!({"status": {"ready": 2}}),
        "Apply failed with 1 conflict: conflict with \"ann\" with subresource \"status\" using apps/v1: .status.ready",
    );
}

#[test]
fn an_empty_list_drops_all_entries_and_the_object_is_untracked_until_applied_to() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    server.update("bob", |object| object["metadata"]["managedFields"] = json!([]));
    assert_eq!(server.owners(), Vec::<String>::new());
    server.update("bob", |object| object["spec"]["paused"] = json!(true));
    assert_eq!(server.owners(), Vec::<String>::new());
    server.conflict(
        "ann",
        replicas(2),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: .spec.replicas",
    );
    server.apply("ann", replicas(1));
    assert_eq!(
        server.owners(),
        ["ann Apply: .spec.replicas", "before-first-apply Update: .spec .spec.paused .spec.replicas"]
    );
}

#[test]
fn clients_that_drop_the_entries_do_not_delete_them() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    server.update("bob", |object| {
        object["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
        object["spec"]["paused"] = json!(true);
    });
    assert_eq!(server.owners(), ["ann Apply: .spec.replicas", "bob Update: .spec.paused"]);
}

#[test]
fn entries_may_be_edited() {
    let mut server = Server::new();
    server.apply("ann", replicas(1));
    server.update("bob", |object| object["metadata"]["managedFields"][0]["manager"] = json!("carol"));
    assert_eq!(server.owners(), ["carol Apply: .spec.replicas"]);
}

#[test]
fn the_oldest_updaters_run_together() {
    let mut server = Server::new();
    server.update("creator", |object| *object = replicas(1));
    for index in 0..managed::UPDATE_MANAGERS_MAX + 4 {
        server.update(&format!("m{index:02}"), |object| {
            object["metadata"]["labels"][format!("l{index:02}")] = json!("x");
        });
    }
    let owners = server.owners();
    assert_eq!(owners.len(), managed::UPDATE_MANAGERS_MAX);
    assert!(
        owners[0].starts_with("ancient-changes Update: .metadata.labels .metadata.labels.l00"),
        "{}",
        owners[0]
    );
    assert!(owners[0].ends_with(".spec .spec.replicas"), "{}", owners[0]);
    assert!(owners.last().unwrap().starts_with("m13 "));
}

#[test]
fn what_kubectl_applied_on_its_own_side_is_no_conflict_for_it() {
    let client_side = |n: i64| {
        let mut object = replicas(n);
        let text = replicas(n).to_string();
        object["metadata"]["annotations"] = json!({last_applied::ANNOTATION: text});
        object
    };
    let mut server = Server::new();
    server.update("kubectl-client-side-apply", |object| *object = client_side(1));
    server.conflict("ann", replicas(2), r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas"#);
    server.apply("kubectl", replicas(2));
    assert_eq!(server.object()["spec"]["replicas"], 2);
    let text =
        server.object()["metadata"]["annotations"][last_applied::ANNOTATION].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), replicas(2));
    assert_eq!(server.owners()[0], "kubectl Apply: .spec.replicas");

    // What somebody changed in between is.
    let mut server = Server::new();
    server.update("kubectl-client-side-apply", |object| *object = client_side(1));
    server.update("hpa", |object| object["spec"]["replicas"] = json!(5));
    server.conflict(
        "kubectl",
        replicas(2),
        "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas",
    );
}

#[test]
fn what_cannot_be_applied_is_refused() {
    let mut server = Server::new();
    for (config, message) in [
        (json!([]), "the applied configuration is no JSON object"),
        (
            json!({"apiVersion": "v1"}),
            "Incorrect version specified in apply patch. Specified patch version: v1, expected: apps/v1",
        ),
        (json!({"metadata": {"managedFields": []}}), "metadata.managedFields must be nil"),
        (json!({"spec": {"foo": 1}}), ".spec.foo: field not declared in schema"),
    ] {
        let error = server.try_apply("ann", &config, OnConflict::Refuse).unwrap_err();
        assert_eq!(error, ApplyError::Malformed(message.to_owned()));
    }
    server.live = Some(json!({"metadata": {"managedFields": [{"manager": "x", "operation": "Frob"}]}}));
    let error = server.try_apply("ann", &replicas(1), OnConflict::Refuse).unwrap_err();
    let message =
        "failed to decode managed fields: entry of manager `x`: operation is `Frob`, want Apply or Update";
    assert_eq!(error, ApplyError::Malformed(message.to_owned()));
}
