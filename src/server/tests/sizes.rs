//! ST-13: how large things may be, and what is said of larger ones.

use http::Method;
use serde_json::{Value, json};

use super::world::{CONFIG_MAPS, DEFINITIONS, WIDGETS, World, config_map, widget, widgets, world};

/// kube-apiserver's `MaxRequestBodyBytes`.
const BODY_MAX: usize = 3 << 20;

async fn with_widgets() -> World {
    let world = world().await;
    let spec = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    world.post(DEFINITIONS, &widgets(spec)).await.expect(201);
    world
}

/// A widget whose body has this many bytes.
fn of_size(name: &str, bytes: usize) -> String {
    let empty = widget(name, json!({"text": ""})).to_string().len();
    let body = widget(name, json!({"text": "x".repeat(bytes - empty)})).to_string();
    assert_eq!(body.len(), bytes);
    body
}

fn length(object: &Value) -> usize {
    object["spec"]["text"].as_str().expect("a text").len()
}

/// ST-13: what etcd's and the API server's usual limits let through is stored and read back.
#[tokio::test]
async fn st_13_an_object_of_a_few_mib_is_kept() {
    let world = with_widgets().await;
    for (name, bytes) in [("etcd", 3 << 19), ("large", BODY_MAX - 4_096)] {
        world.send(Method::POST, WIDGETS, "application/json", of_size(name, bytes)).await.expect(201);
        let read = world.get(&format!("{WIDGETS}/{name}")).await.expect(200);
        assert!(length(&read) > bytes - 200, "{name}");
    }
    assert_eq!(world.get(WIDGETS).await.expect(200)["items"].as_array().map(Vec::len), Some(2));
}

/// ST-13: one byte over is a 413 with the limit, for the body and for what is to be stored.
#[tokio::test]
async fn st_13_one_byte_over_is_refused_with_the_limit() {
    let world = with_widgets().await;
    let post = async |bytes| {
        let sent = world.send(Method::POST, WIDGETS, "application/json", of_size("w", bytes)).await;
        let refused = sent.expect(413);
        assert_eq!(refused["reason"], "RequestEntityTooLarge");
        refused["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(post(BODY_MAX + 1).await, "Request entity too large: limit is 3145728");
    // The body just fits, and with what the server adds the object does not.
    let told = post(BODY_MAX).await;
    assert!(told.contains("widgets.example.com/default/w") && told.contains("3145728 are allowed"), "{told}");
    assert_eq!(world.get(WIDGETS).await.expect(200)["items"], json!([]));
}

/// ST-13: an object grows by patches to the same limit.
#[tokio::test]
async fn st_13_an_object_does_not_grow_beyond_the_limit() {
    let world = with_widgets().await;
    world.send(Method::POST, WIDGETS, "application/json", of_size("w", 2 << 20)).await.expect(201);
    let path = format!("{WIDGETS}/w");
    let note = json!({"metadata": {"annotations": {"note": "x".repeat(200_000)}}});
    world.patch(&path, "merge-patch+json", &note).await.expect(200);
    let more = json!({"spec": {"text": "x".repeat(3_000_000)}});
    let told = world.patch(&path, "merge-patch+json", &more).await.message(413);
    assert!(told.contains("3145728 are allowed"), "{told}");
}

/// ST-13: names and values with limits of their own.
#[tokio::test]
async fn st_13_a_name_of_10_kb_is_refused_with_the_limit() {
    let world = world().await;
    let told = world.post(CONFIG_MAPS, &config_map(&"n".repeat(10_240))).await.message(422);
    assert!(told.contains("must be no more than 253 characters"), "{}", &told[told.len() - 100..]);
    let mut large = config_map("a");
    large["data"]["k"] = json!("x".repeat((1 << 20) + 1));
    let told = world.post(CONFIG_MAPS, &large).await.message(422);
    assert!(told.contains("1048576"), "{}", &told[told.len().saturating_sub(200)..]);
}
