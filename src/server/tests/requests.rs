//! How a request is read: paths, methods, media types, parameters out of range.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::world::{CONFIG_MAPS, DEPLOYMENTS, PODS, config_map, deployment, pod, world};

#[tokio::test]
async fn an_empty_namespace_in_a_path_is_not_every_namespace() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let nowhere = "/api/v1/namespaces//configmaps";
    world.get(nowhere).await.expect(404);
    world.delete(nowhere).await.expect(404);
    world.get(&format!("{nowhere}?watch=true&timeoutSeconds=1")).await.expect(404);
    world.get(&format!("{CONFIG_MAPS}//")).await.expect(404);
    world.get(&format!("{CONFIG_MAPS}/a")).await.expect(200);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let web = format!("{DEPLOYMENTS}/web");
    let cases = [
        (Method::PUT, DEPLOYMENTS.to_owned(), "GET, POST, DELETE"),
        (Method::POST, "/api/v1/configmaps".to_owned(), "GET"),
        (Method::DELETE, "/api/v1/namespaces".to_owned(), "GET, POST"),
        (Method::POST, web.clone(), "GET, PUT, PATCH, DELETE"),
        (Method::HEAD, web.clone(), "GET, PUT, PATCH, DELETE"),
        (Method::DELETE, format!("{web}/status"), "GET, PUT, PATCH"),
        (Method::POST, format!("{PODS}/p/log"), "GET"),
        (Method::PATCH, "/api/v1/namespaces/default/finalize".to_owned(), "PUT"),
        (Method::POST, "/version".to_owned(), "GET, HEAD"),
    ];
    for (method, path, allowed) in cases {
        let reply = world.send(method.clone(), &path, "application/json", Body::empty()).await;
        assert_eq!(
            reply.headers.get("allow").map(|value| value.as_bytes()),
            Some(allowed.as_bytes()),
            "{path}"
        );
        assert_eq!(reply.code, 405, "{method} {path}");
    }
    world.send(Method::POST, &format!("{web}/log"), "application/json", "{}").await.expect(404);
}

#[tokio::test]
async fn the_namespaces_are_not_deleted_all_at_once() {
    let world = world().await;
    world.delete("/api/v1/namespaces").await.expect(405);
    world.get("/api/v1/namespaces/default").await.expect(200);
    let resources = world.get("/api/v1").await.expect(200);
    let rows = resources["resources"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"] == "namespaces").expect("namespaces are served");
    assert!(!row["verbs"].to_string().contains("deletecollection"));
}

#[tokio::test]
async fn an_object_asked_for_with_watch_is_the_object() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let got = world.get(&format!("{CONFIG_MAPS}/a?watch=true&timeoutSeconds=1")).await.expect(200);
    assert_eq!(got["kind"], "ConfigMap");
    let old = "/api/v1/watch/namespaces/default/configmaps/a?timeoutSeconds=1";
    assert_eq!(world.get(old).await.expect(200)["type"], "ADDED");
}

#[tokio::test]
async fn any_spelling_of_json_is_accepted() {
    let world = world().await;
    for accept in ["", " ", "Application/JSON", "text/html, */*;q=0.1", "application/json;q=0.5"] {
        world.get_as("/api/v1/namespaces/default", accept).await.expect(200);
    }
    world.get_as("/api/v1/namespaces/default", "text/html").await.expect(406);
}

/// AP-15: a form of another site cannot write.
#[tokio::test]
async fn writes_need_a_type_that_no_web_form_can_send() {
    let world = world().await;
    let body = config_map("a").to_string();
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        world.send(Method::POST, CONFIG_MAPS, media, body.clone()).await.expect(415);
        world.send(Method::PUT, &format!("{CONFIG_MAPS}/a"), media, body.clone()).await.expect(415);
        world.send(Method::DELETE, &format!("{CONFIG_MAPS}/a"), media, "{}").await.expect(415);
    }
    world.send(Method::PATCH, &format!("{CONFIG_MAPS}/a"), "application/json", "{}").await.expect(415);
    world.send(Method::POST, CONFIG_MAPS, "Application/JSON; charset=utf-8", body).await.expect(201);
}

#[tokio::test]
async fn a_body_without_a_type_is_json() {
    let world = world().await;
    let request = Request::builder().method(Method::POST).uri(CONFIG_MAPS);
    let request = request.body(Body::from(config_map("a").to_string())).expect("a request");
    world.call(request).await.expect(201);
}

/// What begins like JSON under the name of YAML may be its flow style.
#[tokio::test]
async fn yaml_may_be_written_in_flow_style() {
    let world = world().await;
    let body = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}";
    let post = world.send(Method::POST, CONFIG_MAPS, "application/yaml", body).await;
    assert_eq!(post.expect(201)["data"]["k"], "v");
    let path = format!("{CONFIG_MAPS}/b?fieldManager=m");
    let body = body.replace("name: a", "name: b");
    let applied = world.send(Method::PATCH, &path, "application/apply-patch+yaml", body).await;
    assert_eq!(applied.expect(201)["data"]["k"], "v");
    let broken = world.send(Method::POST, CONFIG_MAPS, "application/yaml", "{apiVersion: v1").await;
    assert!(broken.message(400).contains("error decoding YAML"));
}

#[tokio::test]
async fn times_beyond_all_bounds_break_nothing() {
    let world = world().await;
    let far = u64::MAX;
    let mut events = world.watch(&format!("/api/v1/namespaces?watch=true&timeoutSeconds={far}")).await;
    assert_eq!(events.next().await, "ADDED default");
    let mut patient = pod("p");
    patient["spec"]["terminationGracePeriodSeconds"] = json!(i64::MAX);
    world.post(PODS, &patient).await.expect(201);
    let waiting = world.delete(&format!("{PODS}/p")).await.expect(200);
    assert!(waiting["metadata"]["deletionTimestamp"].is_string());
    world.post(PODS, &pod("q")).await.expect(201);
    world.delete(&format!("{PODS}/q?gracePeriodSeconds={}", i64::MAX)).await.expect(200);
    world.delete(&format!("{PODS}/q?gracePeriodSeconds={}", i64::MIN)).await.expect(200);
    world.get(&format!("{PODS}/p/log?sinceSeconds={far}&tailLines={far}")).await.expect(400);
}

#[tokio::test]
async fn a_thousand_unknown_fields_are_a_few_warnings() {
    let world = world().await;
    let mut object = config_map("a");
    for idx in 0..1000 {
        object[format!("field-{idx}-ü\n")] = json!(1);
    }
    let reply = world.post(CONFIG_MAPS, &object).await;
    let n_warnings = reply.headers.get_all("warning").iter().count();
    // hyper, which kube-rs uses, reads no answer with more than 100 headers.
    assert!((2..=50).contains(&n_warnings), "{n_warnings}");
    let first = reply.headers["warning"].as_bytes();
    assert_eq!(String::from_utf8_lossy(first), "299 - \"unknown field \\\"field-0-ü \\\"\"");
    reply.expect(201);
}

#[tokio::test]
async fn an_answer_is_written_in_yaml_where_that_is_asked_for() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let read = world.get_as(&format!("{CONFIG_MAPS}/a"), "application/yaml").await;
    assert_eq!(read.headers["content-type"], "application/yaml");
    let text = read.expect(200);
    let value = spur_api::yaml::document(text.as_str().expect("text")).expect("YAML");
    assert_eq!(value["metadata"]["name"], "a");
    let list = world.get_as(CONFIG_MAPS, "application/yaml").await.expect(200);
    assert!(list.as_str().expect("text").starts_with("kind: ConfigMapList\n"));
    let missing = world.get_as(&format!("{CONFIG_MAPS}/b"), "application/yaml").await.expect(404);
    assert!(missing.as_str().expect("text").contains("reason: NotFound\n"));
    world.get_as(&format!("{CONFIG_MAPS}?watch=true"), "application/yaml").await.expect(406);
}

#[tokio::test]
async fn a_table_holds_what_can_be_asked_for() {
    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let world = world().await;
    world.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let bad = format!("{DEPLOYMENTS}?includeObject=Bad");
    assert_eq!(
        world.get_as(&bad, TABLE).await.message(400),
        "Unable to convert to Table as requested: includeObject: Invalid value: \"Bad\": \
         must be 'Metadata', 'Object', 'None', or empty"
    );
    world.get(&bad).await.expect(200);
    let scale = world.get_as(&format!("{DEPLOYMENTS}/web/scale"), TABLE).await.expect(200);
    let names: Vec<_> =
        scale["columnDefinitions"].as_array().expect("columns").iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    assert_eq!(scale["rows"][0]["cells"].as_array().expect("cells")[..3], [json!("web"), json!(1), json!(0)]);
}

#[tokio::test]
async fn requests_are_counted_in_metrics() {
    let world = world().await;
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    world.post(CONFIG_MAPS, &config_map("a")).await.expect(409);
    world.get(&format!("{CONFIG_MAPS}?limit=x")).await.expect(400);
    let text = world.get("/metrics").await.expect(200);
    let text = text.as_str().expect("text");
    for (code, scope, verb) in
        [(201, "resource", "POST"), (409, "resource", "POST"), (400, "namespace", "LIST")]
    {
        let line = format!(
            "apiserver_request_total{{code=\"{code}\",component=\"apiserver\",dry_run=\"\",group=\"\",\
             resource=\"configmaps\",scope=\"{scope}\",subresource=\"\",verb=\"{verb}\",version=\"v1\"}} 1\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
}
