//! Events: told once, counted when repeated.

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::{Value, json};
use spur_api::Status;

use super::world::{World, config_map, deployment, within};
use crate::events::{EventType, Events};

async fn told(world: &World, reason: &str) -> Vec<Value> {
    world.list("events").await.into_iter().filter(|event| event["reason"] == reason).collect()
}

fn about(object: &Value) -> ObjectReference {
    let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
    ObjectReference {
        kind: object["kind"].as_str().map(str::to_owned),
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        ..ObjectReference::default()
    }
}

#[tokio::test]
async fn a_repeated_event_is_counted() {
    let world = World::server().await;
    let object = about(&world.create(config_map("a")).await);
    let events = Events::new(world.client.clone());
    for _ in 0..3 {
        events.record(&object, EventType::Warning, "Odd", "it is odd").await;
    }
    events.record(&object, EventType::Warning, "Odd", "it is very odd").await;
    let mut counts: Vec<(Value, Value)> = told(&world, "Odd")
        .await
        .into_iter()
        .map(|mut event| (event["message"].take(), event["count"].take()))
        .collect();
    counts.sort_by_key(|(message, _)| message.to_string());
    assert_eq!(counts, [(json!("it is odd"), json!(3)), (json!("it is very odd"), json!(1))]);
}

#[tokio::test]
async fn events_told_at_the_same_time_are_one_and_all_are_counted() {
    let world = World::server().await;
    let object = about(&world.create(config_map("a")).await);
    let events = Events::new(world.client.clone());
    let telling = (0..20).map(|_| events.record(&object, EventType::Normal, "Busy", "at once"));
    futures::future::join_all(telling).await;
    let found = told(&world, "Busy").await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["count"], 20);
}

#[tokio::test]
async fn an_event_goes_on_counting_after_a_restart_and_begins_anew_when_deleted() {
    let world = World::server().await;
    let object = about(&world.create(config_map("a")).await);
    for _ in 0..2 {
        Events::new(world.client.clone()).record(&object, EventType::Normal, "Again", "as before").await;
    }
    let found = told(&world, "Again").await;
    assert_eq!((found.len(), &found[0]["count"]), (1, &json!(2)));
    let name = found[0]["metadata"]["name"].as_str().expect("a name");
    world.delete(&format!("events/{name}"), "Background").await;
    Events::new(world.client.clone()).record(&object, EventType::Normal, "Again", "as before").await;
    assert_eq!(told(&world, "Again").await[0]["count"], 1);
}

#[tokio::test]
async fn an_object_with_the_longest_name_can_be_told_of() {
    let world = World::server().await;
    let object = about(&world.create(config_map(&"n".repeat(253))).await);
    Events::new(world.client.clone()).record(&object, EventType::Normal, "Long", "a long name").await;
    assert_eq!(told(&world, "Long").await.len(), 1);
}

#[tokio::test]
async fn telling_of_what_is_in_a_namespace_that_is_gone_does_no_harm() {
    let world = World::server().await;
    let object = about(&within("nowhere", config_map("a")));
    Events::new(world.client.clone()).record(&object, EventType::Normal, "Lost", "nobody hears it").await;
    assert!(told(&world, "Lost").await.is_empty());
}

#[tokio::test]
async fn a_failure_that_goes_on_is_one_event_and_is_tried_ever_less_often() {
    let world = World::start().await;
    world.fail(usize::MAX, http::Method::POST, "/pods", Status::forbidden("", "pods", "", "exceeded quota"));
    world.create(deployment("web", 1)).await;
    let counted = async || {
        let found = told(&world, "FailedCreate").await;
        let count = found.iter().filter_map(|event| event["count"].as_i64()).max().unwrap_or(0);
        if count >= 4 { Ok(found) } else { Err(format!("{count} tries")) }
    };
    let found = world.until("the fourth try is told", counted).await;
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[tokio::test]
async fn events_older_than_an_hour_are_swept_and_others_stay() {
    let world = World::server().await;
    let event = |name: &str, last: &str| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": "R",
            "involvedObject": {"kind": "ConfigMap", "name": "a", "namespace": "default"}, "lastTimestamp": last,
        })
    };
    let now = jiff::Timestamp::now();
    let ago = |minutes: i64| {
        (now - jiff::SignedDuration::from_mins(minutes)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    world.create(event("old", &ago(61))).await;
    world.create(event("young", &ago(59))).await;
    Events::new(world.client.clone()).sweep_once().await.expect("it sweeps");
    assert!(world.get("events/old").await.is_none());
    assert!(world.get("events/young").await.is_some());
}
