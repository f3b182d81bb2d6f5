//! A write that is meant for an object whose name another one has by now.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{from_value, json};

use super::world::{World, config_map};
use crate::run::is_of_another;

#[tokio::test]
async fn every_verb_tells_that_the_name_is_anothers_by_now() {
    let world = World::server().await;
    world.create(config_map("a")).await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), "default");
    let earlier = "5d1f5f0c-0000-4000-8000-000000000000";
    let patch = Patch::Merge(json!({"metadata": {"uid": earlier}, "data": {"b": "c"}}));
    let mut object = config_map("a");
    object["metadata"]["uid"] = json!(earlier);
    let object: ConfigMap = from_value(object).expect("a ConfigMap");
    let only_that = Preconditions { uid: Some(earlier.to_owned()), resource_version: None };
    let refused = [
        maps.patch("a", &PatchParams::default(), &patch).await.map(drop),
        maps.replace("a", &PostParams::default(), &object).await.map(drop),
        maps.delete("a", &DeleteParams::default().preconditions(only_that)).await.map(drop),
    ];
    for (idx, outcome) in refused.into_iter().enumerate() {
        match outcome.expect_err("the uid is another's") {
            kube::Error::Api(status) => assert!(is_of_another(&status), "{idx}: {status:?}"),
            error => panic!("{idx}: {error}"),
        }
    }
    let other = json!({"metadata": {"resourceVersion": "1"}, "data": {"b": "c"}});
    let stale = maps.patch("a", &PatchParams::default(), &Patch::Merge(other)).await;
    let Err(kube::Error::Api(stale)) = stale else { panic!("an old version is refused") };
    assert!(!is_of_another(&stale), "an older state of the same object: {stale:?}");
}
