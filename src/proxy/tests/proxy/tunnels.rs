//! CONNECT on the entry, where it is allowed.

use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use spur_net::Connect;
use spur_proxy::Config;
use spur_trace::{HopError, Record};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{PATIENCE, Upstream, World, caller, raw, read_head, world};

fn allowed(config: &mut Config) {
    config.limits.connect = Connect::Services;
}

/// What is said after `head` and `bytes`, up to the end.
async fn said(world: &World, head: &str, bytes: &str) -> (String, String) {
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let answer = read_head(&mut client).await;
    client.write_all(bytes.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, client.read_to_string(&mut rest)).await.unwrap().unwrap();
    (answer, rest)
}

#[tokio::test]
async fn a_tunnel_leads_to_the_port_of_a_service_and_its_halves_close_by_themselves() {
    let db = Upstream::echo("hello ").await;
    let world = world().service("db", &[&db]).config(allowed).start().await;
    let (answer, rest) = said(&world, "CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80", "SELECT 1;").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for absent in ["content-length", "transfer-encoding"] {
        assert!(!answer.contains(absent), "RFC 9110 9.3.6: {answer}");
    }
    assert_eq!(rest, "hello SELECT 1;");
    let (start, end) = world.only_hop().await;
    assert_eq!((start.method, start.target), (Method::CONNECT, None));
    assert_eq!((end.status, end.request_bytes, end.response_bytes, end.error), (Some(200), 9, 15, None));
}

/// Early bytes go where the others go.
#[tokio::test]
async fn what_is_sent_with_the_head_arrives() {
    let db = Upstream::echo("").await;
    let world = world().service("db", &[&db]).config(allowed).start().await;
    let mut client = TcpStream::connect(world.entry()).await.unwrap();
    client
        .write_all(b"CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80\r\n\r\nearly # \n and ")
        .await
        .unwrap();
    read_head(&mut client).await;
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "early # \n and late");
}

#[tokio::test]
async fn a_key_and_a_preview_host_choose_the_version() {
    let (baseline, fork) = (Upstream::echo("baseline").await, Upstream::echo("fork").await);
    let world = world().service("db", &[&baseline]).fork("pr-1", "db", &fork).config(allowed).start().await;
    for (head, wanted) in [
        ("CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80", "baseline"),
        ("CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80\r\nspur-key: pr-1", "fork"),
        ("CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80\r\nspur-key: nobody", "baseline"),
        ("CONNECT pr-1--db.shop.localhost:80 HTTP/1.1\r\nhost: pr-1--db.shop.localhost:80", "fork"),
        ("CONNECT DB.shop.svc.cluster.local:80 HTTP/1.1\r\nhost: db", "baseline"),
    ] {
        assert_eq!(said(&world, head, "").await.1, wanted, "{head}");
    }
}

#[tokio::test]
async fn a_tunnel_in_a_stream_of_http2_is_one_too() {
    let db = Upstream::echo("hello ").await;
    let world = world().service("db", &[&db]).config(allowed).start().await;
    let mut connection = world.client("db.shop").connect_h2().await;
    let request = Request::builder().method(Method::CONNECT).uri("db.shop:80");
    let body = Empty::new().map_err(|never| match never {}).boxed();
    let mut rsp = connection.send_request(request.body(body).unwrap()).await.unwrap();
    assert_eq!(rsp.status(), 200);
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut rsp).await.unwrap());
    stream.write_all(b"SELECT 1;").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "hello SELECT 1;");
}

/// PX-14: no open proxy; what is no port of a Service is not reached, and what is sent on is no request.
#[tokio::test]
async fn there_are_tunnels_to_services_only() {
    let db = Upstream::echo("").await;
    let gone = Upstream::gone("gone").await;
    let world = world().service("db", &[&db]).service("gone", &[&gone]).config(allowed).start().await;
    let own = format!("{}", world.entry());
    for (target, extra, status, reason) in [
        ("db.shop:81", "", 404, "unknown-port"),
        ("nobody.shop:80", "", 404, "unknown-host"),
        ("127.0.0.1:22", "", 404, "unknown-host"),
        ("169.254.169.254:80", "", 404, "unknown-host"),
        (&*own, "", 404, "unknown-host"),
        ("db.shop", "", 400, "invalid-connect"),
        ("me@db.shop:80", "", 400, "invalid-connect"),
        ("db.shop:80", "content-length: 5\r\n", 400, "invalid-connect"),
        ("gone.shop:80", "", 502, "connect-refused"),
        // A refusal of gRPC has status 200, which would be consent.
        ("db.shop:82", "content-type: application/grpc\r\n", 404, "unknown-port"),
    ] {
        let head = format!("CONNECT {target} HTTP/1.1\r\nhost: db.shop\r\n{extra}\r\n");
        let said = raw(world.entry(), format!("{head}GET / HTTP/1.1\r\nhost: db.shop\r\n\r\n")).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {said}");
        assert!(said.contains(&format!("spur-reason: {reason}\r\n")), "{target}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{target}: {said}");
    }
    let ends = world.records().into_iter().filter_map(|record| match record {
        Record::End(_, end) => Some(end.error),
        _ => None,
    });
    let mut wanted = vec![None; 7];
    wanted[5] = Some(HopError::ConnectRefused);
    assert_eq!(ends.collect::<Vec<_>>(), wanted, "those that were asked for properly");
}

/// On the listeners of Services, and where nothing was said, it is refused as ever.
#[tokio::test]
async fn elsewhere_it_is_refused() {
    let db = Upstream::http1("db").route("/", "hi").run().await;
    let plan = world().service("db", &[&db]);
    let (closed, open) = (plan.clone().start().await, plan.config(allowed).start().await);
    let inlet = open.inlet(Some(caller("cart", None)), "db").await;
    for address in [closed.entry(), inlet] {
        let said =
            raw(address, "CONNECT db.shop:80 HTTP/1.1\r\nhost: db.shop:80\r\nconnection: close\r\n\r\n")
                .await;
        assert!(said.starts_with("HTTP/1.1 501 "), "{said}");
        assert!(said.contains("spur-reason: connect-not-supported\r\n"), "{said}");
    }
}
