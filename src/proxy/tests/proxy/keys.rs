//! PX-6, PX-7, PX-12, PX-13, PX-15: what clients say about themselves, and about where they go.

use spur_proxy::Config;
use spur_route::TraceParent;

use crate::harness::{Client, Upstream, World, caller, raw, world};

/// A proxy that trusts callers only, with a baseline and a fork.
async fn untrusting() -> (World, [Upstream; 2]) {
    fn nobody(config: &mut Config) {
        config.trusted.clear();
    }
    let cart = Upstream::http1("cart").route("*", "baseline").run().await;
    let fork = Upstream::http1("fork").route("*", "fork").run().await;
    let plan = world().service("cart", &[&cart]).fork("pr-1", "cart", &fork);
    (plan.config(nobody).start().await, [cart, fork])
}

async fn shop() -> (World, Upstream) {
    let cart = Upstream::http1("cart").route("*", "hi").run().await;
    (world().service("cart", &[&cart]).start().await, cart)
}

/// Every carrier of a key.
const CARRIERS: [(&str, &str); 7] = [
    ("spur-key", "pr-1"),
    ("baggage", "user=7,spur-key=pr-1"),
    ("baggage", "sd-routing-key=pr-1,user=7"),
    ("tracestate", "spur=pr-1,vendor=x"),
    ("tracestate", "vendor=x,sd-routing-key=pr-1"),
    ("ot-baggage-sd-routing-key", "pr-1"),
    ("uberctx-sd-routing-key", "pr-1"),
];

/// PX-6: by every carrier; other members stay.
#[tokio::test]
async fn px_6_keys_of_clients_that_are_not_trusted_lead_nowhere_and_are_counted() {
    let (world, [cart, fork]) = untrusting().await;
    for (n_before, (name, value)) in (0..).zip(CARRIERS) {
        assert_eq!(world.handle.stats().n_keys_ignored, n_before);
        let got = world.client("cart.shop.localhost").header(name, value).get("/").await;
        assert_eq!(got.text, "baseline", "{name}: {value}");
        let seen = cart.last_headers();
        let all: Vec<_> = seen.iter().filter(|(_, value)| value.as_bytes().ends_with(b"pr-1")).collect();
        assert!(all.is_empty(), "nothing to hand on: {all:?}");
        match name {
            "baggage" => assert_eq!(seen["baggage"], "user=7"),
            "tracestate" => assert_eq!(seen["tracestate"], "vendor=x"),
            _ => assert!(!seen.contains_key(name), "{name}"),
        }
    }
    assert_eq!(fork.n_requests(), 0);
    assert_eq!(world.handle.stats().n_keys_ignored, CARRIERS.len() as u64);
}

/// PX-6: pods of ours, and networks that are trusted.
#[tokio::test]
async fn px_6_keys_of_known_callers_and_trusted_networks_count() {
    let (world, [_, fork]) = untrusting().await;
    let inlet = world.inlet(Some(caller("web", None)), "cart").await;
    for (name, value) in CARRIERS {
        assert_eq!(Client::new(inlet, "cart").header(name, value).get("/").await.text, "fork", "{name}");
    }
    assert_eq!(fork.n_requests(), CARRIERS.len());
    let trusting = |config: &mut Config| config.trusted = vec!["127.0.0.0/30".parse().unwrap()];
    let world = crate::harness::world()
        .service("cart", &[&fork])
        .fork("pr-1", "cart", &fork)
        .config(trusting)
        .start()
        .await;
    world.client("cart.shop.localhost").header("spur-key", "pr-1").get("/").await;
    assert_eq!(fork.last_headers()["spur-key"], "pr-1");
    assert_eq!(world.handle.stats().n_keys_ignored, 0);
}

/// PX-6: 5,000 members, and one of a limit's size.
#[tokio::test]
async fn px_6_of_too_much_baggage_whole_members_are_dropped_where_a_key_is_added() {
    let cart = Upstream::http1("cart").route("*", "baseline").run().await;
    let fork = Upstream::http1("fork").route("*", "fork").run().await;
    let world = world().service("cart", &[&cart]).fork("pr-1", "cart", &fork).start().await;
    let members: Vec<String> = (0..5_000).map(|n| format!("m{n}=v{n}")).collect();
    let baggage = members.join(",");
    assert!(baggage.len() > 50_000);
    let inlet = world.inlet(Some(caller("pr-1-web", Some("pr-1"))), "cart").await;
    assert_eq!(Client::new(inlet, "cart").header("baggage", &baggage).get("/").await.text, "fork");
    let seen = fork.last_headers()["baggage"].to_str().unwrap().to_owned();
    let kept: Vec<&str> = seen.split(',').collect();
    assert_eq!((kept.len(), kept[0]), (64, "spur-key=pr-1"));
    assert_eq!(kept[1..], members[..63], "whole ones, the first ones");
    // Where nothing is added it is passed on as it came.
    world.client("cart.shop.localhost").header("baggage", &baggage).get("/").await;
    assert_eq!(cart.last_headers()["baggage"], *baggage);
    // Beyond a head's size nothing is: 10 MB, of which the answer may get lost.
    let n_before = cart.n_requests();
    let mut head = b"GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\nbaggage: a=".to_vec();
    head.extend(std::iter::repeat_n(b'x', 10 << 20));
    let said = raw(world.entry(), head).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    assert_eq!(cart.n_requests(), n_before);
}

/// PX-6: the first that can be a key wins; what cannot is passed over.
#[tokio::test]
async fn px_6_of_several_keys_the_first_wins_and_a_malformed_one_is_none() {
    let cart = Upstream::http1("cart").route("*", "baseline").run().await;
    let fork = Upstream::http1("fork").route("*", "fork").run().await;
    let world = world().service("cart", &[&cart]).fork("pr-1", "cart", &fork).start().await;
    for (values, wanted) in [
        (&["spur-key=pr-1,spur-key=pr-2"][..], "fork"),
        (&["spur-key=pr-2,spur-key=pr-1"], "baseline"),
        (&["spur-key=pr-1", "spur-key=pr-2"], "fork"),
        (&["spur-key=pr-2", "spur-key=pr-1"], "baseline"),
        (&["spur-key=%zz,spur-key=pr-1"], "fork"),
        (&["spur-key=%ff,a=%,spur-key=pr-1"], "fork"),
        (&["spur-key=pr%2d1"], "fork"),
        (&["spur-key=%0d%0ax"], "baseline"),
    ] {
        let client = values
            .iter()
            .fold(world.client("cart.shop.localhost"), |client, value| client.header("baggage", value));
        assert_eq!(client.get("/").await.text, wanted, "{values:?}");
    }
}

/// PX-7: whatever it is, the request is served in a new trace.
#[tokio::test]
async fn px_7_a_traceparent_that_is_none_begins_a_new_trace() {
    let (world, cart) = shop().await;
    for bad in [
        "",
        "00-nonsense",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ] {
        let got = world.client("cart.shop.localhost").header("traceparent", bad).get("/").await;
        assert_eq!(got.status, 200, "{bad}");
        let sent = TraceParent::from_headers(&cart.last_headers()).unwrap();
        let (start, _) = world.only_hop().await;
        assert_eq!((sent.trace_id, start.incoming_parent_id), (start.id.trace_id, None), "{bad}");
        assert_ne!(sent.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{bad}");
        assert_eq!(cart.last_headers().get_all("traceparent").iter().count(), 1);
    }
}

/// PX-7: as much of it as fits a head.
#[tokio::test]
async fn px_7_a_large_tracestate_is_no_fault_below_the_limit_of_a_head() {
    let (world, cart) = shop().await;
    let large = format!("vendor={}", "x".repeat(50_000));
    assert_eq!(world.client("cart.shop.localhost").header("tracestate", &large).get("/").await.status, 200);
    assert_eq!(cart.last_headers()["tracestate"], *large);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\ntracestate: vendor={}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert!(raw(world.entry(), head).await.starts_with("HTTP/1.1 431 "));
}

/// PX-12: of a client that is not trusted nothing of it is believed.
#[tokio::test]
async fn px_12_forwarded_headers_of_clients_that_are_not_trusted_are_replaced() {
    let (world, [cart, _]) = untrusting().await;
    let spoofed = |client: Client| {
        client
            .header("x-forwarded-for", "10.0.0.1")
            .header("x-forwarded-for", "10.0.0.2")
            .header("x-forwarded-host", "evil")
            .header("x-forwarded-proto", "https")
            .header("forwarded", "for=10.0.0.1")
    };
    spoofed(world.client("cart.shop.localhost")).get("/").await;
    let seen = cart.last_headers();
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "cart.shop.localhost");
    assert_eq!(seen["x-forwarded-proto"], "http");
    assert!(!seen.contains_key("forwarded"));
    let inlet = world.inlet(Some(caller("web", None)), "cart").await;
    spoofed(Client::new(inlet, "cart")).get("/").await;
    let seen = cart.last_headers();
    assert_eq!(seen["x-forwarded-for"], "10.0.0.1, 10.0.0.2, 127.0.0.1");
    assert_eq!(
        (&seen["x-forwarded-host"], &seen["x-forwarded-proto"]),
        (&"evil".parse().unwrap(), &"https".parse().unwrap())
    );
}

/// PX-12: 10,000 entries.
#[tokio::test]
async fn px_12_a_list_of_too_many_addresses_begins_anew() {
    let (world, cart) = shop().await;
    let many = vec!["10.0.0.1"; 5_000].join(",");
    world.client("cart.shop.localhost").header("x-forwarded-for", &many).get("/").await;
    assert_eq!(cart.last_headers()["x-forwarded-for"], "127.0.0.1");
    let head = format!(
        "GET / HTTP/1.1\r\nhost: cart.shop.localhost\r\nx-forwarded-for: {}\r\n\r\n",
        vec!["10.0.0.1"; 10_000].join(",")
    );
    assert!(raw(world.entry(), head).await.starts_with("HTTP/1.1 431 "), "more than a head");
}

/// PX-13: on the entry, and only there.
#[tokio::test]
async fn px_13_headers_that_a_service_could_take_for_others_are_dropped_on_the_entry() {
    let (world, cart) = shop().await;
    let twins = |client: Client| {
        client
            .header("x_forwarded_for", "10.0.0.1")
            .header("spur_key", "pr-1")
            .header("x-user-id", "7")
            .header("x_user_id", "1")
            .header("app_version", "3")
    };
    let client = twins(world.client("cart.shop.localhost"));
    for is_h2 in [false, true] {
        if is_h2 {
            client.get_h2("/").await
        } else {
            client.get("/").await
        };
        let seen = cart.last_headers();
        for gone in ["x_forwarded_for", "spur_key", "x_user_id"] {
            assert!(!seen.contains_key(gone), "{gone}");
        }
        assert_eq!(
            (&seen["x-user-id"], &seen["app_version"]),
            (&"7".parse().unwrap(), &"3".parse().unwrap())
        );
    }
    let inlet = world.inlet(Some(caller("web", None)), "cart").await;
    twins(Client::new(inlet, "cart")).get("/").await;
    assert_eq!(cart.last_headers()["x_user_id"], "1", "between pods nothing is taken off");
}

/// PX-15: what is routed by is what is sent on (`spur_proxy` has one target for both).
#[tokio::test]
async fn px_15_a_path_has_one_form_before_it_is_routed_and_sent_on() {
    let (world, cart) = shop().await;
    for (path, wanted) in [
        ("/a/../admin", "/admin"),
        ("/a/%2e%2E/admin?x=/../y", "/admin?x=/../y"),
        ("/a\\..\\admin", "/admin"),
        ("/a%2f..%2fadmin", "/a%2f..%2fadmin"),
        ("//admin", "//admin"),
        ("/admin;x", "/admin;x"),
        ("/%61dmin", "/admin"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("http://cart.shop.localhost/a/./b", "/a/b"),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: cart.shop.localhost\r\nconnection: close\r\n\r\n");
        let said = raw(world.entry(), head).await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{path}: {said}");
        assert_eq!(cart.last_uri(), wanted, "{path}");
        let (start, _) = world.only_hop().await;
        assert_eq!(start.target.unwrap(), wanted, "what is shown, too");
    }
    assert_eq!(world.client("cart.shop.localhost").get_h2("/a/%2e%2e/b").await.status, 200);
    assert_eq!(cart.last_uri(), "/b");
}

/// PX-15: where services unescape before they look.
#[tokio::test]
async fn px_15_escaped_slashes_may_be_refused() {
    let cart = Upstream::http1("cart").route("*", "hi").run().await;
    let rejecting = |config: &mut Config| config.limits.set("escaped-slashes=reject").unwrap();
    let world = world().service("cart", &[&cart]).config(rejecting).start().await;
    let client = world.client("cart.shop.localhost");
    for path in ["/a%2fb", "/a%2F..%2Fadmin", "/a%5cb"] {
        let got = client.get(path).await;
        assert_eq!((got.status.as_u16(), got.reason()), (400, "escaped-slash"), "{path}");
    }
    let got = client.get("/a%00b").await;
    assert_eq!((got.status.as_u16(), got.reason()), (400, "invalid-target"));
    assert_eq!(cart.n_requests(), 0);
    assert_eq!(client.get("/a%20b?c=%2f").await.status, 200);
}
