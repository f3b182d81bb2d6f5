//! TLS with upstreams: which certificates are taken, what is shown, and what a failure says.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spur_route::Wire;
use spur_trace::{HopError, TlsFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Authority, Pair, Upstream, caller, serve_tls, world};

/// A server over TLS that answers with the name that it was asked for, the protocol and the scheme.
async fn secure(wire: Wire, pair: Pair) -> Upstream {
    let pair = Arc::new(pair);
    Upstream::raw("cart", wire, move |stream| {
        let pair = Arc::clone(&pair);
        async move {
            let Ok(stream) = serve_tls(stream, &pair, &[b"h2", b"http/1.1"]).await else { return };
            let session = stream.get_ref().1;
            let alpn = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned();
            let said = format!("{} {alpn}", session.server_name().unwrap_or("-"));
            let service = service_fn(move |req: http::Request<Incoming>| {
                let scheme = req.uri().scheme_str().map(|scheme| format!(" {scheme}")).unwrap_or_default();
                let body = Full::new(Bytes::from(format!("{said}{scheme}")));
                async move { Ok::<_, Infallible>(Response::new(body)) }
            });
            let io = TokioIo::new(stream);
            if wire == Wire::Http2 {
                let _ = conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
            } else {
                let _ = conn::http1::Builder::new().serve_connection(io, service).await;
            }
        }
    })
    .await
}

fn rule(tls: &str) -> String {
    format!("{{host: cart, trafficPolicy: {{tls: {tls}}}}}")
}

const NAME: &str = "cart.shop.localhost";

#[tokio::test]
async fn the_hosts_own_name_is_asked_for_and_a_connection_is_used_again() {
    let authority = Authority::new();
    for (wire, expected) in
        [(Wire::Http1, "cart.shop.localhost http/1.1"), (Wire::Http2, "cart.shop.localhost h2 https")]
    {
        let cart = secure(wire, authority.server(NAME)).await;
        let world = world()
            .service("cart", &[&cart])
            .secret("c", &authority.client().trusting(&authority))
            .istio("DestinationRule", &rule("{mode: SIMPLE, credentialName: c}"))
            .start()
            .await;
        for _ in 0..3 {
            assert_eq!(world.client(NAME).get("/").await.text, expected);
        }
        assert_eq!(cart.n_connections(), 1);
    }
}

#[tokio::test]
async fn connections_for_different_names_are_not_shared() {
    let authority = Authority::new();
    let cart = secure(Wire::Http1, authority.server("*.example.com")).await;
    let rules = "{hosts: ['*.example.com'], gateways: [it], http: [{route: [{destination: {host: cart}}]}]}";
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &authority.client().trusting(&authority))
        .istio("DestinationRule", &rule("{mode: SIMPLE, credentialName: c}"))
        .istio("Gateway", "{servers: [{port: {number: 80, protocol: HTTP}, hosts: ['*']}]}")
        .istio("VirtualService", rules)
        .start()
        .await;
    for host in ["a.example.com", "b.example.com", "a.example.com"] {
        assert_eq!(world.client(host).get("/").await.text, format!("{host} http/1.1"));
    }
    assert_eq!(cart.n_connections(), 2);
}

/// PX-10: an upstream's certificate that has expired, or is wrong otherwise.
#[tokio::test]
async fn px_10_a_certificate_that_is_not_good_is_503_and_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (pair, tls, fault, word) in [
        (authority.expired(NAME), "", TlsFault::Expired, "expired"),
        (other.server(NAME), "", TlsFault::UnknownIssuer, "no authority that is trusted"),
        (authority.server("b.com"), "", TlsFault::OtherName, "another name"),
        (authority.server(NAME), ", subjectAltNames: [b.com]", TlsFault::OtherName, "another name"),
        (authority.server(NAME), ", sni: b.com", TlsFault::OtherName, "another name"),
        (authority.server(NAME).trusting(&authority), "", TlsFault::Refused, "MUTUAL"),
    ] {
        let cart = secure(Wire::Http1, pair).await;
        let world = world()
            .service("cart", &[&cart])
            .secret("c", &authority.client().trusting(&authority))
            .istio("DestinationRule", &rule(&format!("{{mode: SIMPLE, credentialName: c{tls}}}")))
            .start()
            .await;
        let got = world.client(NAME).get("/").await;
        let (_, end) = world.only_hop().await;
        if fault == TlsFault::Refused {
            // With TLS 1.3 a client's certificate is missed after its handshake is over.
            assert!(!got.status.is_success() && end.error.is_some(), "{}", got.text);
            continue;
        }
        assert_eq!((got.status.as_u16(), got.reason()), (503, "tls-failed"), "{}", got.text);
        assert!(got.text.contains(word), "{word} in {}", got.text);
        assert_eq!(end.error, Some(HopError::TlsFailed(fault)));
    }
}

#[tokio::test]
async fn what_is_asked_for_and_what_is_wanted_may_differ() {
    let authority = Authority::new();
    for (name, tls, expected) in [
        ("b.com", "sni: b.com", "b.com http/1.1"),
        ("b.com", "subjectAltNames: [a.com, b.com]", "cart.shop.localhost http/1.1"),
        ("b.com", "insecureSkipVerify: true", "cart.shop.localhost http/1.1"),
    ] {
        let cart = secure(Wire::Http1, authority.server(name)).await;
        let world = world()
            .service("cart", &[&cart])
            .secret("c", &authority.client().trusting(&authority))
            .istio("DestinationRule", &rule(&format!("{{mode: SIMPLE, credentialName: c, {tls}}}")))
            .start()
            .await;
        assert_eq!(world.client(NAME).get("/").await.text, expected, "{tls}");
    }
}

#[tokio::test]
async fn without_a_secret_the_systems_authorities_are_trusted_and_no_others() {
    let cart = secure(Wire::Http1, Authority::new().server(NAME)).await;
    let world =
        world().service("cart", &[&cart]).istio("DestinationRule", &rule("{mode: SIMPLE}")).start().await;
    let got = world.client(NAME).get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (503, "tls-failed"), "{}", got.text);
}

#[tokio::test]
async fn a_certificate_is_shown_where_the_rule_is_mutual() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let cart = secure(Wire::Http1, servers.server(NAME).trusting(&clients)).await;
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &clients.client().trusting(&servers))
        .istio("DestinationRule", &rule("{mode: MUTUAL, credentialName: c}"))
        .start()
        .await;
    assert_eq!(world.client(NAME).get("/").await.text, "cart.shop.localhost http/1.1");
}

#[tokio::test]
async fn a_secret_that_is_not_there_fails_requests_and_nothing_is_sent_plain() {
    let authority = Authority::new();
    let cart = secure(Wire::Http1, authority.server(NAME)).await;
    let world = world()
        .service("cart", &[&cart])
        .istio("DestinationRule", &rule("{mode: MUTUAL, credentialName: missing}"))
        .start()
        .await;
    let got = world.client(NAME).get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (503, "tls-failed"));
    assert!(got.text.contains("Secret"), "{}", got.text);
    assert_eq!(cart.n_connections(), 0);
}

#[tokio::test]
async fn an_upstream_without_tls_is_503_and_says_so() {
    let cart = Upstream::http1("cart").route("/", "hi").run().await;
    let world =
        world().service("cart", &[&cart]).istio("DestinationRule", &rule("{mode: SIMPLE}")).start().await;
    let got = world.client(NAME).get("/").await;
    assert_eq!((got.status.as_u16(), got.reason()), (503, "tls-failed"), "{}", got.text);
    assert_eq!(cart.n_requests(), 0);
}

#[tokio::test]
async fn bytes_go_in_tls_where_the_rule_says_so() {
    let authority = Authority::new();
    let pair = Arc::new(authority.server("db.example.com"));
    let cart = Upstream::raw("cart", Wire::Tcp, move |stream| {
        let pair = Arc::clone(&pair);
        async move {
            let mut stream = serve_tls(stream, &pair, &[]).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &authority.client().trusting(&authority))
        .istio("DestinationRule", &rule("{mode: SIMPLE, credentialName: c, sni: db.example.com}"))
        .start()
        .await;
    let inlet = world.inlet(Some(caller("shop", None)), "cart").await;
    let mut stream = tokio::net::TcpStream::connect(inlet).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello");
}
