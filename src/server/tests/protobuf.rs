//! Bodies in protobuf, as typed Go clients send them.

use http::Method;
use serde_json::json;

use super::world::{CONFIG_MAPS, DEPLOYMENTS, PODS, SANDBOXES, config_map, deployment, pod, world};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A field with a block of less than 128 bytes.
fn block(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).ok().filter(|length| *length < 0x80).expect("short ones only");
    [&[number << 3 | 2, length], bytes].concat()
}

/// A body of a kind around a message.
fn body(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let type_meta = [block(1, api_version.as_bytes()), block(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), block(1, &type_meta), block(2, message)].concat()
}

/// `metadata` with a name and, as Go writes it, an empty namespace and `generation: 0`.
fn metadata(name: &str) -> Vec<u8> {
    block(1, &[block(1, name.as_bytes()), block(3, b""), vec![7 << 3, 0], block(8, b"")].concat())
}

fn map_of(name: &str, value: &str) -> Vec<u8> {
    let entry = block(2, &[block(1, b"k"), block(2, value.as_bytes())].concat());
    body("v1", "ConfigMap", &[metadata(name), entry].concat())
}

#[tokio::test]
async fn a_protobuf_body_makes_what_its_json_would_make() {
    let world = world().await;
    let strict = format!("{CONFIG_MAPS}?fieldValidation=Strict&fieldManager=kubectl-create");
    let made = world.send(Method::POST, &strict, PROTOBUF, map_of("a", "v")).await.expect(201);
    let mut plain = world.post(&strict, &config_map("b")).await.expect(201);
    assert_eq!(made["data"], json!({"k": "v"}));
    for field in ["name", "uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        plain["metadata"][field] = made["metadata"][field].clone();
    }
    assert_eq!(made, plain);
}

#[tokio::test]
async fn a_protobuf_body_replaces_an_object() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let put = world.send(Method::PUT, &path, PROTOBUF, map_of("a", "new")).await.expect(200);
    assert_eq!(put["data"]["k"], "new");
    let other = world.send(Method::PUT, &path, PROTOBUF, map_of("b", "new")).await.message(400);
    assert_eq!(other, "the name of the object (b) does not match the name on the URL (a)");
}

#[tokio::test]
async fn a_scale_is_read_from_protobuf() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let scale = body("autoscaling/v1", "Scale", &[metadata("web"), block(2, &[1 << 3, 3])].concat());
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scaled = world.send(Method::PUT, &path, PROTOBUF, scale).await.expect(200);
    assert_eq!(scaled["spec"]["replicas"], 3);
}

#[tokio::test]
async fn delete_options_are_read_from_protobuf() {
    let world = world().await;
    world.post(PODS, &pod("p")).await.expect(201);
    let path = format!("{PODS}/p");
    let of_another = block(2, &block(1, b"another"));
    let refused = body("v1", "DeleteOptions", &of_another);
    let message = world.send(Method::DELETE, &path, PROTOBUF, refused).await.message(409);
    assert!(message.contains("UID in precondition: another"), "{message}");
    // `gracePeriodSeconds: 0` is a pointer to zero, not nothing.
    let force = body("v1", "DeleteOptions", &[1 << 3, 0]);
    world.send(Method::DELETE, &path, PROTOBUF, force).await.expect(200);
    world.get(&path).await.expect(404);
}

#[tokio::test]
async fn the_kind_in_the_envelope_is_checked() {
    let world = world().await;
    let create = async |body| world.send(Method::POST, CONFIG_MAPS, PROTOBUF, body).await;
    assert_eq!(
        create(body("v1", "Secret", &metadata("a"))).await.message(400),
        "the kind in the data (Secret) does not match the expected kind (ConfigMap)"
    );
    assert_eq!(
        create(body("v9", "ConfigMap", &metadata("a"))).await.message(400),
        "the object provided is unrecognized (must be of type ConfigMap): \
         no kind \"ConfigMap\" is registered for version \"v9\""
    );
    let unnamed = [b"k8s\0".to_vec(), block(2, &metadata("a"))].concat();
    create(unnamed).await.expect(201);
}

#[tokio::test]
async fn a_broken_body_is_refused_with_its_place() {
    let world = world().await;
    let create = async |body| world.send(Method::POST, CONFIG_MAPS, PROTOBUF, body).await.message(400);
    let unrecognized = "the object provided is unrecognized (must be of type ConfigMap): ";
    let cut = body("v1", "ConfigMap", &[10, 5, b'a']);
    assert_eq!(
        create(cut).await,
        format!(
            "{unrecognized}`v1.ConfigMap`, field 1 (metadata), at byte 2: 5 bytes more are wanted, 1 are left"
        )
    );
    assert!(create(b"{}".to_vec()).await.contains("does not appear to be a protobuf message"));
}

#[tokio::test]
async fn custom_kinds_and_patches_take_no_protobuf() {
    let world = world().await;
    let unknown = "the body of the request was in an unknown format - accepted media types include: ";
    let sandbox = body("spur.dev/v1alpha1", "Sandbox", b"");
    assert_eq!(
        world.send(Method::POST, SANDBOXES, PROTOBUF, sandbox).await.message(415),
        format!("{unknown}application/json, application/yaml")
    );
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let patched = world.send(Method::PATCH, &path, PROTOBUF, map_of("a", "new")).await.message(415);
    assert!(patched.starts_with(&format!("{unknown}application/json-patch+json")), "{patched}");
    let text = world.send(Method::POST, CONFIG_MAPS, "text/plain", "a").await.message(415);
    assert_eq!(text, format!("{unknown}application/json, application/yaml, {PROTOBUF}"));
}
