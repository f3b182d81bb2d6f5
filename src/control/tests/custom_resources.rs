//! Objects of custom kinds: collected, emptied with their namespace, gone with their definition.

use serde_json::{Value, json};

use super::world::{World, condition, config_map, namespace};

const PATH: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    })
}

fn widget(name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}})
}

fn owned_by(owner: &Value, mut object: Value) -> Value {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }]);
    object
}

#[tokio::test]
async fn what_a_custom_object_owns_goes_with_it_and_the_other_way_round() {
    let world = World::start().await;
    world.create(widgets()).await;
    let owner = world.create_at(PATH, widget("owner")).await;
    world.create(owned_by(&owner, config_map("owned"))).await;
    let map = world.create(config_map("map")).await;
    world.create_at(PATH, owned_by(&map, widget("owned"))).await;
    world.until_quiet().await;
    assert!(world.get("cm/owned").await.is_some(), "its owner is there");
    world.delete_at(&format!("{PATH}/owner")).await;
    world.until_gone("cm/owned").await;
    world.delete("cm/map", "Background").await;
    world.until_gone_at(&format!("{PATH}/owned")).await;
}

#[tokio::test]
async fn a_namespace_takes_its_custom_objects_with_it() {
    let world = World::start().await;
    world.create(widgets()).await;
    world.create(namespace("shop")).await;
    let path = PATH.replace("default", "shop");
    let mut held = widget("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create_at(&path, held).await;
    world.delete("ns/shop", "Background").await;
    world
        .until_is("ns/shop", "says what is left", |shop| {
            let message = condition(shop, "NamespaceContentRemaining")["message"].clone();
            message.as_str().is_some_and(|text| text.contains("widgets.example.com has 1 resource instances"))
        })
        .await;
    world.patch_at(&format!("{path}/held"), json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("ns/shop").await;
}

#[tokio::test]
async fn a_definition_takes_its_objects_with_it() {
    let world = World::start().await;
    world.create(widgets()).await;
    world.create_at(PATH, widget("a")).await;
    let mut held = widget("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create_at(PATH, held).await;
    world.delete("crd/widgets.example.com", "Background").await;
    world
        .until_is("crd/widgets.example.com", "says what is left", |definition| {
            let message = condition(definition, "Terminating")["message"].clone();
            message.as_str().is_some_and(|text| text.contains("1 objects are left"))
        })
        .await;
    world.patch_at(&format!("{PATH}/held"), json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("crd/widgets.example.com").await;
    world.until_gone_at(PATH).await;
    // The same names can be used again.
    world.create(widgets()).await;
    world.create_at(PATH, widget("a")).await;
}

#[tokio::test]
async fn bundled_definitions_are_collected_and_emptied_like_others() {
    let world = World::start().await;
    let route = |name: &str| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}], "fault": {"abort": {"httpStatus": 500}}}]}})
    };
    let path = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
    let map = world.create(config_map("map")).await;
    world.create_at(path, owned_by(&map, route("owned"))).await;
    let owner = world.create_at(path, route("owner")).await;
    world.create(owned_by(&owner, config_map("owned"))).await;
    world.until_quiet().await;
    world.delete("cm/map", "Background").await;
    world.until_gone_at(&format!("{path}/owned")).await;
    world.delete_at(&format!("{path}/owner")).await;
    world.until_gone("cm/owned").await;
    world.create(namespace("shop")).await;
    world.create_at(&path.replace("default", "shop"), route("a")).await;
    world.delete("ns/shop", "Background").await;
    world.until_gone("ns/shop").await;
    world.until_gone_at(&format!("{}/a", path.replace("default", "shop"))).await;
}
