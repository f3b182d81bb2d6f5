//! What is explained is what is done: requests through a running proxy, and for each the same
//! question to the table.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use spur_route::Question;
use spur_trace::{Decision, Record};

use crate::harness::{Upstream, eventually, world};

const RULES: &str = r#"
hosts: [cart]
http:
- name: exact
  match: [{uri: {exact: /a}, headers: {user: {exact: ann}}}, {uri: {regex: "/b/[0-9]+"}}]
  route: [{destination: {host: cart}}]
- name: away
  match: [{uri: {prefix: /old}, withoutHeaders: {x-stay: {}}}]
  redirect: {prefixRewrite: /new}
- name: query
  match: [{queryParams: {v: {exact: "2"}}, method: {exact: GET}}]
  route: [{destination: {host: other}}]
- name: nobody
  match: [{uri: {prefix: /nobody}}]
  route: [{destination: {host: nobody}}]
- name: answer
  match: [{headers: {user: {prefix: b}}}]
  directResponse: {status: 204}
- name: split
  match: [{uri: {prefix: /split}}]
  route: [{destination: {host: cart}, weight: 1}, {destination: {host: other}, weight: 1}]
- name: some
  match: [{uri: {prefix: /a}}, {uri: {prefix: /c}}]
  route: [{destination: {host: cart}}]
"#;

const PATHS: [&str; 11] =
    ["/a", "/a/b", "/b/1", "/b/x", "/old/x", "/c?v=2", "/?v=2", "/nobody", "/split", "/d", "/a/../old/y?q=1"];
const HOSTS: [&str; 5] = [
    "cart.shop.localhost",
    "CART.shop",
    "other.shop.localhost",
    "pr-1--cart.shop.localhost",
    "gone.shop.localhost",
];
const HEADERS: [(&str, &str); 8] = [
    ("user", "ann"),
    ("user", "bob"),
    ("x-stay", "1"),
    ("spur-key", "pr-1"),
    ("spur-key", "nobodys"),
    ("baggage", "spur-key=pr-1,a=b"),
    ("tracestate", "spur=pr-1"),
    ("spur-key", "not a key"),
];

/// What of a decision does not hang on the lot.
fn facts(decision: &Decision) -> String {
    let Decision {
        rule,
        version,
        key,
        reason,
        n_disagreeing,
        n_malformed,
        fell_back,
        service,
        share,
        asked,
        ..
    } = decision;
    let rule = rule.as_ref().map(ToString::to_string);
    match share {
        Some(share) => format!("{rule:?} {share:?} {:?}", key.as_ref().map(|key| &key.value)),
        None => format!(
            "{rule:?} {version} {key:?} {reason} {n_disagreeing} {n_malformed} {fell_back} {service:?} {asked:?}"
        ),
    }
}

#[tokio::test]
async fn every_recorded_request_is_explained_as_it_was_decided() {
    let cart = Upstream::http1("cart").run().await;
    let other = Upstream::http1("other").run().await;
    let fork = Upstream::http1("pr-1-cart").run().await;
    let world = world()
        .service("cart", &[&cart])
        .service("other", &[&other])
        .fork("pr-1", "cart", &fork)
        .istio("VirtualService", RULES)
        .start()
        .await;
    // Seeded: the same requests each time.
    let mut random = StdRng::seed_from_u64(4);
    let mut reasons = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let (host, path) = (HOSTS.choose(&mut random).unwrap(), PATHS.choose(&mut random).unwrap());
        let method = if random.random_bool(0.8) { "GET" } else { "POST" };
        let mut client = world.client(host).method(method.parse().unwrap());
        // What is sent is normalised before it is asked about.
        let asked = path.replace("/a/../old", "/old");
        let mut question = Question::new(method, &format!("http://{host}{asked}")).unwrap();
        for (name, value) in HEADERS.iter().filter(|_| random.random_bool(0.2)) {
            client = client.header(name, value);
            question = question.with_header(&format!("{name}: {value}")).unwrap();
        }
        client.get(path).await;
        let mut start = None;
        eventually("the request is recorded", || {
            start = world.records().into_iter().find_map(|record| match record {
                Record::Start(start) => Some(start),
                Record::Progress(..) | Record::End(..) => None,
            });
            start.is_some()
        })
        .await;
        let explanation = question.explain(&world.table.load());
        let decided = facts(&start.unwrap().decision);
        assert_eq!(
            facts(&Decision::from(&explanation.verdict)),
            decided,
            "{method} {host}{path}: {explanation}"
        );
        reasons.insert(explanation.verdict.reason.code());
        world.records();
    }
    // All sorts of decisions were among them.
    let wanted = [
        "forked",
        "no-key",
        "no-route",
        "not-forked",
        "redirected",
        "responded",
        "unknown-destination",
        "unknown-host",
        "unknown-key",
    ];
    assert!(wanted.iter().all(|reason| reasons.contains(reason)), "{reasons:?}");
}
