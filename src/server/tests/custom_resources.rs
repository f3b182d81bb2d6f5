//! Objects of custom kinds: pruned, defaulted, validated, converted, shown.

use http::Method;
use serde_json::{Value, json};

use super::world::{DEFINITIONS, WIDGETS, World, widget, widgets, world};

async fn world_of(definition: Value) -> World {
    let world = world().await;
    world.post(DEFINITIONS, &definition).await.expect(201);
    world
}

#[tokio::test]
async fn unknown_fields_go_and_absent_ones_get_their_default() {
    let world = world_of(widgets(json!({"type": "object", "properties": {
        "size": {"type": "integer", "default": 3},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "port": {"x-kubernetes-int-or-string": true},
    }})))
    .await;
    let sent = widget("a", json!({"other": 1, "free": {"x": {"y": 1}}, "port": "http", "size": null}));
    let answer = world.post(WIDGETS, &sent).await;
    assert_eq!(answer.headers["warning"], "299 - \"unknown field \\\"spec.other\\\"\"");
    let created = answer.expect(201);
    assert_eq!(created["spec"], json!({"free": {"x": {"y": 1}}, "port": "http", "size": 3}));
    assert_eq!(created["metadata"]["generation"], 1);
    let strict =
        world.post(&format!("{WIDGETS}?fieldValidation=Strict"), &widget("b", json!({"other": 1}))).await;
    assert!(strict.message(400).contains("strict decoding error: unknown field \"spec.other\""));
}

#[tokio::test]
async fn what_is_stored_is_read_by_the_schema_of_today() {
    let world = world_of(widgets(json!({"type": "object", "properties": {"old": {"type": "string"}}}))).await;
    world.post(WIDGETS, &widget("a", json!({"old": "x"}))).await.expect(201);
    let now = json!({"type": "object", "properties": {"new": {"type": "integer", "default": 7}}});
    let change = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec", "value": now}]);
    world.patch(&format!("{DEFINITIONS}/widgets.example.com"), "json-patch+json", &change).await.expect(200);
    assert_eq!(world.get(&format!("{WIDGETS}/a")).await.expect(200)["spec"], json!({"new": 7}));
    assert_eq!(world.get(WIDGETS).await.expect(200)["items"][0]["spec"], json!({"new": 7}));
    let mut watch = world.watch(&format!("{WIDGETS}?watch=true")).await;
    let event = watch.next_raw().await.expect("an event");
    assert_eq!(event["object"]["spec"], json!({"new": 7}));
}

#[tokio::test]
async fn faults_are_worded_as_go_openapi_words_them() {
    let world = world_of(widgets(json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "minLength": 3, "maxLength": 5, "pattern": "^[a-z]+$"},
        "size": {"type": "integer", "minimum": 1},
        "mode": {"type": "string", "enum": ["on", "off"]},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
            "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}}}},
        "inner": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }})))
    .await;
    let refused = async |spec: Value| {
        let message = world.post(WIDGETS, &widget("a", spec)).await.message(422);
        message.strip_prefix("Widget.example.com \"a\" is invalid: ").unwrap_or(&message).to_owned()
    };
    assert_eq!(refused(json!({})).await, "spec.name: Required value");
    assert_eq!(
        refused(json!({"name": "ab"})).await,
        "spec.name: Invalid value: \"ab\": spec.name in body should be at least 3 chars long"
    );
    assert_eq!(refused(json!({"name": "abcdef"})).await, "spec.name: Too long: may not be more than 5 bytes");
    assert_eq!(
        refused(json!({"name": "AB-"})).await,
        "spec.name: Invalid value: \"AB-\": spec.name in body should match '^[a-z]+$'"
    );
    assert_eq!(
        refused(json!({"name": "abc", "size": "x"})).await,
        "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""
    );
    assert_eq!(
        refused(json!({"name": "abc", "size": 0})).await,
        "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"
    );
    assert_eq!(
        refused(json!({"name": "abc", "mode": "maybe"})).await,
        "spec.mode: Unsupported value: \"maybe\": supported values: \"on\", \"off\""
    );
    assert_eq!(
        refused(json!({"name": "abc", "tags": ["x", "x"]})).await,
        "spec.tags[1]: Duplicate value: \"x\""
    );
    assert_eq!(
        refused(json!({"name": "abc", "ports": [{"port": 1}, {"port": 1}]})).await,
        "spec.ports[1]: Duplicate value: {\"port\":1}"
    );
    assert_eq!(
        refused(json!({"name": "abc", "inner": {"kind": "Pod"}})).await,
        "spec.inner.apiVersion: Required value: must not be empty"
    );
}

#[tokio::test]
async fn an_update_names_its_version_and_patches_are_not_strategic() {
    let world = world_of(widgets(json!({"type": "object", "properties": {"n": {"type": "integer"}}}))).await;
    let created = world.post(WIDGETS, &widget("a", json!({"n": 1}))).await.expect(201);
    let path = format!("{WIDGETS}/a");
    let message = world.put(&path, &widget("a", json!({"n": 2}))).await.message(422);
    assert!(
        message.ends_with("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"),
        "{message}"
    );
    let mut changed = created.clone();
    changed["spec"]["n"] = json!(2);
    changed["status"] = json!({"x": 1});
    let updated = world.put(&path, &changed).await.expect(200);
    assert_eq!((&updated["metadata"]["generation"], updated.get("status")), (&json!(2), None));
    world.patch(&path, "strategic-merge-patch+json", &json!({"spec": {"n": 3}})).await.expect(415);
    world.patch(&path, "merge-patch+json", &json!({"spec": {"n": 3}})).await.expect(200);
    let status = json!({"status": {"phase": "Ready"}, "spec": {"n": 9}});
    let updated = world.patch(&format!("{path}/status"), "merge-patch+json", &status).await.expect(200);
    assert_eq!((&updated["spec"]["n"], &updated["status"]["phase"]), (&json!(3), &json!("Ready")));
    assert_eq!(updated["metadata"]["generation"], 3);
}

#[tokio::test]
async fn without_a_status_subresource_the_status_is_the_authors_too() {
    let mut definition = widgets(json!({"type": "object"}));
    definition["spec"]["versions"][0]["subresources"] = json!({});
    let world = world_of(definition).await;
    let mut sent = widget("a", json!({}));
    sent["status"] = json!({"x": 1});
    assert_eq!(world.post(WIDGETS, &sent).await.expect(201)["status"], json!({"x": 1}));
    let path = format!("{WIDGETS}/a");
    let patch = json!({"status": {"x": 2}});
    assert_eq!(world.patch(&path, "merge-patch+json", &patch).await.expect(200)["metadata"]["generation"], 2);
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(world.patch(&path, "merge-patch+json", &patch).await.expect(200)["metadata"]["generation"], 2);
    world.get(&format!("{path}/status")).await.expect(404);
}

#[tokio::test]
async fn versions_differ_in_their_api_version_and_in_what_they_know() {
    let mut definition =
        widgets(json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}));
    let mut beta = definition["spec"]["versions"][0].clone();
    beta["name"] = json!("v1beta1");
    beta["storage"] = json!(false);
    beta["deprecated"] = json!(true);
    beta["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] =
        json!({"a": {"type": "string"}, "c": {"type": "string"}});
    definition["spec"]["versions"].as_array_mut().expect("versions").insert(0, beta);
    let world = world_of(definition).await;
    let group = world.get("/apis/example.com").await.expect(200);
    assert_eq!(group["preferredVersion"]["version"], "v1");
    world.post(WIDGETS, &widget("a", json!({"a": "1", "b": "2"}))).await.expect(201);
    let old = WIDGETS.replace("/v1/", "/v1beta1/");
    let answer = world.get(&format!("{old}/a")).await;
    assert_eq!(answer.headers["warning"], "299 - \"example.com/v1beta1 Widget is deprecated\"");
    let read = answer.expect(200);
    assert_eq!((&read["apiVersion"], &read["spec"]), (&json!("example.com/v1beta1"), &json!({"a": "1"})));
    let mut sent = widget("b", json!({"a": "1", "c": "3"}));
    sent["apiVersion"] = json!("example.com/v1beta1");
    world.post(&old, &sent).await.expect(201);
    let read = world.get(&format!("{WIDGETS}/b")).await.expect(200);
    assert_eq!((&read["apiVersion"], &read["spec"]), (&json!("example.com/v1"), &json!({"a": "1"})));
}

#[tokio::test]
async fn scale_stands_where_the_definition_says() {
    let mut definition = widgets(
        json!({"type": "object", "properties": {"size": {"type": "object", "properties": {"n": {"type": "integer"}}}}}),
    );
    definition["spec"]["versions"][0]["subresources"]["scale"] = json!({
        "specReplicasPath": ".spec.size.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.selector",
    });
    let world = world_of(definition).await;
    world.post(WIDGETS, &widget("a", json!({"size": {"n": 2}}))).await.expect(201);
    let status = json!({"status": {"n": 1, "selector": "app=a"}});
    world.patch(&format!("{WIDGETS}/a/status"), "merge-patch+json", &status).await.expect(200);
    let path = format!("{WIDGETS}/a/scale");
    let scale = world.get(&path).await.expect(200);
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "app=a"}))
    );
    world.patch(&path, "merge-patch+json", &json!({"spec": {"replicas": 5}})).await.expect(200);
    assert_eq!(world.get(&format!("{WIDGETS}/a")).await.expect(200)["spec"]["size"]["n"], 5);
}

#[tokio::test]
async fn columns_and_selectable_fields_are_those_of_the_definition() {
    let mut definition = widgets(json!({"type": "object", "properties": {"color": {"type": "string"}}}));
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = json!([
        {"name": "Color", "type": "string", "jsonPath": ".spec.color", "description": "What it looks like."},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
    ]);
    definition["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    let world = world_of(definition).await;
    for (name, color) in [("a", "red"), ("b", "blue")] {
        world.post(WIDGETS, &widget(name, json!({"color": color}))).await.expect(201);
    }
    let table = world.get_as(WIDGETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await.expect(200);
    let names: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(names, ["Name", "Color", "Age"]);
    assert_eq!(table["columnDefinitions"][1]["description"], "What it looks like.");
    assert_eq!(table["rows"][0]["cells"][1], "red");
    let found = world.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).await.expect(200);
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["items"][0]["metadata"]["name"], "b");
    let message = world.get(&format!("{WIDGETS}?fieldSelector=spec.size%3D1")).await.message(400);
    assert_eq!(message, "field label not supported: spec.size");
}

#[tokio::test]
async fn apply_merges_by_the_schema_of_the_definition() {
    let world = world_of(widgets(json!({"type": "object", "properties": {
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
            "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "name": {"type": "string"}}}},
    }})))
    .await;
    let apply = async |manager: &str, spec: Value| {
        let path = format!("{WIDGETS}/a?fieldManager={manager}");
        world.send(Method::PATCH, &path, "application/apply-patch+yaml", widget("a", spec).to_string()).await
    };
    apply("one", json!({"ports": [{"port": 1, "name": "x"}]})).await.expect(201);
    let both = apply("two", json!({"ports": [{"port": 2}]})).await.expect(200);
    assert_eq!(both["spec"]["ports"], json!([{"port": 1, "name": "x"}, {"port": 2}]));
    let message = apply("two", json!({"ports": [{"port": 1, "name": "y"}]})).await.message(409);
    assert!(message.contains(".spec.ports[port=1].name"), "{message}");
}

#[tokio::test]
async fn cluster_scoped_kinds_stand_in_no_namespace() {
    let mut definition = widgets(json!({"type": "object"}));
    definition["spec"]["scope"] = json!("Cluster");
    let world = world_of(definition).await;
    world.post("/apis/example.com/v1/widgets", &widget("a", json!({}))).await.expect(201);
    world.get("/apis/example.com/v1/widgets/a").await.expect(200);
    world.get(WIDGETS).await.expect(404);
}
