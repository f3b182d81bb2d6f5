//! What a client is told when nobody can answer: a status, `spur-reason`, and a
//! body that names the Service, the pod and the next step.

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::manifests::{sample, service};
use crate::harness::upstream::{lead_to, read_until};
use crate::harness::{Answer, Site, Spur, Upstream, until};

#[track_caller]
fn check(answer: &Answer, status: u16, reason: &str, texts: &[&str]) {
    let text = answer.text();
    assert_eq!((answer.status.as_u16(), answer.reason()), (status, Some(reason)), "{text}");
    for part in texts.iter().chain(&["hint: "]) {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

/// Waits until the Service is known and has endpoints, and gives that answer.
async fn routed(site: &Site) -> Answer {
    until(&format!("{} is routed", site.host), async || match site.get("/").try_send().await? {
        answer if matches!(answer.reason(), Some("unknown-host" | "no-ready-endpoints")) => {
            Err(answer.text())
        }
        answer => Ok(answer),
    })
    .await
}

#[tokio::test]
async fn a_host_that_nobody_has_is_404() {
    let spur = Spur::up().start().await;
    spur.api().create_all(&sample("web", "pricing", &[])).await;
    spur.until_routed("web").await;
    let answer = spur.host("nothing.default.localhost").get("/").send().await;
    check(&answer, 404, "unknown-host", &["nothing.default.localhost"]);
    let answer = spur.preview("nobody", "web").get("/").send().await;
    check(&answer, 404, "unknown-sandbox", &["nobody"]);
    let json =
        spur.host("nothing.default.localhost").get("/").header("accept", "application/json").send().await;
    assert_eq!(
        (json.json()["status"].clone(), json.json()["reason"].clone()),
        (json!(404), json!("unknown-host"))
    );
    // The upstream's own 404 is its own.
    let own = spur.service("web").get("/nothing").send().await;
    assert_eq!((own.status.as_u16(), own.reason()), (404, None));
    spur.end().await;
}

#[tokio::test]
async fn a_service_without_ready_pods_is_503() {
    let spur = Spur::up().start().await;
    spur.api().create_all(&[service("empty")]).await;
    let answer =
        until("the service is known", async || match spur.service("empty").get("/").try_send().await? {
            answer if answer.reason() == Some("unknown-host") => Err(answer.text()),
            answer => Ok(answer),
        })
        .await;
    check(&answer, 503, "no-ready-endpoints", &["default/empty", "kubectl get pods"]);
    spur.end().await;
}

#[tokio::test]
async fn an_upstream_that_refuses_is_502_and_is_found_again() {
    let spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let port = upstream.port();
    drop(upstream);
    let answer = spur.service("mine").get("/").send().await;
    check(&answer, 502, "connect-refused", &["default/mine", &format!("127.0.0.1:{port}"), "targetPort"]);
    let back = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let asked = tokio::spawn(spur.service("mine").get("/").send());
    let (mut stream, _) = back.accept().await.unwrap();
    read_until(&mut stream, b"\r\n\r\n").await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await.unwrap();
    assert_eq!(asked.await.unwrap().ok().text(), "back");
    spur.end().await;
}

#[tokio::test]
async fn an_upstream_that_hangs_up_or_babbles_is_502() {
    let spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    for (says, reason) in [("", "upstream-closed"), ("garbage\r\n\r\n", "bad-response")] {
        let asked = tokio::spawn(spur.service("mine").get("/").send());
        let (mut stream, _) = upstream.accept().await;
        stream.write_all(says.as_bytes()).await.unwrap();
        drop(stream);
        check(&asked.await.unwrap(), 502, reason, &["default/mine"]);
    }
    spur.end().await;
}

#[tokio::test]
async fn an_upstream_that_dies_in_its_body_breaks_the_answer_off() {
    let spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let asked = tokio::spawn(spur.service("mine").get("/dies").try_send());
    let (mut stream, _) = upstream.accept().await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe beginning").await.unwrap();
    drop(stream);
    let error = asked.await.unwrap().expect_err("half an answer is none");
    assert!(error.contains("broke off"), "{error}");
    // The next request is answered, and the trace says what happened to that one.
    until("the trace has it", async || {
        let lines = spur.run(&["trace"]).await.ok().stdout;
        match lines.lines().find(|line| line.contains("/dies")) {
            Some(line) if line.contains("✗mine(200 response-aborted)") => Ok(()),
            _ => Err(lines),
        }
    })
    .await;
    spur.end().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_accept_is_504() {
    let spur = Spur::up().start().await;
    // A listener whose queue is full: the kernel drops what comes after.
    let full = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&full, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&full, 0).unwrap();
    let address: std::net::SocketAddr = getsockname(&full).unwrap().try_into().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(std::time::Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 16, "a queue of 0 holds one or two");
    }
    lead_to(&spur, "full", address.port()).await;
    let answer = routed(&spur.service("full")).await;
    check(&answer, 504, "connect-timeout", &["default/full", &address.to_string()]);
    spur.end().await;
}

#[tokio::test]
async fn a_pod_that_is_killed_is_replaced_and_others_are_not_disturbed() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("victim", "pricing", &[])).await;
    api.create_all(&sample("other", "pricing", &[])).await;
    spur.until_routed("victim").await;
    spur.until_routed("other").await;
    let pod = &api.pods_of("app=victim").await[0];
    let ports = pod["metadata"]["annotations"]["spur.dev/ports"].as_str().unwrap();
    let port = serde_json::from_str::<serde_json::Value>(ports).unwrap()["victim/8080"].as_u64().unwrap();
    let listening = format!("PORT={port}");
    let victim = spur.processes().into_iter().find(|process| {
        let environ = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|var| var == listening.as_bytes())
    });
    let victim = rustix::process::Pid::from_raw(victim.unwrap().pid.cast_signed()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    let mut n_named = 0;
    until("it answers again", async || {
        assert_eq!(spur.service("other").get("/health").send().await.status, 200);
        match spur.service("victim").get("/health").send().await {
            answer if answer.status == 200 && n_named > 0 => Ok(()),
            answer if answer.status == 200 => Err("it has not been seen to be gone".to_owned()),
            answer => {
                let reason = answer.reason().unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()));
                assert!(
                    ["connect-refused", "upstream-closed", "no-ready-endpoints"].contains(&reason),
                    "{reason}"
                );
                n_named += 1;
                Err(answer.text())
            }
        }
    })
    .await;
    spur.end().await;
}
