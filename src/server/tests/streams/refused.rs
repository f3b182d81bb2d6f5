//! What is no stream is refused with a status, before anything is upgraded.

use axum::body::Body;
use http::{Method, Request, Version};
use serde_json::{Value, json};
use spur_runtime::StdioPlan;

use super::served::Served;
use crate::tests::world::{PODS, Reply, world};

const EXEC: &str = "p/exec?command=true&stdout=1";

/// A handshake that is right but for what a test changes.
const HEADERS: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "v4.channel.k8s.io"),
];

async fn ask(served: &Served, path: &str, changes: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().uri(format!("{PODS}/{path}"));
    let headers = request.headers_mut().expect("a URL");
    for (name, value) in HEADERS.iter().chain(changes) {
        let name: http::HeaderName = name.parse().expect("a name");
        match *value {
            "" => drop(headers.remove(name)),
            value => drop(headers.insert(name, value.parse().expect("a value"))),
        }
    }
    served.world.call(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_handshake_that_is_wrong_says_what_is_wrong() {
    let served = Served::new().await;
    let check = async |changes: &[(&str, &str)], code: u16, wanted: &str| {
        let message = ask(&served, EXEC, changes).await.message(code);
        assert!(message.contains(wanted), "{message}");
    };
    check(&[("upgrade", "")], 400, "Upgrade request required").await;
    check(&[("connection", "keep-alive")], 400, "Upgrade request required").await;
    check(&[("upgrade", "SPDY/3.1")], 400, "SPDY/3.1 is not supported").await;
    check(&[("upgrade", "h2c")], 400, "an upgrade to h2c is not supported").await;
    check(&[("sec-websocket-version", "8")], 426, "must be 13").await;
    check(&[("sec-websocket-key", "")], 400, "Sec-WebSocket-Key").await;
    check(&[("sec-websocket-key", "short")], 400, "Sec-WebSocket-Key").await;
    check(&[("sec-websocket-protocol", "")], 400, "want v5.channel.k8s.io or v4.channel.k8s.io").await;
    check(&[("sec-websocket-protocol", "chat, base64.channel.k8s.io")], 400, "none of the subprotocols chat")
        .await;
    // The embedded client comes without a connection that could become one.
    check(&[], 400, "streams need a connection of their own").await;
}

#[tokio::test]
async fn over_http2_the_answer_names_http1() {
    let served = Served::new().await;
    let request = Request::builder().uri(format!("{PODS}/{EXEC}")).version(Version::HTTP_2);
    let answer = served.world.call(request.body(Body::empty()).expect("a request")).await;
    assert!(answer.message(400).starts_with("exec and attach need HTTP/1.1"));
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused_whatever_it_upgrades_to() {
    let served = Served::new().await;
    let two = [("a", "sleep 600", StdioPlan::default()), ("b", "exit 3", StdioPlan::default())];
    served.pod("two", &two).await;
    for upgrade in ["websocket", "SPDY/3.1"] {
        let check = async |path: &str, code: u16, wanted: &str| {
            let message = ask(&served, path, &[("upgrade", upgrade)]).await.message(code);
            assert!(message.contains(wanted), "{message}");
        };
        check("none/exec?command=true&stdout=1", 404, "pods \"none\" not found").await;
        check("p/exec?stdout=1", 400, "at least one command").await;
        check("p/exec?command=true", 400, "at least 1 of stdin, stdout, stderr").await;
        check("p/exec?command=true&stdout=1&container=x", 400, "container x is not valid for pod p").await;
        check("two/exec?command=true&stdout=1", 400, "choose one of: [a b]").await;
        check("two/attach?stdout=1", 400, "choose one of: [a b]").await;
    }
}

#[tokio::test]
async fn a_container_that_does_not_run_is_refused() {
    let served = Served::new().await;
    let id = served.pod("brief", &[("a", "exit 3", StdioPlan::default())]).await;
    super::wait_for("its end", || served.runtime.state(&id, "a").is_some_and(|state| state.is_terminated()))
        .await;
    let message = ask(&served, "brief/exec?command=true&stdout=1", &[]).await.message(400);
    assert!(message.starts_with("container \"a\" in pod \"brief\" is not running"), "{message}");
}

#[tokio::test]
async fn port_forward_says_what_works_in_its_place() {
    let served = Served::new().await;
    let message = ask(&served, "p/portforward?ports=80", &[]).await.message(501);
    assert!(message.contains("not supported yet") && message.contains("entry address"), "{message}");
    let annotations = json!({"metadata": {"annotations": {"spur.dev/ports": "{\"80\":40123}"}}});
    served.world.patch(&format!("{PODS}/p"), "merge-patch+json", &annotations).await.expect(200);
    let message = ask(&served, "p/portforward?ports=80", &[("upgrade", "SPDY/3.1")]).await.message(501);
    assert!(message.contains("{\"80\":40123}"), "{message}");
}

#[tokio::test]
async fn streams_take_get_and_post_and_are_discovered() {
    let world = world().await;
    let path = format!("{PODS}/p/exec");
    let reply = world.send(Method::PUT, &path, "", Body::empty()).await;
    assert_eq!(reply.headers["allow"], "GET, POST");
    reply.message(405);
    let list = world.get("/api/v1").await.expect(200);
    let rows: &Vec<Value> = list["resources"].as_array().expect("rows");
    for (name, kind) in [
        ("pods/exec", "PodExecOptions"),
        ("pods/attach", "PodAttachOptions"),
        ("pods/portforward", "PodPortForwardOptions"),
    ] {
        let row = rows.iter().find(|row| row["name"] == name).expect("a row");
        let wanted = json!({
            "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["create", "get"],
        });
        assert_eq!(*row, wanted);
    }
}
