//! Documents and names that were made to do harm: refused with what is wrong with them, while
//! everything else goes on.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::world::{CONFIG_MAPS, DEFINITIONS, PODS, WIDGETS, World, config_map, pod, widget, widgets, world};

/// A ConfigMap whose one value is written like this.
fn with_value(written: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"k":{written}}}}}"#)
}

/// Ten times as many elements with each line: 10^12 with the last.
fn alias_bomb() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = format!("*a{}, ", level - 1).repeat(10);
        bomb.extend([format!("a{level}: &a{level} [{previous}]\n")]);
    }
    bomb
}

/// The body is refused and its message has these words; the server lists on.
async fn check_refused(what: &str, media: &str, body: impl Into<Body>, code: u16, told: &str) {
    let world = world().await;
    let refused = world.send(Method::POST, CONFIG_MAPS, media, body).await.expect(code);
    assert_eq!((&refused["kind"], &refused["status"]), (&json!("Status"), &json!("Failure")), "{what}");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains(told), "{what}: {message}");
    assert_eq!(world.get(CONFIG_MAPS).await.expect(200)["items"], json!([]), "{what}");
}

/// The body is taken as Kubernetes takes it, and the value reads like this.
async fn check_taken(what: &str, written: &[u8], read: &str) {
    let world = world().await;
    let made = world.send(Method::POST, CONFIG_MAPS, "application/json", written.to_vec()).await.expect(201);
    assert_eq!(made["data"]["k"], read, "{what}");
}

/// AP-4: nesting is refused before it becomes a stack.
#[tokio::test]
async fn ap_4_a_hundred_thousand_levels_are_refused() {
    for opening in ["[", "{\"a\":"] {
        let body = with_value(&opening.repeat(100_000));
        check_refused(opening, "application/json", body, 400, "exceeded max depth").await;
    }
    let yaml = format!("data: {}", "[".repeat(100_000));
    check_refused("yaml", "application/yaml", yaml, 400, "YAML").await;
}

/// AP-4: numbers that no JSON has.
#[tokio::test]
async fn ap_4_numbers_that_are_none_are_refused() {
    for (written, told) in [
        ("NaN", "invalid character 'N'"),
        ("Infinity", "invalid character 'I'"),
        ("-Infinity", "invalid character 'I'"),
        ("1e999", "cannot unmarshal number 1e999"),
        ("0x10", "invalid character 'x'"),
        ("01", "invalid character '1'"),
    ] {
        check_refused(written, "application/json", with_value(written), 400, told).await;
    }
}

/// AP-4: bytes that are no document, or not one.
#[tokio::test]
async fn ap_4_bytes_that_are_no_document_are_refused() {
    let bom = [b"\xEF\xBB\xBF", with_value("\"v\"").as_bytes()].concat();
    check_refused("BOM", "application/json", bom, 400, "looking for beginning of value").await;
    check_refused("nothing", "application/json", "", 400, "unexpected end of JSON input").await;
    check_refused("half", "application/json", "{\"a\":", 400, "unexpected end of JSON input").await;
    let two = with_value("\"v\"").repeat(2);
    check_refused("two", "application/json", two, 400, "after top-level value").await;
    check_refused("zero", "application/json", "{\"a\0\":1}", 400, "invalid character").await;
    check_refused("a list", "application/json", "[]", 400, "want an object").await;
    check_refused("yaml of two", "application/yaml", "a: 1\n---\nb: 2\n", 400, "want one").await;
    check_refused("yaml", "application/yaml", &b"data: {k: \xFF}"[..], 400, "no UTF-8").await;
}

/// AP-4: where Kubernetes puts U+FFFD in the place of what is no text, we do (`encoding/json`).
#[tokio::test]
async fn ap_4_text_that_is_none_is_replaced_as_kubernetes_does() {
    check_taken("lone surrogate", with_value(r#""a\ud800b""#).as_bytes(), "a\u{fffd}b").await;
    let mut invalid = with_value("\"a?b\"").into_bytes();
    let place = invalid.iter().position(|byte| *byte == b'?').expect("the mark");
    invalid[place] = 0xFF;
    check_taken("invalid UTF-8", &invalid, "a\u{fffd}b").await;
}

/// AP-4: a key that comes twice is what `fieldValidation` says it is.
#[tokio::test]
async fn ap_4_duplicate_keys_are_refused_warned_about_or_dropped() {
    let world = world().await;
    let body = with_value(r#""first","k":"second""#);
    let post = async |validation: &str| {
        let path = format!("{CONFIG_MAPS}?dryRun=All{validation}");
        world.send(Method::POST, &path, "application/json", body.clone()).await
    };
    let message = post("&fieldValidation=Strict").await.message(400);
    assert!(message.contains(r#"duplicate field "data.k""#), "{message}");
    let warned = post("").await;
    let warning = warned.headers["warning"].to_str().expect("text").to_owned();
    assert!(warning.contains("duplicate field") && warning.contains("data.k"), "{warning}");
    assert_eq!(warned.expect(201)["data"]["k"], "second", "the last counts");
    let dropped = post("&fieldValidation=Ignore").await;
    assert!(!dropped.headers.contains_key("warning"));
    dropped.expect(201);
}

/// AP-4: in YAML as in JSON.
#[tokio::test]
async fn ap_4_duplicate_keys_of_yaml_are_refused_warned_about_or_dropped() {
    let world = world().await;
    let body =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\nfoo: 1\ndata:\n  k: first\n  k: second\n";
    let post = async |validation: &str| {
        let path = format!("{CONFIG_MAPS}?dryRun=All{validation}");
        world.send(Method::POST, &path, "application/yaml", body.to_owned()).await
    };
    let message = post("&fieldValidation=Strict").await.message(400);
    assert!(
        message.contains(r#"duplicate field "k""#) && message.contains(r#"unknown field "foo""#),
        "{message}"
    );
    let warned = post("").await;
    let mut warnings = warned.headers.get_all("warning").iter().map(|value| value.to_str().expect("text"));
    assert!(warnings.any(|warning| warning.contains("duplicate field")));
    assert_eq!(warned.expect(201)["data"]["k"], "second", "the last counts");
    let dropped = post("&fieldValidation=Ignore").await;
    assert!(!dropped.headers.contains_key("warning"));
    dropped.expect(201);
}

/// AP-4: aliases are bounded by what they stand for, anchors by the body's limit.
#[tokio::test]
async fn ap_4_yaml_bombs_are_refused() {
    check_refused("aliases", "application/yaml", alias_bomb(), 400, "YAML").await;
    let anchors: String = (0..900_000).map(|n| format!("- &a{n} x\n")).collect();
    assert!(anchors.len() > 10_000_000);
    check_refused("anchors", "application/yaml", anchors, 413, "limit is 3145728").await;
    // As an apply, too, which is YAML by its media type.
    let world = world().await;
    let path = format!("{CONFIG_MAPS}/a?fieldManager=x");
    world.send(Method::PATCH, &path, "application/apply-patch+yaml", alias_bomb()).await.expect(400);
}

/// AP-5: as many operations as Kubernetes takes, and not one more.
#[tokio::test]
async fn ap_5_a_json_patch_of_too_many_operations_is_refused_with_the_limit() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let path = format!("{CONFIG_MAPS}/a");
    let test = json!({"op": "test", "path": "/data/k", "value": "v"});
    let most = Value::from(vec![test.clone(); 10_000]);
    world.patch(&path, "json-patch+json", &most).await.expect(200);
    let over = Value::from(vec![test; 10_001]);
    let refused = world.patch(&path, "json-patch+json", &over).await.message(413);
    assert_eq!(refused, "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

/// AP-5: what copies add is bounded, however few bytes say so.
#[tokio::test]
async fn ap_5_a_json_patch_that_copies_its_copies_is_refused_with_the_limit() {
    let world = world().await;
    let mut object = config_map("a");
    object["data"] = json!({"k0": "v".repeat(100_000)});
    let made = world.post(CONFIG_MAPS, &object).await.expect(201);
    let copies = (0..40).map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/k{}", n + 1)}));
    let bomb = Value::from(copies.collect::<Vec<_>>());
    let path = format!("{CONFIG_MAPS}/a");
    let refused = world.patch(&path, "json-patch+json", &bomb).await.message(413);
    assert!(refused.contains("exceeding the limit 3145728"), "{refused}");
    assert_eq!(world.get(&path).await.expect(200), made, "it is as it was");
}

/// AP-5: a pattern that takes others exponential time takes ours one look at each character;
/// what cannot be had in linear time is refused when it is defined.
#[tokio::test]
async fn ap_5_patterns_of_schemas_take_linear_time() {
    let spec = |pattern: &str| json!({"type": "object", "properties": {"text": {"type": "string", "pattern": pattern}}});
    let world = world().await;
    world.post(DEFINITIONS, &widgets(spec("^(a+)+$"))).await.expect(201);
    // 2^100,000 ways to split it.
    let text = format!("{}!", "a".repeat(100_000));
    let refused = world.post(WIDGETS, &widget("w", json!({"text": text}))).await.message(422);
    assert!(
        refused.contains("spec.text") && refused.contains("^(a+)+$"),
        "{}",
        &refused[refused.len() - 200..]
    );
    world.post(WIDGETS, &widget("w", json!({"text": "a".repeat(100_000)}))).await.expect(201);

    for pattern in ["(a)\\1", "a(?=b)", "(?<!a)b", "((a{1000}){1000}){1000}"] {
        let refused =
            super::world::world().await.post(DEFINITIONS, &widgets(spec(pattern))).await.message(422);
        assert!(refused.contains("pattern"), "{pattern}: {refused}");
    }
}

/// Names of AP-6, and what else may not be one.
fn bad_names() -> Vec<String> {
    let mut names: Vec<String> = [
        ".",
        "..",
        "a/b",
        "../../etc/passwd",
        "%2e%2e%2f",
        "..%2f",
        "a\0b",
        "A",
        "a_b",
        "-a",
        "a-",
        "a.",
        ".a",
    ]
    .map(str::to_owned)
    .to_vec();
    // Cyrillic а, fullwidth ａ, a with an invisible joiner, a dotless ı.
    names.extend(["\u{430}", "\u{ff41}", "a\u{200d}b", "\u{131}"].map(str::to_owned));
    names.push("a".repeat(254));
    names
}

fn percent_encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// AP-6: no such name is given to an object, by any way to make one.
#[tokio::test]
async fn ap_6_bad_names_are_refused_however_they_come() {
    let world = world().await;
    let nothing = world.get(CONFIG_MAPS).await.expect(200)["items"].clone();
    for name in bad_names() {
        let refused = world.post(CONFIG_MAPS, &config_map(&name)).await.message(422);
        assert!(refused.contains("metadata.name"), "{name:?}: {refused}");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        world.post("/api/v1/namespaces", &namespace).await.expect(422);
        let path = format!("{CONFIG_MAPS}/{}", percent_encoded(&name));
        world.get(&path).await.expect(404);
        let reply = world.put(&path, &config_map(&name)).await;
        assert!(matches!(reply.code.as_u16(), 404 | 422), "{name:?}: {}", reply.body);
        let apply = format!("{path}?fieldManager=x");
        world.patch(&apply, "apply-patch+yaml", &config_map(&name)).await.expect(422);
        world.delete(&path).await.expect(404);
    }
    assert_eq!(world.get(CONFIG_MAPS).await.expect(200)["items"], nothing);
}

/// AP-6: a path with dots in it leads nowhere else.
#[tokio::test]
async fn ap_6_dots_in_a_path_are_names_and_no_directions() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    for path in [
        "/api/../../etc/passwd",
        "/api/v1/namespaces/default/secrets/../configmaps/a",
        "/api/v1/namespaces/default/secrets/%2e%2e/configmaps/a",
        "/api/v1/namespaces/other/../default/configmaps/a",
        "/api/v1/namespaces/default/configmaps/%2e%2e%2fconfigmaps%2fa",
        "/api/v1/namespaces/default/configmaps/a%00",
        "/%61pi%2fv1/namespaces/default/configmaps/a",
    ] {
        world.get(path).await.expect(404);
    }
}

/// AP-6: names of containers and volumes become directories, and may be none of these either.
#[tokio::test]
async fn ap_6_a_container_has_no_bad_name_either() {
    let world = world().await;
    for name in bad_names() {
        let mut object = pod("p");
        object["spec"]["containers"][0]["name"] = json!(name);
        let refused = world.post(PODS, &object).await.message(422);
        assert!(refused.contains("spec.containers[0].name"), "{name:?}: {refused}");
    }
    // A uid, which is a directory of the runtime, is given by the server and not by the client.
    let mut object = pod("p");
    object["metadata"]["uid"] = json!("../../etc");
    let made = world.post(PODS, &object).await.expect(201);
    assert!(uuid::Uuid::parse_str(made["metadata"]["uid"].as_str().expect("a uid")).is_ok());
}

/// AP-15: no page of another site is ever told that it may read an answer.
#[tokio::test]
async fn ap_15_no_answer_allows_another_origin() {
    let world: World = world().await;
    for method in [Method::GET, Method::OPTIONS] {
        let request = Request::builder()
            .method(method.clone())
            .uri(CONFIG_MAPS)
            .header("origin", "https://evil.com")
            .header("access-control-request-method", "POST");
        let reply = world.call(request.body(Body::empty()).expect("a request")).await;
        let allows = reply.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(allows, None, "{method}");
    }
}
