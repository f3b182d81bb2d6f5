//! Objects whose stored bytes are damaged: named, left out, and got rid of.

use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use spur_store::{Options, Store};

use super::world::{CONFIG_MAPS, World, config_map, over, world};

/// Unlike any other bytes in the file.
const MARK: &str = "these bytes are going to be damaged";

/// Three ConfigMaps, the second of which is damaged on the disk.
async fn damaged(directory: &Path) -> World {
    let directory = &directory.join("data");
    // No log, so that the value is in the file once.
    let options = Options { window_max_changes: 0, ..Options::default() };
    let world = over(Arc::new(Store::open(directory, options).expect("a new store"))).await;
    for name in ["a", "b", "c"] {
        let mut object = config_map(name);
        object["metadata"]["labels"] = json!({"name": name});
        if name == "b" {
            object["data"]["k"] = json!(MARK);
        }
        world.post(CONFIG_MAPS, &object).await.expect(201);
    }
    world.store.close();
    drop(world);
    let file = directory.join("store.redb");
    let mut bytes = std::fs::read(&file).expect("the database");
    let mark = MARK.as_bytes();
    let places: Vec<usize> =
        (0..bytes.len() - mark.len()).filter(|at| bytes[*at..].starts_with(mark)).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place] ^= 0x40;
    }
    std::fs::write(&file, bytes).expect("the database can be written");
    over(Arc::new(Store::open(directory, Options::default()).expect("the store opens"))).await
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}

/// ST-5: a 500 with its name, and a list of the others with a warning.
#[tokio::test]
async fn a_damaged_object_is_named_and_the_others_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = damaged(directory.path()).await;
    let path = format!("{CONFIG_MAPS}/b");
    let failed = world.get(&path).await.expect(500);
    assert_eq!(failed["reason"], "StorageCorrupt");
    let message = failed["message"].as_str().expect("a message");
    assert!(message.contains("configmaps/default/b") && message.contains("hint: delete"), "{message}");
    world.put(&path, &config_map("b")).await.expect(500);
    world.post(CONFIG_MAPS, &config_map("b")).await.expect(500);
    world.patch(&path, "merge-patch+json", &json!({})).await.expect(500);
    let list = world.get(&format!("{CONFIG_MAPS}?limit=2")).await;
    assert!(list.headers["warning"].to_str().expect("text").contains("1 object is left out"));
    assert_eq!(names(&list.expect(200)), ["a", "c"]);
}

#[tokio::test]
async fn a_damaged_object_can_be_deleted_and_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = damaged(directory.path()).await;
    let path = format!("{CONFIG_MAPS}/b");
    let mut events = world.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    assert_eq!((events.next().await, events.next().await), ("ADDED a".to_owned(), "ADDED c".to_owned()));
    world.delete(&format!("{path}?dryRun=All")).await.expect(200);
    world.get(&path).await.expect(500);
    let precondition = json!({"preconditions": {"uid": "x"}}).to_string();
    world.send(Method::DELETE, &path, "application/json", precondition).await.expect(500);
    let gone = world.delete(&path).await.expect(200);
    assert_eq!((&gone["status"], &gone["details"]["name"]), (&json!("Success"), &json!("b")));
    let stand_in = events.next_raw().await.expect("an event");
    assert!(stand_in["object"]["metadata"]["deletionTimestamp"].is_string(), "{stand_in}");
    assert_eq!(events.next().await, "DELETED b");
    world.get(&path).await.expect(404);
    world.post(CONFIG_MAPS, &config_map("b")).await.expect(201);
}

#[tokio::test]
async fn many_who_delete_a_damaged_object_never_delete_the_one_made_after_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = Arc::new(damaged(directory.path()).await);
    let path = format!("{CONFIG_MAPS}/b");
    let deletes = (0..8).map(|_| world.delete(&path));
    let codes: Vec<u16> =
        futures::future::join_all(deletes).await.iter().map(|reply| reply.code.as_u16()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 404).count(), 7, "{codes:?}");
}

#[tokio::test]
async fn a_collection_is_deleted_with_what_is_damaged_in_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = damaged(directory.path()).await;
    // Whether a damaged object matches a selector cannot be known.
    world.delete(&format!("{CONFIG_MAPS}?labelSelector=name")).await.expect(200);
    world.get(&format!("{CONFIG_MAPS}/b")).await.expect(500);
    world.delete(CONFIG_MAPS).await.expect(200);
    world.get(&format!("{CONFIG_MAPS}/b")).await.expect(404);
}

#[tokio::test]
async fn a_value_that_is_no_object_hides_nothing_else() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let key = spur_store::Key::namespaced("configmaps", "default", "b");
    let garbage = bytes::Bytes::from_static(b"no JSON");
    world.store.put(key, spur_store::Expect::Any, garbage).await.expect("it is stored");
    world.post(CONFIG_MAPS, &config_map("c")).await.expect(201);
    let first = world.get(&format!("{CONFIG_MAPS}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["a"]);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let rest = world.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["c"]);
    assert_eq!(world.get(&format!("{CONFIG_MAPS}/b")).await.expect(500)["reason"], "StorageCorrupt");
    world.delete(&format!("{CONFIG_MAPS}/b")).await.expect(200);
}
