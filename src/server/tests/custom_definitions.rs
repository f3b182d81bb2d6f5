//! CustomResourceDefinitions: what is refused, and what is served at once.

use serde_json::{Value, json};

use super::world::{DEFINITIONS, WIDGETS, over, widget, widgets, world};

const MERGE: &str = "merge-patch+json";

fn condition(definition: &Value, type_: &str) -> String {
    let all = definition["status"]["conditions"].as_array().expect("conditions");
    let found = all.iter().find(|condition| condition["type"] == type_).expect("the condition");
    format!("{} {}", found["status"].as_str().unwrap_or("?"), found["reason"].as_str().unwrap_or("?"))
}

#[tokio::test]
async fn a_definition_is_established_and_served_with_its_answer() {
    let world = world().await;
    world.get(WIDGETS).await.expect(404);
    let created = world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    assert_eq!(condition(&created, "NamesAccepted"), "True NoConflicts");
    assert_eq!(condition(&created, "Established"), "True InitialNamesAccepted");
    assert_eq!(created["status"]["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(created["status"]["acceptedNames"]["singular"], "widget");
    assert_eq!(created["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(created["spec"]["conversion"], json!({"strategy": "None"}));
    let list = world.get(WIDGETS).await.expect(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("WidgetList"), &json!("example.com/v1")));
    let legacy = world.get("/apis/example.com/v1").await.expect(200);
    assert_eq!(legacy["resources"][0]["shortNames"], json!(["wd"]));
    assert_eq!(legacy["resources"][1]["name"], "widgets/status");
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let groups = world.get_as("/apis", accept).await.expect(200);
    let group = groups["items"]
        .as_array()
        .expect("groups")
        .iter()
        .find(|group| group["metadata"]["name"] == "example.com");
    assert_eq!(group.expect("the group")["versions"][0]["resources"][0]["categories"], json!(["all"]));
    let index = world.get("/openapi/v3").await.expect(200);
    let url = index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().expect("a url").to_owned();
    let document = world.get(&url).await.expect(200);
    assert!(document["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"].is_object());
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_none());
    assert_eq!(patch["operationId"], "patchExampleComV1NamespacedWidget");
    let list = &document["components"]["schemas"]["com.example.v1.WidgetList"];
    assert_eq!(list["properties"]["items"]["items"]["$ref"], "#/components/schemas/com.example.v1.Widget");
    let mut changed = widgets(json!({"type": "object", "description": "new"}));
    changed["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
    world.put(&format!("{DEFINITIONS}/widgets.example.com"), &changed).await.expect(200);
    let index = world.get("/openapi/v3").await.expect(200);
    let new_url = &index["paths"]["apis/example.com/v1"]["serverRelativeURL"];
    assert_ne!(*new_url, url, "a new schema has a new hash");
    let moved = world.get(&url).await;
    assert_eq!(moved.code, 301);
    assert_eq!(moved.headers["location"], new_url.as_str().expect("a url"));
}

#[tokio::test]
async fn a_version_that_is_defined_has_an_api_service_as_long_as_it_is() {
    const SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com";
    let world = world().await;
    world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    let service = world.get(SERVICE).await.expect(200);
    assert_eq!(service["spec"]["groupPriorityMinimum"], 1000);
    assert_eq!(service["status"]["conditions"][0]["reason"], "Local");
    let definition = format!("{DEFINITIONS}/widgets.example.com");
    world.delete(SERVICE).await.expect(200);
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    world.patch(&definition, MERGE, &label).await.expect(200);
    world.get(SERVICE).await.expect(200);
    world.delete(&definition).await.expect(200);
    world.patch(&definition, MERGE, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    world.get(SERVICE).await.expect(404);
}

#[tokio::test]
async fn an_api_service_that_a_user_keeps_outlives_its_definition() {
    const SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com";
    let world = world().await;
    world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    let label = json!({"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": null}}});
    world.patch(SERVICE, MERGE, &label).await.expect(200);
    let definition = format!("{DEFINITIONS}/widgets.example.com");
    world.delete(&definition).await.expect(200);
    world.patch(&definition, MERGE, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    world.get(SERVICE).await.expect(200);
}

#[tokio::test]
async fn what_was_defined_is_served_after_a_restart() {
    let first = world().await;
    first.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    first.post(WIDGETS, &widget("a", json!({}))).await.expect(201);
    let second = over(first.store.clone()).await;
    assert_eq!(second.get(&format!("{WIDGETS}/a")).await.expect(200)["metadata"]["name"], "a");
}

#[tokio::test]
async fn schemas_that_are_not_structural_are_refused() {
    let world = world().await;
    let refused = async |spec: Value| world.post(DEFINITIONS, &widgets(spec)).await.message(422);
    let at = "spec.versions[0].schema.openAPIV3Schema.properties[spec]";
    let message = refused(json!({"properties": {}})).await;
    let wanted = format!("{at}.type: Required value: must not be empty for specified object fields");
    assert_eq!(
        message,
        format!("CustomResourceDefinition.apiextensions.k8s.io \"widgets.example.com\" is invalid: {wanted}")
    );
    let rule = json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.nothing"}]});
    let message = refused(rule).await;
    assert!(message.contains(&format!("{at}.x-kubernetes-validations[0].rule: Invalid value:")), "{message}");
    assert!(
        message.contains("compilation failed: ERROR: <input>:1:5: undefined field 'nothing'"),
        "{message}"
    );
    let strict = world
        .post(
            &format!("{DEFINITIONS}?fieldValidation=Strict"),
            &widgets(json!({"type": "object", "typ": "x"})),
        )
        .await;
    assert!(strict.message(400).contains("unknown field"));
    world.get(WIDGETS).await.expect(404);
}

#[tokio::test]
async fn names_that_are_taken_wait_until_they_are_free() {
    let world = world().await;
    world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    let mut second = widgets(json!({"type": "object"}));
    second["metadata"]["name"] = json!("gadgets.example.com");
    second["spec"]["names"] = json!({"plural": "gadgets", "kind": "Widget"});
    let created = world.post(DEFINITIONS, &second).await.expect(201);
    assert_eq!(condition(&created, "NamesAccepted"), "False ListKindConflict");
    assert_eq!(condition(&created, "Established"), "False NotAccepted");
    let path = "/apis/example.com/v1/namespaces/default/gadgets";
    world.get(path).await.expect(404);
    let first = format!("{DEFINITIONS}/widgets.example.com");
    world.delete(&first).await.expect(200);
    world.patch(&first, MERGE, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    world.get(WIDGETS).await.expect(404);
    let now = world.get(&format!("{DEFINITIONS}/gadgets.example.com")).await.expect(200);
    assert_eq!(condition(&now, "Established"), "True InitialNamesAccepted");
    world.get(path).await.expect(200);
}

#[tokio::test]
async fn a_deleted_definition_waits_for_its_objects_and_takes_no_new_ones() {
    let world = world().await;
    world.post(DEFINITIONS, &widgets(json!({"type": "object"}))).await.expect(201);
    world.post(WIDGETS, &widget("a", json!({}))).await.expect(201);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let going = world.delete(&path).await.expect(200);
    assert_eq!(going["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(condition(&going, "Terminating"), "True InstanceDeletionPending");
    let message = world.post(WIDGETS, &widget("b", json!({}))).await.message(405);
    assert_eq!(message, "create not allowed while custom resource definition is terminating");
    world.get(&format!("{WIDGETS}/a")).await.expect(200);
    let mut watch = world.watch(&format!("{WIDGETS}?watch=true")).await;
    assert_eq!(watch.next().await, "ADDED a");
    world.delete(&format!("{WIDGETS}/a")).await.expect(200);
    world.patch(&path, MERGE, &json!({"metadata": {"finalizers": []}})).await.expect(200);
    assert_eq!(watch.next().await, "DELETED a");
    assert!(watch.next_raw().await.is_none(), "the watch ends with its kind");
    world.get(&path).await.expect(404);
    world.get(WIDGETS).await.expect(404);
}

#[tokio::test]
async fn a_definition_may_take_the_place_of_a_bundled_one_that_only_follows_its_schema() {
    let world = world().await;
    let mut sandboxes = widgets(json!({"type": "object", "properties": {"mine": {"type": "string"}}}));
    sandboxes["metadata"]["name"] = json!("sandboxes.spur.dev");
    sandboxes["spec"]["group"] = json!("spur.dev");
    sandboxes["spec"]["names"] = json!({"plural": "sandboxes", "kind": "Sandbox"});
    world.post(DEFINITIONS, &sandboxes).await.expect(201);
    let path = "/apis/spur.dev/v1/namespaces/default/sandboxes";
    let mine = json!({"apiVersion": "spur.dev/v1", "kind": "Sandbox", "metadata": {"name": "a"}, "spec": {"mine": "x"}});
    assert_eq!(world.post(path, &mine).await.expect(201)["spec"]["mine"], "x");
    world.get("/apis/spur.dev/v1alpha1/namespaces/default/sandboxes").await.expect(404);
}
