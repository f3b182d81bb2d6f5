//! What was said between services: shown, judged, and sent again.

use serde_json::Value;

use crate::harness::manifests::cheaper;
use crate::harness::{Spur, until};

/// A shop with a cheaper fork, and one request with its key, by whose trace id it is known.
async fn shop() -> (Spur, String) {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let asked = spur.service("frontend").get("/api/cart?n=1&token=t0p").key("k-1");
    asked.header("authorization", "Bearer s3cret").send().await.ok();
    let id = traced(&spur, "path:/api/cart").await["trace_id"].as_str().unwrap().to_owned();
    (spur, id)
}

/// The last trace that fits.
async fn traced(spur: &Spur, filter: &str) -> Value {
    until(&format!("`{filter}` fits a trace"), async || {
        let output = spur.run(&["trace", "--filter", filter, "--limit", "1", "-o", "json"]).await.ok();
        output.stdout.lines().next().map(|line| serde_json::from_str(line).unwrap()).ok_or(output.stderr)
    })
    .await
}

#[tokio::test]
async fn heads_and_bodies_are_shown_without_secrets_unless_asked_for() {
    let (spur, id) = shop().await;
    let shown = spur.run(&["trace", "show", &id[..8]]).await.ok().stdout;
    for part in [
        "checkout → pricing",
        "sandbox default/cheaper: forked",
        "> authorization: Bearer REDACTED",
        "token=REDACTED",
        "\"cents\":1080",
    ] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("t0p"), "{shown}");
    let revealed = spur.run(&["trace", "show", &id[..8], "--reveal"]).await.ok();
    revealed.prints(&["Bearer s3cret", "token=t0p"]);
    let json = spur.run(&["trace", "show", &id, "-o", "json"]).await.ok().json();
    assert_eq!(json["captures"].as_array().unwrap().len(), 5);
    assert_eq!(json["captures"][0]["response"]["status"], 200);
    // Filters read them on the server.
    traced(&spur, "req.authorization:s3cret svc:pricing").await;
    traced(&spur, "{svc:pricing body:1080}").await;
    spur.run(&["trace", "show", "0000"]).await.code(1).tells(&["begins with `0000`"]);
    spur.run(&["trace", "show", "what"]).await.code(2).tells(&["`what` is no trace id"]);
    spur.end().await;
}

#[tokio::test]
async fn a_request_is_sent_again_and_its_answers_are_compared() {
    let (spur, id) = shop().await;
    let diff = spur.run(&["replay", &id, "--to", "baseline", "--to", "k-1"]).await.code(1).stdout;
    for part in [
        "baseline and k-1: ",
        "body .total_cents: 1200 → 1080",
        "body .answered.pricing: \"v1\" → \"v2-cheaper\"",
    ] {
        assert!(diff.contains(part), "`{part}` is not in\n{diff}");
    }
    // To the same twice: nothing differs, and it took the fork again.
    let same = spur.run(&["replay", &id, "--to", "same", "--to", "k-1", "-o", "json"]).await.ok().json();
    assert_eq!(same["results"][1]["differences"].as_array().unwrap().len(), 0, "{same:#}");
    let again = same["results"][0]["trace_id"].as_str().unwrap();
    let trace = traced(&spur, &format!("trace:{again}")).await;
    assert_eq!(trace["hops"][0]["replay_of"], id.as_str());
    assert!(trace["hops"].as_array().unwrap().iter().any(|hop| hop["decision"]["reason"] == "forked"));
    // One hop of it: the call to the fork, which a key from outside reaches, too.
    let hop = spur.run(&["replay", &id, "--hop", "pricing", "--to", "baseline", "--to", "k-1"]).await.code(1);
    hop.prints(&["body .cents: 1200 → 1080"]);
    spur.run(&["replay", &id, "--hop", "nobody"]).await.code(2).tells(&["no hop to `nobody`", "pricing"]);
    spur.end().await;
}

#[tokio::test]
async fn what_may_change_something_is_sent_when_confirmed() {
    let (spur, _) = shop().await;
    let order = spur.service("frontend").ask(http::Method::POST, "/api/cart");
    order.key("k-1").body("application/json", r#"{"sku":"mug","password":"p"}"#).send().await;
    let id = traced(&spur, "method:POST path:/api/cart").await["trace_id"].as_str().unwrap().to_owned();
    let refused = spur.run(&["replay", &id]).await.code(2);
    refused.tells(&["POST to `frontend` may change something", "--yes"]);
    spur.run(&["replay", &id, "--dry-run"]).await.ok().prints(&["would be sent"]);
    let n_sent =
        spur.run(&["trace", "--filter", "replay:true", "-o", "json"]).await.ok().stdout.lines().count();
    assert_eq!(n_sent, 0, "nothing was sent so far");
    spur.run(&["replay", &id, "--yes"]).await.ok();
    traced(&spur, "replay:true method:POST").await;
    let shown = spur.run(&["trace", "show", &id]).await.ok().stdout;
    assert!(shown.contains(r#"{"sku":"mug","password":"REDACTED"}"#), "{shown}");
    spur.end().await;
}

#[tokio::test]
async fn ci_judges_by_counts() {
    let (spur, id) = shop().await;
    let judged = async |args: &[&str]| spur.run(&[&["trace", "assert"], args].concat()).await;
    judged(&["--filter", "key:k-1", "--count", "1"]).await.ok().tells(&["1 requests fit, expected 1"]);
    judged(&["--filter", "key:k-1 & hop:lost", "--count", "0"]).await.ok();
    let offenders = judged(&["--filter", "key:k-1", "--count", "0"]).await.code(1);
    offenders.prints(&["/api/cart?n=1", "◆pricing"]);
    judged(&["--key", "k-1", "--at-least", "2", "--for", "1s"]).await.code(1);
    judged(&["--key", "k-1", "--at-most", "0", "--last", "1h"]).await.code(1);
    judged(&["--filter", "status>", "--count", "0"]).await.code(2).tells(&["the filter is wrong"]);
    judged(&["--filter", "key:k-1"]).await.code(2);
    // Certain before the time is up.
    let waiting = judged(&["--key", "k-2", "--at-least", "1", "--for", "60s", "-o", "json"]);
    let asking = async {
        // It watches from now on: ask until it has seen one.
        loop {
            spur.service("frontend").get("/api/cart?n=2").key("k-2").send().await;
        }
    };
    let seen = tokio::select! {
        output = waiting => output.ok().json(),
        () = asking => unreachable!("it asks for ever"),
    };
    assert_eq!((&seen["holds"], &seen["count"]), (&true.into(), &1.into()));
    // Marked, it is found by its mark.
    spur.run(&["trace", "mark", &id, "the odd one"]).await.ok();
    assert_eq!(traced(&spur, "mark:odd").await["mark"], "the odd one");
    spur.run(&["trace", "mark", &id, "--clear"]).await.ok();
    judged(&["--filter", "mark:*", "--count", "0"]).await.ok();
    spur.end().await;
}

#[tokio::test]
async fn nothing_is_kept_where_nobody_wants_it() {
    let spur = Spur::up().flags(&["--capture", "off"]).start().await;
    spur.service("nobody").get("/x").key("k").send().await;
    let id = traced(&spur, "path:/x").await["trace_id"].as_str().unwrap().to_owned();
    spur.run(&["replay", &id]).await.code(1).tells(&["was not captured", "--capture all"]);
    spur.end().await;
}
