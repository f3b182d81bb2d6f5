//! Decisions by rules, each a row: a request in one small world, and where the rules send it.
//! Any rules and any requests are in `properties.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod properties;
mod world;

use std::time::Duration;

use spur_route::policy::{LoadBalancer, OutlierDetection};
use spur_route::rules::{HttpMatch, StringMatch, ValueMatch};

use world::{World, get, route};

fn header(name: &'static str, value: &str) -> HttpMatch {
    let is = ValueMatch::Is(StringMatch::Exact(value.into()));
    HttpMatch { headers: vec![(http::HeaderName::from_static(name), is)], ..HttpMatch::default() }
}

fn prefix(text: &str) -> HttpMatch {
    HttpMatch { uri: Some(StringMatch::Prefix(text.into())), ..HttpMatch::default() }
}

#[test]
fn without_rules_the_service_takes_its_requests() {
    World::new().check(get("shop/reviews:80"), "shop/reviews:80 no-key → v1-0,v2-0,v3-0");
}

#[test]
fn the_first_rule_that_matches_wins() {
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![
            route(0).when(header("end-user", "jason")).to("reviews", Some("v2"), 0),
            route(1).when(prefix("/")).to("reviews", Some("v1"), 0),
            route(2).when(header("end-user", "ann")).to("reviews", Some("v3"), 0),
        ],
    );
    world.check(get("shop/reviews:80"), "shop/reviews:80 v1 http[1] no-key → v1-0");
    world.check(
        get("shop/reviews:80").header("end-user", "jason"),
        "shop/reviews:80 v2 http[0] no-key → v2-0",
    );
    world.check(get("shop/reviews:80").header("end-user", "ann"), "shop/reviews:80 v1 http[1] no-key → v1-0");
    // By name on the entry listener, too.
    world.check(get("reviews.shop.localhost:8080"), "shop/reviews:80 v1 http[1] no-key → v1-0");
}

#[test]
fn where_no_rule_matches_there_is_no_way() {
    let rules = vec![route(0).when(prefix("/api")).to("reviews", None, 0)];
    let world = World::new().virtual_service("reviews", &["mesh"], rules);
    world.check(get("shop/reviews:80").target("/other"), "shop/reviews:80 no-route → 404 shop/reviews:80");
    world.check(get("shop/reviews:80").target("/apix"), "shop/reviews:80 http[0] no-key → v1-0,v2-0,v3-0");
}

#[test]
fn weights_are_shares_of_their_sum() {
    let rules = || vec![route(0).to("reviews", Some("v1"), 1).to("reviews", Some("v3"), 3)];
    let world = World::new().virtual_service("reviews", &["mesh"], rules());
    let drawn = |share: f64| {
        let lot = (share * f64::from(u32::MAX)) as u32;
        world.words(&get("shop/reviews:80").lot(lot))
    };
    assert_eq!(drawn(0.0), "shop/reviews:80 v1 http[0] 1/4 no-key → v1-0");
    assert_eq!(drawn(0.24), "shop/reviews:80 v1 http[0] 1/4 no-key → v1-0");
    assert_eq!(drawn(0.26), "shop/reviews:80 v3 http[0] 3/4 no-key → v3-0");
    assert_eq!(drawn(1.0), "shop/reviews:80 v3 http[0] 3/4 no-key → v3-0");
    let none = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![route(0).to("reviews", Some("v1"), 0).to("reviews", Some("v2"), 5)],
    );
    none.check(get("shop/reviews:80").lot(0), "shop/reviews:80 v2 http[0] 5/5 no-key → v2-0");
}

#[test]
fn a_split_does_not_take_a_keyed_request_away() {
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![route(0).to("ratings", None, 100).to("reviews", Some("v1"), 0)],
    );
    world.check(get("shop/reviews:80"), "shop/ratings:80 http[0] 100/100 no-key → ratings-0");
    world.check(
        get("shop/reviews:80").header("spur-key", "pr-1"),
        "shop/reviews:80 v1 sandbox shop/pr-1 http[0] forked → pr-1-reviews-0",
    );
    world.check(
        get("shop/reviews:80").header("spur-key", "pr-2"),
        "shop/ratings:80 http[0] 100/100 not-forked → ratings-0",
    );
}

#[test]
fn what_a_rule_names_and_is_not_there_is_503() {
    let to = |host: &str, subset| {
        World::new().virtual_service("reviews", &["mesh"], vec![route(0).to(host, subset, 0)])
    };
    to("nobody", None)
        .check(get("shop/reviews:80"), "shop/reviews:80 http[0] unknown-destination → 503 shop/nobody");
    to("reviews", Some("v9")).check(
        get("shop/reviews:80"),
        "shop/reviews:80 v9 http[0] unknown-destination → 503 shop/reviews subset v9",
    );
    to("reviews", Some("v4"))
        .check(get("shop/reviews:80"), "shop/reviews:80 v4 http[0] no-ready-endpoints → 503 shop/reviews:80");
}

#[test]
fn the_port_is_the_only_one_or_the_one_asked_for() {
    let rules = vec![route(0).to("two-ports", None, 0)];
    let world = World::new().virtual_service("ratings", &["mesh"], rules);
    world.check(get("shop/ratings:80"), "shop/two-ports:80 http[0] no-key → two-0");
    let rules = vec![route(0).to("ratings", None, 0)];
    let world = World::new().virtual_service("two-ports", &["mesh"], rules);
    world.check(get("shop/two-ports:9090"), "shop/ratings:80 http[0] no-key → ratings-0");
}

#[test]
fn gateways_have_their_own_rules() {
    let world = World::new().gateway("shop/public", 80, &["*.example.com"]).virtual_service_of(
        "ui",
        &["www.example.com"],
        &["shop/public"],
        vec![route(0).when(prefix("/api")).to("reviews", None, 0), route(1).to("ratings", None, 0)],
    );
    world.check(get("www.example.com").target("/api/1"), "shop/reviews:80 http[0] no-key → v1-0,v2-0,v3-0");
    world.check(get("WWW.example.com:8080"), "shop/ratings:80 http[1] no-key → ratings-0");
    // A host of the gateway for which nobody has rules, one of no gateway, and one of the mesh.
    world.check(get("other.example.com"), "- no-route → 404 other.example.com");
    world.check(get("example.com"), "- unknown-host → 404 example.com");
    world.check(get("ratings.shop.localhost"), "shop/ratings:80 no-key → ratings-0");
}

#[test]
fn a_gateway_for_every_host_does_not_hide_services() {
    let world = World::new().gateway("shop/public", 80, &["*"]).virtual_service_of(
        "ui",
        &["*"],
        &["shop/public"],
        vec![route(0).to("ratings", None, 0)],
    );
    world.check(get("localhost:8080"), "shop/ratings:80 http[0] no-key → ratings-0");
    world.check(get("reviews.shop.localhost"), "shop/reviews:80 no-key → v1-0,v2-0,v3-0");
    world.check(get("gone--reviews.shop.localhost"), "- unknown-sandbox → 404 gone--reviews.shop.localhost");
}

#[test]
fn rules_of_several_objects_are_merged_at_gateways_only() {
    let gateway = |world: World, name, rules| {
        world.virtual_service_of(name, &["www.example.com"], &["shop/public"], rules)
    };
    let world = World::new().gateway("shop/public", 80, &["www.example.com"]);
    let world = gateway(world, "all", vec![route(0).to("ratings", None, 0)]);
    let world = gateway(world, "api", vec![route(0).when(prefix("/api")).to("reviews", None, 0)]);
    world.check(get("www.example.com").target("/api"), "shop/reviews:80 http[0] no-key → v1-0,v2-0,v3-0");
    world.check(get("www.example.com"), "shop/ratings:80 http[0] no-key → ratings-0");

    let mesh = |world: World, name, rules| {
        world.virtual_service_of(name, &["reviews.shop.svc.cluster.local"], &["mesh"], rules)
    };
    let world = mesh(World::new(), "all", vec![route(0).to("ratings", None, 0)]);
    let world = mesh(world, "api", vec![route(0).when(prefix("/api")).to("reviews", None, 0)]);
    world.check(get("shop/reviews:80").target("/api"), "shop/ratings:80 http[0] no-key → ratings-0");
}

#[test]
fn a_condition_may_name_its_own_gateways() {
    let only_mesh = HttpMatch { gateways: vec!["mesh".into()], ..HttpMatch::default() };
    let world = World::new().gateway("shop/public", 80, &["*"]).virtual_service_of(
        "both",
        &["reviews.shop.svc.cluster.local"],
        &["shop/public"],
        vec![route(0).when(only_mesh).to("reviews", Some("v1"), 0), route(1).to("reviews", Some("v2"), 0)],
    );
    world.check(get("shop/reviews:80"), "shop/reviews:80 v1 http[0] no-key → v1-0");
    world.check(get("reviews.shop.svc.cluster.local"), "shop/reviews:80 v2 http[1] no-key → v2-0");
}

#[test]
fn callers_are_told_by_namespace_and_labels() {
    let from =
        |namespace: &str| HttpMatch { source_namespace: Some(namespace.into()), ..HttpMatch::default() };
    let app = HttpMatch { source_labels: vec![("app".into(), "cart".into())], ..HttpMatch::default() };
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![
            route(0).when(app).to("reviews", Some("v3"), 0),
            route(1).when(from("shop")).to("reviews", Some("v2"), 0),
            route(2).to("reviews", Some("v1"), 0),
        ],
    );
    world.check(get("shop/reviews:80"), "shop/reviews:80 v1 http[2] no-key → v1-0");
    world.check(get("shop/reviews:80").from("shop", &[]), "shop/reviews:80 v2 http[1] no-key → v2-0");
    world.check(
        get("shop/reviews:80").from("other", &[("app", "cart")]),
        "shop/reviews:80 v3 http[0] no-key → v3-0",
    );
}

#[test]
fn redirects_and_responses_need_no_upstream() {
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![route(0).when(prefix("/old")).redirect("/new"), route(1).respond(418)],
    );
    world.check(
        get("shop/reviews:80").host("reviews:80").target("/old/x?q=1"),
        "shop/reviews:80 http[0] redirected → 301 http://reviews/new/x?q=1",
    );
    world.check(get("shop/reviews:80"), "shop/reviews:80 http[1] responded → 418");
}

#[test]
fn a_gateway_may_send_everything_to_https() {
    let world = World::new().gateway_to_https("shop/public", 80, &["www.example.com"]);
    world.check(get("www.example.com:8080").target("/x"), "- redirected → 301 https://www.example.com/x");
}

#[test]
fn the_policy_is_the_subsets_over_the_hosts() {
    let policy = |world: &World, request| world.verdict(&request).policy.unwrap();
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![route(0).when(prefix("/v2")).to("reviews", Some("v2"), 0), route(1).to("reviews", None, 0)],
    );
    let whole = policy(&world, get("shop/reviews:80"));
    assert_eq!(whole.load_balancer, Some(LoadBalancer::RoundRobin));
    let subset = policy(&world, get("shop/reviews:80").target("/v2"));
    assert_eq!(subset.load_balancer, Some(LoadBalancer::Random));
    let ejects = OutlierDetection { interval: Duration::from_secs(1), ..OutlierDetection::default() };
    assert_eq!(subset.outlier_detection, Some(ejects));
    assert_eq!(world.verdict(&get("shop/ratings:80")).policy, None);
}

#[test]
fn an_explanation_names_every_rule_and_destination() {
    let world = World::new().virtual_service(
        "reviews",
        &["mesh"],
        vec![
            route(0).when(header("end-user", "jason")).when(prefix("/admin")).to("reviews", Some("v2"), 0),
            route(1).to("reviews", Some("v1"), 3).to("reviews", Some("v3"), 1),
        ],
    );
    insta::assert_snapshot!(world.explain(&get("shop/reviews:80").target("/api")), @"
    GET /api to shop/reviews:80 from outside
      key      none
      rule     VirtualService shop/reviews http[1], revision 9
      ✘ VirtualService shop/reviews http[0]: headers[end-user] is absent, want exact `jason`; uri is `/api`, want prefix `/admin`
      ✔ VirtualService shop/reviews http[1]: matches
      ✔ shop/reviews subset v1: drawn, 3 of 4
      – shop/reviews subset v3: not drawn, 1 of 4
      ✘ sandbox shop/pr-1: wants key `pr-1`
      ✔ baseline: taken
      because  baseline: no key (no-key)
      goes to  127.0.0.1:31001 (v1-0)
      table    revision 7
    ");
}
