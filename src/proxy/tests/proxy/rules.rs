//! What rules do to requests and responses, seen from outside.

use crate::harness::{Upstream, world};

#[tokio::test]
async fn a_rule_rewrites_path_host_and_headers() {
    let cart = Upstream::http1("cart").route("/v2/items", "new").run().await;
    let world = world()
        .service("cart", &[&cart])
        .istio(
            "VirtualService",
            r#"
hosts: [cart]
http:
- match: [{uri: {prefix: /api}}]
  rewrite: {uri: /v2, authority: other.example.com}
  headers: {request: {set: {x-rule: "1"}, remove: [x-secret]}, response: {add: {x-seen: "yes"}}}
  route:
  - destination: {host: cart}
    headers: {request: {add: {x-rule: "2"}}, response: {set: {x-to: cart}}}
"#,
        )
        .start()
        .await;
    let client = world.client("cart.shop.localhost").header("x-secret", "s").header("x-rule", "0");
    let got = client.get("/api/items?q=1").await;
    assert_eq!((got.status.as_u16(), &*got.text), (200, "new"));
    assert_eq!(
        (&got.headers["x-seen"], &got.headers["x-to"]),
        (&"yes".parse().unwrap(), &"cart".parse().unwrap())
    );
    let seen = cart.last_headers();
    assert_eq!(seen["host"], "other.example.com");
    assert_eq!(seen["x-envoy-original-path"], "/api/items?q=1");
    assert!(!seen.contains_key("x-secret"));
    let rules: Vec<_> = seen.get_all("x-rule").iter().collect();
    assert_eq!(rules, ["1", "2"]);
}

#[tokio::test]
async fn redirects_and_direct_responses_come_from_the_rule() {
    let world = world()
        .service("cart", &[])
        .istio(
            "VirtualService",
            r#"
hosts: [cart]
http:
- match: [{uri: {prefix: /old}}]
  redirect: {prefixRewrite: /new, redirectCode: 308}
- directResponse: {status: 418, body: {string: "short and stout"}}
  headers: {response: {set: {x-pot: tea}}}
"#,
        )
        .start()
        .await;
    let client = world.client("cart.shop.localhost:8080");
    let got = client.get("/old/x?q=1").await;
    assert_eq!(got.status, 308);
    assert_eq!(got.headers["location"], "http://cart.shop.localhost:8080/new/x?q=1");
    assert_eq!(got.headers["spur-reason"], "redirected");
    let got = client.get("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (418, "short and stout"));
    assert_eq!(got.headers["x-pot"], "tea");
    let got = client.get_h2("/").await;
    assert_eq!((got.status.as_u16(), &*got.text), (418, "short and stout"));
}

#[tokio::test]
async fn a_split_sends_shares_and_a_key_beats_it() {
    let v1 = Upstream::http1("cart").route("/", "v1").run().await;
    let v2 = Upstream::http1("cart-v2").route("/", "v2").run().await;
    let fork = Upstream::http1("pr-1-cart").route("/", "fork").run().await;
    let world = world()
        .service("cart", &[&v1])
        .service("cart-v2", &[&v2])
        .fork("pr-1", "cart-v2", &fork)
        .istio(
            "VirtualService",
            "{hosts: [cart], http: [{route: [{destination: {host: cart}, weight: 3}, {destination: {host: cart-v2}, weight: 1}]}]}",
        )
        .start()
        .await;
    let client = world.client("cart.shop.localhost");
    let mut n_v2 = 0;
    for _ in 0..400 {
        match &*client.get("/").await.text {
            "v1" => {}
            "v2" => n_v2 += 1,
            other => panic!("nobody answers {other}"),
        }
    }
    // 100 are expected, with a standard deviation of 8.7: seven of them to each side.
    assert!((40..=160).contains(&n_v2), "{n_v2} of 400 went to a quarter");
    for _ in 0..20 {
        assert_eq!(client.clone().header("spur-key", "pr-1").get("/").await.text, "fork");
    }
}

#[tokio::test]
async fn the_record_names_the_rule() {
    let cart = Upstream::http1("cart").route("/", "v1").run().await;
    let rule = "{hosts: [cart], http: [{name: all, route: [{destination: {host: cart}}]}]}";
    let world = world().service("cart", &[&cart]).istio("VirtualService", rule).start().await;
    assert_eq!(world.client("cart.shop.localhost").get("/").await.text, "v1");
    let (start, _) = world.only_hop().await;
    assert_eq!(start.decision.rule.unwrap().to_string(), "VirtualService shop/it http[0] `all`");
}

#[tokio::test]
async fn a_host_of_a_gateway_without_rules_is_404() {
    let world = world()
        .istio(
            "Gateway",
            "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}]}",
        )
        .start()
        .await;
    let got = world.client("www.example.com").get("/").await;
    assert_eq!((got.status.as_u16(), &got.headers["spur-reason"]), (404, &"no-route".parse().unwrap()));
}
