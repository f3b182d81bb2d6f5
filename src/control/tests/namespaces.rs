//! Namespaces: emptied before they go, and never without what each is given.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{
    World, condition, config_map, deployment, is_deleting, is_ready, namespace, service, within,
};

#[tokio::test]
async fn every_namespace_has_its_service_account_and_gets_it_back() {
    let world = World::start().await;
    world.create(namespace("shop")).await;
    let first = world.until_is("sa/default@shop", "is there", |_| true).await;
    world.delete("sa/default@shop", "Background").await;
    let is_another = |account: &Value| account["metadata"]["uid"] != first["metadata"]["uid"];
    world.until_is("sa/default@shop", "is there again", is_another).await;
}

#[tokio::test]
async fn every_namespace_has_the_authoritys_certificate_and_it_stays_right() {
    let world = World::start().await;
    world.create(namespace("shop")).await;
    let is_right = |map: &Value| map["data"]["ca.crt"] == "the authority's certificate";
    let first = world.until_is("cm/kube-root-ca.crt@shop", "is there", is_right).await;
    let wrong = json!({"data": {"ca.crt": "somebody else's"}});
    world.patch("cm/kube-root-ca.crt@shop", wrong).await;
    let again = world.until_is("cm/kube-root-ca.crt@shop", "is right again", is_right).await;
    assert_eq!(again["metadata"]["uid"], first["metadata"]["uid"]);
    world.delete("cm/kube-root-ca.crt@shop", "Background").await;
    world.until_is("cm/kube-root-ca.crt@shop", "is there again", is_right).await;
}

#[tokio::test]
async fn a_namespace_goes_when_its_pods_have_ended() {
    let world = World::start().await;
    world.create(namespace("shop")).await;
    world.create(within("shop", deployment("web", 2))).await;
    world.create(within("shop", service("web", json!([{"port": 80}])))).await;
    world.create(within("shop", config_map("settings"))).await;
    world.until_count("pods@shop", "web", 2, is_ready).await;
    world.runtime.hold();
    world.delete("ns/shop", "Background").await;
    world.until_count("pods@shop", "web", 2, is_deleting).await;
    let waits = |shop: &Value| {
        let remaining = condition(shop, "NamespaceContentRemaining");
        remaining["status"] == "True"
            && remaining["message"].as_str().is_some_and(|text| text.contains("pods"))
    };
    let shop = world.until_is("ns/shop", "says what is left", waits).await;
    assert_eq!(shop["status"]["phase"], "Terminating");
    assert!(world.get("cm/settings@shop").await.is_none(), "the rest is gone already");
    world.runtime.let_go();
    world.until_gone("ns/shop").await;
    assert!(world.list("pods@shop").await.is_empty());
    assert!(world.list("deployments@shop").await.is_empty());
}

#[tokio::test]
async fn a_hanging_finalizer_keeps_the_namespace_which_says_which() {
    let world = World::start().await;
    world.create(namespace("shop")).await;
    let mut held = within("shop", config_map("held"));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(held).await;
    world.delete("ns/shop", "Background").await;
    let tells = |shop: &Value| {
        let message = condition(shop, "NamespaceFinalizersRemaining")["message"].clone();
        message.as_str().is_some_and(|text| text.contains("example.com/hold in 1 resource instances"))
    };
    let shop = world.until_is("ns/shop", "names the finalizer", tells).await;
    let message = condition(&shop, "NamespaceContentRemaining")["message"].clone();
    assert!(message.as_str().is_some_and(|text| text.contains("configmaps")), "{message}");
    let refused = world.try_create(within("shop", config_map("late"))).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    world.until_quiet().await;
    world.patch("cm/held@shop", json!({"metadata": {"finalizers": null}})).await;
    world.until_gone("ns/shop").await;
}

#[tokio::test]
async fn a_namespace_can_be_made_again_after_its_deletion() {
    let world = World::start().await;
    for _ in 0..2 {
        world.create(namespace("shop")).await;
        world.create(within("shop", deployment("web", 1))).await;
        world.until_count("pods@shop", "web", 1, is_ready).await;
        world.delete("ns/shop", "Background").await;
        world.until_gone("ns/shop").await;
    }
}

#[tokio::test]
async fn the_last_pod_that_ends_wakes_its_namespace_however_long_that_took() {
    let world = World::start().await;
    world.create(namespace("shop")).await;
    world.create(within("shop", deployment("web", 1))).await;
    world.until_count("pods@shop", "web", 1, is_ready).await;
    world.runtime.hold();
    world.delete("ns/shop", "Background").await;
    world.until_count("pods@shop", "web", 1, is_deleting).await;
    world.until_quiet().await;
    world.runtime.let_go();
    let ended = tokio::time::Instant::now();
    world.until_gone("ns/shop").await;
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
}
