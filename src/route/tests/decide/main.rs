//! Single decisions in one small world, each a row: what is asked, and where
//! it goes and why. Decisions in any world are in `properties.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod world;

use world::{check, connection, to, to_host};

#[test]
fn without_a_key_the_baseline_takes_the_request() {
    check(to("shop/pricing:80"), "shop/pricing:80 baseline no-key → pricing-0");
    check(to("shop/pricing:9090"), "shop/pricing:9090 baseline no-key → pricing-0");
}

#[test]
fn the_key_decides_the_version() {
    let expected = "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@header inject → pr-421-pricing-0";
    check(to("shop/pricing:80").header("spur-key", "pr-421"), expected);
}

#[test]
fn a_key_of_a_sandbox_without_this_fork_goes_to_the_baseline() {
    check(
        to("shop/frontend:80").header("spur-key", "pr-421"),
        "shop/frontend:80 baseline not-forked key=pr-421@header inject → frontend-0",
    );
}

#[test]
fn a_key_that_is_nobodys_goes_to_the_baseline_unchanged() {
    check(
        to("shop/pricing:80").header("spur-key", "gone"),
        "shop/pricing:80 baseline unknown-key key=gone@header → pricing-0",
    );
}

#[test]
fn a_sandbox_forks_services_of_its_own_namespace_only() {
    check(
        to("other/pricing:80").header("spur-key", "pr-421"),
        "other/pricing:80 baseline not-forked key=pr-421@header inject → other-pricing-0",
    );
}

#[test]
fn each_carrier_is_read() {
    let key = |request: world::Request, carrier: &str, inject: &str| {
        let expected = format!(
            "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@{carrier}{inject} → pr-421-pricing-0"
        );
        check(request, &expected);
    };
    let ask = || to("shop/pricing:80");
    key(ask().header("spur-key", "pr-421"), "header", " inject");
    key(ask().header("baggage", "a=b, spur-key = pr%2D421 ;p=1"), "baggage", "");
    key(ask().header("baggage", "sd-routing-key=pr-421"), "baggage-sd-routing-key", "");
    key(ask().header("tracestate", "v=1,spur=pr-421"), "tracestate", "");
    key(ask().header("tracestate", "sd-routing-key=pr-421"), "tracestate-sd-routing-key", "");
    key(ask().header("x-team", "pr-421"), "custom-header", " inject");
    key(ask().header("ot-baggage-sd-routing-key", "pr-421"), "ot-baggage", " inject");
    key(ask().header("uberctx-sd-routing-key", "pr-421"), "uberctx", " inject");
    key(ask().header("cookie", "a=1; key=pr-421; b=2"), "cookie", " inject");
    key(ask().target("/p?a=1&key=pr%2D421"), "query", " inject");
    key(ask().sent_by_sandbox("pr-421"), "implied", " inject");
}

#[test]
fn configured_carriers_are_off_by_default() {
    for request in [
        to("shop/pricing:80").header("x-team", "pr-421"),
        to("shop/pricing:80").header("cookie", "key=pr-421"),
        to("shop/pricing:80").target("/?key=pr-421"),
    ] {
        check(request.by_default(), "shop/pricing:80 baseline no-key → pricing-0");
    }
}

#[test]
fn the_first_carrier_wins_and_disagreement_is_counted() {
    check(
        to("shop/pricing:80")
            .header("tracestate", "spur=gone,sd-routing-key=pr-421")
            .header("baggage", "sd-routing-key=qa,spur-key=pr-421"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@baggage disagreeing=2 → pr-421-pricing-0",
    );
    check(
        to("shop/pricing:80")
            .header("baggage", "spur-key=pr-421,spur-key=qa")
            .header("baggage", "spur-key=pr-421"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@baggage disagreeing=1 → pr-421-pricing-0",
    );
}

#[test]
fn a_carrier_beats_the_implied_key() {
    check(
        to("shop/pricing:80").header("baggage", "spur-key=gone").sent_by_sandbox("pr-421"),
        "shop/pricing:80 baseline unknown-key key=gone@baggage → pricing-0",
    );
}

#[test]
fn a_header_that_the_w3c_carriers_contradict_is_injected() {
    check(
        to("shop/pricing:80").header("spur-key", "pr-421").header("baggage", "spur-key=qa"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@header disagreeing=1 inject → pr-421-pricing-0",
    );
    check(
        to("shop/pricing:80").header("spur-key", "pr-421").header("baggage", "spur-key=pr-421"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@header → pr-421-pricing-0",
    );
}

#[test]
fn what_cannot_be_a_key_counts_as_absent() {
    let long = "k".repeat(254);
    for value in ["", "a b", "a,b", "a=b", "grün", long.as_str()] {
        check(
            to("shop/pricing:80").header("spur-key", value),
            "shop/pricing:80 baseline no-key malformed=1 → pricing-0",
        );
    }
    check(
        to("shop/pricing:80").header("baggage", "spur-key=%zz,spur-key=pr-421").header("spur-key", ""),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@baggage malformed=2 → pr-421-pricing-0",
    );
}

#[test]
fn the_longest_key_is_a_key() {
    let key = "k".repeat(253);
    check(
        to("shop/pricing:80").header("spur-key", &key),
        &format!("shop/pricing:80 baseline unknown-key key={key}@header → pricing-0"),
    );
}

#[test]
fn a_fork_that_is_not_ready_falls_back_or_fails_as_its_sandbox_says() {
    check(
        to("shop/pricing:80").header("spur-key", "qa"),
        "shop/pricing:80 baseline fork-not-ready-fell-back key=qa@header fell-back inject → pricing-0",
    );
    check(
        to("shop/pricing:80").header("spur-key", "strict"),
        "shop/pricing:80 sandbox shop/strict fork-not-ready key=strict@header inject → 503 shop/pricing:80",
    );
}

#[test]
fn readiness_counts_per_port() {
    check(
        to("shop/pricing:9090").header("spur-key", "strict"),
        "shop/pricing:9090 sandbox shop/strict forked key=strict@header inject → strict-pricing-0",
    );
}

#[test]
fn no_ready_endpoint_is_503() {
    check(to("shop/cart:80"), "shop/cart:80 baseline no-ready-endpoints → 503 shop/cart:80");
    check(
        to("shop/cart:80").header("spur-key", "qa"),
        "shop/cart:80 baseline no-ready-endpoints key=qa@header fell-back inject → 503 shop/cart:80",
    );
}

#[test]
fn two_forked_workloads_behind_one_service_are_one_version() {
    check(
        to("shop/cart:80").header("spur-key", "pr-421"),
        "shop/cart:80 sandbox shop/pr-421 forked key=pr-421@header inject → pr-421-cart-a-0,pr-421-cart-b-0",
    );
}

#[test]
fn hosts_name_services() {
    let pricing = "shop/pricing:80 baseline no-key → pricing-0";
    for host in [
        "pricing.shop.localhost",
        "pricing.shop.localhost:8080",
        "PRICING.Shop.LocalHost.",
        "pricing.shop",
        "pricing.shop:80",
        "pricing.shop.svc",
        "pricing.shop.svc.cluster.local",
        // The entry listener's port, which the Service does not have.
        "pricing.shop:8080",
    ] {
        check(to_host(host), pricing);
    }
    check(to_host("pricing.shop:9090"), "shop/pricing:9090 baseline no-key → pricing-0");
    // Below `localhost` the port is the entry listener's, even if the Service has the same.
    check(to_host("pricing.shop.localhost:9090"), pricing);
    check(to_host("web"), "default/web:3000 baseline no-key → web-0");
    check(to_host("tools--ui.shop.localhost"), "shop/tools--ui:80 baseline no-key → tools-0");
}

#[test]
fn ordinary_carriers_count_on_a_host_without_a_sandbox() {
    check(
        to_host("pricing.shop.localhost").header("baggage", "spur-key=pr-421"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@baggage → pr-421-pricing-0",
    );
}

#[test]
fn a_preview_host_brings_the_key_of_its_sandbox() {
    check(
        to_host("pr-421--pricing.shop.localhost:8080"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@preview-host inject → pr-421-pricing-0",
    );
    check(
        to_host("pr-421--frontend.shop.localhost"),
        "shop/frontend:80 baseline not-forked key=pr-421@preview-host inject → frontend-0",
    );
    check(
        to_host("pr-421--tools--ui.shop.localhost"),
        "shop/tools--ui:80 baseline not-forked key=pr-421@preview-host inject → tools-0",
    );
}

#[test]
fn a_preview_host_beats_ambient_carriers_but_not_the_header() {
    check(
        to_host("pr-421--pricing.shop.localhost").header("baggage", "spur-key=qa"),
        "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@preview-host disagreeing=1 inject → pr-421-pricing-0",
    );
    check(
        to_host("pr-421--pricing.shop.localhost").header("spur-key", "qa"),
        "shop/pricing:80 baseline fork-not-ready-fell-back key=qa@header disagreeing=1 fell-back inject → pricing-0",
    );
}

#[test]
fn a_long_preview_host_is_found_by_its_hash() {
    let host = spur_route::preview_host(world::LONG_SANDBOX, world::LONG_SERVICE, "shop");
    let label = host.split('.').next().unwrap();
    assert!(label.len() <= 63 && !label.contains(world::LONG_SERVICE), "{label}");
    let expected = format!(
        "shop/{}:80 baseline not-forked key={}@preview-host inject → long-0",
        world::LONG_SERVICE,
        world::LONG_SANDBOX
    );
    check(to_host(&host), &expected);
}

#[test]
fn unknown_names_are_404_and_say_what_was_asked() {
    check(to_host("nope.shop.localhost"), "- baseline unknown-host → 404 nope.shop.localhost");
    check(to_host("example.com:80"), "- baseline unknown-host → 404 example.com:80");
    check(to_host(""), "- baseline unknown-host → 404 ");
    check(
        to_host("gone--pricing.shop.localhost").header("baggage", "spur-key=pr-421"),
        "- baseline unknown-sandbox key=pr-421@baggage → 404 gone--pricing.shop.localhost",
    );
    check(
        to_host("pr-421--nope.shop.localhost"),
        "- baseline unknown-host → 404 pr-421--nope.shop.localhost",
    );
    check(to("shop/nope:80"), "- baseline unknown-service → 404 shop/nope:80");
    check(to("shop/pricing:81"), "- baseline unknown-port → 404 shop/pricing:81");
}

#[test]
fn a_connection_has_the_key_of_its_caller_only() {
    let expected = "shop/pricing:80 sandbox shop/pr-421 forked key=pr-421@implied inject → pr-421-pricing-0";
    check(connection("shop/pricing:80", Some("pr-421")), expected);
    check(connection("shop/pricing:80", None), "shop/pricing:80 baseline no-key → pricing-0");
    check(connection("shop/pricing:80", Some("gone")), "shop/pricing:80 baseline no-key → pricing-0");
}

#[test]
fn an_explanation_reads_like_a_report() {
    let request = to("shop/pricing:80")
        .header("spur-key", "pr-421")
        .header("baggage", "spur-key=qa")
        .header("tracestate", "spur=pr 421")
        .sent_by_sandbox("strict");
    insta::assert_snapshot!(world::explain(&request), @r"
    GET / to shop/pricing:80 from shop/caller (sandbox strict)
      key      pr-421 from header `spur-key`
               header `spur-key` holds `pr-421`: wins
               baggage member `spur-key` holds `qa`: disagrees, does not count
               tracestate member `spur` holds `pr 421`: cannot be a key, counts as absent
      rule     Service shop/pricing, revision 3
      ✔ sandbox shop/pr-421: taken
      ✘ sandbox shop/qa: wants key `qa`
      ✘ sandbox shop/strict: wants key `strict`
      – baseline: not reached
      because  key `pr-421` forks this service (forked)
      goes to  127.0.0.1:30080 (pr-421-pricing-0)
      table    revision 7
    ");
}

#[test]
fn an_explanation_of_a_refusal_says_what_was_wanted() {
    insta::assert_snapshot!(world::explain(&to_host("nope.shop.localhost")), @r"
    GET / to nope.shop.localhost from outside
      key      none
      because  no service has the host `nope.shop.localhost`; wanted `<service>.<namespace>.localhost` or `<sandbox>--<service>.<namespace>.localhost` (unknown-host)
      refused  with 404
      table    revision 7
    ");
}

#[test]
fn an_explanation_survives_json() {
    let explanation = world::explain(&to("shop/pricing:80").header("spur-key", "pr-421"));
    let json = serde_json::to_string(&explanation).unwrap();
    assert_eq!(serde_json::from_str::<spur_route::Explanation>(&json).unwrap(), explanation);
    let verdict = serde_json::to_string_pretty(&explanation.verdict).unwrap();
    insta::assert_snapshot!(verdict, @r#"
    {
      "table_revision": 7,
      "service": {
        "namespace": "shop",
        "name": "pricing",
        "port": 80,
        "wire": "auto"
      },
      "rule": {
        "kind": "Service",
        "namespace": "shop",
        "name": "pricing",
        "revision": 3
      },
      "version": {
        "sandbox": {
          "namespace": "shop",
          "name": "pr-421",
          "revision": 5
        }
      },
      "key": {
        "value": "pr-421",
        "carrier": "header"
      },
      "n_disagreeing": 0,
      "n_malformed": 0,
      "fell_back": false,
      "wants_injection": true,
      "reason": "forked",
      "outcome": {
        "forward": {
          "backends": [
            {
              "address": "127.0.0.1:30080",
              "pod": "pr-421-pricing-0",
              "workload": "pricing"
            }
          ]
        }
      }
    }
    "#);
}
