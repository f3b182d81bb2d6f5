//! The server as kube-rs sees it: typed objects, informers, finalizers, applies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::finalizer::{Event as Finalized, finalizer};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use spur_store::Options;

use super::world::{CONFIG_MAPS, config_map, pod, world, world_with};

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(10);

fn typed(name: &str, value: &str) -> ConfigMap {
    let mut object = config_map(name);
    object["data"]["k"] = json!(value);
    serde_json::from_value(object).expect("a ConfigMap")
}

#[tokio::test]
async fn typed_objects_go_round() {
    let world = world().await;
    let api: Api<ConfigMap> = Api::default_namespaced(world.client());
    let made = api.create(&PostParams::default(), &typed("a", "1")).await.expect("created");
    let mut changed = made.clone();
    changed.data = Some(BTreeMap::from([("k".to_owned(), "2".to_owned())]));
    api.replace("a", &PostParams::default(), &changed).await.expect("replaced");
    let stale = api.replace("a", &PostParams::default(), &made).await.expect_err("stale");
    assert!(matches!(stale, kube::Error::Api(status) if status.is_conflict()));
    let entry = api.entry("b").await.expect("an entry").or_insert(|| typed("b", "1"));
    entry.into_object();
    assert_eq!(api.list(&ListParams::default()).await.expect("a list").items.len(), 1);
    let gone = api.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(gone.right().is_some_and(|status| status.is_success()));
    let pods: Api<Pod> = Api::default_namespaced(world.client());
    let pod: Pod = serde_json::from_value(pod("p")).expect("a Pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    let gone = pods.delete("p", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    assert_eq!(gone.left().map(|pod| pod.name_any()).as_deref(), Some("p"));
}

#[tokio::test]
async fn an_apply_that_takes_anothers_field_is_a_conflict() {
    let world = world().await;
    let api: Api<ConfigMap> = Api::default_namespaced(world.client());
    let apply = async |manager: &str, value: &str| {
        let params = PatchParams::apply(manager);
        let mut object = config_map("a");
        object["data"]["k"] = json!(value);
        api.patch("a", &params, &Patch::Apply(object)).await
    };
    apply("one", "1").await.expect("made");
    apply("two", "1").await.expect("shared");
    let conflict = apply("two", "2").await.expect_err("one owns it too");
    assert!(matches!(conflict, kube::Error::Api(status) if status.code == 409));
}

#[tokio::test]
async fn informers_of_both_kinds_see_the_state_and_then_each_change() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    for config in [Config::default(), Config::default().streaming_lists(), Config::default().page_size(1)] {
        let api: Api<ConfigMap> = Api::default_namespaced(world.client());
        let (reader, writer) = reflector::store();
        let changes = watcher(api, config).reflect(writer).touched_objects();
        let mut changes = std::pin::pin!(changes);
        let mut next = async || {
            let next = tokio::time::timeout(DEADLINE, changes.try_next()).await.expect("news in time");
            next.expect("no error").expect("a change").name_any()
        };
        assert_eq!(next().await, "a");
        world.post(CONFIG_MAPS, &config_map("b")).await.expect(201);
        assert_eq!(next().await, "b");
        assert_eq!(reader.state().len(), 2);
        world.delete(&format!("{CONFIG_MAPS}/b")).await.expect(200);
        assert_eq!(next().await, "b");
        assert_eq!(reader.state().len(), 1);
    }
}

#[tokio::test]
async fn an_informer_that_fell_behind_lists_again() {
    let world = world_with(Options { window_max_changes: 3, ..Options::default() }).await;
    let api: Api<ConfigMap> = Api::default_namespaced(world.client());
    let mut events = std::pin::pin!(watcher(api, Config::default()));
    let mut seen = BTreeSet::new();
    let mut n_lists = 0;
    while n_lists < 2 {
        let event = tokio::time::timeout(DEADLINE, events.next()).await.expect("news in time");
        match event.expect("a watcher never ends") {
            Ok(Event::InitDone) => {
                n_lists += 1;
                for idx in 0..20 {
                    let name = format!("cm-{n_lists}-{idx}");
                    world.post(CONFIG_MAPS, &config_map(&name)).await.expect(201);
                }
            }
            Ok(Event::Apply(object) | Event::InitApply(object)) => drop(seen.insert(object.name_any())),
            // The watch ends with 410, whereupon the informer lists.
            Ok(Event::Init | Event::Delete(_)) | Err(_) => {}
        }
    }
    assert_eq!(seen.len(), 20);
}

#[tokio::test]
async fn a_watch_is_ended_by_its_timeout_and_goes_on_from_its_bookmark() {
    let world = world().await;
    let api: Api<ConfigMap> = Api::default_namespaced(world.client());
    let mut events = api.watch(&WatchParams::default().timeout(1), "0").await.expect("a watch").boxed();
    let mut bookmark = None;
    while let Some(event) = events.try_next().await.expect("no error") {
        if let WatchEvent::Bookmark(found) = event {
            bookmark = Some(found.metadata.resource_version);
        }
    }
    assert_eq!(bookmark, Some(world.store.revision().to_string()));
}

#[tokio::test]
async fn the_finalizer_helper_holds_an_object_until_it_is_done() {
    let world = world().await;
    let api: Api<ConfigMap> = Api::default_namespaced(world.client());
    api.create(&PostParams::default(), &typed("a", "1")).await.expect("created");
    let step = async || {
        let object = Arc::new(api.get("a").await.expect("it is there"));
        let done = finalizer(&api, "spur.dev/test", object, |event| async move {
            Ok::<_, std::io::Error>(match event {
                Finalized::Apply(_) | Finalized::Cleanup(_) => {
                    kube::runtime::controller::Action::await_change()
                }
            })
        });
        done.await.expect("a step");
    };
    step().await;
    assert_eq!(api.get("a").await.expect("held").finalizers(), ["spur.dev/test"]);
    api.delete("a", &DeleteParams::default()).await.expect("deletion asked for");
    step().await;
    assert!(api.get_opt("a").await.expect("an answer").is_none());
}
