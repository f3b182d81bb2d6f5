//! TLS that ends at gateways: whose certificate is shown to whom, who is let in, and what changes
//! while connections run.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::CertificateDer};
use spur_net::server_name;
use spur_proxy::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    Authority, Client, PATIENCE, Pair, Plan, TlsClient, Upstream, World, eventually, raw, whole, world,
};

const RULES: &str = "{hosts: ['*'], gateways: [it, it-1], http: [{route: [{destination: {host: cart}}]}]}";

/// A server at port 443.
fn server(hosts: &str, tls: &str) -> String {
    format!("{{servers: [{{port: {{number: 443, protocol: HTTPS}}, hosts: [{hosts}], tls: {tls}}}]}}")
}

/// Shows what the secret `c` holds and asks for nothing.
const SIMPLE: &str = "{mode: SIMPLE, credentialName: c}";

/// A world with a cart behind one server for `a.com`, which shows a certificate; not yet started.
fn shop(cart: &Upstream, shown: &Pair, tls: &str) -> Plan {
    world()
        .service("cart", &[cart])
        .secret("c", shown)
        .istio("Gateway", &server("a.com", tls))
        .istio("VirtualService", RULES)
}

async fn cart() -> Upstream {
    Upstream::http1("cart").route("/", "hi").run().await
}

#[tokio::test]
async fn requests_in_tls_are_routed_and_told_to_be() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(&cart, &authority.server("a.com"), SIMPLE).start().await;
    let client = TlsClient::new(world.gateway(443).await, "a.com", &authority);
    assert_eq!(client.get("a.com", "/").await.unwrap().text, "hi");
    assert_eq!(cart.last_headers()["x-forwarded-proto"], "https");
    let got = client.get_h2("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "hi"));
}

#[tokio::test]
async fn the_name_chooses_the_certificate_and_a_name_nobody_has_is_closed() {
    let (one, two, cart) = (Authority::new(), Authority::new(), cart().await);
    let world = world()
        .service("cart", &[&cart])
        .secret("one", &one.server("a.com"))
        .secret("two", &two.server("*.b.com"))
        .istio("Gateway", &server("a.com", "{mode: SIMPLE, credentialName: one}"))
        .istio("Gateway", &server("'*.b.com'", "{mode: SIMPLE, credentialName: two}"))
        .istio("VirtualService", RULES)
        .start()
        .await;
    let address = world.gateway(443).await;
    let get = async |name: &'static str, authority: &Authority| {
        TlsClient::new(address, name, authority).get(name, "/").await.map(|got| got.text)
    };
    assert_eq!(get("a.com", &one).await.unwrap(), "hi");
    assert_eq!(get("x.b.com", &two).await.unwrap(), "hi");
    assert!(get("x.b.com", &one).await.is_err(), "another authority's");
    assert!(get("c.com", &one).await.is_err(), "no server has it");
    assert!(TlsClient::new(address, "127.0.0.1", &one).connect().await.is_err(), "no name, and two servers");
    eventually("they are counted", || world.handle.stats().n_handshakes_failed >= 2).await;
}

/// PX-10: no name.
#[tokio::test]
async fn px_10_a_client_without_a_name_gets_the_only_server() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(&cart, &authority.server("127.0.0.1"), SIMPLE).start().await;
    let client = TlsClient::new(world.gateway(443).await, "127.0.0.1", &authority);
    assert_eq!(client.get("a.com", "/").await.unwrap().text, "hi");
}

async fn mutual(mode: &str) -> (World, Upstream, Authority, Authority) {
    let (servers, clients, cart) = (Authority::new(), Authority::new(), cart().await);
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &servers.server("a.com").trusting(&clients))
        .secret("d", &servers.server("b.com"))
        .istio("Gateway", &server("a.com", &format!("{{mode: {mode}, credentialName: c}}")))
        .istio("Gateway", &server("b.com", "{mode: SIMPLE, credentialName: d}"))
        .istio("VirtualService", RULES)
        .start()
        .await;
    (world, cart, servers, clients)
}

/// PX-10: a client's certificate that is missing, or another authority's.
#[tokio::test]
async fn px_10_without_a_clients_certificate_nobody_is_let_in_where_it_is_asked_for() {
    let (world, cart, servers, clients) = mutual("MUTUAL").await;
    let client = TlsClient::new(world.gateway(443).await, "a.com", &servers);
    assert!(client.get("a.com", "/").await.is_err(), "none");
    let strangers = Authority::new();
    let stranger = client.clone().showing(&servers, &strangers.client());
    assert!(stranger.get("a.com", "/").await.is_err(), "another authority's");
    assert_eq!(cart.n_requests(), 0);
    let known = client.showing(&servers, &clients.client());
    assert_eq!(known.get("a.com", "/").await.unwrap().text, "hi");
}

#[tokio::test]
async fn where_it_may_be_absent_a_wrong_one_is_refused_all_the_same() {
    let (world, _cart, servers, clients) = mutual("OPTIONAL_MUTUAL").await;
    let client = TlsClient::new(world.gateway(443).await, "a.com", &servers);
    assert_eq!(client.get("a.com", "/").await.unwrap().text, "hi");
    let stranger = client.clone().showing(&servers, &Authority::new().client());
    assert!(stranger.get("a.com", "/").await.is_err());
    assert_eq!(client.showing(&servers, &clients.client()).get("a.com", "/").await.unwrap().text, "hi");
}

/// PX-10: the name differs from Host.
#[tokio::test]
async fn px_10_a_host_of_another_server_is_421_where_certificates_are_asked_for() {
    let (world, cart, servers, clients) = mutual("MUTUAL").await;
    let address = world.gateway(443).await;
    let known = TlsClient::new(address, "a.com", &servers).showing(&servers, &clients.client());
    let got = known.get("b.com", "/").await.unwrap();
    assert_eq!((got.status.as_u16(), got.reason()), (421, "misdirected"));
    assert_eq!(cart.n_requests(), 0);
    // Without certificates Host alone counts, as in Envoy: who asks for `b.com` could come as anybody.
    let anybody = TlsClient::new(address, "b.com", &servers);
    assert_eq!(anybody.get("a.com", "/").await.unwrap().text, "hi");
}

#[tokio::test]
async fn a_changed_secret_holds_from_the_next_handshake_on() {
    let (old, new, cart) = (Authority::new(), Authority::new(), cart().await);
    let plan = shop(&cart, &old.server("a.com"), SIMPLE);
    let world = plan.clone().start().await;
    let address = world.gateway(443).await;
    let client = TlsClient::new(address, "a.com", &old);
    let stream = client.connect().await.unwrap();
    let shown = |stream: &tokio_rustls::client::TlsStream<TcpStream>| -> CertificateDer<'static> {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let first = shown(&stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    world.table.store(Arc::new(plan.secret("c", &new.server("a.com")).table(2)));
    assert!(client.connect().await.is_err(), "the old authority's is gone");
    let stream = TlsClient::new(address, "a.com", &new).connect().await.unwrap();
    assert_ne!(shown(&stream), first);
    let request = Client::new(address, "a.com").request("/");
    let got = whole(sender.send_request(request).await.unwrap()).await.unwrap();
    assert_eq!(got.text, "hi", "a running connection goes on");
}

#[tokio::test]
async fn a_missing_or_broken_secret_leaves_its_server_out_and_no_other() {
    let (authority, cart) = (Authority::new(), cart().await);
    let mut broken = authority.server("b.com");
    broken.key = "no key".to_owned();
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &authority.server("a.com"))
        .secret("broken", &broken)
        .istio("Gateway", &server("a.com", SIMPLE))
        .istio("Gateway", &server("b.com", "{mode: SIMPLE, credentialName: broken}"))
        .istio("Gateway", &server("c.com", "{mode: SIMPLE, credentialName: missing}"))
        .istio("VirtualService", RULES)
        .start()
        .await;
    let address = world.gateway(443).await;
    for name in ["b.com", "c.com"] {
        assert!(TlsClient::new(address, name, &authority).connect().await.is_err(), "{name}");
    }
    assert_eq!(TlsClient::new(address, "a.com", &authority).get("a.com", "/").await.unwrap().text, "hi");
}

#[tokio::test]
async fn versions_below_the_lowest_are_refused() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(
        &cart,
        &authority.server("a.com"),
        "{mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3}",
    )
    .start()
    .await;
    let client = TlsClient::new(world.gateway(443).await, "a.com", &authority);
    assert!(client.clone().speaking(&authority, false).connect().await.is_err());
    assert!(client.speaking(&authority, true).connect().await.is_ok());
}

#[tokio::test]
async fn plain_http_at_a_port_of_tls_is_told_and_reaches_nobody() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(&cart, &authority.server("a.com"), SIMPLE).start().await;
    let said = raw(world.gateway(443).await, "GET / HTTP/1.1\r\nhost: a.com\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.0 400 "), "{said}");
    assert_eq!(cart.n_requests(), 0);
}

/// PX-10: half a handshake.
#[tokio::test]
async fn px_10_half_a_handshake_is_closed_by_a_deadline() {
    fn short(config: &mut Config) {
        config.limits.first_bytes_timeout = Duration::from_millis(100);
    }
    let authority = Authority::new();
    let world = world()
        .secret("c", &authority.server("a.com"))
        .istio("Gateway", &server("a.com", SIMPLE))
        .config(short)
        .start()
        .await;
    let address = world.gateway(443).await;
    // A first message that is not whole, and a whole one after which nothing comes.
    let config: ClientConfig = {
        let mut taken = None;
        let _ = TlsClient::new(address, "a.com", &authority).config(|config| taken = Some(config.clone()));
        taken.unwrap()
    };
    let mut hello = Vec::new();
    rustls::ClientConnection::new(Arc::new(config), server_name("a.com").unwrap())
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    for sent in [&hello[..20], &hello[..]] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut all = Vec::new();
        let _closed =
            tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it is closed");
    }
    eventually("both are counted", || world.handle.stats().n_connections_overdue == 2).await;
}

/// PX-10: pieces of one byte.
#[tokio::test]
async fn px_10_a_first_message_in_single_bytes_is_one() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(&cart, &authority.server("a.com"), SIMPLE).start().await;
    // A relay that passes single bytes on.
    let (address, slow) =
        (world.gateway(443).await, tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let slow_address = slow.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = slow.accept().await.unwrap();
        let server = TcpStream::connect(address).await.unwrap();
        server.set_nodelay(true).unwrap();
        let ((mut from, mut to), (mut back, mut forth)) = (client.into_split(), server.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
        while let Ok(byte) = from.read_u8().await {
            if forth.write_u8(byte).await.is_err() {
                return;
            }
        }
    });
    let client = TlsClient::new(slow_address, "a.com", &authority);
    assert_eq!(client.get("a.com", "/").await.unwrap().text, "hi");
}

/// PX-10: 0-RTT.
#[tokio::test]
async fn px_10_nothing_is_taken_early() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = shop(&cart, &authority.server("a.com"), SIMPLE).start().await;
    let address = world.gateway(443).await;
    let client =
        TlsClient::new(address, "a.com", &authority).config(|config| config.enable_early_data = true);
    let connector = client.connector();
    for is_second in [false, true] {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(server_name("a.com").unwrap(), stream).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        assert_eq!(kind == rustls::HandshakeKind::Resumed, is_second, "tickets are given");
        assert!(!stream.get_ref().1.is_early_data_accepted());
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a.com\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut said = String::new();
        let _closed = stream.read_to_string(&mut said).await;
        assert!(said.ends_with("hi"), "{said}");
    }
}

#[tokio::test]
async fn plain_requests_are_sent_to_https_and_those_in_tls_are_not() {
    let (authority, cart) = (Authority::new(), cart().await);
    let world = world()
        .service("cart", &[&cart])
        .secret("c", &authority.server("a.com"))
        .istio(
            "Gateway",
            "{servers: [{port: {number: 81, protocol: HTTP}, hosts: [a.com], tls: {httpsRedirect: true}}, {port: {number: 443, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}]}",
        )
        .istio("VirtualService", RULES)
        .start()
        .await;
    let got = Client::new(world.gateway(81).await, "a.com").get("/x").await;
    assert_eq!((got.status.as_u16(), &got.headers["location"]), (301, &"https://a.com/x".parse().unwrap()));
    let client = TlsClient::new(world.gateway(443).await, "a.com", &authority);
    assert_eq!(client.get("a.com", "/").await.unwrap().text, "hi");
}
