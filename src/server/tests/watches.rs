//! Watches: what is there, then every change, in order, without a gap.

use serde_json::json;
use spur_store::Options;

use super::world::{CONFIG_MAPS, config_map, world, world_with};

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_follows() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    assert_eq!(events.next().await, "ADDED a");
    world.post(CONFIG_MAPS, &config_map("b")).await.expect(201);
    world
        .patch(&format!("{CONFIG_MAPS}/a"), "merge-patch+json", &json!({"data": {"k": "2"}}))
        .await
        .expect(200);
    world.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    assert_eq!(events.next().await, "ADDED b");
    assert_eq!(events.next().await, "MODIFIED a");
    assert_eq!(events.next().await, "DELETED a");
}

#[tokio::test]
async fn a_watch_from_a_version_gives_only_what_came_after() {
    let world = world().await;
    let a = world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    world.post(CONFIG_MAPS, &config_map("b")).await.expect(201);
    let version = a["metadata"]["resourceVersion"].as_str().expect("a version");
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}")).await;
    assert_eq!(events.next().await, "ADDED b");
}

#[tokio::test]
async fn an_object_that_enters_or_leaves_the_selection_is_added_or_deleted() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=x%3D1")).await;
    let label = async |value| {
        let patch = json!({"metadata": {"labels": {"x": value}}});
        world.patch(&format!("{CONFIG_MAPS}/a"), "merge-patch+json", &patch).await.expect(200);
    };
    label("1").await;
    label("2").await;
    assert_eq!(events.next().await, "ADDED a");
    let gone = events.next_raw().await.expect("an event");
    assert_eq!((&gone["type"], &gone["object"]["metadata"]["labels"]["x"]), (&json!("DELETED"), &json!("1")));
    let now = world.get(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    assert_eq!(gone["object"]["metadata"]["resourceVersion"], now["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark_even_when_there_are_none() {
    let world = world().await;
    let query =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = world.watch(&format!("{CONFIG_MAPS}?{query}")).await;
    let event = events.next_raw().await.expect("a bookmark");
    assert_eq!(event["type"], "BOOKMARK");
    assert_eq!(event["object"]["kind"], "ConfigMap");
    assert_eq!(event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    world.get(&format!("{CONFIG_MAPS}?watch=true&sendInitialEvents=true")).await.expect(422);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_at_its_timeout_with_a_last_bookmark() {
    let world = world().await;
    let mut events =
        world.watch(&format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=2&allowWatchBookmarks=true")).await;
    assert_eq!(events.next_raw().await.expect("a bookmark")["type"], "BOOKMARK");
    assert_eq!(events.next_raw().await, None);
}

/// ST-15: 410, and nothing that came after the gap.
#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_to_list_again() {
    let world = world_with(Options { window_max_changes: 3, ..Options::default() }).await;
    for idx in 0..8 {
        world.post(CONFIG_MAPS, &config_map(&format!("cm-{idx}"))).await.expect(201);
    }
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion=1")).await;
    let event = events.next_raw().await.expect("an error");
    assert_eq!((event["type"].as_str(), event["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
    assert_eq!(events.next_raw().await, None);
}

/// An event is a line, however whole objects are written.
#[tokio::test]
async fn the_one_event_of_a_forgotten_version_is_a_line_of_json() {
    let world = world_with(Options { window_max_changes: 3, ..Options::default() }).await;
    for idx in 0..8 {
        world.post(CONFIG_MAPS, &config_map(&format!("cm-{idx}"))).await.expect(201);
    }
    let path = format!("{CONFIG_MAPS}?watch=true&resourceVersion=1");
    let mut events = world.watch(&format!("{path}&pretty=true")).await;
    assert_eq!(events.next_raw().await.expect("an error")["object"]["code"], 410);
    let as_yaml = world.get_as(&path, "application/yaml, */*").await;
    assert_eq!(as_yaml.headers["content-type"], "application/json");
    assert_eq!(as_yaml.expect(200)["object"]["code"], 410);
}

/// ST-15: also in the middle of a watch.
#[tokio::test]
async fn a_reader_that_falls_behind_is_cut_and_not_waited_for() {
    let world = world_with(Options { window_max_changes: 3, ..Options::default() }).await;
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    for idx in 0..20 {
        world.post(CONFIG_MAPS, &config_map(&format!("cm-{idx}"))).await.expect(201);
    }
    let mut last = None;
    while let Some(event) = events.next_raw().await {
        last = Some(event);
    }
    assert_eq!(last.expect("an event")["object"]["reason"], "Expired");
}

#[tokio::test]
async fn tables_are_watched_row_by_row() {
    let world = world().await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = http::Request::builder()
        .uri(format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=1"))
        .header("accept", accept)
        .body(axum::body::Body::empty())
        .expect("a request");
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    world.post(CONFIG_MAPS, &config_map("b")).await.expect(201);
    let reply = world.call(request).await.expect(200);
    let lines: Vec<serde_json::Value> = reply
        .as_str()
        .expect("two lines are no JSON document")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(lines[0]["object"]["rows"][0]["cells"][0], "a");
    assert!(lines[0]["object"]["columnDefinitions"].is_array());
    assert!(lines[1]["object"]["columnDefinitions"].is_null(), "columns come once");
}

#[tokio::test]
async fn the_end_of_the_initial_events_is_marked_in_every_form() {
    let world = world().await;
    let query =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for include in ["None", "Metadata", "Object"] {
        let request = http::Request::builder()
            .uri(format!("{CONFIG_MAPS}?{query}&timeoutSeconds=1&includeObject={include}"))
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(axum::body::Body::empty())
            .expect("a request");
        let reply = world.call(request).await.expect(200);
        let line = reply.as_str().expect("lines").lines().next().expect("a bookmark").to_owned();
        assert!(line.contains("BOOKMARK") && line.contains("k8s.io/initial-events-end"), "{include}: {line}");
    }
}

#[tokio::test]
async fn a_timeout_of_zero_is_no_timeout() {
    let world = world().await;
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=0")).await;
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(200), events.next_raw()).await;
    assert!(quiet.is_err(), "the watch goes on: {quiet:?}");
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    assert_eq!(events.next().await, "ADDED a");
}
