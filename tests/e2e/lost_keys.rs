//! `spur verify propagation` on a shop in which a service loses the key, and on the same shop when
//! it has been repaired.

use serde_json::{Value, json};

use crate::harness::{Output, Spur, until};

/// Requests that are judged each time.
const N_ASKED: u64 = 4;

/// checkout with a setting of `PROPAGATE`, deployed.
async fn deploy_checkout(spur: &Spur, propagate: &str) {
    let env = json!([{"name": "PROPAGATE", "value": propagate}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "checkout", "env": env}]}}}});
    let path = "/apis/apps/v1/namespaces/default/deployments/checkout";
    let api = spur.api();
    let patch =
        api.ask(http::Method::PATCH, path).body("application/strategic-merge-patch+json", patch.to_string());
    let updated = patch.send().await.ok().json();
    let generation = updated["metadata"]["generation"].as_i64();
    api.until(("deployments", "checkout"), "rolled out", |checkout| {
        let status = &checkout["status"];
        status["observedGeneration"].as_i64() >= generation
            && status["updatedReplicas"] == 1
            && status["replicas"] == 1
            && status["availableReplicas"] == 1
    })
    .await;
    until("no pod of before is left", async || match spur.api().pods_of("app=checkout").await.len() {
        1 => Ok(()),
        n => Err(format!("{n} pods")),
    })
    .await;
}

/// Asks with a key of its own, so that nothing of another deployment is judged, and gives the report
/// when all of it is in.
async fn verify(spur: &Spur, key: &str) -> (Output, Value) {
    for _ in 0..N_ASKED {
        spur.service("frontend").get("/api/cart").key(key).send().await.ok();
    }
    until("every call has been judged", async || {
        let said = spur.run(&["verify", "propagation", "--key", key, "-o", "json"]).await;
        // Before any request has ended there is nothing to judge, and no data.
        let report: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        let judged = |edge: &Value| edge["n_handed_on"].as_u64().unwrap() + edge["n_lost"].as_u64().unwrap();
        let edges = report["edges"].as_array().cloned().unwrap_or_default();
        // frontend calls two services, checkout two.
        if edges.len() == 4 && edges.iter().all(|edge| judged(edge) == N_ASKED) {
            Ok((said, report))
        } else {
            Err(format!("{said:?}"))
        }
    })
    .await
}

/// Who called whom, and the share of calls without the key, in percent.
fn shares(report: &Value) -> Vec<(String, String, u64)> {
    let share = |edge: &Value| {
        let name = |of: &str| edge[of]["name"].as_str().unwrap().to_owned();
        (name("service"), name("to"), edge["lost_percent"].as_u64().unwrap())
    };
    let mut shares: Vec<_> = report["edges"].as_array().unwrap().iter().map(share).collect();
    shares.sort_unstable();
    shares
}

/// checkout drops all of the context that it gets from frontend, which sends the key in `spur-key`.
#[tokio::test]
async fn a_service_that_loses_the_key_is_named_until_it_is_repaired() {
    let spur = Spur::shop().await;

    deploy_checkout(&spur, "off").await;
    let (said, report) = verify(&spur, "k-broken").await;
    assert_eq!(said.code, 1, "{said:?}");
    let lost = |share| {
        let edges = [
            ("checkout", "inventory", share),
            ("checkout", "pricing", share),
            ("frontend", "checkout", 0),
            ("frontend", "recommendation", 0),
        ];
        edges.map(|(from, to, share)| (from.to_owned(), to.to_owned(), share))
    };
    assert_eq!(shares(&report), lost(100), "{report:#}");
    let broken = spur.run(&["verify", "propagation", "--key", "k-broken"]).await.code(1);
    for to in ["pricing", "inventory"] {
        let line = broken.stdout.lines().find(|line| line.contains(&format!("default/{to} ")));
        let line = line.unwrap_or_else(|| panic!("nothing of {to}: {}", broken.stdout));
        let words = ["default/checkout", "100%", "spur-key", "4 without `traceparent`"];
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    broken.tells(&["8 of 16 calls went without the key that their service got."]);

    deploy_checkout(&spur, "on").await;
    let (said, report) = verify(&spur, "k-repaired").await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(shares(&report), lost(0), "{report:#}");
    let repaired = spur.run(&["verify", "propagation", "--key", "k-repaired"]).await.ok();
    repaired.tells(&["No key was lost in 16 calls."]);
    spur.end().await;
}
