//! Connections by rules: TLS that ends elsewhere by the name it asks for, and plain bytes.

use std::{sync::Arc, time::Duration};

use spur_route::Wire;
use spur_trace::{HopError, Record};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Authority, PATIENCE, Pair, TlsClient, Upstream, World, caller, serve_tls, world};

/// A server that ends TLS itself and says its name.
async fn ends_tls(name: &'static str, pair: Pair) -> Upstream {
    let pair = Arc::new(pair);
    Upstream::raw(name, Wire::Tcp, move |stream| {
        let pair = Arc::clone(&pair);
        async move {
            let Ok(mut stream) = serve_tls(stream, &pair, &[]).await else { return };
            stream.write_all(name.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await
}

/// A server that says its name.
async fn says(name: &'static str) -> Upstream {
    Upstream::raw(name, Wire::Tcp, move |mut stream: TcpStream| async move {
        stream.write_all(name.as_bytes()).await.unwrap();
    })
    .await
}

async fn heard(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut said)).await.expect("it is closed").unwrap();
    said
}

async fn heard_in_tls(
    world_address: std::net::SocketAddr,
    name: &str,
    authority: &Authority,
) -> Option<String> {
    let mut stream = TlsClient::new(world_address, name, authority).connect().await.ok()?;
    let mut said = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut said)).await.expect("it is closed").ok()?;
    Some(said)
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_service_and_tls_ends_there() {
    let authority = Authority::new();
    let exact = ends_tls("exact", authority.server("a.example.com")).await;
    let wide = ends_tls("wide", authority.server("*.example.com")).await;
    let world = world()
        .service("exact", &[&exact])
        .service("wide", &[&wide])
        .istio(
            "Gateway",
            "{servers: [{port: {number: 443, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}]}",
        )
        .istio(
            "VirtualService",
            r#"
hosts: ["*.example.com"]
gateways: [it]
tls:
- match: [{sniHosts: ["*.example.com"]}]
  route: [{destination: {host: wide}}]
- match: [{sniHosts: [a.example.com], port: 443}]
  route: [{destination: {host: exact}}]
- match: [{sniHosts: [b.example.com], port: 444}]
  route: [{destination: {host: exact}}]
"#,
        )
        .start()
        .await;
    let address = world.gateway(443).await;
    for (name, expected) in [
        ("a.example.com", Some("exact")),
        ("b.example.com", Some("wide")),
        ("A.Example.com", Some("exact")),
        ("a.other.com", None),
    ] {
        assert_eq!(heard_in_tls(address, name, &authority).await.as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn the_record_of_a_connection_names_its_rule() {
    let authority = Authority::new();
    let db = ends_tls("db", authority.server("db.example.com")).await;
    let world = world()
        .service("db", &[&db])
        .istio("Gateway", "{servers: [{port: {number: 443, protocol: TLS}, hosts: ['*'], tls: {}}]}")
        .istio(
            "VirtualService",
            "{hosts: [db.example.com], gateways: [it], tls: [{match: [{sniHosts: [db.example.com]}], route: [{destination: {host: db}}]}]}",
        )
        .start()
        .await;
    let address = world.gateway(443).await;
    assert_eq!(heard_in_tls(address, "db.example.com", &authority).await.as_deref(), Some("db"));
    let (start, end) = world.only_hop().await;
    assert_eq!(start.decision.rule.unwrap().to_string(), "VirtualService shop/it tls[0]");
    assert_eq!((end.error, end.served_by.unwrap().address), (None, db.address));
    assert_eq!(heard_in_tls(address, "x.example.com", &authority).await, None);
    let (start, _) = world.only_hop().await;
    assert_eq!(start.decision.reason.code(), "no-route");
}

#[tokio::test]
async fn tls_that_ends_at_the_gateway_may_hold_bytes() {
    let authority = Authority::new();
    let db = says("db").await;
    let world = world()
        .service("db", &[&db])
        .secret("c", &authority.server("db.example.com"))
        .istio(
            "Gateway",
            "{servers: [{port: {number: 443, protocol: TLS}, hosts: [db.example.com], tls: {mode: SIMPLE, credentialName: c}}]}",
        )
        .istio(
            "VirtualService",
            "{hosts: [db.example.com], gateways: [it], tcp: [{route: [{destination: {host: db}}]}]}",
        )
        .start()
        .await;
    let address = world.gateway(443).await;
    assert_eq!(heard_in_tls(address, "db.example.com", &authority).await.as_deref(), Some("db"));
}

async fn with_tcp_rules() -> (World, [Upstream; 3]) {
    let [v1, v2, fork] = [says("v1").await, says("v2").await, says("fork").await];
    let world = world()
        .service("db", &[&v1])
        .service("db-v2", &[&v2])
        .fork("pr-1", "db-v2", &fork)
        .istio("Gateway", "{servers: [{port: {number: 5432, protocol: TCP}, hosts: ['*']}]}")
        .istio(
            "VirtualService",
            r#"
hosts: [db]
gateways: [mesh, it]
tcp:
- match: [{gateways: [mesh], sourceNamespace: other}]
  route: [{destination: {host: nobody}}]
- match: [{port: 80}, {port: 5432}]
  route: [{destination: {host: db}, weight: 1}, {destination: {host: db-v2}, weight: 3}]
"#,
        )
        .start()
        .await;
    (world, [v1, v2, fork])
}

#[tokio::test]
async fn bytes_are_split_by_weight_at_gateways_and_in_the_mesh() {
    let (world, _upstreams) = with_tcp_rules().await;
    let inlet = world.inlet(Some(caller("cart", None)), "db").await;
    for address in [world.gateway(5432).await, inlet] {
        let mut n_v2 = 0;
        for _ in 0..200 {
            match &*heard(address).await {
                "v1" => {}
                "v2" => n_v2 += 1,
                other => panic!("nobody says {other}"),
            }
        }
        // 150 are expected, with a standard deviation of 6.1: seven of them to each side.
        assert!((107..=193).contains(&n_v2), "{n_v2} of 200 went to three quarters");
    }
}

#[tokio::test]
async fn the_callers_sandbox_beats_the_weights() {
    let (world, _upstreams) = with_tcp_rules().await;
    let inlet = world.inlet(Some(caller("cart", Some("pr-1"))), "db").await;
    for _ in 0..20 {
        assert_eq!(heard(inlet).await, "fork");
    }
}

/// Sends back what it reads.
async fn echoes(name: &'static str) -> Upstream {
    let echo = |mut stream: TcpStream| async move {
        let (mut from, mut to) = stream.split();
        let _ended = tokio::io::copy(&mut from, &mut to).await;
    };
    Upstream::raw(name, Wire::Tcp, echo).await
}

#[tokio::test]
async fn silent_connections_end_after_their_idle_time_and_others_do_not() {
    let db = echoes("db").await;
    let idle = |time: &str| {
        format!("{{host: db, trafficPolicy: {{connectionPool: {{tcp: {{idleTimeout: {time}}}}}}}}}")
    };
    let short = world().service("db", &[&db]).istio("DestinationRule", &idle("300ms")).start().await;
    let mut stream = TcpStream::connect(short.inlet(None, "db").await).await.unwrap();
    // Longer than the idle time in all, and never that long without a byte.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
    }
    let closed = timeout(PATIENCE, stream.read_u8()).await.expect("it is closed");
    assert!(closed.is_err());
    let (_, end) = short.only_hop().await;
    assert_eq!(end.error, Some(HopError::Idle));

    let never = world().service("db", &[&db]).istio("DestinationRule", &idle("0s")).start().await;
    let mut stream = TcpStream::connect(never.inlet(None, "db").await).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}

/// `maxConnectionDuration`, however much is sent.
#[tokio::test]
async fn connections_end_when_they_are_as_old_as_the_policy_says() {
    let db = echoes("db").await;
    let policy = "{host: db, trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 200ms}}}}";
    let world = world().service("db", &[&db]).istio("DestinationRule", policy).start().await;
    let mut stream = TcpStream::connect(world.inlet(None, "db").await).await.unwrap();
    let echoes = async {
        // Until one of them fails.
        while stream.write_all(b"x").await.is_ok() && stream.read_u8().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, echoes).await.expect("it is closed");
    let (_, end) = world.only_hop().await;
    assert_eq!(end.error, Some(HopError::TooOld));
    assert!(end.duration >= Duration::from_millis(200), "{:?}", end.duration);
}

/// `tls` rules of the mesh: by name, before those for bytes, and only for who sees them.
#[tokio::test]
async fn the_name_that_is_asked_for_chooses_in_the_mesh_too() {
    let authority = Authority::new();
    let pair = || authority.server("*.example.com");
    let (own, other) = (ends_tls("own", pair()).await, ends_tls("other", pair()).await);
    let (fork, bytes) = (ends_tls("fork", pair()).await, says("bytes").await);
    let rules = r#"
hosts: [own, '*.example.com']
tls:
- match: [{sniHosts: [a.example.com], sourceLabels: {app: nobody}}, {sniHosts: [b.example.com], port: 80}]
  route: [{destination: {host: other}}]
- match: [{sniHosts: [c.example.com]}]
  route: [{destination: {host: bytes}}]
"#;
    for wire in [Wire::Tcp, Wire::Auto] {
        let world = world()
            .service("own", &[&own])
            .wire("own", wire)
            .service("other", &[&other])
            .service("bytes", &[&bytes])
            .fork("pr-1", "other", &fork)
            .istio("VirtualService", rules)
            .start()
            .await;
        let inlet = world.inlet(Some(caller("cart", None)), "own").await;
        for (name, wanted) in [
            ("a.example.com", Some("own")),
            ("b.example.com", Some("other")),
            // There is no TLS at its end.
            ("c.example.com", None),
            ("d.example.com", Some("own")),
        ] {
            assert_eq!(heard_in_tls(inlet, name, &authority).await.as_deref(), wanted, "{name} {wire:?}");
        }
        let forked = world.inlet(Some(caller("cart", Some("pr-1"))), "own").await;
        assert_eq!(heard_in_tls(forked, "b.example.com", &authority).await.as_deref(), Some("fork"));
        let rules = world.records().into_iter().filter_map(|record| match record {
            Record::Start(start) => start.decision.rule.as_ref()?.route.as_deref().map(str::to_owned),
            _ => None,
        });
        assert_eq!(rules.collect::<Vec<_>>(), ["tls[0]", "tls[1]", "tls[0]"]);
    }
}

/// Who waits for its server to speak first says no name; rules for another port are none for it.
#[tokio::test]
async fn rules_by_name_for_another_port_leave_a_server_that_speaks_first_alone() {
    let db = says("hello").await;
    let rules =
        "{hosts: [db], tls: [{match: [{sniHosts: [db], port: 443}], route: [{destination: {host: db}}]}]}";
    let world = world().service("db", &[&db]).istio("VirtualService", rules).start().await;
    let inlet = world.inlet(Some(caller("cart", None)), "db").await;
    assert_eq!(heard(inlet).await, "hello");
}
