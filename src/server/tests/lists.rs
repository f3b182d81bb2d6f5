//! Lists: selectors, pages of one snapshot, forms.

use serde_json::{Value, json};
use spur_store::Options;

use super::world::{CONFIG_MAPS, PODS, World, config_map, pod, world, world_with};

async fn filled(count: usize) -> World {
    let world = world().await;
    for idx in 0..count {
        let mut object = config_map(&format!("cm-{idx}"));
        object["metadata"]["labels"] = json!({"parity": if idx % 2 == 0 { "even" } else { "odd" }});
        world.post(CONFIG_MAPS, &object).await.expect(201);
    }
    world
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn selectors_choose() {
    let world = filled(4).await;
    let even = world.get(&format!("{CONFIG_MAPS}?labelSelector=parity%3Deven")).await.expect(200);
    assert_eq!(names(&even), ["cm-0", "cm-2"]);
    let one = world.get(&format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3Dcm-3")).await.expect(200);
    assert_eq!(names(&one), ["cm-3"]);
    let all = world.get("/api/v1/configmaps").await.expect(200);
    assert_eq!((all["kind"].as_str(), names(&all).len()), (Some("ConfigMapList"), 4));
    let message = world.get(&format!("{CONFIG_MAPS}?fieldSelector=spec.x%3D1")).await.message(400);
    assert_eq!(message, "field label not supported: spec.x");
    world.get(&format!("{CONFIG_MAPS}?labelSelector=a%20b")).await.expect(400);
}

#[tokio::test]
async fn pages_show_one_snapshot() {
    let world = filled(5).await;
    let first = world.get(&format!("{CONFIG_MAPS}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["cm-0", "cm-1"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    world.delete(&format!("{CONFIG_MAPS}/cm-2")).await.expect(200);
    world.post(CONFIG_MAPS, &config_map("cm-9")).await.expect(201);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = world.get(&format!("{CONFIG_MAPS}?limit=10&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["cm-2", "cm-3", "cm-4"], "as it was at the first page");
    assert_eq!(rest["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(rest["metadata"].get("continue"), None);
    world.get(&format!("{CONFIG_MAPS}?continue=nonsense")).await.expect(400);
}

/// ST-12: a continue token lives as long as the window, then it is a 410 with a token for now.
#[tokio::test]
async fn a_page_that_came_too_late_says_how_to_go_on() {
    let world = world_with(Options { window_max_changes: 3, ..Options::default() }).await;
    for idx in 0..5 {
        world.post(CONFIG_MAPS, &config_map(&format!("cm-{idx}"))).await.expect(201);
    }
    let first = world.get(&format!("{CONFIG_MAPS}?limit=2")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    for idx in 5..9 {
        world.post(CONFIG_MAPS, &config_map(&format!("cm-{idx}"))).await.expect(201);
    }
    let expired = world.get(&format!("{CONFIG_MAPS}?limit=20&continue={token}")).await.expect(410);
    assert_eq!(expired["reason"], "Expired");
    let token = expired["metadata"]["continue"].as_str().expect("a token for what is there now");
    let rest = world.get(&format!("{CONFIG_MAPS}?limit=20&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["cm-2", "cm-3", "cm-4", "cm-5", "cm-6", "cm-7", "cm-8"]);
    assert_eq!(rest["metadata"]["resourceVersion"], world.store.revision().to_string());
}

#[tokio::test]
async fn pages_with_a_selector_are_full() {
    let world = filled(6).await;
    let path = format!("{CONFIG_MAPS}?limit=2&labelSelector=parity%3Dodd");
    let first = world.get(&path).await.expect(200);
    assert_eq!(names(&first), ["cm-1", "cm-3"]);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = world.get(&format!("{path}&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["cm-5"]);
}

#[tokio::test]
async fn versions_that_make_no_sense_are_refused() {
    let world = filled(1).await;
    world.get(&format!("{CONFIG_MAPS}?resourceVersionMatch=Exact")).await.expect(422);
    world.get(&format!("{CONFIG_MAPS}?resourceVersion=0&resourceVersionMatch=Exact")).await.expect(422);
    world.get(&format!("{CONFIG_MAPS}?resourceVersion=abc")).await.expect(400);
    let exact =
        world.get(&format!("{CONFIG_MAPS}?resourceVersion=5&resourceVersionMatch=Exact")).await.expect(200);
    assert_eq!(names(&exact).len(), 0, "before the object was made");
}

#[tokio::test]
async fn a_version_of_the_future_times_out() {
    let world = filled(1).await;
    // Only now: while the clock is paused, waiting for the store's own thread takes no time.
    tokio::time::pause();
    let message = world.get(&format!("{CONFIG_MAPS}?resourceVersion=999")).await.message(504);
    assert!(message.starts_with("Too large resource version: 999, current: "), "{message}");
}

#[tokio::test]
async fn tables_have_columns_and_cells() {
    let world = filled(1).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = world.get_as(CONFIG_MAPS, accept).await.expect(200);
    assert_eq!(table["kind"], "Table");
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let texts =
        |field: &str| -> Vec<&str> { columns.iter().filter_map(|column| column[field].as_str()).collect() };
    assert_eq!(texts("name"), ["Name", "Data", "Age"]);
    assert!(texts("description")[0].starts_with("Name must be unique within a namespace. Is required when"));
    assert!(texts("description")[1].starts_with("Data contains the configuration data."));
    assert_eq!(table["rows"][0]["cells"][0], "cm-0");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let partial = world.get_as(CONFIG_MAPS, accept).await.expect(200);
    assert_eq!(partial["kind"], "PartialObjectMetadataList");
    assert_eq!(partial["items"][0].get("data"), None);
    world.get_as(CONFIG_MAPS, "text/html").await.expect(406);
}

#[tokio::test]
async fn logs_of_a_pod_that_has_not_started_say_so() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    let message = world.get(&format!("{PODS}/p/log")).await.message(400);
    assert_eq!(message, "container \"a\" in pod \"p\" is waiting to start: ContainerCreating");
    world.get(&format!("{PODS}/p/log?container=z")).await.expect(400);
    world.get(&format!("{PODS}/q/log")).await.expect(404);
}

#[tokio::test]
async fn a_part_of_a_log_that_cannot_be_is_refused_by_name() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    let check = async |query: &str, wanted: &str| {
        let message = world.get(&format!("{PODS}/p/log?{query}")).await.message(422);
        assert_eq!(message, format!("PodLogOptions \"p\" is invalid: {wanted}"));
    };
    check("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0").await;
    check("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0").await;
    check("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0").await;
    let both = "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z";
    check(both, "sinceSeconds: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified")
        .await;
    world.get(&format!("{PODS}/p/log?sinceTime=yesterday")).await.expect(400);
}

#[tokio::test]
async fn a_limit_of_zero_or_less_is_none() {
    let world = filled(3).await;
    for limit in ["0", "-1"] {
        let list = world.get(&format!("{CONFIG_MAPS}?limit={limit}")).await.expect(200);
        assert_eq!(list["items"].as_array().expect("items").len(), 3, "{limit}");
    }
    world.get(&format!("{CONFIG_MAPS}?limit=many")).await.expect(400);
}
