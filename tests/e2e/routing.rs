//! Which version a request reaches, by every carrier and over every protocol.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sample_services::shop::{ListRequest, RecommendationClient, WatchRequest};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tonic::service::interceptor::{InterceptedService, Interceptor};
use tonic::transport::{Channel, Endpoint};

use crate::harness::manifests::{cheaper, fork, sample};
use crate::harness::upstream::read_until;
use crate::harness::{Site, Spur, Upstream, until};

/// The shop with a sandbox that makes mugs cheaper.
async fn cheaper_shop() -> Spur {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    spur
}

/// A Service's plain address on this machine.
async fn plain(spur: &Spur, service: &str) -> Site {
    let pointer = format!("/services/default~1{service}/80");
    until(&format!("{service} has an address"), async || {
        let status = spur.api().ask(http::Method::GET, "/spur/v1/status").send().await.ok().json();
        match status.pointer(&pointer).and_then(Value::as_str) {
            Some(url) => Ok(Site::of(url)),
            None => Err(status.to_string()),
        }
    })
    .await
}

/// Who priced the cart.
fn priced(cart: &Value) -> (&str, u64) {
    (cart["answered"]["pricing"].as_str().unwrap(), cart["total_cents"].as_u64().unwrap())
}

const BASELINE: (&str, u64) = ("v1", 1200);
const FORK: (&str, u64) = ("v2-cheaper", 1080);

#[tokio::test]
async fn every_carrier_leads_to_the_fork_and_its_absence_to_the_baseline() {
    let spur = cheaper_shop().await;
    let ask = || spur.service("frontend").get("/api/cart");
    for (name, value, expected) in [
        ("spur-key", "k-1", FORK),
        ("baggage", "team=blue,spur-key=k-1", FORK),
        ("baggage", "sd-routing-key=k-1", FORK),
        ("tracestate", "spur=k-1", FORK),
        ("ot-baggage-sd-routing-key", "k-1", FORK),
        ("uberctx-sd-routing-key", "k-1", FORK),
        ("spur-key", "nobodys", BASELINE),
        ("baggage", "team=blue", BASELINE),
        ("cookie", "spur-key=k-1", BASELINE),
    ] {
        let mut ask = ask().header(name, value);
        if name == "tracestate" {
            ask = ask.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        }
        let cart = ask.send().await.ok().json();
        assert_eq!(priced(&cart), expected, "{name}: {value}");
    }
    assert_eq!(priced(&ask().send().await.ok().json()), BASELINE);
    // The first carrier that is present wins.
    let both = ask().key("nobodys").header("baggage", "spur-key=k-1").send().await.ok().json();
    assert_eq!(priced(&both), BASELINE);
    spur.end().await;
}

#[tokio::test]
async fn a_preview_host_beats_ambient_carriers_and_an_explicit_key_beats_it() {
    let spur = cheaper_shop().await;
    spur.api()
        .create_all(&[fork(
            "other",
            "k-2",
            "inventory",
            json!({"env": [{"name": "VERSION", "value": "v9"}]}),
        )])
        .await;
    spur.api().until_condition(("sandboxes", "other"), "Ready").await;
    let ask = || spur.preview("cheaper", "frontend").get("/api/cart");
    assert_eq!(priced(&ask().send().await.ok().json()), FORK);
    let ambient = ask().header("baggage", "spur-key=k-2").send().await.ok().json();
    assert_eq!((priced(&ambient), &ambient["answered"]["inventory"]), (FORK, &json!("v1")));
    let explicit = ask().key("k-2").send().await.ok().json();
    assert_eq!((priced(&explicit), &explicit["answered"]["inventory"]), (BASELINE, &json!("v9")));
    let page = spur.preview("cheaper", "frontend").get("/").send().await.ok();
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.text().contains("◆ pricing v2-cheaper") && page.text().contains("k-1"), "{}", page.text());
    spur.end().await;
}

#[tokio::test]
async fn a_forks_own_calls_imply_its_key() {
    // Here checkout drops the key; as a fork it need not pass it on.
    let spur = Spur::shop().await;
    let mut sandbox = cheaper("both", "k-1");
    sandbox["spec"]["forks"].as_array_mut().unwrap().push(json!({
        "of": {"kind": "Deployment", "name": "checkout"}, "env": [{"name": "PROPAGATE", "value": "off"}],
    }));
    spur.api().create_all(&[sandbox]).await;
    spur.api().until_condition(("sandboxes", "both"), "Ready").await;
    let cart = spur.service("frontend").get("/api/cart").key("k-1").send().await.ok().json();
    assert_eq!(priced(&cart), FORK);
    let cart = spur.service("frontend").get("/api/cart").send().await.ok().json();
    assert_eq!(priced(&cart), BASELINE);
    spur.end().await;
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_entry_and_on_plain_addresses() {
    let spur = cheaper_shop().await;
    for (site, path) in
        [(spur.service("frontend"), "/api/cart"), (plain(&spur, "frontend").await, "/api/cart")]
    {
        let stream = TcpStream::connect(&site.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        // Both at once on one connection, each where its key says.
        let mut ask = |key: Option<&str>| {
            let mut req = Request::get(site.url(path)).body(Full::<Bytes>::default()).unwrap();
            if let Some(key) = key {
                req.headers_mut().insert("spur-key", key.parse().unwrap());
            }
            sender.send_request(req)
        };
        let (with, without) = (ask(Some("k-1")), ask(None));
        for (rsp, expected) in [(with.await.unwrap(), FORK), (without.await.unwrap(), BASELINE)] {
            assert_eq!(rsp.version(), http::Version::HTTP_2);
            let body = rsp.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(priced(&serde_json::from_slice(&body).unwrap()), expected, "{}", site.host);
        }
    }
    spur.end().await;
}

/// Adds a key to each call, or none.
#[derive(Clone)]
struct Keyed(Option<&'static str>);

impl Interceptor for Keyed {
    fn call(&mut self, mut req: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(key) = self.0 {
            req.metadata_mut().insert("spur-key", key.parse().unwrap());
        }
        Ok(req)
    }
}

/// A gRPC client that sends a key, or none.
fn recommendations(
    site: &Site,
    key: Option<&'static str>,
) -> RecommendationClient<InterceptedService<Channel, Keyed>> {
    let channel = Endpoint::from_shared(format!("http://{}", site.address)).unwrap();
    let channel = channel.origin(site.url("").parse().unwrap()).connect_lazy();
    RecommendationClient::new(InterceptedService::new(channel, Keyed(key)))
}

#[tokio::test]
async fn grpc_goes_where_its_key_says_with_its_trailers_and_streams() {
    let spur = Spur::up().with("fixtures/demo/recommendation.yaml").start().await;
    spur.until_routed("recommendation").await;
    let change = json!({"env": [{"name": "VERSION", "value": "v2"}]});
    spur.api().create_all(&[fork("better", "k-1", "recommendation", change)]).await;
    spur.api().until_condition(("sandboxes", "better"), "Ready").await;
    for site in [spur.service("recommendation"), plain(&spur, "recommendation").await] {
        for (key, version) in [(None, "v1"), (Some("k-1"), "v2"), (Some("nobodys"), "v1")] {
            let mut client = recommendations(&site, key);
            let reply = client.list(ListRequest { sku: "mug".into(), limit: 2 }).await.unwrap().into_inner();
            assert_eq!((&*reply.version, reply.suggestions.len()), (version, 2), "{key:?} at {}", site.host);
            let watch = WatchRequest { sku: "mug".into(), interval_ms: 1, limit: 5 };
            let mut stream = client.watch(watch).await.unwrap().into_inner();
            let mut n_seen = 0;
            while let Some(suggestion) = stream.message().await.unwrap() {
                assert_eq!(suggestion.version, version);
                n_seen += 1;
            }
            assert_eq!(n_seen, 5);
        }
    }
    // A status of the server's own comes through as it is.
    let mut unknown = recommendations(&spur.host("nothing.default.localhost"), None);
    let status = unknown.list(ListRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented, "{status:?}");
    assert!(status.message().contains("unknown-host"), "{status:?}");
    spur.end().await;
}

#[tokio::test]
async fn a_websocket_goes_where_its_key_says_and_carries_both_ways() {
    let spur = Spur::up().with("fixtures/demo/extras/ws-echo.yaml").start().await;
    spur.until_routed("ws-echo").await;
    spur.api().create_all(&[fork("talk", "k-1", "ws-echo", json!({}))]).await;
    spur.api().until_condition(("sandboxes", "talk"), "Ready").await;
    for (site, key, mark) in [
        (spur.service("ws-echo"), None, "baseline"),
        (spur.service("ws-echo"), Some("k-1"), "fork"),
        (spur.preview("talk", "ws-echo"), None, "fork"),
    ] {
        let mut req = format!("ws://{}/ws", site.host).into_client_request().unwrap();
        if let Some(key) = key {
            req.headers_mut().insert("spur-key", key.parse().unwrap());
        }
        let stream = TcpStream::connect(&site.address).await.unwrap();
        let (mut socket, rsp) = tokio_tungstenite::client_async(req, stream).await.unwrap();
        assert_eq!(rsp.status(), 101);
        let long = "x".repeat(200_000);
        for text in ["one", "two", &long] {
            socket.send(Message::text(text)).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text), "{mark}");
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    }
    until("the fork took two of the three", async || {
        let lines = spur.run(&["trace", "-o", "json"]).await.ok().stdout;
        let n_forked =
            lines.lines().filter(|line| line.contains("\"forked\"") && line.contains("/ws")).count();
        if n_forked == 2 { Ok(()) } else { Err(lines) }
    })
    .await;
    spur.end().await;
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let site = spur.service("mine");
    let mut client = post(&site).await;
    // The upstream has the request's head and its first chunk before there is a second one.
    let (mut served, _) = upstream.accept().await;
    client.write_all(b"5\r\nfirst\r\n").await.unwrap();
    read_until(&mut served, b"first").await;
    served.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
    // The client has the answer's first chunk while its own request goes on.
    read_until(&mut client, b"one").await;
    client.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut served, b"second").await;
    served.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut client, b"two").await;
    spur.end().await;
}

/// A chunked POST of which the head is sent.
async fn post(site: &Site) -> TcpStream {
    let mut client = TcpStream::connect(&site.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n", site.host);
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn hop_by_hop_headers_stay_and_the_context_goes_on() {
    let spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let site = spur.service("mine");
    let ask = site
        .get("/wanted?a=1")
        .key("k-1")
        .header("connection", "x-private")
        .header("x-private", "secret")
        .header("baggage", "team=blue");
    let asked = tokio::spawn(ask.send());
    let (mut served, head) = upstream.accept().await;
    assert!(head.starts_with("GET /wanted?a=1 HTTP/1.1\r\n"), "{head}");
    served.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nspur-x: y\r\n\r\nok").await.unwrap();
    let answer = asked.await.unwrap().ok();
    assert_eq!((answer.text().as_str(), answer.reason()), ("ok", None));
    let headers = headers_of(&head);
    assert!(!headers.contains_key("x-private"), "{head}");
    assert_eq!(headers["spur-key"], "k-1");
    assert!(headers["baggage"].to_str().unwrap().contains("team=blue"), "{head}");
    let traceparent = headers["traceparent"].to_str().unwrap();
    assert!(traceparent.starts_with("00-") && traceparent.len() == 55, "{traceparent}");
    assert_eq!(headers["host"], site.host);
    spur.end().await;
}

fn headers_of(head: &str) -> HeaderMap {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn a_pod_reaches_services_that_came_after_it() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    // Its Service is there, so its address stands in the pod's environment.
    let (pricing, inventory) = (sample("pricing", "pricing", &[]), sample("inventory", "inventory", &[]));
    api.create_all(&[pricing[0].clone(), inventory[0].clone()]).await;
    api.create_all(&sample("checkout", "checkout", &[])).await;
    spur.until_routed("checkout").await;
    let ask = || spur.service("checkout").get("/checkout?sku=mug");
    let early = ask().send().await;
    assert_eq!(early.status, 502, "{}", early.text());
    assert!(early.text().contains("no-ready-endpoints"), "{}", early.text());
    api.create_all(&[pricing[1].clone(), inventory[1].clone(), cheaper("cheaper", "k-1")]).await;
    spur.until_routed("inventory").await;
    api.until_condition(("sandboxes", "cheaper"), "Ready").await;
    assert_eq!(ask().send().await.ok().json()["total_cents"], 1200);
    assert_eq!(ask().key("k-1").send().await.ok().json()["total_cents"], 1080);
    spur.end().await;
}

/// Istio's way to a host that is not the cluster's.
#[tokio::test]
async fn a_service_entry_leads_where_its_name_does() {
    let spur = Spur::up().start().await;
    let port = crate::alone::says("outside").await;
    let ports = json!([{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": port}]);
    let entry = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"name": "outside", "namespace": "default"},
        "spec": {
            "hosts": ["api.example.com"], "resolution": "DNS", "ports": ports,
            "endpoints": [{"address": "localhost"}],
        },
    });
    spur.api().create(&entry).await.ok();
    let answered = until("the host is reached", async || {
        let answer = spur.host("api.example.com").get("/").try_send().await?;
        if answer.status == 200 { Ok(answer.text()) } else { Err(answer.text()) }
    });
    assert_eq!(answered.await, "outside");
    spur.end().await;
}

/// A port of gateways is there for as long as a Gateway has it; one that somebody else has is told
/// in the Gateway's status, and taken when it is free.
#[tokio::test]
async fn the_ports_of_gateways_are_opened_and_closed() {
    let spur = Spur::up().start().await;
    let backend = crate::alone::says("behind the gateway").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = taken.local_addr().unwrap().port();
    let metadata = |name: &str| json!({"name": name, "namespace": "default"});
    let mut slice = metadata("web-1");
    slice["labels"] = json!({"kubernetes.io/service-name": "web"});
    let istio = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata(name), "spec": spec});
    let server =
        json!({"port": {"number": free, "name": "http", "protocol": "HTTP"}, "hosts": ["www.example.com"]});
    let route = json!([{"destination": {"host": "web"}}]);
    spur.api()
        .create_all(&[
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata("web"),
                "spec": {"ports": [{"port": 80, "name": "http"}]},
            }),
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
                "addressType": "IPv4", "ports": [{"port": backend, "name": "http"}],
                "endpoints": [{"addresses": ["127.0.0.1"]}],
            }),
            istio("Gateway", "edge", json!({"servers": [server]})),
            istio(
                "VirtualService",
                "web",
                json!({
                    "hosts": ["www.example.com"], "gateways": ["edge"], "http": [{"route": route}],
                }),
            ),
        ])
        .await;
    let told = async |reason: &str| {
        until("the Gateway's status tells of its port", async || {
            let gateway = spur.api().get("gateways", "edge").await;
            let condition = &gateway["status"]["conditions"][0];
            if condition["reason"] == reason { Ok(condition.clone()) } else { Err(gateway.to_string()) }
        })
        .await
    };
    let message = told("NotServed").await["message"].to_string();
    assert!(message.contains(&format!("the server at port {free} is not served: ")), "{message}");
    drop(taken);
    told("NoErrorsFound").await;
    let gateway = Site::of(&format!("http://127.0.0.1:{free}"));
    let answered = until("the gateway answers", async || {
        let answer = gateway.get("/").header("host", "www.example.com").try_send().await?;
        if answer.status == 200 { Ok(answer.text()) } else { Err(answer.text()) }
    });
    assert_eq!(answered.await, "behind the gateway");
    let until_open = async |wanted: Value| {
        until("the status tells which ports are open", async || {
            let status = spur.api().ask(http::Method::GET, "/spur/v1/status").send().await.ok().json();
            if status["gatewayPorts"] == wanted { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    until_open(json!([free])).await;
    spur.api().delete("gateways", "edge").await.ok();
    until("the port is closed", async || match gateway.try_connect().await {
        Ok(_) => Err("it is open".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    until_open(json!([])).await;
    spur.end().await;
}

/// Who fails too often gets no requests for a while, and the status says who.
#[tokio::test]
async fn an_ejected_endpoint_stands_in_the_status() {
    let spur = Spur::up().start().await;
    // Nobody listens there, and nobody else can.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = taken.local_addr().unwrap();
    let metadata =
        json!({"name": "web", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}});
    let outliers = json!({"consecutive5xxErrors": 2, "baseEjectionTime": "60s", "maxEjectionPercent": 100});
    spur.api()
        .create_all(&[
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"ports": [{"port": 80, "name": "http"}]},
            }),
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
                "addressType": "IPv4", "ports": [{"port": dead.port(), "name": "http"}],
                "endpoints": [{"addresses": ["127.0.0.1"]}],
            }),
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata,
                "spec": {"host": "web", "trafficPolicy": {"outlierDetection": outliers}},
            }),
        ])
        .await;
    let ejected = until("the endpoint is left out", async || {
        let answer = spur.service("web").get("/").try_send().await?;
        let status = spur.api().ask(http::Method::GET, "/spur/v1/status").send().await.ok().json();
        match status["ejected"].as_array().and_then(|all| all.first()) {
            Some(ejected) => Ok(ejected.clone()),
            None => Err(format!("{} {status}", answer.status)),
        }
    })
    .await;
    assert_eq!(ejected["address"], dead.to_string());
    assert_eq!(ejected["service"], "default/web:80");
    spur.run(&["status"]).await.ok().prints(&["ejected", &dead.to_string()]);
    spur.end().await;
}
