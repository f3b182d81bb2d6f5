//! What is exported, read by the programs that it is for: bash and curl, and a validator of HTTP
//! archives.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use libtest_mimic::Trial;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spur_trace::{CapturedBody, CapturedRequest, export};
use tokio::process::Command;

use crate::absent;
use crate::harness::manifests::cheaper;
use crate::harness::{Spur, command, until};
use crate::needs::Need;
use crate::scripts;

pub(crate) fn trials() -> Vec<Trial> {
    let curl =
        Need::new("curl", ["curl", "bash"].into_iter().find_map(|program| absent(program, "--version")));
    let node = Need::new("node-client", scripts::node_absent());
    vec![
        curl.trial("curl::sends_the_very_same_bytes", sends_the_very_same_bytes),
        curl.trial("curl::a_captured_request_is_sent_again", a_captured_request_is_sent_again),
        node.trial("har::a_validator_accepts_an_export", a_validator_accepts_an_export),
    ]
}

/// A request as it came over the wire.
#[derive(Debug, PartialEq, Eq)]
struct Wire {
    first_line: String,
    /// Sorted, since curl has an order of its own.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Any bytes in body and headers, any target that is one (mitmproxy#8425).
async fn sends_the_very_same_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let value = vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..12);
    let header = ("x-[a-z]{1,8}", value);
    let body = prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(
            prop_oneof![
                Just(b'\''),
                Just(b'\\'),
                Just(b'\n'),
                Just(b'@'),
                Just(b'$'),
                Just(b'!'),
                Just(b'a')
            ],
            0..20
        ),
        vec(1_u8..=255, 9_000..30_000),
    ];
    let target = "/[a-zA-Z0-9._~!$&'()*+,;=:@%{}|\\[\\]^-]{0,20}(\\?[a-z'=&;$!`\\\\%+*]{0,20})?";
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE"), Just("PURGE")];
    let request = (method, target, vec(header, 0..5), body, any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&request, |(method, target, headers, body, has_agent)| {
        let Ok(target) = PathAndQuery::try_from(target) else { return Ok(()) };
        let mut captured = CapturedBody::default();
        captured.add(&body);
        captured.has_ended = true;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.trim_ascii()).unwrap();
            map.append(name.parse::<HeaderName>().unwrap(), value);
        }
        if has_agent {
            map.insert("user-agent", HeaderValue::from_static("me/1"));
            map.insert("content-type", HeaderValue::from_static("text/x"));
        }
        let request = CapturedRequest {
            method: method.parse::<Method>().unwrap(),
            is_tls: false,
            authority: Some("shop.example".into()),
            target,
            http_version: Version::HTTP_11,
            headers: map,
            body: captured,
            ended: None,
        };
        let command = export::curl(&request, &site, Some("shop.example"));
        prop_assert_eq!(sent(&listener, &command), expected(&request), "{}", command);
        Ok(())
    });
    ran.unwrap();
}

fn expected(request: &CapturedRequest) -> Wire {
    let host = ("host".to_owned(), b"shop.example".to_vec());
    let own = request.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut fields: Vec<_> = own.chain([host]).collect();
    fields.sort();
    Wire {
        first_line: format!("{} {} HTTP/1.1", request.method, request.target.as_str()),
        fields,
        body: request.body.bytes.clone(),
    }
}

/// What bash and curl make of a command.
fn sent(listener: &TcpListener, command: &str) -> Wire {
    let mut running = std::process::Command::new("bash");
    running.args(["-c", command]).env("HOME", "/nonexistent").stdout(std::process::Stdio::null());
    let mut running = running.spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let wire = read(stream);
    assert!(running.wait().unwrap().success(), "{command}");
    wire
}

fn read(mut stream: TcpStream) -> Wire {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the head breaks off");
        bytes.extend_from_slice(&chunk[..n]);
    };
    let mut lines = bytes[..head_end].split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let first_line = String::from_utf8_lossy(lines.next().unwrap()).into_owned();
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        (name, line[colon + 1..].trim_ascii().to_vec())
    };
    let (framing, mut fields): (Vec<_>, Vec<_>) =
        lines.map(field).partition(|(name, _)| name == "content-length");
    fields.sort();
    let length: usize =
        framing.first().map_or(0, |(_, length)| String::from_utf8_lossy(length).parse().unwrap());
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the body breaks off");
        body.extend_from_slice(&chunk[..n]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    Wire { first_line, fields, body }
}

/// The id of the trace that a target left behind.
async fn traced(spur: &Spur, path: &str) -> String {
    until(&format!("`{path}` has been recorded"), async || {
        let filter = format!("path:{path} replay:false");
        let output = spur.run(&["trace", "--filter", &filter, "--limit", "1", "-o", "json"]).await.ok();
        match output.stdout.lines().next() {
            Some(line) => Ok(serde_json::from_str::<serde_json::Value>(line).unwrap()["trace_id"]
                .as_str()
                .unwrap()
                .to_owned()),
            None => Err(output.stdout),
        }
    })
    .await
}

async fn shop() -> Spur {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let cart = spur.service("frontend").get("/api/cart?n=1").key("k-1").header("authorization", "Bearer abc");
    cart.send().await.ok();
    spur
}

async fn a_captured_request_is_sent_again() {
    let spur = shop().await;
    let id = traced(&spur, "/api/cart").await;
    let told = spur.run(&["trace", "curl", &id[..12], "--reveal"]).await.ok().stdout;
    assert!(told.contains("Bearer abc"), "{told}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &told]).env("HOME", "/nonexistent");
    let answer = command::run(bash).await.ok().stdout;
    // By the key that it has: the fork's price.
    assert!(answer.contains("\"total_cents\":1080"), "{answer}");
    let hidden = spur.run(&["trace", "curl", &id[..12]]).await.ok().stdout;
    assert!(!hidden.contains("abc") && hidden.contains("Bearer REDACTED"), "{hidden}");
    spur.end().await;
}

async fn a_validator_accepts_an_export() {
    let spur = shop().await;
    let id = traced(&spur, "/api/cart").await;
    spur.service("nobody").get("/gone").send().await;
    spur.run(&["replay", &id, "--to", "baseline"]).await.ok();
    traced(&spur, "/gone").await;
    let file = spur.data().path().join("requests.har");
    spur.run(&["trace", "export", "-o", "har", &file.to_string_lossy()]).await.ok();
    let mut validator = Command::new("node");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node/validator/har.mjs");
    validator.arg(script).arg(&file);
    let told = command::run(validator).await.ok().stdout;
    assert!(told.contains("valid: ") && told.contains(" entries"), "{told}");
    spur.end().await;
}
